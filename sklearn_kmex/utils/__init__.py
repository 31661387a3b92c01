"""Helpers that any sub-package may use."""

from sklearn_kmex.utils._optional import check_dependency
from sklearn_kmex.utils._show_versions import show_versions

__all__ = ["check_dependency", "show_versions"]
