"""Points, samples of them, and the centers from which k-means starts."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sklearn_kmex._compat import get_namespace_and_device
from sklearn_kmex._data.arrays import asarray_like, squared_norms, to_numpy

# Size of the sample of rows for the race: rows for each cluster, fewest rows, fewest
# values.
SAMPLE_PER_CLUSTER, SAMPLE_ROWS, SAMPLE_VALUES = 100, 600, 2**14


class Points(NamedTuple):
    """Rows, their squared norms and their weights: arrays of one library."""

    values: Any
    norms: Any
    weights: Any

    def take(self, rows: Any) -> "Points":
        xp, *_ = get_namespace_and_device(self.values)
        return Points(*(xp.take(field, rows, axis=0) for field in self))


def as_points(X: Any, weights: Any) -> Points:
    """Compute the norms of the rows, and convert the weights to the dtype of X."""
    xp, _, device = get_namespace_and_device(X)
    if weights is None:
        weights = xp.ones(X.shape[0], dtype=X.dtype, device=device)
    return Points(X, squared_norms(X), asarray_like(weights, X, X.dtype))


def mean_variance(points: Points) -> float:
    """Return the mean variance of the features of centered rows."""
    xp, *_ = get_namespace_and_device(points.values)
    mass = float(xp.sum(points.weights)) * points.values.shape[1]
    return float(xp.sum(points.weights * points.norms)) / mass


def draw_rows(
    points: Points, size: int, rng: np.random.RandomState
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Draw rows for a lightweight coreset; return their numbers and their weights.

    The probability of a row is the mean of its share of the weight and its share of
    the squared distances to the mean, so that outlying rows are included. A row drawn
    is weighted by the inverse of its probability (Bachem, Lucic and Krause 2018,
    "Scalable k-means clustering via lightweight coresets").
    """
    mass = to_numpy(points.weights).astype(np.float64)
    spread = mass * to_numpy(points.norms)
    chance = mass / mass.sum() + spread / max(spread.sum(), np.finfo(float).tiny)
    chance /= chance.sum()
    # Systematic sampling: a row of large probability is certain to be drawn.
    at = (np.arange(size) + rng.uniform()) / size
    drawn, copies = np.unique(np.searchsorted(chance.cumsum(), at), return_counts=True)
    drawn = np.minimum(drawn, len(mass) - 1)
    return drawn, mass[drawn] * copies / (size * chance[drawn])


def coreset(points: Points, n_clusters: int, rng: np.random.RandomState) -> Points:
    """Return a weighted sample of the rows, or all rows if there are few."""
    n_rows, n_features = points.values.shape
    enough = SAMPLE_VALUES // n_features
    size = max(SAMPLE_ROWS, SAMPLE_PER_CLUSTER * n_clusters, enough)
    if n_rows <= 2 * size:
        return points
    drawn, weights = draw_rows(points, size, rng)
    some = points.take(asarray_like(drawn, points.values))
    return some._replace(weights=asarray_like(weights, some.values, some.values.dtype))


def seed_centers(
    points: Points, n_clusters: int, n_init: int, rng: np.random.RandomState
) -> Any:
    """Return initial centers by greedy k-means++: (n_init, n_clusters, n_features).

    Candidates are drawn with probability proportional to weight times squared distance
    to the nearest center so far; the candidate of least inertia is the next center
    (Arthur and Vassilvitskii 2007, "k-means++: the advantages of careful seeding").
    """
    xp, *_ = get_namespace_and_device(points.values)
    n_rows, weights = points.values.shape[0], points.weights[:, None]
    n_drawn = 2 + int(np.log(n_clusters))
    each = np.arange(n_init)
    rows = [_draw(xp.broadcast_to(weights, (n_rows, n_init)), 1, rng)[:, 0]]
    closest = distances_to(points, rows[0])
    for _ in range(1, n_clusters):
        drawn = _draw(closest * weights, n_drawn, rng)
        apart = distances_to(points, drawn.ravel())
        apart = xp.reshape(apart, (n_rows, n_init, n_drawn))
        apart = xp.minimum(apart, closest[:, :, None])
        left = points.weights @ xp.reshape(apart, (n_rows, -1))
        best = to_numpy(left).reshape(n_init, -1).argmin(axis=1)
        rows.append(drawn[each, best])
        taken = asarray_like(each * n_drawn + best, apart)
        closest = xp.take(xp.reshape(apart, (n_rows, -1)), taken, axis=1)
    every = asarray_like(np.stack(rows, axis=1).ravel(), points.values)
    return xp.reshape(xp.take(points.values, every, axis=0), (n_init, n_clusters, -1))


def _draw(mass: Any, size: int, rng: np.random.RandomState) -> NDArray[np.intp]:
    """Draw row numbers in proportion to each column of `mass`: (n_columns, size)."""
    ends = np.cumsum(to_numpy(mass).T, axis=1, dtype=np.float64)
    each = np.arange(len(ends))[:, np.newaxis]
    at = each + rng.uniform(size=(len(ends), size))
    # One search in all columns: that of each column is between two integers.
    shares = each + ends / np.maximum(ends[:, -1:], np.finfo(np.float64).tiny)
    drawn = np.searchsorted(shares.ravel(), at, "right") - each * ends.shape[1]
    return np.clip(drawn, 0, ends.shape[1] - 1)


def distances_to(points: Points, rows: NDArray) -> Any:
    """Return the squared distances of all rows to some of them."""
    xp, *_ = get_namespace_and_device(points.values)
    some = points.take(asarray_like(rows, points.values))
    apart = points.values @ some.values.T
    apart *= -2
    apart += points.norms[:, None]
    apart += some.norms
    return xp.maximum(apart, xp.zeros_like(apart[0, 0]))
