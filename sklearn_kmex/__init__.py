"""Prototypical self-explainable models from trained models, without re-training."""

import importlib
from types import ModuleType

from sklearn_kmex._classifier import KMExClassifier
from sklearn_kmex._classifier_cv import KMExClassifierCV
from sklearn_kmex._pipeline import make_kmex
from sklearn_kmex._rejecting import RejectingClassifier
from sklearn_kmex.utils import show_versions

__version__ = "0.1.0.dev0"

__all__ = [
    "KMExClassifier",
    "KMExClassifierCV",
    "RejectingClassifier",
    "__version__",
    "make_kmex",
    "show_versions",
]

_SUBPACKAGES = (
    "edit",
    "embedding",
    "exceptions",
    "explain",
    "export",
    "inspection",
    "metrics",
    "persistence",
    "report",
    "utils",
)


def __getattr__(name: str) -> ModuleType:
    """Import a sub-package on first use."""
    if name in _SUBPACKAGES:
        return importlib.import_module(f".{name}", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_SUBPACKAGES])
