"""The prototypes of one class: k-means on its rows, and the members of each cluster."""

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
    asarray_like,
    dense,
    rows_at,
    to_numpy,
)
from sklearn_kmex._data.rows import Rows
from sklearn_kmex._data.unit_rows import largest_values
from sklearn_kmex._fit.kmeans import BatchedKMeans
from sklearn_kmex._fit.seeding import Points
from sklearn_kmex._fit.standard import (
    AS_NEAR,
    Standard,
    distances,
    means_of_members,
    power_of_two,
    standardize,
)
from sklearn_kmex._fit.ward import merge

# Clusterers that can start from given centers.
TAKE_INIT = (BatchedKMeans, KMeans, MiniBatchKMeans)
# Rows are compared by this many columns first. If some are equal, the number of columns
# is multiplied by it.
LEADING_COLUMNS = 16


class ClassPrototypes(NamedTuple):
    """Prototypes of one class, statistics of their members, and the nearest rows.

    A member of a prototype is a row to which it is the nearest of its class. All
    arrays are NumPy arrays, whatever the rows are.
    """

    vectors: NDArray
    means: NDArray  # of the members; `partial_fit` clusters them with the next batch
    counts: NDArray[np.float64]  # weights of the members
    nearest: Rows  # the row nearest to each prototype
    inertia: float
    n_iter: int

    def spread(self) -> float:
        """Return the sum of squared distances of the members to their own mean."""
        moved = ((self.means - self.vectors) ** 2).sum(axis=1, dtype=np.float64)
        return self.inertia - float(self.counts @ moved)


class Plan(NamedTuple):
    """How the prototypes of one class are to be found."""

    clusterer: BaseEstimator
    counts: Sequence[int] = (1,)  # the number wanted, then larger ones
    seed: int = 0
    prototype: str = "centroid"  # or "medoid"
    max_samples: int | float | None = None
    hold_out: bool = False  # whether to fit folds for the temperature
    known: ClassPrototypes | None = None  # from earlier batches of a stream
    start: NDArray | None = None  # centers to start from
    unit: bool = False  # whether rows are of length one, or zero


def row_keys(values: Any) -> NDArray:
    """Return one sortable value for each row; equal rows have equal values."""
    if sparse.issparse(values):
        ends = zip(values.indptr[:-1], values.indptr[1:], strict=True)
        rows = [(values.indices[a:b], values.data[a:b]) for a, b in ends]
        keys = np.empty(len(rows), dtype=object)
        keys[:] = [where.tobytes() + what.tobytes() for where, what in rows]
        return keys
    return values.view(np.dtype((np.void, values.itemsize * values.shape[1]))).ravel()


def byte_order(values: Any) -> NDArray[np.intp]:
    """Sort distinct rows by their bytes, independently of their order in X.

    Of an array, only the first columns are compared if no two rows are equal in them.
    Rows multiplied by a power of two keep their order.
    """
    n_columns = values.shape[1]
    width = n_columns if sparse.issparse(values) else min(LEADING_COLUMNS, n_columns)
    while True:
        columns = to_numpy(values[:, :width])
        scale = columns.dtype.type(power_of_two(abs(columns).max()))
        keys = row_keys(canonical(columns / scale))
        if width == n_columns or len(np.unique(keys)) == len(keys):
            return np.argsort(keys)
        width = min(width * LEADING_COLUMNS, n_columns)


def canonical(values: Any) -> Any:
    """Make equal rows equal in every byte: no -0.0, sorted indices, no stored zeros."""
    if not sparse.issparse(values):
        return np.ascontiguousarray(values) + values.dtype.type(0)
    values = values.tocsr(copy=True)
    values.sum_duplicates()
    values.eliminate_zeros()
    return values


def distinct_rows(rows: Rows) -> Rows:
    """Merge equal rows into the first of them, with the sum of their weights.

    A row of weight k is then the same input as k copies of it, and no two prototypes
    can start from copies of one row.
    """
    if sparse.issparse(rows.values):
        rows = rows._replace(values=canonical(rows.values))
    alike = _rows_of_equal_sums(rows.values)
    keys = row_keys(canonical(to_numpy(rows_at(rows.values, alike))))
    _, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
    into = np.arange(len(rows.numbers))
    into[alike] = alike[first[inverse]]
    if len(first) == len(alike):
        return rows
    weights = np.bincount(into, weights=rows.weights).astype(np.float64)
    kept = np.unique(into)
    return rows._replace(weights=weights).take(kept)


def _rows_of_equal_sums(values: Any) -> NDArray[np.intp]:
    """Return the rows that may be equal to others: the sums of their columns are.

    Wide rows are compared by the first columns before they are compared by all.
    """
    xp, *_ = get_namespace_and_device(values)
    n_rows, n_columns = values.shape
    alike, width = np.arange(n_rows), min(LEADING_COLUMNS**2, n_columns)
    if sparse.issparse(values):
        width = n_columns
    while True:
        some = values if len(alike) == n_rows else rows_at(values, alike)
        some = some if width == n_columns else some[:, :width]
        sums = np.asarray(to_numpy(xp.sum(some, axis=1))).ravel()
        _, group, sizes = np.unique(sums, return_inverse=True, return_counts=True)
        alike = alike[sizes[group] > 1]
        if width == n_columns or not len(alike):
            return alike
        width = n_columns


class Clustering(NamedTuple):
    """Centers of clusters, and how they were found."""

    centers: NDArray
    n_iter: int
    labels: NDArray[np.intp] | None = None  # clusters of which the centers are means


def cluster(
    rows: Rows, n_clusters: int, plan: Plan, standard: Standard | None = None
) -> Clustering:
    """Cluster the rows.

    k-means starts from `plan.start`, if given; other clusterers cannot. Only the
    built-in clusterer gets rows in their own library, all others NumPy arrays.
    """
    standard = standardize(rows) if standard is None else standard
    values, center, scale, norms = standard
    model, start = clone(plan.clusterer), plan.start
    settings = model.get_params(deep=False)
    if "n_clusters" not in settings:
        raise ValueError(f"clusterer must have a parameter n_clusters; got {model!r}.")
    changes: dict[str, Any] = {"n_clusters": n_clusters}
    if settings.get("random_state", 0) is None:
        changes["random_state"] = plan.seed
    if start is not None and isinstance(model, TAKE_INIT):
        start = ((start - center) / scale).astype(center.dtype)
        changes |= {"init": start, "n_init": 1}
    model.set_params(**changes)
    if isinstance(model, BatchedKMeans) and norms is not None:
        weights = asarray_like(rows.weights, values, values.dtype)
        model.fit_points(Points(values, norms, weights))
    else:
        _fit_weighted(model, to_numpy(values), rows.weights)
    if not hasattr(model, "cluster_centers_"):
        raise ValueError(
            "clusterer must have cluster_centers_ after fit; "
            f"{type(model).__name__} has none. Use one that has them, such as KMeans."
        )
    centers = np.asarray(to_numpy(model.cluster_centers_), dtype=np.float64)
    centers = (centers * scale + center).astype(center.dtype)
    labels = model.labels_ if isinstance(model, BatchedKMeans) else None
    return Clustering(centers, int(np.max(getattr(model, "n_iter_", 1))), labels)


def _fit_weighted(model: BaseEstimator, values: Any, weights: NDArray) -> None:
    """Fit a clusterer; one without `sample_weight` gets integer weights as copies."""
    copies = weights / weights.min()
    weighted = has_fit_parameter(model, "sample_weight")
    if not weighted and np.all(copies == np.rint(copies)):
        values = values[np.repeat(np.arange(len(copies)), copies.astype(np.intp))]
    elif not weighted:
        raise ValueError(
            f"clusterer must accept sample_weight in fit when rows are weighted; got "
            f"{model!r}. Leave sample_weight out, or use KMeans."
        )
    with warnings.catch_warnings():
        # `fit` itself warns of fewer clusters than requested, once for all classes.
        warnings.filterwarnings("ignore", "Number of distinct", ConvergenceWarning)
        if weighted:
            model.fit(values, sample_weight=weights)
        else:
            model.fit(values)


def single_start(clusterer: BaseEstimator) -> BaseEstimator:
    """Return a clusterer with one restart."""
    clusterer = clone(clusterer)
    if "n_init" in clusterer.get_params(deep=False):
        clusterer.set_params(n_init=1)
    return clusterer


def class_prototypes(rows: Rows, n_prototypes: int, plan: Plan) -> ClassPrototypes:
    """Find prototypes of the distinct rows of one class.

    Each prototype of an earlier batch counts as one row: the mean of its members, with
    their weight. Clusterings of a stream are combined in this way (Guha et al. 2003,
    "Clustering data streams: theory and practice").
    """
    points, candidates, known = rows, rows, plan.known
    if known is not None:
        numbers = known.nearest.numbers
        points = _stack(Rows(known.means, numbers, known.counts), rows)
        candidates = _stack(known.nearest, rows)
    seen = _draw_rows(points, plan.max_samples, n_prototypes, plan.seed)
    standard = standardize(seen) if seen is points else None
    n_clusters = min(n_prototypes, len(seen.numbers))
    centers, n_iter, labels = cluster(seen, n_clusters, plan, standard)
    own = standard if candidates is points else None
    if plan.prototype == "medoid":
        apart = distances(candidates, centers, own)
        centers = to_numpy(dense(candidates.take(_first_nearest(apart)).values))
    squared = distances(points, centers, standard)
    owner = squared.argmin(axis=1)  # each row belongs to its nearest prototype
    # Centers without members are dropped.
    kept, members = np.unique(owner, return_inverse=True)
    vectors, weights = centers[kept], points.weights
    same = labels is not None and np.array_equal(owner, labels)
    same &= plan.prototype == "centroid"
    apart = squared[:, kept] if known is None else distances(candidates, vectors)
    nearest = candidates.take(_nearest_members(apart, _can_be_shown(candidates, plan)))
    inertia = float(weights @ squared.min(axis=1))
    return ClassPrototypes(
        vectors,
        vectors if same else means_of_members(points, members, len(kept), standard),
        np.bincount(members, weights).astype(np.float64, copy=False),
        nearest._replace(values=to_numpy(dense(nearest.values))),
        inertia if known is None else inertia + known.spread(),
        n_iter,
    )


def _first_nearest(distances: NDArray) -> NDArray[np.intp]:
    """Return the row nearest to each vector; of equal distances, the first row.

    Distances that differ by rounding alone are equal: the two members of a cluster
    are equally near to their mean.
    """
    near = distances <= (1 + AS_NEAR) * distances.min(axis=0)
    return near.argmax(axis=0)


def _can_be_shown(rows: Rows, plan: Plan) -> NDArray[np.bool_]:
    """Return which rows may stand for a prototype: among unit rows, none of zeros."""
    if not plan.unit:
        return np.ones(len(rows.numbers), dtype=bool)
    return to_numpy(largest_values(rows.values) > 0)


def _nearest_members(
    distances: NDArray, allowed: NDArray[np.bool_]
) -> NDArray[np.intp]:
    """Return the member nearest to each prototype, so that each has its own row.

    A prototype without allowed members among these rows has the nearest allowed row.
    """
    owner, places = distances.argmin(axis=1), np.arange(distances.shape[1])
    if not allowed.any():
        allowed = ~allowed
    members = (owner[:, np.newaxis] == places) & allowed[:, np.newaxis]
    some = members | (~members.any(axis=0) & allowed[:, np.newaxis])
    return _first_nearest(np.where(some, distances, np.inf))


def _draw_rows(rows: Rows, size: int | float | None, at_least: int, seed: int) -> Rows:
    """Draw a number or a share of the rows, without replacement."""
    n_rows = len(rows.numbers)
    if isinstance(size, float | np.floating):
        size = int(np.ceil(size * n_rows))
    if size is None or size >= n_rows:
        return rows
    size = min(n_rows, max(size, at_least))
    drawn = np.random.RandomState(seed).choice(n_rows, size, replace=False)
    return rows.take(np.sort(drawn))


def _stack(first: Rows, second: Rows) -> Rows:
    """Put rows of NumPy before rows of any library."""
    values, *rest = zip(first, second, strict=True)
    numbers, weights = map(np.concatenate, rest)
    if sparse.issparse(second.values):
        return Rows(sparse.vstack(values).tocsr(), numbers, weights)
    xp, *_ = get_namespace_and_device(second.values)
    known = asarray_like(first.values, second.values)
    return Rows(xp.concat([known, second.values], axis=0), numbers, weights)


def prototype_path(rows: Rows, plan: Plan) -> list[ClassPrototypes]:
    """Find prototypes of the distinct rows of one class, for each count of the plan.

    The largest count is clustered with all restarts. Each smaller count starts from
    the prototypes of the next larger one, merged; a clusterer that cannot start from
    given centers runs anew.
    """
    found = class_prototypes(rows, plan.counts[-1], plan)
    path = [found]
    for count in reversed(plan.counts[:-1]):
        if count < len(found.vectors):
            start = merge(found.means[np.newaxis], found.counts[np.newaxis], count)[0]
            found = class_prototypes(rows, count, plan._replace(start=start))
        path.append(found)
    return path[::-1]
