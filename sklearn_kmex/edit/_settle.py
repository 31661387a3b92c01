"""k-means of one class goes on without the forgotten rows.

A row is compared with the prototypes again only if another one may have become nearer
than its own (Elkan 2003, "Using the triangle inequality to accelerate k-means"). The
sums of members change by the rows that move.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from sklearn_kmex._classifier import KMExClassifier
from sklearn_kmex._data.arrays import batches, rows_at, squared_norms
from sklearn_kmex._model.bounds import Nearest, compare
from sklearn_kmex._model.members import ROUNDING, Members
from sklearn_kmex.edit._state import State
from sklearn_kmex.edit._without import sums_about

# Prototypes are the means of their members if the sum of their squared distances from
# these is at most this many times that at which k-means stops; at least this `tol`.
STILL, LEAST_TOL = 10, 1e-4
# Their members are known if at most this share of the weight is that of others.
UNKNOWN = 1e-3
BLOCK_ROWS = 1_024


class Group(NamedTuple):
    """Training rows of one class."""

    rows: Any  # of all classes
    numbers: NDArray[np.intp]  # of those of the class
    weights: NDArray[np.float64]
    shown: NDArray[np.bool_]  # whether a row may represent a prototype


def is_settled(
    sem: KMExClassifier, before: State, after: State, group: Group, near: Nearest
) -> bool:
    """Whether k-means had found the prototypes, from these rows and the forgotten ones.

    Each prototype is then the mean of the rows nearest to it. This is not so after most
    edits, in streams, for medoids, or without some of the rows or their weights.
    """
    left = np.zeros(len(before.ids))
    left[np.searchsorted(before.ids, after.ids)] = after.counts
    counts = np.bincount(near.owners, group.weights, len(left))
    known = np.abs(counts - left).sum() <= UNKNOWN * before.counts.sum()
    apart = squared_norms(before.vectors - before.means.astype(np.float64)).sum()
    still = apart <= STILL * least_shift(before, max(sem.tol, LEAST_TOL))
    return sem.prototype == "centroid" and bool(still and known)


def _counted(state: State, group: Group, near: Nearest) -> State:
    """Return a state of which the members are the rows nearest to each prototype.

    An encoder may round a row differently in another batch, so that it is nearest to
    another prototype than in `fit`.
    """
    counts = np.bincount(near.owners, group.weights, len(state.ids)).astype(np.float64)
    if (abs(counts - state.counts) <= ROUNDING * state.counts).all():
        return state
    rows = rows_at(group.rows, group.numbers)
    members = Members(rows, near.owners, group.weights)
    sums, squared = sums_about(state.means, members)
    moves = sums / np.where(counts > 0, counts, 1.0)[:, np.newaxis]
    within = np.bincount(near.owners, group.weights * squared, len(counts))
    within = np.maximum(within - counts * squared_norms(moves), 0.0)
    return state._replace(means=state.means + moves, counts=counts, within=within)


def least_shift(state: State, tol: float) -> float:
    """Return `tol` times the mean variance of the features, at which `fit` stops."""
    mean = np.average(state.means.astype(np.float64), axis=0, weights=state.counts)
    size = state.counts.sum() * len(mean)
    return float(tol * scatter_about(mean, state) / size)


def scatter_about(center: NDArray, state: State) -> NDArray[np.float64]:
    """Return the sum of the squared distances of all members to a point."""
    return state.within.sum() + state.counts @ squared_norms(state.means - center)


def follow(
    group: Group, near: Nearest, places: NDArray, vectors: NDArray, exact: bool = True
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Update what is nearest after prototypes have moved from `places` to `vectors`.

    Returns which rows have another prototype now, and which one they had before.
    """
    shifts = np.sqrt(squared_norms(vectors - places.astype(np.float64)))
    own = shifts[near.owners]
    np.maximum(near.least - own, 0.0, out=near.least)
    np.add(near.most, own, out=near.most)
    np.subtract(near.others, shifts[:, np.newaxis], out=near.others)
    again = np.flatnonzero(near.others.min(axis=0) <= near.most)
    before = near.owners[again]
    if len(again):
        found = compare(group.rows, group.numbers[again], vectors, exact)
        for field, values in zip(near, found, strict=True):
            field[..., again] = values
    changed = near.owners[again] != before
    return again[changed], before[changed]


def settle(
    sem: KMExClassifier, group: Group, near: Nearest, places: NDArray, state: State
) -> State:
    """Move prototypes on by k-means, from the means of the members that are left.

    `near` holds at `places`, and is updated. k-means stops as in `fit`. A prototype
    that loses all members stays where it is, with a count of 0.
    """
    dtype, state = state.vectors.dtype, _counted(state, group, near)
    scale = 0.0 if sparse.issparse(group.rows) else 1.0  # sparse rows are not centered
    center = scale * places.mean(axis=0, dtype=np.float64)
    total, least = scatter_about(center, state), least_shift(state, sem.tol)
    counts, vectors = state.counts, state.means.astype(np.float64)
    sums, last, n_iter = counts[:, np.newaxis] * (vectors - center), False, 0
    while not last:
        n_iter += 1
        shift = squared_norms(vectors - places).sum()
        last = bool(shift <= least) or n_iter == sem.max_iter
        if last:
            vectors = vectors.astype(dtype)
        moved = follow(group, near, places, vectors, exact=last)
        sums += _change(group, *moved, near.owners, center, len(counts))
        counts = np.bincount(near.owners, group.weights, len(counts)).astype(np.float64)
        some = counts[:, np.newaxis] > 0
        means = center + sums / np.where(some, counts[:, np.newaxis], 1.0)
        places, vectors = vectors, np.where(some, means, vectors)
    means = vectors.astype(dtype)
    within = max(total - counts @ squared_norms(vectors - center), 0.0)
    within = within * counts / counts.sum()
    return state._replace(vectors=places, means=means, counts=counts, within=within)


def _change(
    group: Group,
    rows: NDArray[np.intp],
    before: NDArray[np.intp],
    owners: NDArray[np.intp],
    center: NDArray,
    n_prototypes: int,
) -> NDArray[np.float64]:
    """Return the change of the sums about a center by rows with another prototype."""
    sums = np.zeros((n_prototypes, len(center)))
    for part in batches(len(rows), BLOCK_ROWS):
        some = rows[part]
        shares, each = np.zeros((n_prototypes, len(some))), np.arange(len(some))
        shares[owners[some], each] = group.weights[some]
        shares[before[part], each] = -group.weights[some]
        sums += shares @ rows_at(group.rows, group.numbers[some])
        sums -= shares.sum(axis=1)[:, np.newaxis] * center
    return sums
