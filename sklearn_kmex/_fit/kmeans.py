"""The built-in k-means: all restarts move together, in the same matrix products."""

from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.cluster import KMeans
from sklearn.utils import check_random_state

from sklearn_kmex._compat import RemembersNames, get_namespace_and_device
from sklearn_kmex._data.arrays import (
    asarray_like,
    block_size,
    rows_at,
    squared_norms,
    to_numpy,
)
from sklearn_kmex._fit.polish import lift, polish
from sklearn_kmex._fit.seeding import (
    Points,
    as_points,
    coreset,
    mean_variance,
    seed_centers,
)
from sklearn_kmex._fit.subspace import project

# Elements of the scores of a block of rows, and of the rows themselves: 512 KiB and
# 1 MiB in float32, which fit the cache; fewest rows of a block.
SCORES, VALUES, BLOCK_ROWS = 2**17, 2**18, 128
# Number of steps of the race.
RACE_STEPS = 4
# Up to this many values in all, MANY_ENTRANTS times n_init restarts enter the race;
# beyond it, at most MOST_ENTRANTS times n_init.
FEW_VALUES, MANY_ENTRANTS, MOST_ENTRANTS = 2**18, 6, 2
# A restart stops if it would not be the best after this many more steps, each of which
# lowers its inertia as much as the last one did.
PATIENCE = 12
# Restarts of a subspace that are compared on all features.
KEPT = 2


class Step(NamedTuple):
    """What a step finds: the members of each center of each restart, and distances."""

    sums: Any  # (n_restarts, n_clusters, n_features), weighted sums of the members
    counts: Any  # (n_restarts, n_clusters), weights of the members
    distances: Any  # (n_restarts, n_samples), squared, to the nearest center


class Ends(NamedTuple):
    """Restarts that have stopped, the best first, as arrays of one library."""

    centers: Any  # (n_restarts, n_clusters, n_features)
    counts: Any  # (n_restarts, n_clusters), weights of the members
    n_iter: int
    labels: Any = None  # of the best one, if known: the centers are their means


class BatchedKMeans(RemembersNames):
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
        """Set `cluster_centers_` to the centers of least inertia.

        `labels_` are the clusters whose means the centers are, if these are known.
        """
        if sparse.issparse(X):
            self.labels_ = None
            model = KMeans(**self.get_params()).fit(X, sample_weight=sample_weight)
            self.cluster_centers_, self.n_iter_ = model.cluster_centers_, model.n_iter_
            return self
        return self.fit_points(as_points(X, sample_weight))

    def fit_points(self, points: Points) -> Self:
        """Fit to an array of rows with known norms and weights."""
        self.labels_ = None
        if self.n_clusters >= points.values.shape[0]:
            self.cluster_centers_, self.n_iter_ = points.values, 1
            return self
        tol = self.tol * mean_variance(points)
        if not isinstance(self.init, str):
            start = asarray_like(self.init, points.values, points.values.dtype)
            ends = move(points, start[None, ...], self.max_iter, tol)
        else:
            ends = self._fit_restarts(points, tol)
        order = _largest_first(ends)
        self.cluster_centers_ = rows_at(ends.centers[0, ...], order)
        self.n_iter_ = ends.n_iter
        if ends.labels is not None:
            self.labels_ = np.argsort(order)[to_numpy(ends.labels)]
        return self

    def _fit_restarts(self, points: Points, tol: float) -> Ends:
        """Run all restarts: those of wide rows in a subspace, and the best one on."""
        rng = check_random_state(self.random_state)
        few = project(points, self.n_clusters, rng)
        centers = self._run_race(few, points.values.shape[1], rng)
        if few is points:
            return move(points, centers, self.max_iter, tol)
        ends = move(few, centers, self.max_iter, tol, KEPT)
        lifted = lift(few, ends.centers, points)
        clusters, n_iter = polish(points, lifted, self.max_iter, tol)
        best = clusters.centers[None, ...], clusters.counts[None, ...]
        return Ends(*best, n_iter, clusters.labels)

    def _run_race(
        self, points: Points, n_features: int, rng: np.random.RandomState
    ) -> Any:
        """Return the centers of the finalists of a race on some rows."""
        some = coreset(points, self.n_clusters, rng)
        if self.n_init == 1 or self.n_clusters == 1:
            return seed_centers(some, self.n_clusters, 1, rng)
        n_values = some.values.shape[0] * n_features
        n_entrants, n_finalists = entries(n_values, self.n_clusters, self.n_init)
        centers = seed_centers(some, self.n_clusters, n_entrants, rng)
        return _race(some, centers, n_finalists)


def entries(n_values: int, n_clusters: int, n_init: int) -> tuple[int, int]:
    """Return how many restarts enter the race, and how many of them finish it.

    More clusters have more local optima, and need more restarts. If the values are
    few, many restarts cost little.
    """
    if n_values <= FEW_VALUES:
        return MANY_ENTRANTS * n_init, n_init
    share = min(1.0, (25 + n_clusters) / 75)
    n_entrants = int(min(MOST_ENTRANTS, 1 + n_clusters / 8) * n_init)
    return n_entrants, max(2, int(share * n_init))


def assign(points: Points, centers: Any) -> Step:
    """Assign each row to its nearest center in each restart, and sum the members.

    Each block of rows is read once.
    """
    xp, *_ = get_namespace_and_device(centers)
    values = points.values
    n_restarts, n_clusters, n_features = centers.shape
    flat = xp.reshape(centers, (-1, n_features))
    half = squared_norms(flat) / 2
    sums, counts, best = 0, 0, []
    for block in _blocks(values, flat.shape[0]):
        scores = _scores(values[block, :], flat, half)
        scores = xp.reshape(scores, (n_restarts, n_clusters, -1))
        best.append(xp.max(scores, axis=1))
        own = _members(scores, best[-1]) * points.weights[..., None, block]
        own = xp.reshape(own, (flat.shape[0], -1))
        counts = counts + xp.sum(own, axis=1)
        sums = sums + own @ values[block, :]
    distances = points.norms - 2 * xp.concat(best, axis=1)
    # Rows without weight are no candidates for centers without members.
    distances = xp.where(points.weights > 0, distances, 0.0)
    return Step(
        xp.reshape(sums, (n_restarts, n_clusters, -1)),
        xp.reshape(counts, (n_restarts, n_clusters)),
        xp.maximum(distances, xp.zeros_like(distances[0, 0])),
    )


def _blocks(values: Any, width: int) -> list[slice]:
    """Return slices of rows, for work arrays with `width` columns."""
    n_rows, n_features = values.shape
    sizes = (
        block_size(values, SCORES) // width,
        block_size(values, VALUES) // n_features,
    )
    size = max(BLOCK_ROWS, min(sizes))
    return [slice(i, min(i + size, n_rows)) for i in range(0, n_rows, size)]


def _scores(values: Any, centers: Any, half: Any) -> Any:
    """Return x.c - |c|^2 / 2 for each center and row, largest at the nearest center.

    The product is computed in the order in which BLAS reads wide rows once.
    """
    xp, _, device = get_namespace_and_device(values)
    products = values @ centers.T
    shape = products.shape[::-1]
    scores = xp.empty(shape, dtype=products.dtype, device=device)
    scores[...] = products.T
    scores -= half[:, None]
    return scores


def _members(scores: Any, best: Any) -> Any:
    """Return 1 where a center is nearest to a row, otherwise 0; the first of equals."""
    xp, *_ = get_namespace_and_device(scores)
    own = scores == best[:, None, :]
    members = xp.astype(own, scores.dtype)
    if float(xp.sum(members)) == best.shape[0] * best.shape[1]:
        return members
    taken = own[:, 0, :]
    for k in range(1, scores.shape[1]):
        own[:, k, :] &= ~taken
        taken = taken | own[:, k, :]
    return xp.astype(own, scores.dtype)


def lloyd_step(
    points: Points, centers: Any
) -> tuple[Any, Any, NDArray[np.float64], NDArray]:
    """Assign each row to its nearest center, and move centers to their means.

    Restarts may have weights of their own, (n_restarts, n_samples). Returns the means,
    the weights of the members, the inertia before the step, and the squared shift of
    the centers.
    """
    xp, *_ = get_namespace_and_device(centers)
    step = assign(points, centers)
    means = _means(step, points.values)
    shift = xp.sum((means - centers) ** 2, axis=(1, 2))
    inertia = xp.sum(step.distances * points.weights, axis=1)
    return (
        means,
        step.counts,
        to_numpy(inertia).astype(np.float64),
        to_numpy(shift),
    )


def _means(step: Step, values: Any) -> Any:
    """Return the means of the members of each center.

    Centers without members are moved to the rows farthest from their own centers.
    """
    xp, *_ = get_namespace_and_device(values)
    some = xp.where(step.counts > 0, step.counts, xp.ones_like(step.counts))
    means = step.sums / some[:, :, None]
    counts = to_numpy(step.counts)
    for restart in np.flatnonzero((counts == 0).any(axis=1)):
        empty = np.flatnonzero(counts[restart] == 0)
        far = to_numpy(xp.argsort(-step.distances[int(restart), :]))[: len(empty)]
        for k, row in zip(empty, far, strict=True):
            means[int(restart), int(k), :] = values[int(row), :]
    return means


def _race(points: Points, centers: Any, n_finalists: int) -> Any:
    """Move restarts a few steps, and drop the worse half after each step but the first.

    Returns the centers of the finalists, the best first.
    """
    xp, *_ = get_namespace_and_device(centers)
    left = centers.shape[0]
    for n_step in range(RACE_STEPS):
        centers, _, inertia, _ = lloyd_step(points, centers)
        if n_step:
            left = max(n_finalists, (left + 1) // 2)
        first = np.argsort(inertia, kind="stable")[:left]
        centers = xp.take(centers, asarray_like(first, centers), axis=0)
    return centers


def move(
    points: Points, centers: Any, max_iter: int, tol: float, kept: int = 1
) -> Ends:
    """Move restarts until all have stopped; return the best ones.

    A restart stops when it has converged, or improves too slowly to become the best.
    """
    xp, *_ = get_namespace_and_device(centers)
    ends: list[tuple[float, Any, Any]] = []
    before, n_iter = np.full(centers.shape[0], np.inf), 0
    least = np.inf
    while centers.shape[0]:
        n_iter += 1
        centers, counts, inertia, shift = lloyd_step(points, centers)
        least = min(least, inertia.min())
        hopeless = inertia - PATIENCE * (before - inertia) > least
        stopped = (shift <= tol) | hopeless | (n_iter >= max_iter)
        ends += [
            (inertia[i], centers[i, ...], counts[i, ...])
            for i in map(int, np.flatnonzero(stopped))
        ]
        going = np.flatnonzero(~stopped)
        if len(going) < len(inertia):
            centers = xp.take(centers, asarray_like(going, centers), axis=0)
        before = inertia[going]
    ends = sorted(ends, key=lambda end: end[0])[:kept]
    return Ends(
        xp.stack([end[1] for end in ends]), xp.stack([end[2] for end in ends]), n_iter
    )


def _largest_first(ends: Ends) -> NDArray[np.intp]:
    """Return the order of the clusters of the best restart, the largest first."""
    first = to_numpy(ends.centers[0, :, 0])
    return np.lexsort((first, -to_numpy(ends.counts[0, ...])))
