"""Members of the winning prototype that are most like a sample, and its typicality."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import column_or_1d, gen_batches
from sklearn.utils.extmath import safe_sparse_dot
from sklearn.utils.validation import check_consistent_length

from sklearn_kmex._data.samples import (
    chunk_rows,
    len_of,
    numbered,
    stacked,
    take,
    texts_at,
)
from sklearn_kmex._data.unit_rows import as_rows, unit_rows
from sklearn_kmex._model.decision import Decision, decide
from sklearn_kmex._model.labels import class_codes
from sklearn_kmex._model.protocol import find_sem
from sklearn_kmex._model.steps import embed

BLOCK_SAMPLES = 2_048
DIGITS = 10  # of cosine similarities, so that equal rows are equally similar
ROUNDING = 16  # units in the last place by which similarities of equal rows differ


class Owned(NamedTuple):
    """Some training rows, and the prototype that each belongs to."""

    numbers: NDArray[np.intp]
    owners: NDArray[np.intp]
    similarities: NDArray  # to the owner
    embeddings: Any


def most_alike_members(
    psem: Any,
    Z: Any,
    found: Decision,
    X_train: Any,
    y_train: ArrayLike | None,
    n_members: int,
) -> dict[str, Any]:
    """Find the members of the winning prototypes that are most like the samples.

    Typicality compares the samples with all training rows of their class.
    """
    winners = found.nearest_of(found.predicted)
    samples = unit_rows(as_rows(Z, "embeddings of X").astype(np.float64))
    rows = np.full((len(winners), n_members), -1)
    likeness = np.full((len(winners), n_members), -np.inf)
    known = [(np.empty(0, dtype=np.intp), np.empty(0))]
    for numbers, owners, similarities, Z_part in _owned(
        psem, winners, X_train, y_train
    ):
        known.append((found.owners[owners], similarities))
        for k in np.intersect1d(owners, winners):
            theirs = np.flatnonzero(owners == k)
            members = unit_rows(Z_part[theirs].astype(np.float64))
            mine = np.flatnonzero(winners == k)
            for some in gen_batches(len(mine), BLOCK_SAMPLES):
                new = safe_sparse_dot(
                    samples[mine[some]], members.T, dense_output=True
                ).round(DIGITS)
                _merge(rows, likeness, mine[some], numbers[theirs], new)
    codes, similarities = map(np.concatenate, zip(*known, strict=True))
    of_class = found.owners == found.predicted[:, np.newaxis]
    own = np.where(of_class, found.similarities, -np.inf).max(axis=1)
    return {
        "members": rows,
        "member_likeness": np.where(rows < 0, np.nan, likeness),
        "member_samples": _values(X_train, rows),
        "typicality": share_below(own, found.predicted, similarities, codes),
    }


def share_below(
    own: NDArray, codes: NDArray, known: NDArray, known_codes: NDArray
) -> NDArray[np.float64]:
    """Compute the share of known rows of the same class that are less similar.

    Similarities are those of samples and of known rows to the nearest prototype of
    their class. It is NaN for a class without known rows.
    """
    found = np.full(len(own), np.nan)
    for code in np.intersect1d(codes, known_codes):
        ascending = np.sort(known[known_codes == code])
        mine = codes == code
        least = own[mine] - ROUNDING * np.spacing(abs(own[mine]))
        found[mine] = ascending.searchsorted(least) / len(ascending)
    return found


def _owned(
    psem: Any, winners: NDArray, X_train: Any, y_train: ArrayLike | None
) -> Iterator[Owned]:
    """Yield training rows with the prototype that each belongs to.

    A row belongs to the most similar prototype of its class, which is the predicted one
    if labels are unknown. Rows of classes that no winner is of are left out.
    """
    sem, numbers, labels = find_sem(psem), np.arange(len_of(X_train)), None
    if y_train is not None:
        labels = column_or_1d(y_train)
        check_consistent_length(numbers, labels)
        codes = class_codes(np.asarray(sem.classes_), labels, "y_train")
        wanted = np.asarray(sem.prototype_classes_)[winners]
        numbers = np.flatnonzero(np.isin(labels, wanted))
    size = chunk_rows(X_train)
    for start in range(0, len(numbers), size):
        block = numbers[start : start + size]
        with numbered(block.tolist()):
            Z = embed(psem, take(X_train, block))
        found = decide(sem, Z)
        of_rows = found.predicted if labels is None else codes[block]
        own = found.owners == of_rows[:, np.newaxis]
        similar = np.where(own, found.similarities, -np.inf)
        owners = similar.argmax(axis=1)
        Z = as_rows(Z, "embeddings of X_train")
        yield Owned(block, owners, similar.max(axis=1), Z)


def _merge(
    rows: NDArray,
    likeness: NDArray,
    samples: NDArray,
    new_rows: NDArray,
    new_likeness: NDArray,
) -> None:
    """Keep the most alike of the rows known for some samples and of new, later rows.

    Of equally similar rows the first in X_train comes first.
    """
    there = np.broadcast_to(new_rows, new_likeness.shape)
    both = np.concatenate([likeness[samples], new_likeness], axis=1)
    numbers = np.concatenate([rows[samples], there], axis=1)
    order = np.argsort(-both, axis=1, kind="stable")[:, : rows.shape[1]]
    likeness[samples] = np.take_along_axis(both, order, axis=1)
    rows[samples] = np.take_along_axis(numbers, order, axis=1)


def _values(X_train: Any, rows: NDArray) -> NDArray | None:
    """Return training rows that are numbers or texts, zeros or "" in place of -1."""
    known, places = np.unique(np.maximum(rows, 0), return_inverse=True)
    values = stacked(X_train, known)
    values = texts_at(X_train, known) if values is None else values
    if values is None:
        return None
    found = values[places.reshape(rows.shape)]
    found[rows < 0] = "" if values.dtype == object else 0
    return found
