"""The steps of a model, one after the other, however they are wrapped."""

from typing import Any

import numpy as np
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline

from sklearn_kmex import KMExClassifier
from sklearn_kmex._protocol import find_sem
from sklearn_kmex.embedding import CachedEmbedder


def steps_of(psem: Any) -> tuple[list[Any], KMExClassifier]:
    """Fitted steps before the classifier, and the classifier."""
    kmex = find_sem(psem)
    if not isinstance(kmex, KMExClassifier):
        raise TypeError(
            "psem must end in a KMExClassifier to be exported; got "
            f"{type(kmex).__name__}."
        )
    return opened(psem)[:-1], kmex


def opened(step: Any) -> list[Any]:
    """Take pipelines, caches and frozen estimators apart."""
    if isinstance(step, Pipeline):
        return [inner for _, part in step.steps for inner in opened(part)]
    if isinstance(step, CachedEmbedder):
        return opened(getattr(step, "embedder_", step.embedder))
    if isinstance(step, FrozenEstimator):
        return opened(step.estimator)
    return [] if step is None or isinstance(step, str) else [step]


def check_n_prototypes(n_prototypes: Any, kmex: KMExClassifier) -> int:
    """Return how many prototypes are told, at most all of them."""
    if not isinstance(n_prototypes, int | np.integer) or n_prototypes < 1:
        raise ValueError(
            f"n_prototypes must be an int of at least 1; got {n_prototypes!r}."
        )
    return min(int(n_prototypes), len(kmex.prototypes_))
