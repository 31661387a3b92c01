"""Layers of a torch module: found by name or by a trial run, and read as they run."""

from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn


class Tap(NamedTuple):
    """Where embeddings are read: at one side of a layer."""

    layer: str
    side: str


class LinearRun(NamedTuple):
    """A linear layer that ran: what it took in, and a stand-in for what it gave."""

    name: str
    taken: Tensor
    given: Tensor


def find_tap(module: nn.Module, layer: str | None, trial: Callable) -> Tap:
    """Tap the output of `layer`, or what the linear layer that ends a trial takes."""
    if layer is None:
        return Tap(last_linear(module, trial), "input")
    layers = dict(module.named_modules())
    if layer in layers and layer:
        return Tap(layer, "output")
    names = [name for name in layers if name]
    close = get_close_matches(layer, names) or names[-5:]
    raise ValueError(
        f"layer must name a layer of {type(module).__name__}; got {layer!r}. "
        f"Did you mean one of {close}?"
    )


def last_linear(module: nn.Module, trial: Callable) -> str:
    """Name the one linear layer that no other linear layer follows."""
    kind = type(module).__name__
    linear = {n: p for n, p in module.named_modules() if isinstance(p, nn.Linear)}
    if not linear:
        names = [name for name, _ in module.named_modules() if name]
        raise ValueError(
            f"{kind} has no linear layer, whose input is the default embedding. Give "
            f"layer, for example one of {names[-5:]}."
        )
    if len(linear) == 1:
        return next(iter(linear))
    ends = final_runs(module, linear, trial)
    if not ends:
        raise ValueError(f"{kind} runs none of its linear layers. Give layer.")
    names = list(dict.fromkeys(run.name for run in ends))
    if len(names) > 1 and any(run.taken is not ends[0].taken for run in ends):
        raise ValueError(
            f"{kind} ends in several linear layers, {names}, which makes its default "
            "embedding ambiguous. Give layer: the one before the one you mean."
        )
    return names[-1]


def final_runs(
    module: nn.Module, linear: dict[str, nn.Linear], trial: Callable
) -> list[LinearRun]:
    """Run once; keep what reaches the output through no other linear layer."""
    runs: list[LinearRun] = []
    outputs: list[Any] = []

    def follow(_module: nn.Module, args: tuple) -> tuple:
        return tuple(stand_in(part).clone() for part in args)

    def cut(name: str) -> Callable:
        def hook(_layer: nn.Module, args: tuple, output: Tensor) -> Tensor:
            runs.append(LinearRun(name, args[0], stand_in(output)))
            return runs[-1].given.clone()  # a leaf may not be changed in place

        return hook

    hooks = [part.register_forward_hook(cut(name)) for name, part in linear.items()]
    hooks.append(module.register_forward_pre_hook(follow))
    hooks.append(module.register_forward_hook(lambda *args: outputs.append(args[2])))
    try:
        with torch.enable_grad():
            trial()
        fed = {name for run in runs for name in read_by([run.taken], runs)}
        told = read_by(tensors_in(outputs), runs)
    except (RuntimeError, ValueError):  # no gradients to be had, or it cannot run
        runs.clear()
        with torch.no_grad():
            trial()
        return runs[-1:]
    finally:
        for hook in hooks:
            hook.remove()
    if runs and not runs[-1].taken.requires_grad:
        return runs[-1:]
    ends = [run for run in runs if run.name not in fed]
    return [run for run in ends if run.name in told] or ends


def stand_in(values: Tensor) -> Tensor:
    """Give the same numbers, with whose gradients uses of them are found."""
    return values.detach().requires_grad_(values.is_floating_point())


def tensors_in(value: Any) -> list[Tensor]:
    """List the tensors of an output, whatever holds them."""
    if isinstance(value, Tensor):
        return [value]
    parts = value.values() if isinstance(value, Mapping) else value
    is_holder = isinstance(value, Mapping | list | tuple)
    return [one for part in parts for one in tensors_in(part)] if is_holder else []


def read_by(values: list[Tensor], runs: list[LinearRun]) -> list[str]:
    """Name the linear layers whose output is part of some values."""
    sums = [value.sum() for value in values if value.requires_grad]
    if not sums:
        return []
    given = [run.given for run in runs]
    gradients = torch.autograd.grad(sums, given, allow_unused=True, retain_graph=True)
    return [
        run.name
        for run, gradient in zip(runs, gradients, strict=True)
        if gradient is not None
    ]


def first_layer(module: nn.Module, trial: Callable) -> str | None:
    """Name the layer that is first to run, if it is a convolution or linear."""
    seen: list[str] = []
    hooks = [
        part.register_forward_pre_hook(lambda *_, name=name: seen.append(name))
        for name, part in module.named_modules()
        if next(part.parameters(recurse=False), None) is not None
    ]
    try:
        with torch.inference_mode():
            trial()
    finally:
        for hook in hooks:
            hook.remove()
    known = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)
    if seen and isinstance(module.get_submodule(seen[0]), known):
        return seen[0]
    return None


class Capture:
    """What passes a tap in one forward pass."""

    def __init__(self, module: nn.Module, tap: Tap) -> None:
        self.tap = tap
        self.seen: list[Any] = []
        layer = module.get_submodule(tap.layer)
        if tap.side == "input":
            layer.register_forward_pre_hook(lambda _, args: self.seen.append(args[0]))
        else:
            layer.register_forward_hook(lambda _, _args, out: self.seen.append(out))

    def take(self) -> Tensor:
        """Hand over what was seen in one forward pass."""
        seen, self.seen = self.seen, []
        if len(seen) != 1:
            raise ValueError(
                f"layer {self.tap.layer!r} must run once in a forward pass; it ran "
                f"{len(seen)} times. Name another layer."
            )
        if not isinstance(seen[0], Tensor):
            raise TypeError(
                f"layer {self.tap.layer!r} must give a tensor; got "
                f"{type(seen[0]).__name__}. Name a layer inside or behind it."
            )
        return seen[0]
