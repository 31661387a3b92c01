"""Find a layer of a torch module by name or by a trial run, and read its values."""

from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import Any, NamedTuple

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sklearn_kmex._torch.kinds import check_layers_run, is_linear
from sklearn_kmex._torch.nested import each_tensor, tensors_in
from sklearn_kmex._torch.single import first_of_two, is_single


class Tap(NamedTuple):
    """Where embeddings are read: the input or the output of a layer."""

    layer: str
    side: str
    axis: int | None = None  # of the features; None if no sample was run


class LinearRun(NamedTuple):
    """A linear layer that ran: its input, and a leaf that replaced its output."""

    name: str
    input: Tensor
    output: Tensor


def name_tap(module: nn.Module, layer: str | None, trial: Callable) -> Tap:
    """Tap the output of `layer`; by default, the input of the last linear layer."""
    check_layers_run(module, layer)
    if layer is None:
        return Tap(_last_linear(module, trial), "input")
    layers = dict(module.named_modules())
    if layer in layers and layer:
        return Tap(layer, "output")
    names = [name for name in layers if name]
    close = get_close_matches(layer, names) or names[-5:]
    raise ValueError(
        f"layer must name a layer of {type(module).__name__}; got {layer!r}. "
        f"Did you mean one of {close}?"
    )


def _last_linear(module: nn.Module, trial: Callable) -> str:
    """Return the name of the only linear layer that no other linear layer follows."""
    kind = type(module).__name__
    linear = {n: p for n, p in module.named_modules() if is_linear(p)}
    if not linear:
        names = [name for name, _ in module.named_modules() if name]
        raise ValueError(
            f"{kind} has no linear layer, whose input is the default embedding. Set "
            f"layer, for example to one of {names[-5:]}."
        )
    if len(linear) == 1:
        return next(iter(linear))
    ends = _final_runs(module, linear, trial)
    if not ends:
        raise ValueError(f"{kind} runs none of its linear layers. Set layer.")
    names = list(dict.fromkeys(run.name for run in ends))
    if len(names) > 1 and any(run.input is not ends[0].input for run in ends):
        raise ValueError(
            f"{kind} ends in several linear layers, {names}, which makes its default "
            "embedding ambiguous. Set layer to the one whose output is the embedding."
        )
    return names[-1]


def weights_of(linear: Any) -> tuple[Tensor, Tensor | None]:
    """Return weights and biases of a linear layer, quantized or not, as floats."""
    weight, bias = linear.weight, linear.bias
    if callable(weight):  # of a quantized layer
        weight, bias = weight().dequantize(), bias()
    return weight.detach(), None if bias is None else bias.detach()


def scores_of_last_linear(module: nn.Module, Z: Any) -> Any:
    """Return the output of the only linear layer that takes rows as wide as Z, or None.

    Z, and the result of shape (n_samples, n_outputs), are NumPy arrays.
    """
    linear = [part for part in module.modules() if isinstance(part, nn.Linear)]
    fitting = [part for part in linear if part.in_features == Z.shape[1]]
    if len(fitting) != 1:
        return None
    return scores_of_linear(fitting[0], Z)


def scores_of_linear(head: Any, Z: NDArray) -> NDArray:
    """Return the output of a linear layer for rows, (n_samples, n_outputs)."""
    weight, bias = weights_of(head)
    scores = Z @ weight.to("cpu", torch.float64).numpy().T
    return scores if bias is None else scores + bias.to("cpu", torch.float64).numpy()


def _final_runs(
    module: nn.Module, linear: dict[str, nn.Module], trial: Callable
) -> list[LinearRun]:
    """Run once; keep the linear layers that reach the output through no other one."""
    runs: list[LinearRun] = []
    outputs: list[Any] = []

    def track_input(_module: nn.Module, args: tuple, named: dict) -> Any:
        return each_tensor((args, named), lambda one: _new_leaf(one).clone())

    def record(name: str) -> Callable:
        def hook(_layer: nn.Module, args: tuple, output: Tensor) -> Tensor:
            runs.append(LinearRun(name, args[0], _new_leaf(output)))
            return runs[-1].output.clone()  # a leaf must not be changed in place

        return hook

    hooks = [part.register_forward_hook(record(name)) for name, part in linear.items()]
    hooks.append(module.register_forward_pre_hook(track_input, with_kwargs=True))
    hooks.append(module.register_forward_hook(lambda *args: outputs.append(args[2])))
    try:
        with torch.enable_grad():
            trial()
        followed = {name for run in runs for name in _sources([run.input], runs)}
        final = _sources(tensors_in(outputs), runs)
    except (RuntimeError, ValueError):  # it has no gradients, or it cannot run
        runs.clear()
        with torch.no_grad():
            trial()
        return runs[-1:]
    finally:
        for hook in hooks:
            hook.remove()
    if runs and not runs[-1].input.requires_grad:
        return runs[-1:]
    ends = [run for run in runs if run.name not in followed]
    return [run for run in ends if run.name in final] or ends


def _new_leaf(values: Tensor) -> Tensor:
    """Return the same numbers as a leaf, whose gradients tell where it is used."""
    return values.detach().requires_grad_(values.is_floating_point())


def _sources(values: list[Tensor], runs: list[LinearRun]) -> list[str]:
    """Return the names of the linear layers that values depend on directly."""
    sums = [value.sum() for value in values if value.requires_grad]
    if not sums:
        return []
    leaves = [run.output for run in runs]
    gradients = torch.autograd.grad(sums, leaves, allow_unused=True, retain_graph=True)
    return [
        run.name
        for run, gradient in zip(runs, gradients, strict=True)
        if gradient is not None
    ]


def first_layer(module: nn.Module, trial: Callable) -> str | None:
    """Return the name of the first layer to run, if it is linear or a convolution."""
    seen: list[str] = []
    hooks = [
        part.register_forward_pre_hook(lambda *_, name=name: seen.append(name))
        for name, part in module.named_modules()
        if next(part.parameters(recurse=False), None) is not None
    ]
    try:
        with torch.no_grad():
            trial()
    finally:
        for hook in hooks:
            hook.remove()
    known = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)
    if seen and isinstance(module.get_submodule(seen[0]), known):
        return seen[0]
    return None


def first_reads_all(module: nn.Module, trial: Callable) -> str | None:
    """Return the name of the first layer if each output reads all of a sample."""
    name = first_layer(module, trial)
    layer = None if name is None else module.get_submodule(name)
    if not isinstance(layer, nn.Linear):
        return None
    axes: list[int] = []
    hook = layer.register_forward_pre_hook(lambda _, args: axes.append(args[0].ndim))
    try:
        with torch.no_grad():
            trial()
    finally:
        hook.remove()
    return name if axes[0] <= 2 else None


def takes_one_tensor(module: nn.Module, trial: Callable) -> bool:
    """Whether a trial calls a module with one tensor, as the trace of its graph does.

    With further inputs, `forward` may do what the graph does not show.
    """
    seen: list[Any] = []
    hook = module.register_forward_pre_hook(
        lambda _, args, named: seen.extend([*args, *named.values()]), with_kwargs=True
    )
    try:
        with torch.no_grad():
            trial()
    finally:
        hook.remove()
    return len(seen) == 1 and isinstance(seen[0], Tensor)


def has_lookup(module: nn.Module) -> bool:
    """Whether a module has a layer that looks up integers in a table."""
    return any(
        isinstance(one, nn.Embedding | nn.EmbeddingBag) for one in module.modules()
    )


class Capture:
    """Records the values at a tap, and the number of samples that the module got."""

    def __init__(self, module: nn.Module, tap: Tap) -> None:
        self.tap = tap
        self.seen: list[Any] = []
        self.counts: set[int] = set()
        self.single = False
        layer = module.get_submodule(tap.layer)
        if tap.side == "input":
            hook = layer.register_forward_pre_hook(
                lambda _, args: self.seen.append(args[0]), prepend=True
            )
        else:
            hook = layer.register_forward_hook(
                lambda _, _args, out: self.seen.append(out)
            )
        self.hooks = [
            hook, module.register_forward_pre_hook(self._start, with_kwargs=True)
        ]  # fmt: skip

    def _start(self, _module: nn.Module, args: tuple, kwargs: dict) -> None:
        self.single = is_single(
            [args, kwargs]
        )  # and is run as two, if that is possible
        self.counts = {2, 1} if self.single else _counts([*args, *kwargs.values()][0])

    def close(self) -> None:
        """Stop recording."""
        for hook in self.hooks:
            hook.remove()

    def pop(self) -> Tensor:
        """Return the values of the last forward pass, and forget them."""
        seen, self.seen = self.seen, []
        if len(seen) != 1:
            raise ValueError(
                f"layer {self.tap.layer!r} must run once in a forward pass; it ran "
                f"{len(seen)} times. Name another layer."
            )
        values = seen[0]
        if not isinstance(values, Tensor):
            raise TypeError(
                f"layer {self.tap.layer!r} must return a tensor; got "
                f"{type(values).__name__}. Name a layer inside or after it."
            )
        is_mixed = self.single and _has_samples_second(values)
        if is_mixed or not self.counts & set(values.shape[:1]):
            n_samples = 2 if self.single else min(self.counts, default=0)
            raise ValueError(
                f"layer {self.tap.layer!r} must {self._verb()} one row for each "
                f"sample, along the first axis; got shape {tuple(values.shape)} for "
                f"{n_samples} sample(s). Name a layer where the "
                "samples come first, or wrap the network in a module that moves them "
                "there."
            )
        return first_of_two(values) if self.single else values

    def _verb(self) -> str:
        return "take" if self.tap.side == "input" else "return"


def _has_samples_second(values: Tensor) -> bool:
    """Whether two equal samples are along the second of two axes of length two."""
    if values.ndim < 3 or values.shape[:2] != (2, 2) or values.is_quantized:
        return False
    same = torch.allclose(values[:, 0], values[:, 1], rtol=1e-3, atol=1e-5)
    return same and not torch.allclose(values[0], values[1], rtol=1e-3, atol=1e-5)


def _counts(batch: Any) -> set[int]:
    """Return the possible numbers of samples in the first argument of a module.

    A list holds one entry for each sample, or one tensor for each input.
    """
    if isinstance(batch, Mapping):
        return _counts(next(iter(batch.values())))
    if isinstance(batch, tuple):
        return _counts(batch[0])
    inside = _counts(batch[0]) if isinstance(batch, list) and batch else set()
    return {len(batch)} | inside if hasattr(batch, "__len__") else set()
