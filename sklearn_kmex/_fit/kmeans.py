"""The built-in k-means: all restarts move together, in the same matrix products."""

from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.base import BaseEstimator
from sklearn.cluster import KMeans
from sklearn.utils import check_random_state

from sklearn_kmex._compat import get_namespace_and_device
from sklearn_kmex._data.arrays import (
    asarray_like,
    block_size,
    rows_at,
    squared_norms,
    to_numpy,
)

# Elements of the scores of a block of rows, 2 MiB in float32; fewest rows of a block.
BLOCK_ELEMENTS, BLOCK_ROWS = 2**19, 256
# Size of the sample of rows for the race: rows for each cluster, fewest rows, fewest
# values; and the number of steps of the race.
SAMPLE_PER_CLUSTER, SAMPLE_ROWS, SAMPLE_VALUES, RACE_STEPS = 100, 600, 2**14, 4
# Up to this many values in all, MANY_ENTRANTS times n_init restarts enter the race;
# beyond it, at most MOST_ENTRANTS times n_init.
FEW_VALUES, MANY_ENTRANTS, MOST_ENTRANTS = 2**18, 6, 2
# A restart stops if it would not be the best after this many more steps, each of which
# lowers its inertia as much as the last one did.
PATIENCE = 12


class Points(NamedTuple):
    """Rows, their squared norms and their weights: arrays of one library."""

    values: Any
    norms: Any
    weights: Any

    def take(self, rows: Any) -> "Points":
        xp, *_ = get_namespace_and_device(self.values)
        return Points(*(xp.take(field, rows, axis=0) for field in self))


class Restarts(NamedTuple):
    """Restarts that move together."""

    centers: Any  # (n_restarts, n_clusters, n_features)
    labels: Any  # (n_samples, n_restarts), of the last step
    sums: Any  # weighted sums of the members, shaped as the centers
    counts: Any  # (n_restarts, n_clusters), weights of the members
    sizes: Any  # (n_restarts, n_clusters), numbers of members

    def take(self, kept: Any) -> "Restarts":
        xp, *_ = get_namespace_and_device(self.centers)
        axes = (0, 1, 0, 0, 0)
        fields = zip(self, axes, strict=True)
        return Restarts(*(xp.take(field, kept, axis=axis) for field, axis in fields))


class BatchedKMeans(BaseEstimator):
    """K-means whose restarts move together, in the same matrix products.

    Rows should be centered on their mean. An array stays in its library, dtype and
    device; sparse rows are clustered by :class:`~sklearn.cluster.KMeans`.
    """

    def __init__(
        self,
        n_clusters: int = 8,
        *,
        init: Any = "k-means++",
        n_init: int = 10,
        max_iter: int = 100,
        tol: float = 1e-4,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.n_clusters = n_clusters
        self.init = init
        self.n_init = n_init
        self.max_iter = max_iter
        self.tol = tol
        self.random_state = random_state

    def fit(self, X: Any, y: None = None, sample_weight: Any = None) -> Self:
        """Set `cluster_centers_` to the centers of least inertia."""
        if sparse.issparse(X):
            model = KMeans(**self.get_params()).fit(X, sample_weight=sample_weight)
            self.cluster_centers_, self.n_iter_ = model.cluster_centers_, model.n_iter_
            return self
        points = as_points(X, sample_weight)
        if self.n_clusters >= X.shape[0]:
            self.cluster_centers_, self.n_iter_ = points.values, 1
            return self
        centers = self._start(points)
        tol = self.tol * mean_variance(points)
        self.cluster_centers_, self.n_iter_ = _move(points, centers, self.max_iter, tol)
        return self

    def _start(self, points: Points) -> Any:
        """Return the centers to start from on all rows."""
        if not isinstance(self.init, str):
            return asarray_like(self.init, points.values, points.values.dtype)[
                None, ...
            ]
        rng = check_random_state(self.random_state)
        some = coreset(points, self.n_clusters, rng)
        if self.n_init == 1 or self.n_clusters == 1:
            return seed_centers(some, self.n_clusters, 1, rng)
        n_entrants, n_finalists = entries(some, self.n_clusters, self.n_init)
        centers = seed_centers(some, self.n_clusters, n_entrants, rng)
        return _race(some, centers, n_finalists)


def entries(points: Points, n_clusters: int, n_init: int) -> tuple[int, int]:
    """Return how many restarts enter the race, and how many of them finish it.

    More clusters have more local optima, and need more restarts. If the values are
    few, many restarts cost little.
    """
    n_rows, n_features = points.values.shape
    if n_rows * n_features <= FEW_VALUES:
        return MANY_ENTRANTS * n_init, n_init
    share = min(1.0, (25 + n_clusters) / 75)
    n_entrants = int(min(MOST_ENTRANTS, 1 + n_clusters / 8) * n_init)
    return n_entrants, max(2, int(share * n_init))


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
    return float(points.weights @ points.norms) / mass


def coreset(points: Points, n_clusters: int, rng: np.random.RandomState) -> Points:
    """Draw a weighted sample of the rows: a lightweight coreset.

    The probability of a row is the mean of its share of the weight and its share of
    the squared distances to the mean, so that outlying rows are included. A row drawn
    is weighted by the inverse of its probability (Bachem, Lucic and Krause 2018,
    "Scalable k-means clustering via lightweight coresets").
    """
    n_rows = points.values.shape[0]
    enough = SAMPLE_VALUES // points.values.shape[1]
    size = max(SAMPLE_ROWS, SAMPLE_PER_CLUSTER * n_clusters, enough)
    if n_rows <= 2 * size:
        return points
    mass = to_numpy(points.weights).astype(np.float64)
    spread = mass * to_numpy(points.norms)
    chance = mass / mass.sum() + spread / max(spread.sum(), np.finfo(float).tiny)
    chance /= chance.sum()
    # Systematic sampling: a row of large probability is certain to be drawn.
    at = (np.arange(size) + rng.uniform()) / size
    drawn, copies = np.unique(np.searchsorted(chance.cumsum(), at), return_counts=True)
    drawn = np.minimum(drawn, n_rows - 1)
    weights = mass[drawn] * copies / (size * chance[drawn])
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
    at = rng.uniform(size=(len(ends), size)) * ends[:, -1:]
    drawn = [np.searchsorted(end, x, "right") for end, x in zip(ends, at, strict=True)]
    return np.minimum(np.stack(drawn), ends.shape[1] - 1)


def distances_to(points: Points, rows: NDArray) -> Any:
    """Return the squared distances of all rows to some of them."""
    xp, *_ = get_namespace_and_device(points.values)
    some = points.take(asarray_like(rows, points.values))
    apart = points.values @ some.values.T
    apart *= -2
    apart += points.norms[:, None]
    apart += some.norms
    return xp.maximum(apart, xp.zeros_like(apart[0, 0]))


def _assign(points: Points, centers: Any) -> tuple[Any, Any]:
    """Assign each row to its nearest center in each restart.

    Returns the numbers of the centers, and the squared distances to them.
    """
    xp, _, device = get_namespace_and_device(centers)
    n_restarts, n_clusters, n_features = centers.shape
    flat = xp.reshape(centers, (-1, n_features)).T
    half = squared_norms(xp.reshape(centers, (-1, n_features))) / 2
    labels, best = [], []
    for block in _blocks(points, n_restarts * n_clusters):
        scores = points.values[block, :] @ flat
        scores -= half
        scores = xp.reshape(scores, (-1, n_clusters))
        label = xp.argmax(scores, axis=1)
        rows = xp.arange(scores.shape[0], device=device)
        labels.append(xp.reshape(label, (-1, n_restarts)))
        best.append(xp.reshape(scores[rows, label], (-1, n_restarts)))
    distances = points.norms[:, None] - 2 * xp.concat(best, axis=0)
    distances = xp.maximum(distances, xp.zeros_like(distances[0, 0]))
    return xp.concat(labels, axis=0), distances


def _blocks(points: Points, width: int) -> list[slice]:
    """Return slices of rows, for work arrays with `width` columns."""
    size = max(BLOCK_ROWS, block_size(points.values, BLOCK_ELEMENTS) // width)
    n_rows = points.values.shape[0]
    return [slice(i, min(i + size, n_rows)) for i in range(0, n_rows, size)]


def lloyd_step(points: Points, old: Restarts) -> tuple[Restarts, NDArray, NDArray]:
    """Assign each row to its nearest center, and move centers to their means.

    Also returns the inertia before the step, and the squared shift of the centers.
    """
    xp, *_ = get_namespace_and_device(points.values)
    labels, distances = _assign(points, old.centers)
    new = _update(points, old, labels)
    some = xp.where(new.sizes > 0, new.counts, xp.ones_like(new.counts))
    means = xp.where((new.sizes > 0)[:, :, None], new.sums / some[:, :, None], 0)
    _reseed(points, means, new.sizes, distances)
    shift = xp.sum((means - old.centers) ** 2, axis=(1, 2))
    inertia = points.weights @ distances
    return (
        new._replace(centers=means),
        to_numpy(inertia).astype(np.float64),
        to_numpy(shift),
    )


def _update(points: Points, old: Restarts, labels: Any) -> Restarts:
    """Update the sums by the rows whose label changed; recompute them if many did."""
    xp, _, device = get_namespace_and_device(points.values)
    n_restarts, n_clusters, _ = old.centers.shape
    moved = xp.nonzero(xp.any(labels != old.labels, axis=1))[0]
    anew = 2 * moved.shape[0] > labels.shape[0]
    some = points if anew else points.take(moved)
    after, before = labels, None
    if not anew:
        after, before = (xp.take(a, moved, axis=0) for a in (labels, old.labels))
    sums, counts, sizes = (xp.zeros_like(a) if anew else a for a in old[2:])
    ids = xp.arange(n_clusters, device=device)
    for block in _blocks(some, n_restarts * n_clusters):
        change = xp.astype(after[block, :, None] == ids, sums.dtype)
        if before is not None:
            change -= xp.astype(before[block, :, None] == ids, sums.dtype)
        sizes = sizes + xp.sum(change, axis=0)
        change *= some.weights[block, None, None]
        counts = counts + xp.sum(change, axis=0)
        flat = xp.reshape(change, (change.shape[0], -1))
        added = flat.T @ some.values[block, :]
        sums = sums + xp.reshape(added, sums.shape)
    return Restarts(old.centers, labels, sums, counts, sizes)


def _reseed(points: Points, centers: Any, sizes: Any, distances: Any) -> None:
    """Move centers without members to the rows farthest from their own centers."""
    xp, *_ = get_namespace_and_device(centers)
    sizes = to_numpy(sizes)
    for restart in np.flatnonzero((sizes == 0).any(axis=1)):
        empty = np.flatnonzero(sizes[restart] == 0)
        far = to_numpy(xp.argsort(-distances[:, int(restart)]))[: len(empty)]
        for k, row in zip(empty, far, strict=True):
            centers[int(restart), int(k), :] = points.values[int(row), :]


def begin(points: Points, centers: Any) -> Restarts:
    """Return restarts at these centers, before the first step."""
    xp, _, device = get_namespace_and_device(centers)
    counts = xp.zeros_like(centers[:, :, 0])
    labels = xp.full((points.values.shape[0], centers.shape[0]), -1, device=device)
    return Restarts(centers, labels, xp.zeros_like(centers), counts, counts)


def _race(points: Points, centers: Any, n_finalists: int) -> Any:
    """Move restarts a few steps, and drop the worse half after each step but the first.

    Returns the centers of the finalists, the best first.
    """
    restarts = begin(points, centers)
    left = centers.shape[0]
    for n_step in range(RACE_STEPS):
        restarts, inertia, _ = lloyd_step(points, restarts)
        if n_step:
            left = max(n_finalists, (left + 1) // 2)
        first = np.argsort(inertia, kind="stable")[:left]
        restarts = restarts.take(asarray_like(first, centers))
    return restarts.centers


def _move(points: Points, centers: Any, max_iter: int, tol: float) -> tuple[Any, int]:
    """Move restarts until all have stopped; return the best centers and the steps.

    A restart stops when it has converged, or improves too slowly to become the best.
    Updated sums accumulate rounding errors, so the last step recomputes them.
    """
    restarts = begin(points, centers)
    least, best, before = np.inf, centers[0, ...], np.full(centers.shape[0], np.inf)
    n_iter = 0
    while n_iter < max_iter:
        n_iter += 1
        restarts, inertia, shift = lloyd_step(points, restarts)
        leader = int(inertia.argmin())
        if inertia[leader] < least:
            least, best = inertia[leader], restarts.centers[leader, ...]
        hopeless = inertia - PATIENCE * (before - inertia) > least
        going = np.flatnonzero((shift > tol) & ~hopeless)
        if not len(going):
            break
        if len(going) < len(inertia):
            restarts = restarts.take(asarray_like(going, centers))
        before = inertia[going]
    return _largest_first(lloyd_step(points, begin(points, best[None, ...]))[0]), n_iter


def _largest_first(restarts: Restarts) -> Any:
    """Return the centers of one restart, those of the largest clusters first."""
    centers = restarts.centers[0, ...]
    order = np.lexsort((to_numpy(centers[:, 0]), -to_numpy(restarts.counts[0, ...])))
    return rows_at(centers, order)
