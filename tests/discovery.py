"""The public objects of the package, found by its __all__ lists, and their pages."""

import importlib
import importlib.util
import inspect
import pkgutil
from pathlib import Path

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


def api_reference():
    """Sections of the API reference of the docs, by module."""
    path = Path(__file__).parents[1] / "docs" / "api_reference.py"
    spec = importlib.util.spec_from_file_location("api_reference", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.API_REFERENCE
