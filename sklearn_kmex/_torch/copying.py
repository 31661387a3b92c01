"""Copies of torch modules, which share what cannot be copied."""

import copy
import pickle
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from joblib import wrap_non_picklable_objects
from torch import Tensor, nn
from torch.optim import Optimizer

CONTAINERS = (dict, OrderedDict, list, tuple, set, frozenset, deque)
NUMBERS_AND_TEXT = (bool, int, float, complex, str, bytes, type(None))
# Dicts of a module whose entries have names as attributes have.
REGISTERED = ("_modules", "_parameters", "_buffers")


def copy_or_share(thing: Any, shared: Mapping[int, Any]) -> Any:
    """Copy modules deeply, but share objects in them that cannot be copied.

    An object that holds a lock, a file or the like is shared as a whole: a copy of a
    queue would have no thread that reads it.

    Parameters
    ----------
    thing : torch.nn.Module or dict
        A module, or modules and other objects by name.

    shared : mapping
        Objects that are shared in any case, by their ids.

    Returns
    -------
    torch.nn.Module or dict
        The copy.

    Raises
    ------
    ValueError
        If a module cannot be copied itself, with its name.
    """
    try:
        return copy.deepcopy(thing, dict(shared))
    except Exception:  # copying can raise any error
        held = list(objects_held(thing))
    modules = {id(one): one for _, one in held if isinstance(one, nn.Module)}
    known = {**modules, **shared}
    objects = [pair for pair in held if id(pair[1]) not in known]
    fixed = {id(one): one for _, one, _ in _failing(_copier(known), objects)}
    try:
        return copy.deepcopy(thing, {**shared, **fixed})
    except Exception as error:
        copies = _copier({**known, **fixed})
        parts = [pair for pair in held if id(pair[1]) in modules]
        wrong = next(_failing(copies, parts), (type(thing).__name__, thing, error))
        raise ValueError(
            "module must be supported by copy.deepcopy, since a copy of it is run; "
            f"copying {_describe(*wrong)}. Change the methods of its class that "
            "copy it."
        ) from error


def check_pickled(attributes: Mapping[str, Any], owner: str) -> None:
    """Raise an error that names what keeps an object from being pickled."""
    problem = first_failing(_pickle, attributes)
    if problem:
        raise TypeError(
            f"{owner} cannot be pickled or sent to another process: pickling {problem}"
            '. Use n_jobs=1, or threads, with joblib.parallel_config("threading").'
        )


def _pickle(thing: Any) -> bytes:
    """Pickle an object as joblib does, also one that is defined in a notebook."""
    return pickle.dumps(wrap_non_picklable_objects([thing]))


def first_failing(function: Callable[[Any], Any], thing: Any) -> str:
    """Describe an object in modules for which a function raises an error, or ""."""
    objects = (
        pair
        for pair in objects_held(thing)
        if not isinstance(pair[1], nn.Module | Tensor | Optimizer)
    )
    return next((_describe(*found) for found in _failing(function, objects)), "")


def _copier(known: Mapping[int, Any]) -> Callable[[Any], Any]:
    """Return a function that copies an object, and shares all others that are known."""

    def copier(thing: Any) -> Any:
        others = dict(known)
        others.pop(id(thing), None)
        return copy.deepcopy(thing, others)

    return copier


def _failing(
    function: Callable[[Any], Any], objects: Iterable[tuple[str, Any]]
) -> Iterator[tuple[str, Any, Exception]]:
    """Yield the named objects for which a function raises an error, with the error."""
    for name, thing in objects:
        try:
            function(thing)
        except Exception as error:
            yield name, thing, error


def _describe(name: str, thing: Any, error: Exception) -> str:
    """Tell the name and type of an object, and the error that it causes."""
    kind = type(thing).__name__
    return f"{f'{name!r}, of type {kind},' if name else kind} raised: {error!r}"


def objects_held(thing: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Yield modules, and what their attributes are or contain, each with its name."""
    seen: set[int] = set()
    waiting = [(name, thing)]
    while waiting:
        name, thing = waiting.pop()
        if id(thing) in seen or type(thing) in NUMBERS_AND_TEXT:
            continue
        seen.add(id(thing))
        if type(thing) in CONTAINERS:
            waiting += _entries(thing, name)
            continue
        yield name, thing
        if isinstance(thing, nn.Module):
            waiting += _attributes(thing, name)


def _entries(container: Any, name: str) -> list[tuple[str, Any]]:
    """List the entries of a container, and the keys of a dict."""
    if not isinstance(container, dict):
        return [(f"{name}[{n}]", one) for n, one in enumerate(container)]
    start = "{}[{!r}]" if name else "{}{}"
    values = [(start.format(name, key), one) for key, one in container.items()]
    return [*values, *((name, key) for key in container)]


def _attributes(module: nn.Module, name: str) -> list[tuple[str, Any]]:
    """List the attributes, submodules and tensors of a module."""
    start = f"{name}." if name else ""
    found = [pair for key in REGISTERED for pair in vars(module)[key].items()]
    found += [pair for pair in vars(module).items() if pair[0] not in REGISTERED]
    return [(f"{start}{key}", one) for key, one in found]
