"""The training rows that remain: which represent prototypes, and which move."""

import warnings
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from sklearn_kmex._classifier import KMExClassifier
from sklearn_kmex._data.arrays import dense, rows_at
from sklearn_kmex._data.brief import brief
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
from sklearn_kmex._model.bounds import Nearest, compare
from sklearn_kmex._model.members import Members, clustered_rows, codes_of, squares_to
from sklearn_kmex._model.rule import metric_of, rule_of
from sklearn_kmex._model.steps import embed, steps_before
from sklearn_kmex.edit._settle import Group, follow, is_settled, settle
from sklearn_kmex.edit._state import State
from sklearn_kmex.exceptions import KMExWarning


class Remaining(NamedTuple):
    """The training rows that remain, as they were clustered."""

    rows: Any
    codes: NDArray[np.intp]  # of their classes
    weights: NDArray[np.float64]
    shown: NDArray[np.bool_]  # whether a row may represent a prototype

    def of_class(self, code: int) -> Group:
        mine = np.flatnonzero(self.codes == code)
        return Group(self.rows, mine, self.weights[mine], self.shown[mine])


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
    codes = codes_of(sem, y_train, n_rows, "y_train")
    absent = np.setdiff1d(sem.prototype_classes_, sem.classes_[codes]).tolist()
    if absent:
        raise ValueError(
            "X_train must hold all training rows that remain; got none of "
            f"{brief(absent)}."
        )
    rows = _embedded(psem, sem, X_train)
    shown = np.ones(n_rows, dtype=bool)
    if metric_of(sem).unit:
        shown = largest_values(rows) > 0
    return Remaining(rows, codes, check_weights(weights, codes), shown)


def _embedded(psem: Any, sem: KMExClassifier, X: Any) -> Any:
    """Return rows as they were clustered; those of a model are embedded in chunks."""
    if not steps_before(psem):
        return clustered_rows(sem, X)
    parts = []
    for numbers in chunks(range(len_of(X)), chunk_rows(X)):
        with numbered(numbers):
            parts.append(clustered_rows(sem, embed(psem, take(X, numbers))))
    if sparse.issparse(parts[0]):
        return sparse.csr_array(sparse.vstack(parts))
    return np.concatenate(parts)


def with_rest(
    sem: KMExClassifier, before: State, after: State, rest: Remaining
) -> State:
    """Return the state that follows from the training rows that remain.

    k-means goes on in the classes in which it had come to rest. Of the others, a
    warning says how many rows are now nearer to another prototype.
    """
    parts, n_moved = [], np.zeros(len(sem.classes_), dtype=np.intp)
    of = rule_of(sem).owners
    for code in np.unique(of):
        old = before.of(_places(of[before.ids], code))
        new = after.of(_places(of[after.ids], code))
        part, n_moved[code] = _of_class(sem, old, new, rest.of_class(code))
        parts.append(part)
    if n_moved.any():
        labels = sem.classes_[n_moved > 0].tolist()
        _warn_of_moved(n_moved.sum(), len(rest.codes), labels)
    state = State(*map(np.concatenate, zip(*parts, strict=True)))
    return state._replace(vectors=state.nearest) if sem.prototype == "medoid" else state


def _places(sorted_codes: NDArray[np.intp], code: int) -> NDArray[np.intp]:
    return np.arange(*np.searchsorted(sorted_codes, [code, code + 1]))


def _of_class(
    sem: KMExClassifier, before: State, after: State, group: Group
) -> tuple[State, int]:
    """Return the state of one class, and how many rows a prototype lost to another."""
    near = compare(group.rows, group.numbers, before.vectors)
    if np.array_equal(before.counts, after.counts):
        return represent(after, near, group), 0
    settles = is_settled(sem, before, after, group, near)
    kept = np.searchsorted(before.ids, after.ids)
    near, places = _renumbered(near, kept, len(before.ids)), before.vectors[kept]
    if settles:
        after, n_changed = settle(sem, group, near, places, after), 0
    else:
        lost = np.isinf(near.most)
        changed, _ = follow(group, near, places, after.vectors)
        n_changed = int(np.count_nonzero(~lost[changed]))
    return represent(after, near, group).of(after.counts > 0), n_changed


def _renumbered(near: Nearest, kept: NDArray[np.intp], n_before: int) -> Nearest:
    """Renumber prototypes; nothing is known of the rows of those left out."""
    numbers = np.full(n_before, -1)
    numbers[kept] = np.arange(len(kept))
    owners = numbers[near.owners]
    lost = owners < 0
    return Nearest(
        np.where(lost, 0, owners),
        np.where(lost, 0.0, near.least),
        np.where(lost, np.inf, near.most),
        near.others[kept],
    )


def represent(state: State, near: Nearest, group: Group) -> State:
    """Find the nearest of the remaining rows for each prototype.

    Only rows that may be the nearest are compared exactly.
    """
    reach = np.full(len(state.ids), np.inf)
    np.minimum.at(reach, near.owners[group.shown], near.most[group.shown])
    some = np.flatnonzero(group.shown & (near.least <= reach[near.owners]))
    numbers, owners = group.numbers[some], near.owners[some]
    members = Members(rows_at(group.rows, numbers), owners, group.weights[some])
    order = np.lexsort((squares_to(state.vectors, members), owners))
    known, first = np.unique(owners[order], return_index=True)
    nearest, rows = state.vectors.copy(), np.full(len(state.ids), -1)
    rows[known] = numbers[order[first]]
    nearest[known] = dense(rows_at(group.rows, rows[known]))
    return state._replace(nearest=nearest, rows=rows)


def _warn_of_moved(n_moved: int, n_rows: int, labels: list[Any]) -> None:
    warnings.warn(
        f"{n_moved} of {n_rows} training rows that remain are now nearer to another "
        f"prototype of their class; they are of classes {brief(labels)}. k-means "
        "does not go on there, because some prototypes of psem were not the mean of "
        "the nearest rows of X_train and X_rows. Check that these are all training "
        "rows, each once, and that weights are given as in fit. After an edit or "
        "partial_fit, or with medoids, fit again to let k-means go on.",
        KMExWarning,
        stacklevel=4,
    )


def check_represented(state: State, medoid: bool, searched: bool) -> None:
    """Refuse medoids that are no training row; warn of prototypes without one."""
    unknown = np.flatnonzero(state.rows < 0).tolist()
    if not unknown:
        return
    if medoid:
        raise ValueError(
            "X_train and y_train must be given, because rows to forget are themselves "
            f"prototypes of psem, {brief(unknown)} after the edit: other "
            "training rows must take their place."
        )
    reason = (
        "because no row of X_train is nearest to them; their prototype_indices_ are "
        "-1. Check that X_train is complete; drop_prototypes removes them."
        if searched
        else "because it was forgotten; their prototype_indices_ are -1. Pass X_train "
        "and y_train to find others."
    )
    warnings.warn(
        f"No training row represents prototypes {brief(unknown)} any more, {reason}",
        KMExWarning,
        stacklevel=3,
    )
