"""Wide rows: from clusters of a subspace to centers on all features."""

from typing import Any, NamedTuple

import numpy as np

from sklearn_kmex._compat import get_namespace_and_device
from sklearn_kmex._data.arrays import squared_norms, to_numpy
from sklearn_kmex._fit.seeding import Points

# Rounding of distances: a row stays if the second nearest center is farther than the
# nearest one by this factor.
FARTHER = 1 + 1e-4


class Clusters(NamedTuple):
    """Clusters of all rows, and their centers."""

    labels: Any  # (n_samples,)
    sums: Any  # (n_clusters, n_features), weighted sums of the members
    counts: Any  # (n_clusters,), weights of the members
    centers: Any  # (n_clusters, n_features)


class Bounds(NamedTuple):
    """Bounds of the distances of each row, to its own center and to all others."""

    upper: Any
    lower: Any


def lift(few: Points, centers: Any, points: Points) -> Clusters:
    """Return the best clusters of a subspace, with centers of all features.

    The inertia is the same constant less the weighted squared lengths of the means.
    """
    xp, *_ = get_namespace_and_device(points.values)
    n_restarts, n_clusters, n_features = centers.shape
    flat = xp.reshape(centers, (-1, n_features))
    scores = few.values @ flat.T - squared_norms(flat) / 2
    scores = xp.reshape(scores, (-1, n_restarts, n_clusters))
    labels = xp.argmax(scores, axis=2)
    sums, counts = sum_members(points, labels, n_clusters)
    means = sums / xp.where(counts > 0, counts, xp.ones_like(counts))[..., None]
    best = int(xp.argmax(xp.sum(counts * squared_norms(means), axis=1)))
    parts = (a[best, ...] for a in (sums, counts, means))
    return Clusters(labels[:, best], *parts)


def sum_members(points: Points, labels: Any, n_clusters: int) -> tuple[Any, Any]:
    """Return the weighted sums of members, and their weights, for each restart."""
    xp, _, device = get_namespace_and_device(points.values)
    own = labels[..., None] == xp.arange(n_clusters, device=device)
    own = xp.astype(own, points.values.dtype) * points.weights[:, None, None]
    flat = xp.reshape(own, (own.shape[0], -1))
    shape = own.shape[1:]
    sums = xp.reshape(flat.T @ points.values, (*shape, -1))
    return sums, xp.sum(own, axis=0)


def polish(
    points: Points, clusters: Clusters, max_iter: int, tol: float
) -> tuple[Clusters, int]:
    """Move the centers until they stand still; return the number of steps, too.

    A row is compared with the centers again only if one of them may have become
    nearer than its own (Hamerly 2010, "Making k-means even faster"). Rows that change
    clusters are added to one sum and subtracted from another. At the end the sums are
    computed from scratch.
    """
    xp, *_ = get_namespace_and_device(points.values)
    open_, bounds, n_iter, changes = None, None, 0, 0
    while n_iter < max_iter:
        n_iter += 1
        nearest, bounds = _compare(points, clusters, open_, bounds)
        moved, n_changed = _update(points, clusters, nearest, bounds)
        changes += n_changed
        shifts = xp.sqrt(squared_norms(moved.centers - clusters.centers))
        clusters = moved
        if float(xp.sum(shifts**2)) <= tol:
            break
        upper = bounds.upper + xp.take(shifts, clusters.labels, axis=0)
        bounds = Bounds(upper, bounds.lower - xp.max(shifts))
        open_ = bounds.lower <= FARTHER * bounds.upper
    return (_from_scratch(points, clusters) if changes else clusters), n_iter


def _compare(
    points: Points, clusters: Clusters, open_: Any, bounds: Bounds | None
) -> tuple[Any, Bounds]:
    """Return the nearest center of each row, and the bounds.

    The rows to compare are a mask; if they are many, all rows are compared.
    """
    xp, *_ = get_namespace_and_device(points.values)
    if bounds is None or 2 * int(xp.count_nonzero(open_)) > open_.shape[0]:
        nearest, *found = _two_nearest(points, clusters.centers)
        return nearest, Bounds(*found)
    some = points.take(xp.nonzero(open_)[0])
    labels = xp.asarray(clusters.labels, copy=True)
    found_of_some = _two_nearest(some, clusters.centers)
    for old, new in zip((labels, *bounds), found_of_some, strict=True):
        old[open_] = new
    return labels, bounds


def _two_nearest(points: Points, centers: Any) -> tuple[Any, Any, Any]:
    """Return the nearest center, its distance and that of the second nearest one."""
    xp, _, device = get_namespace_and_device(centers)
    squares = points.norms[:, None] + squared_norms(centers)
    squares -= 2 * (points.values @ centers.T)
    squares = xp.maximum(squares, xp.zeros_like(squares[0, 0]))
    nearest = xp.argmin(squares, axis=1)
    upper = xp.sqrt(xp.min(squares, axis=1))
    own = nearest[:, None] == xp.arange(centers.shape[0], device=device)
    others = xp.where(own, xp.full_like(squares, xp.inf), squares)
    return nearest, upper, xp.sqrt(xp.min(others, axis=1))


def _update(
    points: Points, old: Clusters, labels: Any, bounds: Bounds
) -> tuple[Clusters, int]:
    """Move the rows with new labels, and the centers to the means of their members.

    Centers without members are moved to the rows farthest from their own centers.
    """
    xp, _, device = get_namespace_and_device(points.values)
    n_clusters = old.counts.shape[0]
    changed = xp.nonzero(labels != old.labels)[0]
    sums, counts = old.sums, old.counts
    if changed.shape[0]:
        some = points.take(changed)
        for sign, of_rows in ((1, labels), (-1, old.labels)):
            own = xp.take(of_rows, changed, axis=0)[:, None]
            more, weight = (a[0, ...] for a in sum_members(some, own, n_clusters))
            sums, counts = sums + sign * more, counts + sign * weight
    ids = xp.arange(n_clusters, device=device)
    sizes = xp.count_nonzero(labels[:, None] == ids, axis=0)
    # Differences of weights are not exactly 0 where no member is left.
    counts = xp.where(sizes > 0, counts, xp.zeros_like(counts))
    sums = xp.where((sizes > 0)[:, None], sums, xp.zeros_like(sums))
    centers = sums / xp.where(counts > 0, counts, xp.ones_like(counts))[:, None]
    empty = np.flatnonzero(to_numpy(sizes) == 0)
    far = to_numpy(xp.argsort(-bounds.upper))[: len(empty)] if len(empty) else empty
    for k, row in zip(empty, far, strict=True):
        centers[int(k), :] = points.values[int(row), :]
    return Clusters(labels, sums, counts, centers), changed.shape[0]


def _from_scratch(points: Points, clusters: Clusters) -> Clusters:
    """Sum the members again: updated sums accumulate rounding errors."""
    xp, *_ = get_namespace_and_device(points.values)
    n_clusters = clusters.counts.shape[0]
    found = sum_members(points, clusters.labels[:, None], n_clusters)
    sums, counts = (a[0, ...] for a in found)
    means = sums / xp.where(counts > 0, counts, xp.ones_like(counts))[:, None]
    centers = xp.where((counts > 0)[:, None], means, clusters.centers)
    return Clusters(clusters.labels, sums, counts, centers)
