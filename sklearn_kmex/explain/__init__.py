"""Explanations: what a sample looks like, where, and why this class and not that."""

from sklearn_kmex.explain._concepts import concept_maps
from sklearn_kmex.explain._faithfulness import faithfulness, robustness
from sklearn_kmex.explain._relevance import black_box_relevance, relevance

__all__ = [
    "black_box_relevance",
    "concept_maps",
    "faithfulness",
    "relevance",
    "robustness",
]
