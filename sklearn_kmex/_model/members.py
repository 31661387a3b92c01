"""Training rows as members of prototypes: the prototype that each belongs to."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import column_or_1d
from sklearn.utils.validation import check_consistent_length

from sklearn_kmex._data.arrays import batches, dense, rows_at, squared_norms
from sklearn_kmex._data.brief import brief
from sklearn_kmex._data.unit_rows import unit_rows
from sklearn_kmex._model.bounds import compare
from sklearn_kmex._model.labels import class_codes
from sklearn_kmex._model.rule import metric_of, rule_of

# Smaller shares of the weight of a prototype are rounding errors.
ROUNDING = 1e-9
# Rows at a smaller squared distance, as a share of their squared length, are the same
# row: an encoder may round differently in another batch.
SAME = 1e-10
# Elements of a block of rows, which fit into the cache.
BLOCK_ELEMENTS = 2**18
# Training rows are not farther from prototypes than in `fit`, but for rounding.
MOST_SPREAD = 1.1


class Members(NamedTuple):
    """Training rows as they were clustered, and the prototypes they belong to."""

    rows: Any  # of length one if the metric is a cosine one
    owners: NDArray[np.intp]
    weights: NDArray[np.float64]

    def take(self, some: NDArray[np.intp]) -> "Members":
        return Members(rows_at(self.rows, some), self.owners[some], self.weights[some])


def members_of(
    sem: Any, Z: Any, codes: NDArray[np.intp], weights: NDArray[np.float64]
) -> Members:
    """Assign embeddings of training rows to the nearest prototype of their class.

    As in `fit`, the distance is Euclidean whatever metric decides.
    """
    rows, of = clustered_rows(sem, Z), rule_of(sem).owners
    owners = np.empty(len(codes), dtype=np.intp)
    for code in np.unique(codes):
        mine, own = np.flatnonzero(codes == code), np.flatnonzero(of == code)
        owners[mine] = own[compare(rows, mine, sem.prototypes_[own]).owners]
    return Members(rows, owners, weights)


def blocks(members: Members) -> Iterator[Members]:
    """Split members into blocks of dense rows."""
    size = max(1, BLOCK_ELEMENTS // members.rows.shape[1])
    for part in batches(len(members.owners), size):
        rows = dense(members.rows[part])
        yield Members(rows, members.owners[part], members.weights[part])


def squares_to(vectors: NDArray, members: Members) -> NDArray[np.float64]:
    """Return the squared distance of each member to the vector of its prototype."""
    parts = [
        squared_norms(rows - vectors.astype(np.float64)[owners])
        for rows, owners, _ in blocks(members)
    ]
    return np.concatenate(parts)


def spread_of(sem: Any, members: Members) -> NDArray[np.float64]:
    """Sum squared distances of members to their prototypes, for each class."""
    lengths = np.concatenate([squared_norms(rows) for rows, *_ in blocks(members)])
    apart = squares_to(sem.prototypes_, members) - SAME * lengths
    found = np.zeros(len(sem.classes_))
    codes = rule_of(sem).owners[members.owners]
    np.add.at(found, codes, members.weights * apart.clip(0))
    return found


def check_spread(sem: Any, spread: NDArray[np.float64], name: str) -> None:
    """Refuse rows that are farther from prototypes than all rows in `fit` together.

    The sum of squared distances of all training rows is known, unless prototypes have
    been moved to another class since: their part of it is not.
    """
    edits = {entry["what"] for entry in getattr(sem, "edit_log_", [])}
    over = np.flatnonzero(spread > MOST_SPREAD * sem.inertia_)
    if len(over) and "relabel_prototypes" not in edits:
        code = over[0]
        raise ValueError(
            f"{name} must hold training rows of psem, as fit took them; the squared "
            "distances of the rows of class "
            f"{sem.classes_.tolist()[code]!r} from prototypes sum to "
            f"{spread[code]:.3g}, and those of all its training rows to "
            f"{sem.inertia_[code]:.3g}. Check the rows, their labels and weights, and "
            "that they are scaled as in fit."
        )


def clustered_rows(sem: Any, Z: Any) -> Any:
    """Return embeddings as `fit` clusters them; they need not be finite."""
    rows = sem._check_input(Z, "fit", ensure_all_finite=False)
    return unit_rows(rows) if metric_of(sem).unit else rows


def codes_of(sem: Any, labels: ArrayLike, n_rows: int, name: str) -> NDArray[np.intp]:
    """Return the class codes of training rows, each of a class with prototypes."""
    given = column_or_1d(labels)
    check_consistent_length(np.empty(n_rows), given)
    codes = class_codes(sem.classes_, given, name)
    empty = np.unique(given[sem.n_prototypes_[codes] == 0]).tolist()
    if empty:
        raise ValueError(
            f"{name} must hold labels of training rows of psem, which has no "
            f"prototypes of {brief(empty)}. Leave these rows out."
        )
    return codes


def left_of(counts: NDArray, lost: NDArray) -> NDArray[np.float64]:
    """Return the weights of members that are left, exactly 0 if none is."""
    left = counts - lost
    return np.where(left > ROUNDING * counts, left, 0.0)
