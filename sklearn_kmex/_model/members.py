"""Training rows as members of prototypes: the prototype that each belongs to."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import column_or_1d
from sklearn.utils.validation import check_consistent_length

from sklearn_kmex._data.arrays import rows_at
from sklearn_kmex._data.listed import listed
from sklearn_kmex._data.unit_rows import unit_rows
from sklearn_kmex._model.bounds import compare
from sklearn_kmex._model.labels import class_codes
from sklearn_kmex._model.rule import metric_of, rule_of

# Smaller shares of the weight of a prototype are rounding errors.
ROUNDING = 1e-9


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
            f"prototypes of {listed(empty)}. Leave these rows out."
        )
    return codes


def left_of(counts: NDArray, lost: NDArray) -> NDArray[np.float64]:
    """Return the weights of members that are left, exactly 0 if none is."""
    left = counts - lost
    return np.where(left > ROUNDING * counts, left, 0.0)
