"""Fingerprints: hashes that are equal for models that compute the same."""

import builtins
import functools
import importlib
import json
import sys
from collections.abc import Callable
from types import (
    BuiltinFunctionType,
    CodeType,
    FunctionType,
    GetSetDescriptorType,
    MappingProxyType,
    MemberDescriptorType,
    MethodType,
    ModuleType,
)
from typing import Any
from weakref import WeakKeyDictionary, WeakValueDictionary, ref

from joblib.hashing import NumpyHasher

from sklearn_kmex._base import KMExBaseEstimator
from sklearn_kmex.embedding._code import (
    class_content,
    code_content,
    function_content,
    installed_name,
    module_content,
    origin,
    patches,
)

# By these, code reaches what cannot be known before it runs.
LOOK_UPS = {
    id(sys.modules): "sys.modules",
    id(importlib.import_module): "importlib.import_module",
    **{id(getattr(builtins, name)): name for name in ("eval", "exec", "globals")},
    id(builtins.__import__): "__import__",
}
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
REMEDY = (
    "Pass version, a name of yours for this state of it, and change the name whenever "
    "it changes."
)


def fingerprint(thing: Any, version: str | None = None) -> bytes:
    """Hash the type, settings, weights and own code of a model.

    Parameters
    ----------
    thing : object
        Embedder, frozen estimator, module, function or sample.

    version : str, default=None
        The user's name for all that cannot be hashed. None means that nothing may.

    Returns
    -------
    bytes
        Hash, the same in all processes of the same Python version.

    Raises
    ------
    TypeError
        If it contains an object that cannot be hashed, such as an open file, and there
        is no version.
    """
    hasher = Fingerprint(version)
    try:
        return bytes.fromhex(hasher.hash((version, thing)))
    except HashingError as error:
        where = ".".join((type(thing).__name__, *error.path))
        raise TypeError(
            f"{type(thing).__name__} must contain only what can be hashed, to be "
            f"identified in a cache or file; {where} cannot be: {error}. {REMEDY}"
        ) from error


class HashingError(Exception):
    """An object cannot be hashed.

    Parameters
    ----------
    reason : object
        What is wrong with it.
    """

    def __init__(self, reason: object) -> None:
        super().__init__(str(reason))
        self.path: list[str] = []  # names of the attributes that lead to it


class Fingerprint(NumpyHasher):
    """Hash of joblib, with tensors by value, and functions of the user by code.

    Parameters
    ----------
    version : str, default=None
        The user's name for all that cannot be hashed.
    """

    def __init__(self, version: str | None = None) -> None:
        super().__init__(hash_name="sha1")
        self.version = version
        self.evaluates = False  # whether an embedder runs modules in evaluation mode

    def save(self, thing: Any) -> None:
        """Add an object, or with a version the type of one that cannot be hashed."""
        before = self.evaluates
        if isinstance(thing, KMExBaseEstimator | FunctionType):
            self.evaluates = not isinstance(thing, FunctionType)
        try:
            if id(thing) in LOOK_UPS:
                raise HashingError(f"{LOOK_UPS[id(thing)]} may look up any name")
            super().save(_by_parts(thing))
        except RecursionError as error:
            raise HashingError(error) from error
        except Exception as error:  # pickling can raise any error
            if self.version is None and isinstance(error, HashingError):
                raise
            if self.version is None:
                raise HashingError(error) from error
            super().save(str(type(thing)))
        finally:
            self.evaluates = before

    def _batch_setitems(self, items: Any, *_: Any) -> None:
        """Add the items of a dict in their order, which may matter."""
        for key, value in items:
            self.save(key)
            try:
                self.save(value)
            except HashingError as error:
                error.path.insert(0, str(key))
                raise
            self.write(b"s")

    def save_global(self, obj: Any, name: str | None = None, **_: Any) -> None:
        """Add what pickle stores by name, and the version of where it is from."""
        super().save_global(obj, name)
        self.save(origin(getattr(obj, "__module__", None) or "builtins"))

    def memoize(self, thing: Any) -> None:
        """Memoize objects by identity, but tuples by value, like strings in joblib."""
        if not isinstance(thing, tuple):
            super().memoize(thing)

    def reducer_override(self, thing: Any) -> Any:
        """Replace the state that pickle stores by the content that matters."""
        content = None if type(thing) in PLAIN else self._content(thing)
        return NotImplemented if content is None else (tuple, (), content)

    def _content(self, thing: Any) -> Any:
        torch = sys.modules.get("torch")
        if torch and isinstance(thing, torch.Tensor):
            return _tensor_content(thing, torch.uint8)
        if torch and isinstance(thing, torch.nn.Module):
            return (type(thing), _state(thing, torch, self.evaluates))
        if isinstance(thing, KMExBaseEstimator) and hasattr(thing, "_content"):
            return (type(thing), thing._content())
        if isinstance(thing, set | frozenset):
            parts = sorted(fingerprint(part, self.version) for part in thing)
            return (type(thing), parts, getattr(thing, "__dict__", None))
        if isinstance(thing, FunctionType):
            return installed_name(thing) or function_content(thing)
        if isinstance(thing, type):
            if thing.__module__ == "builtins":
                unnamed = not hasattr(builtins, thing.__qualname__)  # such as code
                return ("builtins", thing.__qualname__) if unnamed else None
            name = installed_name(thing)
            return (*name, patches(thing)) if name else class_content(thing)
        return _by_kind(thing)


def _by_kind(thing: Any) -> tuple | None:
    """Return the content of an object of a kind that pickle does not store by it."""
    if type(thing).__module__ in SCHEDULING:
        return (type(thing), getattr(thing, "_target", None))  # of a thread
    if type(thing).__module__ == "tokenizers" and hasattr(thing, "to_str"):
        return (type(thing), _tokenizer_content(thing))
    parts_of = next((of for kind, of in PARTS if isinstance(thing, kind)), None)
    return parts_of and (type(thing), parts_of(thing))


PLAIN = {str, bytes, int, float, bool, type(None), list, tuple, dict}
PARTS: tuple[tuple[Any, Callable[[Any], Any]], ...] = (
    (ModuleType, module_content),
    (CodeType, code_content),
    (MappingProxyType, dict),
    (property, lambda found: (found.fget, found.fset, found.fdel)),
    (staticmethod | classmethod, lambda found: found.__func__),
    (functools.cached_property, lambda found: found.func),
    (functools._lru_cache_wrapper, lambda found: found.__wrapped__),
    (MemberDescriptorType | GetSetDescriptorType, lambda found: found.__name__),
    (ref, lambda found: found()),
    (WeakKeyDictionary | WeakValueDictionary, lambda _: ()),  # caches
)


def _by_parts(thing: Any) -> Any:
    """Replace a bound method by its function and object, as joblib does by its name."""
    if isinstance(thing, MethodType):
        return ("method", thing.__func__, thing.__self__)
    if isinstance(thing, BuiltinFunctionType) and _is_unbound(thing.__self__):
        module = str(thing.__module__)
        return ("function", module, thing.__qualname__, origin(module))
    return thing


def _is_unbound(owner: Any) -> bool:
    """Whether the owner of a compiled function has no state: none, or its module."""
    pybind = type(owner).__module__ == "pybind11_builtins"
    return owner is None or isinstance(owner, ModuleType) or pybind


def _tensor_content(tensor: Any, byte: Any) -> tuple:
    plain = tensor.detach().cpu().resolve_conj().resolve_neg()
    values = plain.contiguous().reshape(-1).view(byte)
    return (str(tensor.dtype), tuple(tensor.shape), values.numpy())


def _tokenizer_content(tokenizer: Any) -> str:
    """Return what a fast tokenizer does, without the settings of its last call."""
    content = json.loads(tokenizer.to_str())
    return json.dumps(content | {"truncation": None, "padding": None})


def _state(module: Any, torch: Any, evaluates: bool) -> dict[str, Any]:
    """Attributes of a torch module that have an effect on its output."""
    hooks = {name for name in vars(torch.nn.Module()) if "hooks" in name}
    state = {}
    module = getattr(module, "_orig_mod", module)  # of torch.compile
    for name, value in vars(module).items():
        if name in hooks:  # by numbers that torch counts
            value = name.startswith("_forward") and list(value.values())
        if (name != "training" or not evaluates) and (name not in hooks or value):
            state[name] = value
    return state
