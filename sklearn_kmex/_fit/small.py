"""The prototypes of many small classes, and of their folds, found as one batch."""

import math
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from itertools import repeat
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from sklearn_kmex._compat import one_blas_thread
from sklearn_kmex._data.arrays import to_numpy
from sklearn_kmex._data.rows import Rows
from sklearn_kmex._data.unit_rows import largest_values
from sklearn_kmex._fit.batch import (
    Problems,
    distances_to,
    means_of,
    move,
    n_entrants,
    problems_of,
    start,
    uniform,
)
from sklearn_kmex._fit.kmeans import BatchedKMeans
from sklearn_kmex._fit.prototypes import (
    AS_NEAR,
    ClassPrototypes,
    Plan,
    canonical,
    row_keys,
)
from sklearn_kmex._fit.temperature import N_FOLDS, Fold, fold_sizes
from sklearn_kmex._fit.ward import merge

# A class is small if its values and its distances to the centers of all restarts are at
# most so many; a batch has at most so many in all, and arrays for its classes have at
# most this many times as many rows as these.
SMALL, BATCH, ALIKE = 2**18, 2**21, 1.5
# Larger values have squares that may be too large for float64.
SAFE = 2.0**500


class Classes(NamedTuple):
    """Distinct rows of some classes, one class after another."""

    rows: Rows
    starts: NDArray[np.intp]  # the first row of each class
    sizes: NDArray[np.intp]
    order: NDArray[np.intp]  # rows of each class, in an order that is not that of X

    def positions(self, codes: NDArray) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
        """Return the rows of some classes, padded to equal size, and which are real."""
        places = np.arange(self.sizes[codes].max())
        real = places < self.sizes[codes, np.newaxis]
        return self.starts[codes, np.newaxis] + np.where(real, places, 0), real


class Batch(NamedTuple):
    """Standardized rows of classes that are clustered together."""

    rows: Rows
    positions: NDArray[np.intp]  # (n_classes, n_rows)
    problems: Problems
    center: NDArray  # (n_classes, 1, 1, n_features)
    scale: NDArray  # (n_classes, 1, 1, 1), a power of two
    unit: NDArray  # (n_classes, 1, 1), the weight that counts as 1

    def to_rows(self, centers: NDArray) -> NDArray:
        """Return centers in the space and the dtype of the rows."""
        return (centers * self.scale + self.center).astype(self.rows.values.dtype)


def share_of_batch(n_rows: int, X: Any, plan: Plan) -> float:
    """Return the share of a batch that a class fills; 1 if it is clustered alone."""
    model = plan.clusterer
    given = plan.known is not None or plan.max_samples is not None
    if sparse.issparse(X) or type(model) is not BatchedKMeans or given:
        return 1.0
    n_restarts = n_entrants(X.shape[1], model.n_init)
    size = n_rows * (X.shape[1] + plan.counts[-1] * n_restarts)
    return size / BATCH if size <= SMALL else 1.0


def is_safe(values: Any) -> bool:
    """Return whether squares of the values are in the range of float64."""
    values = to_numpy(values)
    return max(float(values.max()), -float(values.min())) < SAFE


@one_blas_thread
def fit_small(
    rows: Rows, owners: NDArray[np.intp], plans: Sequence[Plan], n_classes: int
) -> list[tuple[list[ClassPrototypes], list[Fold]]]:
    """Find the prototypes of each class for the counts of its plan, and its folds.

    `owners` are the numbers of the classes of the rows, ascending. The largest count is
    clustered with all restarts; each smaller one starts from the prototypes of the next
    larger one, merged.
    """
    classes = distinct_of_each(rows._replace(values=to_numpy(rows.values)), owners)
    last = _fit_all(classes, dict(enumerate(plans)), n_classes)
    found = [[last[code][0]] for code in range(len(plans))]
    for place in reversed(range(len(plans[0].counts) - 1)):
        fewer = {}
        for code, plan in enumerate(plans):
            known, count = found[code][-1], plan.counts[place]
            if count < len(known.vectors):
                means = merge(known.means[np.newaxis], known.counts[np.newaxis], count)
                fewer[code] = plan._replace(start=means[0])
        last |= _fit_all(classes, fewer, n_classes)
        for code, of_class in enumerate(found):
            of_class.append(last[code][0])
    return [(found[code][::-1], last[code][1]) for code in range(len(plans))]


def _fit_all(
    classes: Classes, plans: dict[int, Plan], n_classes: int
) -> dict[int, tuple[ClassPrototypes, list[Fold]]]:
    """Find the prototypes of some classes for the largest count, and their folds."""
    fitted: dict[int, tuple[ClassPrototypes, list[Fold]]] = {}
    for codes in _alike(classes.sizes, plans):
        batch, own = open_batch(classes, codes), [plans[code] for code in codes]
        seeds = np.array([plan.seed for plan in own])
        centers, n_iter = _cluster(batch, own, seeds)
        members, found = _describe(batch, centers, own[0], n_iter)
        folds: Iterable[list[Fold]] = repeat([])
        if own[0].hold_out:
            order = classes.order[batch.positions] - batch.positions[:, :1]
            sizes = fold_sizes(n_classes, own[0].counts[0])
            drawn = _shuffled(batch, order, seeds)[:, : sizes[0]]
            folds = _fit_folds(batch, members, own[0], drawn, sizes[1])
        fitted.update(zip(codes.tolist(), zip(found, folds, strict=False), strict=True))
    return fitted


def distinct_of_each(rows: Rows, owners: NDArray[np.intp]) -> Classes:
    """Merge equal rows of each class, as `distinct_rows` does, and sort them."""
    values = rows.values
    sums = (values * _column_weights(values.shape[1])).sum(axis=1)
    order = np.lexsort((sums, owners))
    equal = np.diff(sums[order]) == 0
    equal &= np.diff(owners[order]) == 0
    if equal.any():
        again = np.flatnonzero(equal)
        alike = np.unique(order[np.concatenate([again, again + 1])])
        keys = np.column_stack([owners[alike], values[alike]])
        keys = row_keys(canonical(keys))
        _, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
        into = np.arange(len(owners))
        into[alike] = alike[first[inverse]]
        kept = into == np.arange(len(owners))
        weights = np.zeros_like(rows.weights, dtype=np.float64)
        np.add.at(weights, into, rows.weights)
        rows, owners = rows._replace(weights=weights).take(kept), owners[kept]
        order = (np.cumsum(kept) - 1)[order[kept[order]]]
    sizes = np.bincount(owners)
    return Classes(rows, np.cumsum(sizes) - sizes, sizes, order)


@cache
def _column_weights(n_features: int) -> NDArray[np.float64]:
    """Return weights of columns; different rows have different sums, most likely."""
    return np.cos(np.arange(n_features))


def _alike(
    sizes: NDArray[np.intp], plans: dict[int, Plan]
) -> Iterator[NDArray[np.intp]]:
    """Yield the numbers of classes with equal counts and like numbers of rows."""
    codes = np.array(list(plans), dtype=np.intp)
    sizes = sizes[codes]
    counts = np.minimum([_count(plan) for plan in plans.values()], sizes)
    order = np.lexsort((sizes, counts < sizes, counts))
    codes, sizes, counts = codes[order], sizes[order], counts[order]
    first = 0
    while first < len(codes):
        same = counts[first:] == counts[first]
        same &= (counts < sizes)[first:] == (counts[first] < sizes[first])
        padded = sizes[first:] * np.arange(1, len(codes) - first + 1)
        same &= padded <= ALIKE * sizes[first:].cumsum()
        stop = first + int(np.argmin(np.append(same, False)))
        yield codes[first:stop]
        first = stop


def _count(plan: Plan) -> int:
    return plan.counts[-1] if plan.start is None else len(plan.start)


def open_batch(classes: Classes, codes: NDArray[np.intp]) -> Batch:
    """Center the rows of each class, and divide them by a power of two."""
    positions, real = classes.positions(codes)
    rows = classes.rows
    weights = np.where(real, rows.weights[positions], 0.0)[:, np.newaxis]
    unit = _powers_of_two(weights.max(axis=2, keepdims=True)) / 2
    weights /= unit
    values = rows.values[positions].astype(np.float64, copy=False)
    center = (weights @ values) / weights.sum(axis=2, keepdims=True)
    center = center.astype(rows.values.dtype).astype(np.float64)
    values -= center
    values[~real] = 0
    largest = values.max(axis=(1, 2), keepdims=True)
    largest = np.maximum(largest, -values.min(axis=(1, 2), keepdims=True))
    scale = _powers_of_two(largest)
    points = np.ones((*positions.shape, values.shape[2] + 1))
    np.divide(values, scale, out=points[..., :-1])
    return Batch(
        rows,
        positions,
        problems_of(points, weights),
        center[:, np.newaxis],
        scale[:, np.newaxis],
        unit,
    )


def _powers_of_two(values: NDArray) -> NDArray:
    """Return the least powers of two that are larger than numbers."""
    powers = np.ldexp(1.0, np.frexp(values)[1])
    return np.maximum(powers, np.finfo(np.float64).smallest_normal)


def _cluster(
    batch: Batch, plans: Sequence[Plan], seeds: NDArray
) -> tuple[NDArray, int]:
    """Return the centers of each class, the largest cluster first, and the steps."""
    problems, model = batch.problems, plans[0].clusterer
    n_rows, n_clusters = problems.norms.shape[1], _count(plans[0])
    starts = [plan.start for plan in plans if plan.start is not None]
    if starts:
        given = np.stack(starts)[:, np.newaxis]
        centers = (given - batch.center) / batch.scale
    elif n_clusters >= n_rows:
        return problems.points[:, np.newaxis, :, :-1], 1
    elif n_clusters == 1:
        centers = np.zeros_like(batch.center)
    else:
        n_restarts = n_entrants(batch.center.shape[3], model.n_init)
        size = n_clusters, n_restarts, 2 + int(math.log(n_clusters))
        centers = start(problems, uniform(seeds, size, 0) * (1 - 1e-6))
    centers, counts, n_iter = move(problems, centers, model.max_iter, model.tol)
    order = np.lexsort((centers[:, 0, :, 0], -counts[:, 0]), axis=-1)
    each = np.arange(len(order))[:, np.newaxis]
    return centers[:, 0][each, order][:, np.newaxis], n_iter


def _vectors(
    batch: Batch, problems: Problems, centers: NDArray, plan: Plan
) -> tuple[NDArray, NDArray]:
    """Return the prototypes in the space of the rows, and as standardized centers."""
    if plan.prototype == "medoid":
        apart = distances_to(problems, centers)
        own = problems.weights[:, :, np.newaxis] > 0
        nearest = _first_nearest(np.where(own, apart, np.inf))
        each = np.arange(len(nearest)).reshape(-1, 1, 1)
        rows = batch.positions[each, nearest]
        return batch.rows.values[rows], problems.points[each, nearest, :-1]
    vectors = batch.to_rows(centers)
    return vectors, (vectors - batch.center) / batch.scale


def _first_nearest(apart: NDArray) -> NDArray[np.intp]:
    """Return the nearest row, the first of those that differ by rounding alone."""
    near = apart <= (1 + AS_NEAR) * apart.min(axis=-1, keepdims=True)
    return near.argmax(axis=-1)


def _describe(
    batch: Batch, centers: NDArray, plan: Plan, n_iter: int
) -> tuple[NDArray, list[ClassPrototypes]]:
    """Describe the prototypes of each class; return their members, too: 1, or 0."""
    problems = batch.problems
    vectors, placed = _vectors(batch, problems, centers, plan)
    apart = distances_to(problems, placed)
    least = apart.min(axis=2)
    members = (apart == least[:, :, np.newaxis]).astype(np.float64)
    means, counts = means_of(problems, members)
    counts = counts[:, 0] * batch.unit[:, 0]
    nearest = _nearest(batch, apart[:, 0], members[:, 0] > 0, plan)
    each = np.arange(len(nearest))[:, np.newaxis]
    shown = batch.rows.take(batch.positions[each, nearest])
    vectors, means = vectors[:, 0], batch.to_rows(means)[:, 0]
    inertia = (least * problems.weights).sum(axis=(1, 2))
    inertia *= batch.unit[:, 0, 0] * batch.scale[:, 0, 0, 0] ** 2
    return members, [
        ClassPrototypes(
            vectors[p][kept],
            means[p][kept],
            counts[p][kept],
            Rows(*(field[p][kept] for field in shown)),
            float(inertia[p]),
            n_iter,
        )
        for p, kept in enumerate(counts > 0)
    ]


def _nearest(
    batch: Batch, apart: NDArray, members: NDArray[np.bool_], plan: Plan
) -> NDArray[np.intp]:
    """Return the member nearest to each prototype, of unit rows none of zeros.

    A prototype with such members alone has the nearest other row.
    """
    allowed = batch.problems.weights > 0
    members &= allowed
    if plan.unit:
        shown = largest_values(batch.rows.values)[batch.positions][:, np.newaxis] > 0
        shown &= allowed
        allowed = np.where(shown.any(axis=2, keepdims=True), shown, allowed)
        members &= allowed
        members |= ~members.any(axis=2, keepdims=True) & allowed
    return _first_nearest(np.where(members, apart, np.inf))


def _shuffled(batch: Batch, order: NDArray, seeds: NDArray) -> NDArray[np.intp]:
    """Shuffle the rows of each class, whatever their order in X; padding is last."""
    real = batch.problems.weights[:, 0] > 0
    chances = np.where(real, uniform(seeds, order.shape[1:], 1), 1.0)
    order = np.where(real, order, np.arange(order.shape[1]))
    return np.take_along_axis(order, chances.argsort(axis=1), axis=1)


def _fit_folds(
    batch: Batch,
    members: NDArray,
    plan: Plan,
    drawn: NDArray[np.intp],
    scored: int,
) -> list[list[Fold]]:
    """Move the prototypes of each class to their members without each fold.

    `drawn` are rows of each class, dealt to the folds in turns. Only these are used,
    and at most `scored` are held out in a fold. A class with one row keeps it. More
    steps of k-means change the temperature by a few percent at most.
    """
    problems, rows = batch.problems, batch.rows
    sizes = np.count_nonzero(problems.weights[:, 0], axis=1)
    fold = np.full(batch.positions.shape, -1)
    turns = np.where(sizes[:, np.newaxis] > 1, np.arange(drawn.shape[1]) % N_FOLDS, 3)
    np.put_along_axis(fold, drawn, turns, axis=1)
    fold = fold[:, np.newaxis]
    used = (fold >= 0) & (fold != np.arange(N_FOLDS)[:, np.newaxis])
    problems = problems._replace(weights=problems.weights * used)
    means, counts = means_of(problems, members)
    vectors, _ = _vectors(batch, problems, means, plan)
    counts *= batch.unit
    found = []
    for p, size in enumerate(sizes):
        own = drawn[p, : size * (size > 1)] + batch.positions[p, 0]
        held_out = [own[k::N_FOLDS][:scored] for k in range(N_FOLDS)]
        each = zip(vectors[p], counts[p], held_out, strict=True)
        found.append(
            [
                Fold(of[n > 0], n[n > 0], rows.numbers[out], rows.weights[out])
                for of, n, out in each
            ]
        )
    return found
