"""Functions and classes, which are saved by name, must be found by name."""

import sys
from collections.abc import Iterator
from functools import partial
from types import MethodType
from typing import Any

import numpy as np


def check_names(psem: Any) -> None:
    """Refuse a model with a function or class that another process cannot import."""
    for place, one in _named_in(psem):
        module = getattr(one, "__module__", None) or "builtins"
        found = getattr(sys.modules.get(module), one.__name__, None)
        if module == "__main__" or found is not one:
            raise TypeError(
                "psem must use functions and classes that can be imported, because "
                f"they are saved by name; {place} is {module}.{one.__qualname__}. Move "
                "it to the top level of a module, and import it from there; or set the "
                "parameter to None before saving, and again after loading."
            )


def _named_in(psem: Any) -> Iterator[tuple[str, Any]]:
    """Yield functions and classes in a model, and where they are."""
    seen: set[int] = set()
    waiting = [(type(psem).__name__, psem)]
    while waiting:
        place, one = waiting.pop()
        if id(one) in seen or isinstance(one, np.ufunc):
            continue
        seen.add(id(one))
        if hasattr(one, "__qualname__") and not isinstance(one, MethodType):
            yield place, one
        elif type(one).__module__ != "builtins":
            yield place, type(one)
        waiting += _parts_of(place, one)


def _parts_of(place: str, one: Any) -> list[tuple[str, Any]]:
    """List what an object consists of, and where it is."""
    if isinstance(one, dict):
        return [(place, part) for part in one.values()]
    if isinstance(one, list | tuple | set):
        return [(place, part) for part in one]
    if isinstance(one, np.ndarray):
        return [(place, part) for part in one.flat] if one.dtype == object else []
    if isinstance(one, MethodType):
        return [(place, one.__self__)]
    if isinstance(one, partial):
        return [(place, part) for part in (one.func, one.args, one.keywords)]
    if hasattr(one, "__qualname__"):  # a function or a class
        return []
    owner = type(one).__name__
    state = getattr(one, "__dict__", {})
    return [(f"{name} of {owner}", part) for name, part in state.items()]
