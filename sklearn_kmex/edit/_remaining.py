"""The training rows that remain: which represent prototypes, and which change hands."""

import warnings
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sklearn_kmex._classifier import KMExClassifier
from sklearn_kmex._data.arrays import batches, dense, rows_at
from sklearn_kmex._data.samples import chunk_rows, len_of, numbered, take
from sklearn_kmex._data.unit_rows import largest_values
from sklearn_kmex._model.members import clustered_rows, codes_of, nearest_of_class
from sklearn_kmex._model.rule import metric_of, rule_of
from sklearn_kmex._model.steps import embed
from sklearn_kmex.edit._state import State
from sklearn_kmex.exceptions import KMExWarning


class Nearest(NamedTuple):
    """The training row nearest to each prototype among its members."""

    squared: NDArray[np.float64]  # infinite where there is none yet
    numbers: NDArray[np.intp]
    values: NDArray


def check_remaining(
    sem: KMExClassifier, X_train: Any, y_train: ArrayLike | None, n_gone: int
) -> NDArray[np.intp]:
    """Return class codes; refuse training rows with those that are to be forgotten."""
    if y_train is None:
        raise ValueError("y_train must be given with X_train; got None.")
    n_rows = len_of(X_train)
    if n_rows > sem.n_samples_seen_ - n_gone:
        raise ValueError(
            "X_train must hold the training rows that remain, without those of X_rows; "
            f"got {n_rows} rows, and psem was fitted on {sem.n_samples_seen_}, of "
            f"which {n_gone} are to be forgotten."
        )
    return codes_of(sem, y_train, n_rows, "y_train")


def represent(
    psem: Any, sem: KMExClassifier, state: State, X_train: Any, codes: NDArray[np.intp]
) -> State:
    """Find the nearest of the remaining rows for each prototype.

    Warn of rows that belonged to another prototype before.
    """
    owners, n_moved = np.searchsorted(sem.classes_, state.labels), 0
    found = Nearest(
        np.full(len(owners), np.inf),
        np.full(len(owners), -1),
        state.vectors.copy(),
    )
    for part in batches(len(codes), chunk_rows(X_train)):
        numbers = np.arange(len(codes))[part]
        with numbered(numbers.tolist()):
            rows = clustered_rows(sem, embed(psem, take(X_train, numbers)))
        given = rows, codes[part]
        old, _ = nearest_of_class(*given, sem.prototypes_, rule_of(sem).owners)
        new, squared = nearest_of_class(*given, state.vectors, owners)
        n_moved += int(np.count_nonzero(state.ids[new] != old))
        if metric_of(sem).unit:
            squared[largest_values(rows) == 0] = np.inf
        _update(found, rows, numbers, new, squared)
    if n_moved:
        warn_of_moved(n_moved, len(codes))
    return state._replace(nearest=found.values, rows=found.numbers)


def _update(
    found: Nearest, rows: Any, numbers: NDArray, owners: NDArray, squared: NDArray
) -> None:
    """Keep the nearest member of each prototype, of equally near ones the first."""
    order = np.lexsort((squared, owners))
    _, first = np.unique(owners[order], return_index=True)
    best = order[first]
    best = best[squared[best] < found.squared[owners[best]]]
    k = owners[best]
    found.squared[k], found.numbers[k] = squared[best], numbers[best]
    found.values[k] = dense(rows_at(rows, best))


def warn_of_moved(n_moved: int, n_rows: int) -> None:
    warnings.warn(
        f"{n_moved} of {n_rows} training rows that remain are now nearer to another "
        "prototype of their class: k-means would move the prototypes further. Fit "
        "again if they must be those of k-means on these rows.",
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
