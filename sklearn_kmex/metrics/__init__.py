"""Metrics for the predicates of self-explainable models."""

from sklearn_kmex.metrics._audit import audit
from sklearn_kmex.metrics._coverage import coverage_curve
from sklearn_kmex.metrics._diversity import diversity_score
from sklearn_kmex.metrics._drift import drift
from sklearn_kmex.metrics._example_scorers import (
    distinct_examples_scorer,
    make_example_likeness_scorer,
)
from sklearn_kmex.metrics._faithfulness import (
    average_drop_loss,
    average_increase_score,
    relevance_divergence_loss,
)
from sklearn_kmex.metrics._group_scores import group_scores
from sklearn_kmex.metrics._leaks import find_leaks
from sklearn_kmex.metrics._likeness import (
    distinct_examples_score,
    example_likeness_score,
)
from sklearn_kmex.metrics._relevance_scorers import (
    make_faithfulness_scorer,
    make_robustness_scorer,
)
from sklearn_kmex.metrics._robustness import local_lipschitz_error
from sklearn_kmex.metrics._scorers import (
    accuracy_gap_scorer,
    diversity_scorer,
    fidelity_scorer,
    transparency_scorer,
)
from sklearn_kmex.metrics._sem_scorers import sem_scorers
from sklearn_kmex.metrics._transparency import (
    ghosting_rate,
    prototype_usage,
    transparency_score,
    usage_entropy_score,
)
from sklearn_kmex.metrics._trustworthiness import accuracy_gap, fidelity_score

__all__ = [
    "accuracy_gap",
    "accuracy_gap_scorer",
    "audit",
    "average_drop_loss",
    "average_increase_score",
    "coverage_curve",
    "distinct_examples_score",
    "distinct_examples_scorer",
    "diversity_score",
    "diversity_scorer",
    "drift",
    "example_likeness_score",
    "fidelity_score",
    "fidelity_scorer",
    "find_leaks",
    "ghosting_rate",
    "group_scores",
    "local_lipschitz_error",
    "make_example_likeness_scorer",
    "make_faithfulness_scorer",
    "make_robustness_scorer",
    "prototype_usage",
    "relevance_divergence_loss",
    "sem_scorers",
    "transparency_score",
    "transparency_scorer",
    "usage_entropy_score",
]
