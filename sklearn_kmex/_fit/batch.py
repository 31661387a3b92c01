"""K-means of many small problems at once, in arrays padded to equal size.

Each step moves all restarts of all problems by two batched matrix products. Padding has
weight 0. Small problems are solved in NumPy on the host, where a whole step takes less
time than the launch of its kernels on an accelerator.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

# Restarts in the race, as multiples of `n_init`, with more than this number of features
# and with fewer, where they cost little; the share of them left after each step. One
# is left after the last step.
MANY_FEATURES, ENTRANTS, MORE_ENTRANTS = 16, 2, 3
LEFT = 0.6, 0.4, 0.25, 0.15, 0.1, 0.0
# Those that have converged are taken out when at most this share of problems is left.
STILL_GOING = 0.75
# float32 is too rough if the mean squared distance to the nearest center is less than
# this share of the largest squared norm.
ROUGH = 1e-4
# Larger relative differences of weights are not due to rounding, in multiples of eps.
TIED = 8
# Below this share of the squared norms, products cancel.
CANCELLED = 1e-6
# Squared distances up to this share of the squared norm are zero, but for rounding.
ON_CENTER = 1e-12

# Constants of the generator of uniform numbers.
GOLDEN = np.uint64(0x9E3779B97F4A7C15)
MIX = (
    (np.uint64(30), np.uint64(0xBF58476D1CE4E5B9)),
    (np.uint64(27), np.uint64(0x94D049BB133111EB)),
)


class Problems(NamedTuple):
    """Rows of each problem, centered and scaled, and their weights.

    All restarts of a problem share one set of weights, or each has its own.
    """

    points: NDArray  # (n_problems, n_rows, n_features + 1); the last column is 1
    norms: NDArray  # (n_problems, n_rows), squared
    weights: NDArray  # (n_problems, n_sets, n_rows)
    weighted: NDArray  # points times weights, if there is one set of these

    def take(self, kept: NDArray) -> "Problems":
        return self._each(lambda field: field[kept])

    def astype(self, dtype: Any) -> "Problems":
        return self._each(lambda field: field.astype(dtype, copy=False))

    def _each(self, function: Callable[[NDArray], NDArray]) -> "Problems":
        points, norms, weights = map(function, self[:3])
        plain = self.weighted is self.points
        weighted = points if plain else function(self.weighted)
        return Problems(points, norms, weights, weighted)


def uniform(seeds: NDArray, size: tuple[int, ...], stream: int) -> NDArray[np.float64]:
    """Return uniform numbers below 1 for each seed: (n_seeds, *size).

    They are hashes of the seed, the number of the stream and a count, so that those of
    all problems are drawn at once, and those of a problem do not depend on the others
    (Steele, Lea and Flood 2014, "Fast splittable pseudorandom number generators").
    """
    count = np.arange(1, 1 + math.prod(size), dtype=np.uint64)
    start = _mixed(2 * seeds.astype(np.uint64) + np.uint64(stream))
    mixed = _mixed(start[:, np.newaxis] + count * GOLDEN)
    numbers = (mixed >> np.uint64(11)).astype(np.float64) * 2.0**-53
    return numbers.reshape(-1, *size)


def _mixed(bits: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Change about half of the bits if one of them changes."""
    for shift, factor in MIX:
        bits = (bits ^ (bits >> shift)) * factor
    return bits ^ (bits >> np.uint64(31))


def problems_of(points: NDArray, weights: NDArray) -> Problems:
    """Return the problems of padded rows, which end with a column of ones.

    If all weights are 1, that column becomes 0 for padding, and no copy is needed.
    """
    rows, own = points[..., :-1], weights[:, 0]
    norms = np.einsum("pnd,pnd->pn", rows, rows)
    weighted = points
    if np.array_equal(own, own > 0):
        points[..., -1] = own
    else:
        weighted = points * own[..., np.newaxis]
    return Problems(points, norms, weights, weighted)


def n_entrants(n_features: int, n_init: int) -> int:
    """Return how many restarts enter the race."""
    if n_init == 1:
        return 1
    return n_init * (ENTRANTS if n_features > MANY_FEATURES else MORE_ENTRANTS)


def start(problems: Problems, chances: NDArray) -> NDArray:
    """Return centers to start from: (n_problems, 1, n_clusters, n_features).

    They win a race of restarts in float32, or in float64 where that is too rough.
    `chances` are uniform numbers: (n_problems, n_clusters, n_restarts, n_drawn).
    """
    centers, left = _race(problems.astype(np.float32), chances)
    centers = centers.astype(np.float64)
    largest = problems.weights.sum(axis=(1, 2)) * problems.norms.max(axis=1)
    rough = np.flatnonzero(left <= ROUGH * largest)
    if len(rough):
        centers[rough], _ = _race(problems.take(rough), chances[rough])
    return centers


def _race(problems: Problems, chances: NDArray) -> tuple[NDArray, NDArray]:
    """Move restarts some steps, and drop the worse ones after each step.

    The inertia of the means is that of their common mean, less the weighted squares of
    the means. Returns the winner and its inertia.
    """
    centers = seed_centers(problems, chances)
    spread = (problems.norms * problems.weights[:, 0]).sum(axis=1)
    n_restarts = centers.shape[1]
    for share in LEFT:
        left = max(1, round(share * n_restarts))
        centers, counts = assign(problems, centers)
        squares = np.einsum("prkd,prkd->prk", centers, centers)
        gained = (squares * counts).sum(axis=2)
        if left < centers.shape[1]:
            best = np.argsort(-gained, axis=1, kind="stable")[:, :left]
            centers = centers[np.arange(len(best))[:, np.newaxis], best]
    return centers, spread - gained.max(axis=1)


def seed_centers(problems: Problems, chances: NDArray) -> NDArray:
    """Seed restarts by greedy k-means++, all at once.

    Distances are relative to the squared norms of the rows, which do not matter where
    candidates are compared.
    """
    points, norms, weights, _ = problems
    n_problems, n_clusters, n_restarts, n_drawn = chances.shape
    each, restart = np.arange(n_problems)[:, np.newaxis], np.arange(n_restarts)
    chosen = np.empty((n_problems, n_restarts, n_clusters), dtype=np.intp)
    chosen[..., 0] = _draw(weights, chances[:, 0, :, :1])[..., 0]
    closest = _relative(problems, chosen[..., 0])
    for place in range(1, n_clusters):
        mass = np.maximum(closest + norms[:, np.newaxis], 0)
        mass *= weights
        drawn = _draw(mass, chances[:, place])
        apart = _relative(problems, drawn.reshape(n_problems, -1))
        apart = apart.reshape(n_problems, n_restarts, n_drawn, -1)
        np.minimum(apart, closest[:, :, np.newaxis], out=apart)
        best = _sums_of(apart, weights).argmin(axis=2)
        chosen[..., place] = drawn[each, restart, best]
        closest = apart[each, restart, best]
    return points[each[..., np.newaxis], chosen, :-1]


def _sums_of(apart: NDArray, weights: NDArray) -> NDArray:
    """Return weighted sums over rows: (n_problems, n_restarts, n_drawn)."""
    if weights.shape[1] > 1:
        return (apart @ weights[..., np.newaxis])[..., 0]
    left = apart.reshape(len(apart), -1, apart.shape[3])
    return (left @ weights.transpose(0, 2, 1)).reshape(apart.shape[:3])


def _draw(mass: NDArray, chances: NDArray) -> NDArray[np.intp]:
    """Draw rows in proportion to their mass; a chance is less than 1."""
    ends = mass.cumsum(axis=2)
    at = chances.astype(mass.dtype) * ends[..., -1:]
    return (ends[:, :, np.newaxis] > at[..., np.newaxis]).argmax(axis=3)


def _relative(problems: Problems, rows: NDArray) -> NDArray:
    """Return squared distances to some rows, minus the squared norms of all rows."""
    points, norms = problems[:2]
    each = np.arange(len(points))[:, np.newaxis]
    some = points[each, rows]
    some *= -2
    some[..., -1] = norms[each, rows]
    return some @ points.transpose(0, 2, 1)


def assign(problems: Problems, centers: NDArray) -> tuple[NDArray, NDArray]:
    """Assign each row to its nearest center, of equally near ones to the first.

    Returns the means of the members, shaped as the centers, and their weights. The
    means of centers without members are the rows farthest from their centers.
    """
    scores = _products(problems, centers, -0.5)
    best = scores.max(axis=2)
    np.equal(scores, best[:, :, np.newaxis], out=scores)
    means, counts = means_of(problems, scores)
    if not counts.all():
        squared = problems.norms[:, np.newaxis] - 2 * best
        _fill(problems, means, centers, counts, squared)
    return means, counts


def _products(problems: Problems, centers: NDArray, share: float) -> NDArray:
    """Return the products of centers and rows, plus a share of the squared norms."""
    points = problems.points
    n_problems, n_restarts, n_clusters, _ = centers.shape
    lifted = np.empty((*centers.shape[:3], points.shape[2]), dtype=points.dtype)
    lifted[..., :-1] = centers
    np.einsum("prkd,prkd->prk", centers, centers, out=lifted[..., -1])
    lifted[..., -1] *= share
    flat = lifted.reshape(n_problems, n_restarts * n_clusters, -1)
    products = flat @ points.transpose(0, 2, 1)
    return products.reshape(n_problems, n_restarts, n_clusters, -1)


def means_of(problems: Problems, members: NDArray) -> tuple[NDArray, NDArray]:
    """Return the means of members, 0 of none, and their weights.

    `members` are 1 for the nearest centers of a row, and 0 for all others. Only the
    first is kept.
    """
    sums = _sums(problems, members)
    most = problems.weights.sum(axis=2) * (1 + TIED * np.finfo(sums.dtype).eps)
    if (sums[..., -1].sum(axis=2) > most).any():
        _keep_first(members)
        sums = _sums(problems, members)
    counts = sums[..., -1]
    divisor = counts if counts.all() else np.where(counts > 0, counts, 1)
    return sums[..., :-1] / divisor[..., np.newaxis], counts


def _keep_first(nearest: NDArray) -> None:
    """Keep the first of several nearest centers of each row."""
    known = nearest[:, :, 0] > 0
    for place in range(1, nearest.shape[2]):
        of_center = nearest[:, :, place]
        of_center[known] = 0
        known |= of_center > 0


def _sums(problems: Problems, members: NDArray) -> NDArray:
    """Return weighted sums of members and, last, of their weights."""
    points, weights = problems.weighted, problems.weights
    if weights.shape[1] > 1:
        points, members = problems.points, members * weights[:, :, np.newaxis]
    n_problems, n_restarts, n_clusters, n_rows = members.shape
    sums = members.reshape(n_problems, n_restarts * n_clusters, n_rows) @ points
    return sums.reshape(n_problems, n_restarts, n_clusters, -1)


def distances_to(problems: Problems, centers: NDArray) -> NDArray[np.float64]:
    """Return squared distances, (n_problems, n_restarts, n_clusters, n_rows).

    Where products cancel, or the nearest center is not certain, the squares of
    differences are summed.
    """
    points, norms = problems[:2]
    of_centers = np.einsum("prkd,prkd->prk", centers, centers)
    sums = of_centers[..., np.newaxis] + norms[:, np.newaxis, np.newaxis]
    apart = sums - 2 * _products(problems, centers, 0.0)
    slack = 4 * (points.shape[2] + 4) * np.finfo(points.dtype).eps * sums.max(axis=2)
    near = apart <= (apart.min(axis=2) + slack)[:, :, np.newaxis]
    near &= (np.count_nonzero(near, axis=2) > 1)[:, :, np.newaxis]
    near |= apart <= CANCELLED * sums
    p, r, k, n = np.nonzero(near)
    apart[p, r, k, n] = ((points[p, n, :-1] - centers[p, r, k]) ** 2).sum(axis=1)
    return apart


def _fill(
    problems: Problems, means: NDArray, centers: NDArray, counts: NDArray, gaps: NDArray
) -> None:
    """Set centers without members to the rows farthest from their own centers.

    Where no row is off its center, they stay.
    """
    points, norms, weights, _ = problems
    empty = counts == 0
    means[empty] = centers[empty]
    problem, restart = np.nonzero(empty.any(axis=2))
    own = weights[problem, restart % weights.shape[1]] > 0
    apart = np.where(own, gaps[problem, restart], 0)
    order = np.argsort(-apart, axis=1, kind="stable")
    of, cluster = np.nonzero(empty[problem, restart])
    rank = np.cumsum(empty[problem, restart], axis=1)[of, cluster] - 1
    inside = rank < order.shape[1]
    of, cluster, rank = of[inside], cluster[inside], rank[inside]
    row = order[of, rank]
    off = apart[of, row] > ON_CENTER * norms[problem].max(axis=1)[of]
    of, cluster, row = of[off], cluster[off], row[off]
    means[problem[of], restart[of], cluster] = points[problem[of], row, :-1]


def move(
    problems: Problems, centers: NDArray, max_iter: int, tol: float
) -> tuple[NDArray, NDArray, int]:
    """Move centers until those of each problem stand still.

    The shift that counts as none is `tol` times the mean variance of the features. A
    problem that has converged is not moved on with the others. Also returns the weights
    of the members at the last step of each problem, and the largest number of steps.
    """
    spread = (problems.norms[:, np.newaxis] * problems.weights).sum(axis=(1, 2))
    mass = problems.weights.sum(axis=(1, 2)) * centers.shape[3]
    least, centers = tol * spread / mass, centers.copy()
    counts = np.zeros(centers.shape[:3])
    numbers, left = np.arange(len(centers)), problems
    going = np.ones(len(centers), dtype=bool)
    n_iter = 0
    while going.any() and n_iter < max_iter:
        n_iter += 1
        before = centers[numbers]
        means, weights = assign(left, before)
        moved = numbers[going]
        centers[moved], counts[moved] = means[going], weights[going]
        going &= ((means - before) ** 2).sum(axis=(1, 2, 3)) > least[numbers]
        if np.count_nonzero(going) <= STILL_GOING * len(going):
            numbers, left = numbers[going], left.take(going)
            going = going[going]
    return centers, counts, n_iter
