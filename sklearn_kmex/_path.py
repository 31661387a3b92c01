"""Prototypes of one class for many counts, at little more than the largest fit."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_kmex._fit.prototypes import (
    ClassPrototypes,
    Rows,
    class_prototypes,
    distinct_rows,
)
from sklearn_kmex._model.similarity import squared_distances


def prototype_path(
    rows: Rows, counts: Sequence[int], seed: int, **how: Any
) -> list[ClassPrototypes]:
    """Prototypes of one class for each of the ascending counts.

    The largest count is clustered with all restarts. Each smaller one starts from
    the prototypes of the one above, merged, and moves on from there; a clusterer
    that takes no start is run anew.
    """
    rows = distinct_rows(rows)
    found = class_prototypes(rows, counts[-1], seed, **how)
    path = [found]
    for count in reversed(counts[:-1]):
        if count < len(found.vectors):
            start = merge(found.means, found.counts, count)
            found = class_prototypes(rows, count, seed, start=start, **how)
        path.append(found)
    return path[::-1]


def merge(means: NDArray, weights: NDArray, count: int) -> NDArray:
    """Merge means until `count` are left, by what adds least to the inertia (Ward)."""
    means, weights = means.astype(np.float64), weights.copy()
    while len(means) > count:
        added = squared_distances(means, means)
        added *= weights[:, np.newaxis] * weights / np.add.outer(weights, weights)
        np.fill_diagonal(added, np.inf)
        one, other = np.unravel_index(added.argmin(), added.shape)
        share = weights[[one, other]] / weights[[one, other]].sum()
        means[one] = share @ means[[one, other]]
        weights[one] += weights[other]
        means, weights = np.delete(means, other, 0), np.delete(weights, other)
    return means
