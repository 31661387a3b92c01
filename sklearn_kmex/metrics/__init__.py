"""The predicates of self-explainable models, as numbers."""

from sklearn_kmex.metrics._diversity import diversity_score, prototype_overlap_rate
from sklearn_kmex.metrics._transparency import (
    ghosting_rate,
    prototype_usage,
    transparency_score,
)
from sklearn_kmex.metrics._trustworthiness import accuracy_gap, fidelity_score

__all__ = [
    "accuracy_gap",
    "diversity_score",
    "fidelity_score",
    "ghosting_rate",
    "prototype_overlap_rate",
    "prototype_usage",
    "transparency_score",
]
