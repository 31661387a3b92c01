"""Prototypes of small classes in the folds of a search, for several counts at once.

They are only compared with held-out rows. Therefore each class is clustered from one
start, and the rows nearest to its prototypes are not looked for.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sklearn_kmex._data.arrays import to_numpy
from sklearn_kmex._data.rows import Rows
from sklearn_kmex._fit.batch import ROUGH, Problems, assign, move, seed_centers
from sklearn_kmex._fit.prototypes import Plan
from sklearn_kmex._fit.small import ALIKE, Batch, distinct_of_each, open_batch
from sklearn_kmex._fit.ward import merge

# Values of the rows of classes that are clustered together, 4 MiB.
TOGETHER = 2**19
# Most steps from seeded centers, and from merged ones, which are nearly as good as
# those where more steps end.
SEEDED_STEPS, MERGED_STEPS = 5, 2


class Members(NamedTuple):
    """Prototypes of one class, and the weights of their members."""

    vectors: NDArray
    counts: NDArray[np.float64]


class Found(NamedTuple):
    """Standardized centers of one class, the means of their members, and weights."""

    centers: NDArray[np.float64]
    means: NDArray[np.float64]
    counts: NDArray[np.float64]


def small_paths(
    rows: Rows, owners: NDArray[np.intp], plans: Sequence[Plan]
) -> list[list[Members]]:
    """Find prototypes of each class, for each count of its plan.

    `owners` are the numbers of the classes of the rows, ascending. The largest count is
    clustered from one start; each smaller one starts from the prototypes of the next
    larger one, merged.
    """
    classes = distinct_of_each(rows._replace(values=to_numpy(rows.values)), owners)
    paths: list[list[Members]] = [[] for _ in plans]
    for codes in _alike(classes.sizes, rows.values.shape[1]):
        batch = open_batch(classes, codes)
        own = [plans[code] for code in codes]
        for place, found in enumerate(_path(batch, classes.sizes[codes], own)):
            center, scale = batch.center[place, 0], batch.scale[place, 0]
            paths[codes[place]] = [
                Members(
                    (one.centers * scale + center).astype(classes.rows.values.dtype),
                    one.counts * batch.unit[place, 0],
                )
                for one in found
            ]
    return paths


def _alike(sizes: NDArray[np.intp], n_features: int) -> Iterator[NDArray[np.intp]]:
    """Yield the numbers of classes with like numbers of rows."""
    order = np.argsort(-sizes, kind="stable")
    while len(order):
        most = sizes[order[0]]
        n_alike = np.count_nonzero(ALIKE * sizes[order] >= most)
        n_taken = min(n_alike, max(1, TOGETHER // (most * n_features)))
        yield order[:n_taken]
        order = order[n_taken:]


def _path(
    batch: Batch, sizes: NDArray[np.intp], plans: Sequence[Plan]
) -> list[list[Found]]:
    """Return what is found for each class, for each of its counts, ascending."""
    counts = np.minimum([plan.counts for plan in plans], sizes[:, np.newaxis])
    problems, whole = batch.problems, _whole(batch.problems)
    found = whole.copy()
    seeds = np.array([plan.seed for plan in plans])
    for count in np.unique(counts[:, -1]).tolist():
        own = np.flatnonzero(counts[:, -1] == count)
        if count > 1:
            chances = np.stack([_chances(int(seed), count) for seed in seeds[own]])
            centers = seed_centers(_take(problems, own), chances)[:, 0]
            found |= _moved(problems, own, centers, plans[0], SEEDED_STEPS)
    levels = [found]
    if not _is_rough(problems, found):
        problems = problems.astype(np.float32)
    for wanted in counts[:, -2::-1].T:
        more = np.array([len(found[i].counts) for i in range(len(plans))]) > wanted
        found = found | {i: whole[i] for i in np.flatnonzero(wanted == 1).tolist()}
        for count in np.unique(wanted[more & (wanted > 1)]).tolist():
            own = np.flatnonzero(more & (wanted == count))
            centers = merge(*_padded([found[i] for i in own.tolist()]), count)
            found |= _moved(problems, own, centers, plans[0], MERGED_STEPS)
        levels.append(found)
    return [[level[i] for level in levels[::-1]] for i in range(len(plans))]


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
    return chances


def _take(problems: Problems, own: NDArray[np.intp]) -> Problems:
    """Return some of the problems, in ascending order; all are not copied."""
    return problems if len(own) == len(problems.norms) else problems.take(own)


def _whole(problems: Problems) -> dict[int, Found]:
    """Return the mean of each class, which is 0."""
    masses = problems.weights.sum(axis=2)
    zeros = np.zeros((1, problems.points.shape[2] - 1))
    return {i: Found(zeros, zeros, mass) for i, mass in enumerate(masses)}


def _is_rough(problems: Problems, found: dict[int, Found]) -> bool:
    """Return whether float32 is too rough for the clusters of a class."""
    squares = [of.counts @ (of.means**2).sum(axis=1) for _, of in sorted(found.items())]
    norms, weights = problems.norms, problems.weights[:, 0]
    left = (norms * weights).sum(axis=1) - squares
    return bool((left <= ROUGH * weights.sum(axis=1) * norms.max(axis=1)).any())


def _moved(
    problems: Problems, own: NDArray[np.intp], centers: NDArray, plan: Plan, most: int
) -> dict[int, Found]:
    """Move the centers of some classes at most so many steps; drop empty ones."""
    problems, model = _take(problems, own), plan.clusterer
    start = centers[:, np.newaxis].astype(problems.points.dtype)
    moved, *_ = move(problems, start, min(most, model.max_iter), model.tol)
    means, weights = assign(problems, moved)
    found = list(map(Found, moved[:, 0], means[:, 0], weights[:, 0]))
    if not weights.all():
        found = [Found(*(field[of.counts > 0] for field in of)) for of in found]
    return dict(zip(own.tolist(), found, strict=True))


def _padded(found: Sequence[Found]) -> tuple[NDArray, NDArray]:
    """Return means and weights as arrays; what is added has weight 0."""
    most = max(len(one.counts) for one in found)
    means = np.zeros((len(found), most, found[0].means.shape[1]))
    weights = np.zeros((len(found), most))
    for i, one in enumerate(found):
        means[i, : len(one.counts)] = one.means
        weights[i, : len(one.counts)] = one.counts
    return means, weights
