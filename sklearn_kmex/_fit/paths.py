"""Prototypes of small classes in the folds of a search, for several counts at once.

They are only compared with held-out rows. Therefore each class is clustered from one
start, and the rows nearest to its prototypes are not looked for. The folds of a class
share its rows, with weights of 0 for those that a fold does not train on.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sklearn_kmex._compat import one_blas_thread
from sklearn_kmex._data.arrays import to_numpy
from sklearn_kmex._data.rows import Rows
from sklearn_kmex._fit.batch import ROUGH, Problems, assign, seed_centers
from sklearn_kmex._fit.prototypes import Plan
from sklearn_kmex._fit.small import ALIKE, Batch, distinct_of_each, open_batch
from sklearn_kmex._fit.ward import merge

# Values of the rows of classes that are clustered together, 4 MiB. For few of them,
# float32 is not faster.
TOGETHER, FEW_VALUES = 2**19, 2**16
# Most steps from seeded centers, and from merged ones, which are nearly as good as
# those where more steps end.
SEEDED_STEPS, MERGED_STEPS = 5, 1


class Members(NamedTuple):
    """Prototypes of one class, and the weights of their members."""

    vectors: NDArray
    counts: NDArray[np.float64]


class Found(NamedTuple):
    """Standardized centers in each fold of each class, for one count.

    A center may have no members: the classes and folds have different rows.
    """

    centers: NDArray  # (n_classes, n_folds, n_clusters, n_features)
    means: NDArray  # of the members
    counts: NDArray  # (n_classes, n_folds, n_clusters), weights of the members


@one_blas_thread
def small_paths(
    rows: Rows,
    owners: NDArray[np.intp],
    plans: Sequence[Plan],
    used: Sequence[NDArray],
) -> list[list[list[Members]]]:
    """Find prototypes of each fold of each class, for each count of its plan.

    `owners` are the numbers of the classes of the rows, ascending. `used` says how
    often each fold of a class has its rows, (n_folds, n_rows). The largest count is
    clustered from one start; each smaller one starts from the prototypes of the next
    larger one, merged.
    """
    n_folds = np.array([len(own) for own in used])
    weights = np.zeros((len(owners), n_folds.max()))
    for code, own in enumerate(used):
        weights[owners == code, : len(own)] = own.T
    weights *= rows.weights[:, np.newaxis]
    values = to_numpy(rows.values)
    classes = distinct_of_each(rows._replace(values=values, weights=weights), owners)
    weights = classes.rows.weights
    classes = classes._replace(rows=classes.rows._replace(weights=weights.sum(axis=1)))
    counts = np.minimum([plan.counts for plan in plans], classes.sizes[:, np.newaxis])
    paths: list[list[list[Members]]] = [[] for _ in plans]
    for codes in _alike(classes.sizes, counts, n_folds, values.shape[1]):
        batch = open_batch(classes, codes)
        problems = _of_folds(batch, weights[:, : n_folds[codes[0]]])
        alike = [plans[code] for code in codes]
        levels = _path(problems, counts[codes[0]].tolist(), alike)
        members = [_members(batch, level) for level in levels]
        for code, *of_counts in zip(codes.tolist(), *members, strict=True):
            paths[code] = [list(path) for path in zip(*of_counts, strict=True)]
    return paths


def _alike(
    sizes: NDArray[np.intp],
    counts: NDArray[np.intp],
    n_folds: NDArray[np.intp],
    n_features: int,
) -> Iterator[NDArray[np.intp]]:
    """Yield the numbers of classes with equal counts and like numbers of rows."""
    keys = np.column_stack([n_folds, counts])
    order = np.lexsort((-sizes, *keys.T))
    while len(order):
        most, key = sizes[order[0]], keys[order[0]]
        alike = (keys[order] == key).all(axis=1) & (ALIKE * sizes[order] >= most)
        width = n_features + key[0] * key[-1]
        n_taken = min(
            int(np.append(alike, False).argmin()), max(1, TOGETHER // (most * width))
        )
        yield order[:n_taken]
        order = order[n_taken:]


def _of_folds(batch: Batch, weights: NDArray) -> Problems:
    """Return the rows of classes with the weights of each fold."""
    points, norms, whole, weighted = batch.problems
    own = weights[batch.positions] * (whole[:, 0] > 0)[..., np.newaxis] / batch.unit
    shared = own.shape[2] > 1
    return Problems(points, norms, own.swapaxes(1, 2), points if shared else weighted)


def _path(problems: Problems, counts: list[int], plans: Sequence[Plan]) -> list[Found]:
    """Return what is found for each of the ascending counts."""
    whole = found = _whole(problems)
    if counts[-1] > 1:
        many = problems.points.size > FEW_VALUES
        rough = problems.astype(np.float32) if many else problems
        found = _seeded(rough, counts[-1], plans)
        if many and _is_rough(problems, found):
            found = _seeded(problems, counts[-1], plans)
        else:
            problems = rough
    levels = [found]
    for count in counts[-2::-1]:
        if count == 1:
            found = whole
        elif count < found.counts.shape[2]:
            shape = found.means.shape
            means = found.means.reshape(-1, *shape[2:])
            centers = merge(means, found.counts.reshape(len(means), -1), count)
            centers = centers.reshape(*shape[:2], count, -1)
            found = _moved(problems, centers, plans[0], MERGED_STEPS)
        levels.append(found)
    return levels[::-1]


def _seeded(problems: Problems, count: int, plans: Sequence[Plan]) -> Found:
    """Seed centers in each fold of each class, and move them."""
    chances = np.stack([_chances(plan.seed, count) for plan in plans])
    chances = chances.repeat(problems.weights.shape[1], axis=2)
    centers = seed_centers(problems, chances)
    return _moved(problems, centers, plans[0], SEEDED_STEPS)


@lru_cache(maxsize=1024)
def _chances(seed: int, n_clusters: int) -> NDArray[np.float64]:
    """Draw the uniform numbers of greedy k-means++, as one restart of `BatchedKMeans`.

    The first center takes one of them, each of the others several. They are the same
    in all folds and metrics, and a new generator takes as long as to cluster some rows.
    """
    shape = n_clusters, 1, 2 + int(np.log(n_clusters))
    chances = np.zeros(shape)
    rng = np.random.RandomState(seed)
    chances[0, 0, 0] = rng.uniform()
    chances[1:] = rng.uniform(size=(n_clusters - 1, *shape[1:]))
    return chances * (1 - 1e-6)  # below 1 in float32


def _whole(problems: Problems) -> Found:
    """Return the mean of the rows of each fold."""
    mass = problems.weights.sum(axis=2, keepdims=True)
    means = (problems.weights @ problems.points[..., :-1] / mass)[:, :, np.newaxis]
    return Found(means, means, mass)


def _moved(problems: Problems, centers: NDArray, plan: Plan, most: int) -> Found:
    """Move centers some steps."""
    centers = centers.astype(problems.points.dtype)
    for _ in range(min(most, plan.clusterer.max_iter)):
        centers, _ = assign(problems, centers)
    return Found(centers, *assign(problems, centers))


def _is_rough(problems: Problems, found: Found) -> bool:
    """Return whether float32 is too rough for the clusters of a class."""
    norms, weights = problems.norms, problems.weights
    gained = ((found.means**2).sum(axis=3) * found.counts).sum(axis=2)
    left = (weights @ norms[..., np.newaxis])[..., 0] - gained
    largest = weights.sum(axis=2) * norms.max(axis=1, keepdims=True)
    return bool((left <= ROUGH * largest).any())


def _members(batch: Batch, found: Found) -> list[list[Members]]:
    """Return the prototypes of each fold of each class, without those of no rows."""
    vectors = batch.to_rows(found.centers)
    counts = found.counts.astype(np.float64) * batch.unit
    kept = counts > 0
    return [
        [Members(*pair) for pair in zip(*of_class, strict=True)]
        if own.all()
        else [
            Members(of[some], n[some])
            for of, n, some in zip(*of_class, own, strict=True)
        ]
        for *of_class, own in zip(vectors, counts, kept, strict=True)
    ]
