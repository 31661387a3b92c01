"""Run a batch of one sample as two equal ones, so that no axis is squeezed away."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from sklearn_kmex._torch.nested import each_tensor, tensors_in


class OneAsTwo:
    """Forward pass of a module that runs a batch of one sample as two equal ones.

    A module that calls `squeeze` would drop the axis of samples otherwise. Layers see
    both samples, and the output has one.
    """

    def __init__(self, forward: Callable) -> None:
        self.forward = self.__wrapped__ = forward  # which has the signature

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if not is_single([args, kwargs]):
            return self.forward(*args, **kwargs)
        args, kwargs = each_tensor([args, kwargs], double)
        return each_tensor(self.forward(*args, **kwargs), first_of_two)


def is_single(batch: Any) -> bool:
    """Whether a batch consists of tensors of one row."""
    lengths = {values.shape[:1] for values in tensors_in(batch)}
    return lengths == {torch.Size([1])} and not _holds_objects(batch)


def _holds_objects(batch: Any) -> bool:
    """Whether there is a list of samples that are not tensors, such as texts."""
    parts = list(batch.values()) if isinstance(batch, Mapping) else batch
    if not isinstance(parts, list | tuple):
        return False
    holders = (Tensor, Mapping, list, tuple)
    others = isinstance(batch, list) and not all(isinstance(p, holders) for p in parts)
    return others or any(map(_holds_objects, parts))


def double(values: Tensor) -> Tensor:
    """Repeat the row of a batch of one."""
    return torch.cat([values, values])


def first_of_two(values: Tensor) -> Tensor:
    """Return the first of two rows; anything else stays as it is."""
    return values[:1] if values.shape[:1] == (2,) else values


class SqueezeAsReshape(TorchFunctionMode):
    """Exports `squeeze` of several samples so that it also holds for one sample."""

    def __torch_function__(
        self, function: Any, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        result = function(*args, **(kwargs or {}))
        is_squeeze = getattr(function, "__name__", None) == "squeeze" and args
        return args[0].reshape(result.shape) if is_squeeze else result
