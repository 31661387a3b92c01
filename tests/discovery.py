"""The public objects of the package, found by its __all__ lists."""

import importlib
import inspect
import pkgutil

from sklearn.base import BaseEstimator

import sklearn_kmex


def public_modules():
    """The package and its public sub-packages and modules."""
    names = [m.name for m in pkgutil.iter_modules(sklearn_kmex.__path__)]
    public = [f"sklearn_kmex.{name}" for name in names if not name.startswith("_")]
    return [importlib.import_module(name) for name in ["sklearn_kmex", *public]]


def public_objects():
    """(dotted name, object) of every public class and function, once."""
    found = {}
    for module in public_modules():
        for name in module.__all__:
            found.setdefault(getattr(module, name), f"{module.__name__}.{name}")
    return [
        (name, thing)
        for thing, name in found.items()
        if inspect.isclass(thing) or callable(thing)
    ]


def public_estimators():
    return [
        thing
        for _, thing in public_objects()
        if inspect.isclass(thing) and issubclass(thing, BaseEstimator)
    ]
