"""Near-duplicates within a class: found, and merged by clustering anew from means."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import cdist

from sklearn_kmex._data.jobs import Task
from sklearn_kmex._fit.classes import fit_classes
from sklearn_kmex._fit.prototypes import ClassPrototypes
from sklearn_kmex._fit.temperature import Fold


class Pairs(NamedTuple):
    """All pairs of prototypes of one class; the first has the lower number."""

    first: NDArray[np.intp]
    second: NDArray[np.intp]
    distances: NDArray[np.float64]
    relative: NDArray[np.float64]


def pairs_within_classes(prototypes: NDArray, owners: NDArray) -> Pairs:
    """Distances of all pairs within a class, also relative to those between classes.

    The scale is the median, over all prototypes, of the distance to the nearest
    prototype of another class; with one class, that of the distances of all pairs.
    """
    points = prototypes.astype(np.float64, copy=False)
    distances = cdist(points, points)
    same = owners[:, np.newaxis] == owners
    first, second = np.nonzero(np.triu(same, k=1))
    apart = distances[first, second]
    if same.all():
        scale = np.median(apart) if len(apart) else 0.0
    else:
        scale = np.median(np.where(same, np.inf, distances).min(axis=1))
    unlike = np.where(apart > 0, np.inf, 0.0)
    relative = np.divide(apart, scale, out=unlike, where=scale > 0)
    return Pairs(first, second, apart, relative)


def fit_merged(
    X: Any,
    weights: NDArray,
    groups: Sequence[NDArray],
    known: Sequence[ClassPrototypes | None],
    paths: Sequence[Sequence[int]],
    seeds: Iterable[int],
    *,
    threshold: float | None,
    task: Task | None = None,
    names: Sequence[str] = (),
    **settings: Any,
) -> list[tuple[ClassPrototypes | None, list[Fold]]]:
    """Prototypes of each class, without pairs nearer than the threshold.

    A class that has such pairs is fitted again from their means on, so that its
    prototypes stand for its rows as if so few had been asked for. Only classes with
    rows can be. Callbacks are told of the first fit of each class.
    """
    learned = fit_classes(
        X, weights, groups, known, paths, seeds, task=task, names=names, **settings
    )
    while threshold is not None:
        found = [prototypes for prototypes, _ in learned]
        starts = merged_means(found, threshold, [len(rows) > 0 for rows in groups])
        if all(start is None for start in starts):
            break
        again = fit_classes(
            X,
            weights,
            [
                g if s is not None else g[:0]
                for g, s in zip(groups, starts, strict=True)
            ],
            known,
            [[0] if start is None else [len(start)] for start in starts],
            seeds,
            starts=starts,
            **settings,
        )
        learned = [
            old if start is None else new
            for old, new, start in zip(learned, again, starts, strict=True)
        ]
    return learned


def merged_means(
    found: Sequence[ClassPrototypes | None], threshold: float, free: Sequence[bool]
) -> list[NDArray | None]:
    """Means of the members of near prototypes together; None where none are near.

    Complete linkage: all prototypes that are merged into one are near each other.
    """
    sizes = [0 if p is None else len(p.counts) for p in found]
    vectors = np.concatenate([p.vectors for p in found if p is not None])
    owners = np.repeat(np.arange(len(found)), sizes)
    pairs = pairs_within_classes(vectors, owners)
    relative = np.minimum(pairs.relative, np.finfo(np.float64).max)
    starts: list[NDArray | None] = []
    for code, (prototypes, size) in enumerate(zip(found, sizes, strict=True)):
        start = None
        if prototypes is not None and free[code] and size > 1:
            tree = linkage(relative[owners[pairs.first] == code], "complete")
            group = fcluster(tree, threshold, "distance") - 1
            if group.max() + 1 < size:
                start = group_means(prototypes, group)
        starts.append(start)
    return starts


def group_means(prototypes: ClassPrototypes, group: NDArray) -> NDArray[np.float64]:
    """Mean of all members of the prototypes of each group."""
    share = np.zeros((group.max() + 1, len(group)))
    share[group, np.arange(len(group))] = prototypes.counts
    return share @ prototypes.means / share.sum(axis=1, keepdims=True)
