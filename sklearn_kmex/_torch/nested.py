"""Tensors in the nested containers that torch modules take and return."""

from collections.abc import Callable, Mapping
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
    if type(value) is dict:
        return {key: each_tensor(part, function) for key, part in value.items()}
    if type(value) in (tuple, list) or hasattr(value, "_fields"):
        return like(value, [each_tensor(part, function) for part in value])
    return value


def like(container: Any, parts: list[Any]) -> Any:
    """Return parts in a list, tuple or named tuple."""
    named = hasattr(container, "_fields")
    return type(container)(*parts) if named else type(container)(parts)
