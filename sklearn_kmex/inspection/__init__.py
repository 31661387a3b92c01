"""Displays: figures of models, with the data that they show."""

from sklearn_kmex.inspection._counts import PrototypeCountDisplay
from sklearn_kmex.inspection._coverage import CoverageDisplay
from sklearn_kmex.inspection._embedding import EmbeddingDisplay
from sklearn_kmex.inspection._explanation import ExplanationDisplay
from sklearn_kmex.inspection._prototypes import PrototypeDisplay
from sklearn_kmex.inspection._settings import SearchDisplay
from sklearn_kmex.inspection._usage import UsageDisplay

__all__ = [
    "CoverageDisplay",
    "EmbeddingDisplay",
    "ExplanationDisplay",
    "PrototypeCountDisplay",
    "PrototypeDisplay",
    "SearchDisplay",
    "UsageDisplay",
]
