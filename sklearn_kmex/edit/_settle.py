"""k-means of one class goes on without the forgotten rows.

A row is compared with the prototypes again only if another one may have become nearer
than its own (Hamerly 2010, "Making k-means even faster"). The sums of members change by
the rows that move.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from sklearn_kmex._classifier import KMExClassifier
from sklearn_kmex._data.arrays import batches, rows_at, squared_norms
from sklearn_kmex._model.bounds import Nearest, compare
from sklearn_kmex._model.members import ROUNDING
from sklearn_kmex.edit._state import State

# Prototypes are the means of their members if the sum of their squared distances from
# these is at most this many times that at which k-means stops; at least this `tol`.
STILL, LEAST_TOL = 10, 1e-4
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
    apart = squared_norms(before.vectors - before.means.astype(np.float64)).sum()
    still = apart <= STILL * least_shift(before, max(sem.tol, LEAST_TOL))
    known = np.abs(counts - left) <= ROUNDING * before.counts
    return sem.prototype == "centroid" and bool(still and known.all())


def least_shift(state: State, tol: float) -> float:
    """Return `tol` times the mean variance of the features, at which `fit` stops."""
    mean = np.average(state.means.astype(np.float64), axis=0, weights=state.counts)
    size = state.counts.sum() * len(mean)
    return float(tol * scatter_about(mean, state) / size)


def scatter_about(center: NDArray, state: State) -> NDArray[np.float64]:
    """Return the sum of the squared distances of all members to a point."""
    return state.within.sum() + state.counts @ squared_norms(state.means - center)


def follow(
    group: Group, near: Nearest, places: NDArray, vectors: NDArray
) -> tuple[Nearest, NDArray[np.intp]]:
    """Find the nearest prototypes after these have moved from `places` to `vectors`.

    Also returns which rows have another one than before.
    """
    near = _loosened(near, np.sqrt(squared_norms(vectors - places)))
    again = np.flatnonzero(near.others <= near.most)
    if len(again) == 0:
        return near, again
    found = compare(group.rows, group.numbers[again], vectors)
    changed = again[found.owners != near.owners[again]]
    near = Nearest(*(field.copy() for field in near))
    for field, values in zip(near, found, strict=True):
        field[again] = values
    return near, changed


def _loosened(near: Nearest, shifts: NDArray[np.float64]) -> Nearest:
    """Return bounds that hold after prototypes have moved as far as this."""
    first, own = shifts.argmax(), shifts[near.owners]
    second = np.delete(shifts, first).max(initial=0.0)
    return Nearest(
        near.owners,
        np.maximum(near.least - own, 0.0),
        near.most + own,
        near.others - np.where(near.owners == first, second, shifts[first]),
    )


def settle(
    sem: KMExClassifier, group: Group, near: Nearest, places: NDArray, state: State
) -> tuple[State, Nearest]:
    """Move prototypes on by k-means, from the means of the members that are left.

    Rows were nearest at `places`, and k-means stops as in `fit`. A prototype that loses
    all members stays where it is, with a count of 0.
    """
    thin = sparse.issparse(group.rows)
    center = (0.0 if thin else 1.0) * places.mean(axis=0, dtype=np.float64)
    total, least = scatter_about(center, state), least_shift(state, sem.tol)
    counts, means = state.counts, state.means.astype(np.float64)
    sums, vectors = counts[:, np.newaxis] * (means - center), means
    for n_iter in range(1, sem.max_iter + 1):
        last = n_iter == sem.max_iter or squared_norms(vectors - places).sum() <= least
        if last:
            vectors = vectors.astype(state.vectors.dtype)
        owners = near.owners
        near, changed = follow(group, near, places, vectors)
        sums += _change(group, changed, owners, near.owners, center, len(counts))
        counts = np.bincount(near.owners, group.weights, len(counts)).astype(np.float64)
        divisor = np.where(counts > 0, counts, 1.0)[:, np.newaxis]
        means = np.where(counts[:, np.newaxis] > 0, center + sums / divisor, vectors)
        if last:
            break
        places, vectors = vectors, means
    within = max(total - counts @ squared_norms(means - center), 0.0)
    return state._replace(
        vectors=vectors,
        means=means.astype(vectors.dtype),
        counts=counts,
        within=within * counts / counts.sum(),
    ), near


def _change(
    group: Group,
    changed: NDArray[np.intp],
    before: NDArray[np.intp],
    after: NDArray[np.intp],
    center: NDArray,
    n_prototypes: int,
) -> NDArray[np.float64]:
    """Return the change of the sums about a center by rows with another prototype."""
    sums = np.zeros((n_prototypes, len(center)))
    for part in batches(len(changed), BLOCK_ROWS):
        some = changed[part]
        shares, each = np.zeros((n_prototypes, len(some))), np.arange(len(some))
        shares[after[some], each] = group.weights[some]
        shares[before[some], each] = -group.weights[some]
        sums += shares @ rows_at(group.rows, group.numbers[some])
        sums -= shares.sum(axis=1)[:, np.newaxis] * center
    return sums
