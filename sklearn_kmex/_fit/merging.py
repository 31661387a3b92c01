"""Near-duplicates among the prototypes of a class, found and merged."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from sklearn_kmex._data.rows import Training
from sklearn_kmex._fit.classes import fit_classes
from sklearn_kmex._fit.prototypes import ClassPrototypes, Plan
from sklearn_kmex._fit.temperature import Fold


class Pairs(NamedTuple):
    """All pairs of prototypes of the same class; the first has the lower number."""

    first: NDArray[np.intp]
    second: NDArray[np.intp]
    distances: NDArray[np.float64]
    relative: NDArray[np.float64]


def pairs_within_classes(prototypes: NDArray, owners: NDArray) -> Pairs:
    """Return the distances of all pairs within a class, absolute and relative.

    Relative distances are divided by the median, over all prototypes, of the distance
    to the nearest prototype of another class; if there is one class, by the median
    distance of all pairs.
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
    training: Training, plans: Sequence[Plan], threshold: float | None
) -> list[tuple[ClassPrototypes | None, list[Fold]]]:
    """Find the prototypes of each class, and merge near-duplicates.

    A class with near-duplicates is clustered again from the merged means, so that the
    result is a clustering into this smaller number. Classes without rows in this batch
    are not merged. Only the first clustering is reported to callbacks.
    """
    learned = fit_classes(training, plans)
    if threshold is None:
        return learned
    free = [len(rows) > 0 for rows in training.groups]
    while starts := _merged_means([found for found, _ in learned], threshold, free):
        again = fit_classes(
            _select(training, list(starts)),
            [
                plans[code]._replace(counts=[len(start)], start=start)
                for code, start in starts.items()
            ],
        )
        for code, fitted in zip(starts, again, strict=True):
            learned[code] = fitted
    return learned


def _select(training: Training, codes: Sequence[int]) -> Training:
    """Return the training set with the rows of some classes, without callbacks."""
    groups = [training.groups[code] for code in codes]
    names = [training.names[code] for code in codes]
    return training._replace(groups=groups, names=names, task=None)


def _merged_means(
    found: Sequence[ClassPrototypes | None], threshold: float, free: Sequence[bool]
) -> dict[int, NDArray]:
    """Return merged means by class code, for each free class with near-duplicates.

    A merged mean is that of the members of all near prototypes together. Complete
    linkage is used: all prototypes that are merged into one are near each other.
    """
    from scipy.cluster.hierarchy import fcluster, linkage  # slow to import

    sizes = [0 if p is None else len(p.counts) for p in found]
    vectors = np.concatenate([p.vectors for p in found if p is not None])
    owners = np.repeat(np.arange(len(found)), sizes)
    pairs = pairs_within_classes(vectors, owners)
    relative = np.minimum(pairs.relative, np.finfo(np.float64).max)
    means = {}
    for code, prototypes in enumerate(found):
        if prototypes is not None and free[code] and sizes[code] > 1:
            tree = linkage(relative[owners[pairs.first] == code], "complete")
            group = fcluster(tree, threshold, "distance") - 1
            if group.max() + 1 < sizes[code]:
                means[code] = _group_means(prototypes, group)
    return means


def _group_means(prototypes: ClassPrototypes, group: NDArray) -> NDArray[np.float64]:
    """Return the mean of all members of the prototypes of each group."""
    share = np.zeros((group.max() + 1, len(group)))
    share[group, np.arange(len(group))] = prototypes.counts
    return share @ prototypes.means / share.sum(axis=1, keepdims=True)
