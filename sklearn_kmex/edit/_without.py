"""The state of prototypes without some members, from means and weights alone."""

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from sklearn_kmex._data.arrays import squared_norms
from sklearn_kmex._data.brief import brief
from sklearn_kmex._model.members import ROUNDING, SAME, Members, blocks, left_of
from sklearn_kmex.edit._state import State

# Such rows have the same distance from a point, up to this share of its length and of
# theirs.
ALIKE = 1e-4


def without_members(state: State, gone: Members, medoid: bool) -> State:
    """Remove some members, and prototypes that have no others.

    A prototype moves as far as the mean of its members. A medoid stays, unless it is
    removed itself; then it becomes this mean. The row number of a nearest training row
    that is removed becomes -1.
    """
    lost = np.bincount(gone.owners, gone.weights, len(state.ids))
    _check_members(lost, state)
    left = left_of(state.counts, lost)
    sums, squared = sums_about(state.means, gone)
    divisor = np.where(left > 0, left, np.inf)  # those without members are left out
    moves = -sums / divisor[:, np.newaxis]
    means = (state.means + moves).astype(state.means.dtype)
    unknown = _are_removed(state, gone, squared)
    squares = np.bincount(gone.owners, gone.weights * squared, len(left))
    vectors = (state.vectors + moves).astype(state.vectors.dtype)
    if medoid:
        vectors = np.where(unknown[:, np.newaxis], means, state.vectors)
    within = _share_within(
        state, state.within - squares - left * squared_norms(moves), left
    )
    after = state._replace(
        vectors=vectors,
        means=means,
        counts=left,
        nearest=np.where(unknown[:, np.newaxis], vectors, state.nearest),
        rows=np.where(unknown, -1, state.rows),
        within=within,
    ).of(left > 0)
    _check_classes(state, after)
    return after


def scatter_without(
    scatter: tuple[NDArray, float], state: State, gone: Members
) -> tuple[NDArray, float]:
    """Subtract the products of removed rows about the mean of prototypes."""
    products, fourth = scatter
    center = state.means.mean(axis=0, dtype=np.float64)
    for rows, _, weights in blocks(gone):
        rows = rows - center
        products = products - (rows.T * weights) @ rows
    return products, fourth


def sums_about(
    means: NDArray, members: Members
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Sum the differences of members from given means, and square each of them."""
    sums, squared = np.zeros(means.shape), []
    means = means.astype(members.rows.dtype)
    for rows, owners, weights in blocks(members):
        apart = rows - means[owners]
        cells = (weights.astype(rows.dtype), (owners, np.arange(len(owners))))
        sums += sparse.csr_array(cells, shape=(len(means), len(owners))) @ apart
        squared.append(squared_norms(apart))
    return sums, np.concatenate(squared)


def _share_within(state: State, within: NDArray, left: NDArray) -> NDArray[np.float64]:
    """Share the sum of `within` of each class by counts; only this sum is known."""
    _, codes = np.unique(state.labels, return_inverse=True)
    of_class = np.maximum(np.bincount(codes, within), 0)
    counts = np.maximum(np.bincount(codes, left), np.finfo(float).tiny)
    return of_class[codes] * left / counts[codes]


def _are_removed(state: State, gone: Members, squared: NDArray) -> NDArray[np.bool_]:
    """Return whether the nearest training row of each prototype is removed.

    Only removed rows about as far from the mean, `squared`, as that row are compared.
    """
    known, lengths = np.sqrt(squared), np.sqrt(squared_norms(state.means))
    known_of = np.sqrt(squared_norms(state.nearest - state.means))[gone.owners]
    slack = ALIKE * (known + lengths[gone.owners])
    some = np.flatnonzero(abs(known - known_of) <= slack)
    removed = np.zeros(len(state.ids), dtype=bool)
    for rows, owners, _ in blocks(gone.take(some)):
        apart = squared_norms(rows - state.nearest[owners])
        removed[owners[apart <= SAME * squared_norms(rows)]] = True
    return removed & (state.rows >= 0)


def _check_members(lost: NDArray, state: State) -> None:
    """Refuse more rows than a prototype has members."""
    over = np.flatnonzero(lost > (1 + ROUNDING) * state.counts)
    if len(over):
        k = int(over[0])
        raise ValueError(
            "X_rows must be training rows of psem, each once; rows of a weight of "
            f"{lost[k]:g} are nearest to prototype {k} of class "
            f"{state.labels.tolist()[k]!r}, whose members have a weight of "
            f"{state.counts[k]:g}. Check y_rows and sample_weight; after an edit, rows "
            "may belong to other prototypes."
        )


def _check_classes(before: State, after: State) -> None:
    """Refuse to remove all rows of a class."""
    emptied = np.setdiff1d(before.labels, after.labels).tolist()
    if emptied:
        raise ValueError(
            "X_rows must leave training rows to each class; without them, there would "
            f"be none of {brief(emptied)}. Fit again without the class."
        )
