"""Prototypes of one class: k-means on its rows, then what each prototype stands for."""

import math
import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.base import BaseEstimator, clone
from sklearn.cluster import KMeans, MiniBatchKMeans
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import has_fit_parameter

from sklearn_kmex._compat import get_namespace_and_device
from sklearn_kmex._data.arrays import (
    beside,
    dense,
    map_blocks,
    row_blocks,
    rows_at,
    to_numpy,
    widest,
)
from sklearn_kmex._data.rows import Rows
from sklearn_kmex._fit.kmeans import BatchedKMeans
from sklearn_kmex._model.similarity import squared_distances

# Clusterers that can be given centers to start from.
MOVES_ON = (BatchedKMeans, KMeans, MiniBatchKMeans)
# Share of a squared distance within which another one is the same.
AS_NEAR = 1e-6
# So many columns of rows are compared first, and so many times more next.
LEADING_COLUMNS = 16


class ClassPrototypes(NamedTuple):
    """Prototypes of one class, their members, and the training row nearest to each.

    All of it is on the host, wherever the rows are.
    """

    vectors: NDArray
    means: NDArray  # of the members, by which a stream goes on
    counts: NDArray[np.float64]
    nearest: Rows
    inertia: float
    n_iter: int

    def spread(self) -> float:
        """Sum of squared distances of the members to their own mean."""
        moved = ((self.means - self.vectors) ** 2).sum(axis=1, dtype=np.float64)
        return self.inertia - float(self.counts @ moved)


def row_keys(values: Any) -> NDArray:
    """Turn each row into one value that can be sorted."""
    if sparse.issparse(values):
        ends = zip(values.indptr[:-1], values.indptr[1:], strict=True)
        rows = [(values.indices[a:b], values.data[a:b]) for a, b in ends]
        keys = np.empty(len(rows), dtype=object)
        keys[:] = [where.tobytes() + what.tobytes() for where, what in rows]
        return keys
    return values.view(np.dtype((np.void, values.itemsize * values.shape[1]))).ravel()


def own_order(values: Any) -> NDArray[np.intp]:
    """Order distinct rows by their bytes, so that it is not that of the training set.

    Of an array, as many columns are looked at as tell the rows apart.
    """
    n_columns = values.shape[1]
    width = n_columns if sparse.issparse(values) else min(LEADING_COLUMNS, n_columns)
    while True:
        keys = row_keys(canonical(to_numpy(values[:, :width])))
        if width == n_columns or len(np.unique(keys)) == len(keys):
            return np.argsort(keys)
        width = min(width * LEADING_COLUMNS, n_columns)


def canonical(values: Any) -> Any:
    """Make equal rows equal to the byte: no -0.0, sorted indices, no stored zero."""
    if not sparse.issparse(values):
        return np.ascontiguousarray(values) + values.dtype.type(0)
    values = values.tocsr(copy=True)
    values.sum_duplicates()
    values.eliminate_zeros()
    return values


def distinct_rows(rows: Rows) -> Rows:
    """Merge equal rows into the first of them, which carries the weight of all.

    A row of weight k is then the same input as k copies of it, and no two
    prototypes can start from copies of one row. Only rows of equal sums are compared.
    """
    if sparse.issparse(rows.values):  # summed in the same order
        rows = rows._replace(values=canonical(rows.values))
    xp, *_ = get_namespace_and_device(rows.values)
    sums = np.asarray(to_numpy(xp.sum(rows.values, axis=1))).ravel()
    _, group, sizes = np.unique(sums, return_inverse=True, return_counts=True)
    alike = np.flatnonzero(sizes[group] > 1)
    keys = row_keys(canonical(to_numpy(rows_at(rows.values, alike))))
    _, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
    into = np.arange(len(rows.numbers))
    into[alike] = alike[first[inverse]]
    if len(first) == len(alike):
        return rows
    weights = np.bincount(into, weights=rows.weights).astype(np.float64)
    kept = np.unique(into)
    return rows._replace(weights=weights).take(kept)


def cluster(
    rows: Rows,
    n_clusters: int,
    clusterer: BaseEstimator,
    seed: int,
    start: NDArray | None = None,
) -> tuple[NDArray, int]:
    """Cluster the rows about their mean; return the centers and the iterations.

    Where `start` is given, k-means moves on from there; other clusterers take no
    start. Only the built-in one is given rows where they are, others on the host.
    """
    values, center, scale = _standardized(rows)
    model = clone(clusterer)
    settings = model.get_params(deep=False)
    if "n_clusters" not in settings:
        raise ValueError(f"clusterer must have a parameter n_clusters; got {model!r}.")
    model.set_params(n_clusters=n_clusters)
    if settings.get("random_state", 0) is None:
        model.set_params(random_state=seed)
    if not isinstance(model, BatchedKMeans):
        values = to_numpy(values)
    if start is not None and isinstance(model, MOVES_ON):
        model.set_params(init=((start - center) / scale).astype(center.dtype), n_init=1)
    with warnings.catch_warnings():
        # Fewer clusters than asked for: found again, and reported once, by fit.
        warnings.filterwarnings("ignore", "Number of distinct", ConvergenceWarning)
        _fit_weighted(model, values, rows.weights)
    if not hasattr(model, "cluster_centers_"):
        raise ValueError(
            "clusterer must have cluster_centers_ after fit; "
            f"{type(model).__name__} has none. Use one that does, such as KMeans."
        )
    centers = np.asarray(to_numpy(model.cluster_centers_), dtype=np.float64)
    centers = (centers * scale + center).astype(center.dtype)
    return centers, int(np.max(getattr(model, "n_iter_", 1)))


def _standardized(rows: Rows) -> tuple[Any, Any, float]:
    """Return the rows less a center, over a scale; then the center and the scale.

    They are divided by a power of two, which rounds nothing, so that squares of
    float32 neither overflow nor vanish. Sparse rows are not centered.
    """
    if sparse.issparse(rows.values):
        of_dtype = rows.values.dtype.type
        scale = np.ldexp(1.0, np.frexp(abs(rows.values).max())[1])
        return rows.values / of_dtype(scale), of_dtype(0), scale
    xp, *_ = get_namespace_and_device(rows.values)
    center = _mean(rows)
    values = rows.values - beside(center, rows.values)
    farthest = max(float(xp.max(values)), -float(xp.min(values)))
    scale = math.ldexp(1.0, math.frexp(farthest)[1])
    # The inverse of a smaller scale would overflow.
    scale = max(scale, float(xp.finfo(values.dtype).smallest_normal))
    values *= 1 / scale
    return values, center, scale


def _fit_weighted(model: BaseEstimator, values: Any, weights: NDArray) -> None:
    """Fit a clusterer; one that takes no weights gets whole ones as repeated rows."""
    copies = weights / weights.min()
    if has_fit_parameter(model, "sample_weight"):
        model.fit(values, sample_weight=weights)
    elif np.all(copies == np.rint(copies)):
        model.fit(values[np.repeat(np.arange(len(copies)), copies.astype(np.intp))])
    else:
        raise ValueError(
            f"clusterer must take sample_weight in fit when rows are weighted; got "
            f"{model!r}. Leave sample_weight out, or use KMeans."
        )


def class_prototypes(
    rows: Rows,
    n_prototypes: int,
    seed: int,
    *,
    clusterer: BaseEstimator,
    prototype: str,
    max_samples: int | float | None = None,
    known: ClassPrototypes | None = None,
    start: NDArray | None = None,
) -> ClassPrototypes:
    """Prototypes of the distinct rows of one class, searched for from `start` on.

    The members of prototypes `known` from earlier rows count as one row, their mean,
    of their weight, which is how clusterings of a stream are merged (Guha et al.
    2003, "Clustering data streams: theory and practice").
    """
    points = candidates = rows
    if known is not None:
        numbers = known.nearest.numbers
        points = _stack(Rows(known.means, numbers, known.counts), rows)
        candidates = _stack(known.nearest, rows)
    seen = _sample(points, max_samples, n_prototypes, seed)
    n_clusters = min(n_prototypes, len(seen.numbers))
    centers, n_iter = cluster(seen, n_clusters, clusterer, seed, start)
    if prototype == "medoid":
        nearest = candidates.take(first_nearest(_distances(candidates, centers)))
        centers = to_numpy(dense(nearest.values))
    distances = _distances(points, centers)
    owner = distances.argmin(axis=1)
    kept = np.unique(owner)  # a center without members is no prototype
    vectors, members = centers[kept], [np.flatnonzero(owner == j) for j in kept]
    apart = distances[:, kept] if known is None else _distances(candidates, vectors)
    nearest = candidates.take(first_nearest(apart))
    inertia = float(points.weights @ distances.min(axis=1))
    return ClassPrototypes(
        vectors,
        np.stack([_mean(points.take(own)) for own in members]),
        np.array([points.weights[own].sum() for own in members]),
        nearest._replace(values=to_numpy(dense(nearest.values))),
        inertia if known is None else inertia + known.spread(),
        n_iter,
    )


def first_nearest(distances: NDArray) -> NDArray[np.intp]:
    """Row nearest to each vector; of those as near, up to rounding, the first.

    The two members of a cluster are as near to their mean, however that is rounded.
    """
    near = distances <= (1 + AS_NEAR) * distances.min(axis=0)
    return near.argmax(axis=0)


def _sample(rows: Rows, size: int | float | None, at_least: int, seed: int) -> Rows:
    """Draw a number or a share of the rows, without replacement."""
    n_rows = len(rows.numbers)
    if isinstance(size, float | np.floating):
        size = int(np.ceil(size * n_rows))
    if size is None or size >= n_rows:
        return rows
    size = min(n_rows, max(size, at_least))
    drawn = np.random.RandomState(seed).choice(n_rows, size, replace=False)
    return rows.take(np.sort(drawn))


def _mean(rows: Rows) -> NDArray:
    """Weighted mean, summed in float64 without a float64 copy of the rows."""
    values, weights = rows.values, rows.weights
    if sparse.issparse(values):
        total, dtype = values.T @ weights, values.dtype
    elif isinstance(values, np.ndarray):
        total, dtype = np.einsum("i,ij->j", weights, values), values.dtype
    else:
        total, dtype = _sum_elsewhere(values, weights), to_numpy(values[:1, :]).dtype
    return (total / weights.sum()).astype(dtype, copy=False)


def _sum_elsewhere(values: Any, weights: NDArray) -> NDArray:
    """Weighted sum of rows of another library than NumPy."""
    xp, *_ = get_namespace_and_device(values)
    dtype, total, start = widest(values), 0, 0
    for block in row_blocks(values):
        own = beside(weights[start : start + block.shape[0]], values, dtype)
        total = total + own @ xp.astype(block, dtype)
        start += block.shape[0]
    return to_numpy(total)


def _stack(first: Rows, second: Rows) -> Rows:
    """Put rows on the host before others, wherever these are."""
    values, *rest = zip(first, second, strict=True)
    numbers, weights = map(np.concatenate, rest)
    if sparse.issparse(second.values):
        return Rows(sparse.vstack(values).tocsr(), numbers, weights)
    xp, *_ = get_namespace_and_device(second.values)
    known = beside(first.values, second.values)
    return Rows(xp.concat([known, second.values], axis=0), numbers, weights)


def _distances(rows: Rows, vectors: NDArray) -> NDArray[np.float64]:
    """Squared distances on the host: a number for each row and vector."""
    return to_numpy(
        map_blocks(lambda block: squared_distances(block, vectors), rows.values)
    )


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
