"""The steps of a model, one after the other, however they are wrapped."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from sklearn_kmex import KMExClassifier
from sklearn_kmex._pipeline import find_kmex
from sklearn_kmex.embedding import CachedEmbedder
from sklearn_kmex._model.decision import opened, steps_before


def steps_of(psem: Any) -> tuple[list[Any], KMExClassifier]:
    """Fitted steps before the classifier, and the classifier."""
    kmex = find_kmex(psem)
    return [one for pair in steps_before(psem) for one in uncached(*pair)], kmex


def uncached(name: str, step: Any) -> Iterator[Any]:
    """Yield a step, or those of the embedder that it caches."""
    if not isinstance(step, CachedEmbedder):
        yield step
        return
    for pair in opened(name, getattr(step, "embedder_", step.embedder)):
        yield from uncached(*pair)


def check_n_prototypes(n_prototypes: Any, kmex: KMExClassifier) -> int:
    """Return how many prototypes are told, at most all of them."""
    if not isinstance(n_prototypes, int | np.integer) or n_prototypes < 1:
        raise ValueError(
            f"n_prototypes must be an int of at least 1; got {n_prototypes!r}."
        )
    return min(int(n_prototypes), len(kmex.prototypes_))
