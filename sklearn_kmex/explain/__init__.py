"""Explanations: what a sample looks like, where, and why this class and not that."""

from sklearn_kmex.explain._contrast import Contrast, contrast
from sklearn_kmex.explain._counterfactuals import Counterfactuals, counterfactuals
from sklearn_kmex.explain._explain import explain
from sklearn_kmex.explain._explanation import Explanation

__all__ = [
    "Contrast",
    "Counterfactuals",
    "Explanation",
    "contrast",
    "counterfactuals",
    "explain",
]
