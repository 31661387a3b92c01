"""Fingerprints: hashes that are equal for models that compute the same."""

import sys
from functools import cache
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any
from weakref import ref

from joblib.hashing import NumpyHasher

# Modules of types that order the work of threads and processes, and hold no numbers.
SCHEDULING = {
    "_queue",
    "_thread",
    "concurrent.futures.process",
    "concurrent.futures.thread",
    "multiprocessing.pool",
    "multiprocessing.queues",
    "multiprocessing.synchronize",
    "queue",
    "threading",
}
# State of a torch module that has no effect in evaluation mode.
IGNORED = ("training", "_backward_hooks", "_backward_pre_hooks")


def fingerprint(thing: Any) -> bytes:
    """Hash the type, settings, weights and own code of a model.

    Parameters
    ----------
    thing : object
        Embedder, frozen estimator, module, function or sample.

    Returns
    -------
    bytes
        Hash, the same in all processes of the same Python version.

    Raises
    ------
    TypeError
        If it contains an object that cannot be hashed, such as an open file.
    """
    try:
        return bytes.fromhex(Fingerprint(hash_name="sha1").hash(thing))
    except Exception as error:  # pickling can raise any error
        raise TypeError(
            f"{type(thing).__name__} must contain only what can be hashed, to be "
            "identified in a cache or file; hashing "
            f"{_problem(thing) or f'it raised: {error!r}'}. Remove what cannot be "
            "hashed, or use neither cache nor file."
        ) from error


def _problem(thing: Any) -> str:
    """Describe what cannot be hashed in the torch module of an embedder."""
    if "torch" not in sys.modules:
        return ""
    from sklearn_kmex._torch.copying import first_failing

    content = thing._content() if hasattr(thing, "_content") else thing
    return first_failing(Fingerprint(hash_name="sha1").hash, content)


class Fingerprint(NumpyHasher):
    """Hash of joblib, with tensors by value, and functions of the user by code."""

    def save(self, thing: Any) -> None:
        """Add an object, and report an error in the object that causes it."""
        try:
            super().save(thing)
        except TypeError as error:  # joblib expects it for keys that cannot be sorted
            raise ValueError(str(error)) from error

    def memoize(self, thing: Any) -> None:
        """Memoize objects by identity, but tuples by value, like strings in joblib."""
        if not isinstance(thing, tuple):
            super().memoize(thing)

    def reducer_override(self, thing: Any) -> Any:
        """Replace the state that pickle stores by the content that matters."""
        content = self._content(thing)
        return NotImplemented if content is None else (tuple, (), content)

    def _content(self, thing: Any) -> tuple | None:
        torch = sys.modules.get("torch")
        if torch and isinstance(thing, torch.Tensor):
            values = thing.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
            return (str(thing.dtype), tuple(thing.shape), values.numpy())
        if torch and isinstance(thing, torch.nn.Module):
            return (type(thing), _module_content(thing))
        if hasattr(type(thing), "_content"):  # an embedder
            return (type(thing), thing._content())
        return _python_content(thing)


def _python_content(thing: Any) -> tuple | None:
    """Content of what pickle does not store, or stores by name."""
    if type(thing).__module__ in SCHEDULING:
        return (type(thing), getattr(thing, "_target", None))  # of a thread
    if isinstance(thing, ref):
        return (type(thing), thing())
    if isinstance(thing, ModuleType):
        return (thing.__name__, _release(thing.__name__))
    if isinstance(thing, FunctionType):
        return _function_content(thing)
    if isinstance(thing, type) and thing.__module__ != "builtins":
        return _class_content(thing)
    if isinstance(thing, CodeType):
        return (thing.co_code, thing.co_consts, thing.co_names)
    return None


def _module_content(module: Any) -> dict[str, Any]:
    """Attributes of a torch module, without empty dicts of hooks."""
    return {
        name: value
        for name, value in vars(module).items()
        if name not in IGNORED and not (isinstance(value, dict) and not value)
    }


def _function_content(function: FunctionType) -> tuple:
    """Name of a function of a package; or code of the user and what it refers to."""
    name = (function.__module__, function.__qualname__)
    if not _is_own(function.__module__):
        return (*name, _release(function.__module__))
    code = function.__code__
    known = function.__globals__
    named = {name: known[name] for name in _names(code) & set(known)}
    cells = [cell.cell_contents for cell in function.__closure__ or ()]
    return (*name, code, function.__defaults__, function.__kwdefaults__, cells, named)


def _class_content(kind: type) -> tuple:
    """Name of a class, and the methods of a class of the user."""
    name = (kind.__module__, kind.__qualname__)
    if not _is_own(kind.__module__):
        return (*name, _release(kind.__module__))
    methods = {k: v for k, v in vars(kind).items() if isinstance(v, FunctionType)}
    return (*name, kind.__bases__, methods)


def _names(code: CodeType) -> set[str]:
    """Names that code and its inner functions may look up in their module."""
    inner = (_names(const) for const in code.co_consts if isinstance(const, CodeType))
    return set(code.co_names).union(*inner)


@cache
def _is_own(module: str) -> bool:
    """Whether a module belongs to the user, and not to an installed package."""
    package = module.partition(".")[0]
    if package in {*sys.stdlib_module_names, "sklearn_kmex"} - {"__main__"}:
        return False
    file = getattr(sys.modules.get(package), "__file__", None)
    places = Path(file).parts if file else ()
    return "site-packages" not in places and "dist-packages" not in places


@cache
def _release(module: str) -> Any:
    """Version of the package that a module belongs to."""
    return getattr(sys.modules.get(module.partition(".")[0]), "__version__", None)
