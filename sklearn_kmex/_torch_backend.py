"""torch: run a module without changing it, and read the output of one of its layers."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn


class Capture:
    """What passes a layer: its output, or the input of the last linear layer run."""

    def __init__(self, module: nn.Module, layer: str | None) -> None:
        self.layer = layer
        self.seen: list[Any] = []
        self.handles = []
        if layer is not None:
            target = find_layer(module, layer)
            self.handles.append(target.register_forward_hook(self._keep_output))
        else:
            for part in linear_layers(module):
                self.handles.append(part.register_forward_pre_hook(self._keep_input))

    def _keep_output(self, _module: nn.Module, _args: Any, output: Any) -> None:
        self.seen.append(output)

    def _keep_input(self, _module: nn.Module, args: tuple) -> None:
        self.seen = [args[0]]

    def take(self) -> Tensor:
        """Hand over what was seen in one forward pass."""
        seen, self.seen = self.seen, []
        name = "a linear layer" if self.layer is None else f"layer {self.layer!r}"
        if len(seen) != 1:
            raise ValueError(
                f"{name} must run once in a forward pass; it ran {len(seen)} times. "
                "Name another layer."
            )
        if not isinstance(seen[0], Tensor):
            raise TypeError(
                f"{name} must give a tensor; got {type(seen[0]).__name__}. Name a "
                "layer inside it."
            )
        return seen[0]

    def __enter__(self) -> "Capture":
        return self

    def __exit__(self, *error: object) -> None:
        for handle in self.handles:
            handle.remove()


def find_layer(module: nn.Module, layer: str) -> nn.Module:
    """Look a layer up by its dotted name; suggest others where there is none."""
    layers = dict(module.named_modules())
    if layer in layers and layer:
        return layers[layer]
    names = [name for name in layers if name]
    close = get_close_matches(layer, names) or names[-5:]
    raise ValueError(
        f"layer must name a layer of {type(module).__name__}; got {layer!r}. "
        f"Did you mean one of {close}?"
    )


def linear_layers(module: nn.Module) -> list[nn.Linear]:
    """Return the linear layers of a module, of which there must be one."""
    found = [part for part in module.modules() if isinstance(part, nn.Linear)]
    if not found:
        names = [name for name, _ in module.named_modules() if name]
        raise ValueError(
            f"{type(module).__name__} has no linear layer, whose input is the default "
            f"embedding. Give layer, for example one of {names[-5:]}."
        )
    return found


@contextmanager
def frozen(module: nn.Module) -> Iterator[None]:
    """Evaluate without gradients; training flags are restored afterwards."""
    modes = [(part, part.training) for part in module.modules()]
    module.eval()
    try:
        with torch.inference_mode():
            yield
    finally:
        for part, mode in modes:
            part.training = mode


def batches(module: nn.Module, X: ArrayLike | Tensor, size: int) -> Iterator[Tensor]:
    """Split X into batches on the device of the module; real numbers in its dtype."""
    like = next(module.parameters(), torch.empty(0))
    X = X if isinstance(X, Tensor) else torch.as_tensor(X)
    for rows in torch.split(X, size):
        yield rows.to(like) if X.is_floating_point() else rows.to(like.device)


def run(module: nn.Module, X: ArrayLike | Tensor, size: int) -> Iterator[Tensor]:
    """Yield the output of the module for each batch of X."""
    return (module(batch) for batch in batches(module, X, size))


def embed(
    module: nn.Module, layer: str | None, pooling: str, outputs: Iterable[Any]
) -> NDArray[np.float32]:
    """Read the layer while `outputs` runs the batches; (n_samples, n_features)."""
    with frozen(module), Capture(module, layer) as captured:
        rows = [to_rows(captured.take(), pooling) for _ in outputs]
    return np.concatenate(rows)


def collect(module: nn.Module, outputs: Iterable[Tensor]) -> NDArray:
    """Return the outputs of all batches as one array."""
    with frozen(module):
        return np.concatenate([output.float().cpu().numpy() for output in outputs])


def to_rows(values: Tensor, pooling: str) -> NDArray[np.float32]:
    """Reduce a batch of activations to one vector per sample.

    Channels first where there are two axes behind them or more (images); channels
    last where there is one (tokens).
    """
    if pooling == "mean" and values.ndim > 2:
        values = values.mean(
            dim=1 if values.ndim == 3 else tuple(range(2, values.ndim))
        )
    return values.flatten(1).float().cpu().numpy()
