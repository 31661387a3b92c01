"""The training rows that remain: which represent prototypes, and which move."""

import warnings
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from sklearn_kmex._classifier import KMExClassifier
from sklearn_kmex._data.arrays import dense, rows_at, squared_norms
from sklearn_kmex._data.listed import listed
from sklearn_kmex._data.samples import (
    as_samples,
    chunk_rows,
    chunks,
    len_of,
    numbered,
    take,
)
from sklearn_kmex._data.unit_rows import largest_values
from sklearn_kmex._fit.validation import check_weights
from sklearn_kmex._model.members import (
    Members,
    clustered_rows,
    codes_of,
    nearest_of_class,
)
from sklearn_kmex._model.rule import metric_of, rule_of
from sklearn_kmex._model.steps import embed
from sklearn_kmex.edit._state import State
from sklearn_kmex.edit._without import squares_to, sums_about
from sklearn_kmex.exceptions import KMExWarning


class Remaining(NamedTuple):
    """The training rows that remain, as they were clustered."""

    rows: Any
    codes: NDArray[np.intp]  # of their classes
    weights: NDArray[np.float64]


def read_remaining(
    psem: Any,
    sem: KMExClassifier,
    X_train: Any,
    y_train: ArrayLike | None,
    weights: ArrayLike | None,
    n_gone: int,
) -> Remaining:
    """Embed training rows; refuse those that are to be forgotten."""
    if y_train is None:
        raise ValueError("y_train must be given with X_train; got None.")
    X_train = as_samples(X_train)
    n_rows = len_of(X_train)
    if n_rows > sem.n_samples_seen_ - n_gone:
        raise ValueError(
            "X_train must hold the training rows that remain, without those of X_rows; "
            f"got {n_rows} rows, and psem was fitted on {sem.n_samples_seen_}, of "
            f"which {n_gone} are to be forgotten."
        )
    codes, parts = codes_of(sem, y_train, n_rows, "y_train"), []
    absent = np.setdiff1d(sem.prototype_classes_, sem.classes_[codes]).tolist()
    if absent:
        raise ValueError(
            "X_train must hold all training rows that remain; got none of "
            f"{listed(absent)}."
        )
    for numbers in chunks(range(n_rows), chunk_rows(X_train)):
        with numbered(numbers):
            parts.append(clustered_rows(sem, embed(psem, take(X_train, numbers))))
    stack = sparse.vstack if sparse.issparse(parts[0]) else np.concatenate
    rows = sparse.csr_array(stack(parts)) if stack is sparse.vstack else stack(parts)
    return Remaining(rows, codes, check_weights(weights, codes))


def settled(sem: KMExClassifier, state: State, rest: Remaining) -> State:
    """Move prototypes by k-means until no row moves to another one.

    At most `max_iter` steps are taken. Prototypes that lose all members are left out.
    """
    of = np.searchsorted(sem.classes_, state.labels)
    means = state.vectors.astype(np.float64)
    owners = nearest_of_class(rest.rows, rest.codes, means, of)
    for _ in range(sem.max_iter):
        sums, squares = sums_about(means, Members(rest.rows, owners, rest.weights))
        counts = np.bincount(owners, rest.weights, len(means)).astype(np.float64)
        moves = sums / np.where(counts > 0, counts, np.inf)[:, np.newaxis]
        means, before = means + moves, owners
        owners = nearest_of_class(rest.rows, rest.codes, means, of)
        if np.array_equal(owners, before):
            break
    vectors = means.astype(state.vectors.dtype)
    return state._replace(
        vectors=vectors,
        means=vectors,
        counts=counts,
        within=np.maximum(squares - counts * squared_norms(moves), 0),
    ).of(counts > 0)


def represent(sem: KMExClassifier, state: State, rest: Remaining) -> State:
    """Find the nearest of the remaining rows for each prototype."""
    of = np.searchsorted(sem.classes_, state.labels)
    owners = nearest_of_class(rest.rows, rest.codes, state.vectors, of)
    squared = squares_to(state.vectors, Members(rest.rows, owners, rest.weights))
    if metric_of(sem).unit:
        squared[largest_values(rest.rows) == 0] = np.inf
    order = np.lexsort((squared, owners))
    known, first = np.unique(owners[order], return_index=True)
    nearest, rows = state.vectors.copy(), np.full(len(of), -1)
    rows[known] = order[first]
    nearest[known] = dense(rows_at(rest.rows, order[first]))
    return state._replace(nearest=nearest, rows=rows)


def warn_if_moved(sem: KMExClassifier, state: State, rest: Remaining) -> None:
    """Warn of rows that belonged to another prototype before."""
    of = np.searchsorted(sem.classes_, state.labels)
    given = rest.rows, rest.codes
    before = nearest_of_class(*given, sem.prototypes_, rule_of(sem).owners)
    after = nearest_of_class(*given, state.vectors, of)
    n_moved = np.count_nonzero(state.ids[after] != before)
    if n_moved:
        warnings.warn(
            f"{n_moved} of {len(after)} training rows that remain are now nearer to "
            "another prototype of their class: k-means would move the prototypes "
            "further. Pass settle=True to let it.",
            KMExWarning,
            stacklevel=4,
        )


def check_represented(state: State, medoid: bool) -> None:
    """Refuse medoids that are no training row; warn of prototypes without one."""
    unknown = np.flatnonzero(state.rows < 0).tolist()
    if not unknown:
        return
    which = f"{unknown[:10]}{' and others' if len(unknown) > 10 else ''}"
    if medoid:
        raise ValueError(
            "X_train and y_train must be given, because rows to forget are themselves "
            f"prototypes of psem, {which} after the edit: other training rows must "
            "take their place."
        )
    warnings.warn(
        f"No training row represents prototypes {which} any more, because it was "
        "forgotten; their prototype_indices_ are -1. Pass X_train and y_train to find "
        "others.",
        KMExWarning,
        stacklevel=3,
    )
