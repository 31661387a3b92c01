"""Prototypes of many small classes of folds, for several counts, in a few batches.

They are only compared with held-out rows. Therefore each class is clustered from one
start, and the rows nearest to its prototypes are not looked for.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sklearn_kmex._data.rows import Rows
from sklearn_kmex._fit.batch import Problems, assign, move, problems_of, seed_centers
from sklearn_kmex._fit.kmeans import BatchedKMeans
from sklearn_kmex._fit.prototypes import Plan
from sklearn_kmex._fit.ward import merge

# Values and distances of a small class, values of a batch, and the factor by which the
# numbers of rows in a batch may differ.
SMALL, BATCH, ALIKE = 2**18, 2**19, 1.5


class Members(NamedTuple):
    """Prototypes of one class, and the weights of their members."""

    vectors: NDArray
    counts: NDArray[np.float64]


class Found(NamedTuple):
    """Prototypes of one problem, the means of their members and their weights."""

    centers: NDArray[np.float64]
    means: NDArray[np.float64]
    counts: NDArray[np.float64]


class Batch(NamedTuple):
    """Distinct rows of classes, centered and scaled."""

    problems: Problems
    sizes: NDArray[np.intp]  # rows of each class
    center: NDArray[np.float64]  # (n_classes, n_features)
    scale: NDArray[np.float64]  # (n_classes,), powers of two

    @classmethod
    def of(cls, classes: Sequence[Rows]) -> "Batch":
        sizes = np.array([len(rows.numbers) for rows in classes])
        shape = len(classes), sizes.max()
        rows = np.zeros((*shape, classes[0].values.shape[1]))
        weights = np.zeros(shape)
        for own, of, n in zip(rows, classes, sizes, strict=True):
            own[:n] = of.values
        for own, of, n in zip(weights, classes, sizes, strict=True):
            own[:n] = of.weights
        mass = weights.sum(axis=1)[:, np.newaxis]
        center = np.einsum("pn,pnd->pd", weights, rows) / mass
        rows -= center[:, np.newaxis]
        rows[weights == 0] = 0
        _, exponents = np.frexp(abs(rows).max(axis=(1, 2)))
        scale = np.ldexp(1.0, np.maximum(exponents, np.finfo(float).minexp))
        rows /= scale[:, np.newaxis, np.newaxis]
        return cls(problems_of(rows, weights[:, np.newaxis]), sizes, center, scale)

    def start(
        self, own: NDArray[np.intp], count: int, seeds: Sequence[int]
    ) -> NDArray[np.float64]:
        """Return centers to start from, drawn with the seed of each class."""
        chances = np.stack([_chances(seed, count) for seed in seeds])
        return seed_centers(self.problems.take(own), chances)[:, 0]

    def move(
        self, own: NDArray[np.intp], centers: NDArray, model: BatchedKMeans
    ) -> Iterator[tuple[int, Found]]:
        """Move the centers of some classes until they stand still."""
        problems = self.problems.take(own)
        moved, _ = move(problems, centers[:, np.newaxis], model.max_iter, model.tol)
        step = assign(problems, moved)
        fields = moved[:, 0], step.means[:, 0], step.counts[:, 0]
        for i, found in zip(own.tolist(), zip(*fields, strict=True), strict=True):
            yield i, Found(*(field[found[2] > 0] for field in found))


def is_small(n_rows: int, n_features: int, plan: Plan) -> bool:
    """Return whether a class may be one of a batch."""
    fits = n_rows * (n_features + plan.counts[-1]) <= SMALL
    plain = plan.prototype == "centroid" and plan.max_samples is None
    return fits and plain and type(plan.clusterer) is BatchedKMeans


def small_paths(classes: Sequence[Rows], plans: Sequence[Plan]) -> list[list[Members]]:
    """Find prototypes of the distinct rows of each class, for each count of its plan.

    Each smaller count starts from the prototypes of the next larger one, merged.
    """
    paths: list[list[Members]] = [[] for _ in classes]
    for numbers in _batches(classes):
        batch = Batch.of([classes[i] for i in numbers])
        found = _path(batch, [plans[i] for i in numbers])
        dtype = classes[0].values.dtype
        for place, i in enumerate(numbers):
            scale, center = batch.scale[place], batch.center[place]
            paths[i] = [
                Members((one.centers * scale + center).astype(dtype), one.counts)
                for one in found[place]
            ]
    return paths


def _batches(classes: Sequence[Rows]) -> Iterator[NDArray[np.intp]]:
    """Yield the numbers of classes of nearly as many rows."""
    sizes = np.array([len(rows.numbers) for rows in classes])
    order = np.argsort(-sizes, kind="stable")
    while len(order):
        most = int(sizes[order[0]])
        alike = int((sizes[order] * ALIKE >= most).sum())
        fit = max(1, BATCH // (most * classes[0].values.shape[1]))
        yield order[: min(alike, fit)]
        order = order[min(alike, fit) :]


def _path(batch: Batch, plans: Sequence[Plan]) -> list[list[Found]]:
    """Return the prototypes of each class, for each of its counts, ascending."""
    counts = np.minimum([plan.counts for plan in plans], batch.sizes[:, np.newaxis])
    found: dict[int, Found] = {}
    for count in np.unique(counts[:, -1]):
        own = np.flatnonzero(counts[:, -1] == count)
        centers = batch.start(own, count, [plans[i].seed for i in own])
        found.update(batch.move(own, centers, plans[0].clusterer))
    levels = [found.copy()]
    for wanted in counts[:, -2::-1].T:
        more = np.array([len(found[i].counts) for i in range(len(plans))]) > wanted
        for count in np.unique(wanted[more]):
            own = np.flatnonzero(more & (wanted == count))
            centers = merge(*_padded([found[i] for i in own]), count)
            found.update(batch.move(own, centers, plans[0].clusterer))
        levels.append(found.copy())
    return [[level[i] for level in levels[::-1]] for i in range(len(plans))]


def _padded(found: Sequence[Found]) -> tuple[NDArray, NDArray]:
    """Return means and weights as arrays; what is added has weight 0."""
    most = max(len(one.counts) for one in found)
    means = np.zeros((len(found), most, found[0].means.shape[1]))
    weights = np.zeros((len(found), most))
    for i, one in enumerate(found):
        means[i, : len(one.counts)] = one.means
        weights[i, : len(one.counts)] = one.counts
    return means, weights


def _chances(seed: int, n_clusters: int) -> NDArray[np.float64]:
    """Draw the uniform numbers of greedy k-means++ with one restart."""
    n_drawn = 2 + int(np.log(n_clusters))
    return np.random.RandomState(seed).uniform(size=(n_clusters, 1, n_drawn))
