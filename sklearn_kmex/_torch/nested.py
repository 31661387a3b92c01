"""Tensors in the nested containers that torch modules take and return."""

import copy
from collections.abc import Callable, Mapping, MutableMapping
from typing import Any

from torch import Tensor


def tensors_in(value: Any) -> list[Tensor]:
    """List the tensors in an output, also in nested containers."""
    if isinstance(value, Tensor):
        return [value]
    parts = value.values() if isinstance(value, Mapping) else value
    is_holder = isinstance(value, Mapping | list | tuple)
    return [one for part in parts for one in tensors_in(part)] if is_holder else []


def each_tensor(value: Any, function: Callable[[Tensor], Any]) -> Any:
    """Apply a function to the tensors in nested tuples, lists and dicts."""
    if isinstance(value, Tensor):
        return function(value)
    if isinstance(value, MutableMapping):  # also an output of Hugging Face
        new = copy.copy(value)
        for key, part in value.items():
            new[key] = each_tensor(part, function)
        return new
    if type(value) in (tuple, list) or hasattr(value, "_fields"):
        return like(value, [each_tensor(part, function) for part in value])
    return value


def like(container: Any, parts: list[Any]) -> Any:
    """Return parts in a list, tuple or named tuple."""
    named = hasattr(container, "_fields")
    return type(container)(*parts) if named else type(container)(parts)
