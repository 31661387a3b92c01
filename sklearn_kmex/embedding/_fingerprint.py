"""Fingerprints: equal for models that compute the same, in any process."""

import sys
from functools import cache
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

from joblib.hashing import NumpyHasher

# State of a torch module that does not change what it computes in evaluation.
NO_MATTER = ("training", "_backward_hooks", "_backward_pre_hooks")


def fingerprint(thing: Any) -> bytes:
    """Hash what a model computes with: its type, settings, weights and own code.

    Parameters
    ----------
    thing : object
        Embedder, frozen estimator, module, function or sample.

    Returns
    -------
    bytes
        Hash, the same in any process that runs the same Python.

    Raises
    ------
    TypeError
        If it holds what has no content to hash, such as a lock or a connection.
    """
    try:
        return bytes.fromhex(Fingerprint(hash_name="sha1").hash(thing))
    except Exception as error:  # whatever pickling comes up with
        raise TypeError(
            f"{type(thing).__name__} must hold only what can be hashed, for a cache or "
            f"file to tell it from others; got the error: {error}"
        ) from error


class Fingerprint(NumpyHasher):
    """joblib's hash; tensors by their values, a user's own functions by their code."""

    def save(self, thing: Any) -> None:
        """Add a thing; what cannot be hashed is not hidden by what contains it."""
        try:
            super().save(thing)
        except TypeError as error:  # joblib takes it for keys that cannot be sorted
            raise ValueError(str(error)) from error

    def memoize(self, thing: Any) -> None:
        """Remember things by identity; tuples only by value, as joblib does strings."""
        if not isinstance(thing, tuple):
            super().memoize(thing)

    def reducer_override(self, thing: Any) -> Any:
        """Replace what pickle would store by what the thing computes with."""
        content = self._content(thing)
        return NotImplemented if content is None else (tuple, (), content)

    def _content(self, thing: Any) -> tuple | None:
        torch = sys.modules.get("torch")
        if torch and isinstance(thing, torch.Tensor):
            values = thing.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
            return (str(thing.dtype), tuple(thing.shape), values.numpy())
        if torch and isinstance(thing, torch.nn.Module):
            return (type(thing), module_content(thing))
        if hasattr(type(thing), "_content"):  # an embedder
            return (type(thing), thing._content())
        if isinstance(thing, ModuleType):
            return (thing.__name__, release(thing.__name__))
        if isinstance(thing, FunctionType):
            return function_content(thing)
        if isinstance(thing, type) and thing.__module__ != "builtins":
            return class_content(thing)
        if isinstance(thing, CodeType):
            return (thing.co_code, thing.co_consts, thing.co_names)
        return None


def module_content(module: Any) -> dict[str, Any]:
    """All that a torch module holds; most have a dozen kinds of hooks, and none."""
    return {
        name: value
        for name, value in vars(module).items()
        if name not in NO_MATTER and not (isinstance(value, dict) and not value)
    }


def function_content(function: FunctionType) -> tuple:
    """Name of a function of a package; code of a user's own, and what it refers to."""
    name = (function.__module__, function.__qualname__)
    if not is_own(function.__module__):
        return (*name, release(function.__module__))
    code = function.__code__
    there = function.__globals__
    named = {name: there[name] for name in names(code) & set(there)}
    cells = [cell.cell_contents for cell in function.__closure__ or ()]
    return (*name, code, function.__defaults__, function.__kwdefaults__, cells, named)


def class_content(kind: type) -> tuple:
    """Name of a class of a package; the methods, too, of a user's own."""
    name = (kind.__module__, kind.__qualname__)
    if not is_own(kind.__module__):
        return (*name, release(kind.__module__))
    methods = {k: v for k, v in vars(kind).items() if isinstance(v, FunctionType)}
    return (*name, kind.__bases__, methods)


def names(code: CodeType) -> set[str]:
    """Names that code, and the functions inside it, may look up in its module."""
    inner = (names(const) for const in code.co_consts if isinstance(const, CodeType))
    return set(code.co_names).union(*inner)


@cache
def is_own(module: str) -> bool:
    """Whether code is the user's own, rather than of an installed package."""
    package = module.partition(".")[0]
    if package in {*sys.stdlib_module_names, "sklearn_kmex"} - {"__main__"}:
        return False
    file = getattr(sys.modules.get(package), "__file__", None)
    places = Path(file).parts if file else ()
    return "site-packages" not in places and "dist-packages" not in places


@cache
def release(module: str) -> Any:
    """Version of the package that a module belongs to."""
    return getattr(sys.modules.get(module.partition(".")[0]), "__version__", None)
