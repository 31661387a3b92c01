"""Training rows as members of prototypes: the prototype that each belongs to."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import assert_all_finite, column_or_1d
from sklearn.utils.validation import check_consistent_length

from sklearn_kmex._data.arrays import rows_at
from sklearn_kmex._data.listed import listed
from sklearn_kmex._data.unit_rows import unit_rows
from sklearn_kmex._model.answers import winners_of_rows
from sklearn_kmex._model.labels import class_codes
from sklearn_kmex._model.rule import Rule, metric_of, rule_of

# Smaller shares of the weight of a prototype are rounding errors.
ROUNDING = 1e-9


class Members(NamedTuple):
    """Training rows as they were clustered, and the prototypes they belong to."""

    rows: Any  # of length one if the metric is a cosine one
    owners: NDArray[np.intp]
    weights: NDArray[np.float64]


def members_of(
    sem: Any, Z: Any, codes: NDArray[np.intp], weights: NDArray[np.float64]
) -> Members:
    """Assign embeddings of training rows to the nearest prototype of their class."""
    rows = clustered_rows(sem, Z)
    owners = nearest_of_class(rows, codes, sem.prototypes_, rule_of(sem).owners)
    return Members(rows, owners, weights)


def clustered_rows(sem: Any, Z: Any) -> Any:
    """Return embeddings as `fit` clusters them."""
    rows = sem._check_input(Z, "fit")
    return unit_rows(rows) if metric_of(sem).unit else rows


def nearest_of_class(
    rows: Any, codes: NDArray[np.intp], prototypes: NDArray, of: NDArray[np.intp]
) -> NDArray[np.intp]:
    """Return the nearest prototype of the class of each row.

    `of` holds the class codes of the prototypes. As in `fit`, the distance is Euclidean
    whatever metric decides.
    """
    owners = np.empty(len(codes), dtype=np.intp)
    for code in np.unique(codes):
        mine, own = np.flatnonzero(codes == code), np.flatnonzero(of == code)
        n_own = len(own)
        each = Rule(prototypes[own], np.arange(n_own), n_own, np.ones(n_own))
        nearest = winners_of_rows(rows_at(rows, mine), each, assert_all_finite)
        owners[mine] = own[nearest]
    return owners


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
