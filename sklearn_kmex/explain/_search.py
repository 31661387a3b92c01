"""The nearest training rows of other classes, a chunk at a time."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_array, column_or_1d, gen_batches
from sklearn.utils.validation import check_consistent_length

from sklearn_kmex._data.arrays import map_blocks
from sklearn_kmex._data.brief import brief
from sklearn_kmex._data.samples import as_samples, chunk_rows, chunks, len_of, take
from sklearn_kmex._model.decision import Decision
from sklearn_kmex._model.labels import class_codes
from sklearn_kmex._model.protocol import find_sem
from sklearn_kmex._model.rule import Rule, rule_of
from sklearn_kmex._model.similarity import squared_distances
from sklearn_kmex._model.steps import embed
from sklearn_kmex.explain._probe import rows_of

QUERIES_AT_A_TIME = 1_024
NUMBERS: Any = {"accept_sparse": "csr", "dtype": [np.float64, np.float32]}


def nearest_rows(
    psem: Any, Z: Any, found: Decision, X_train: Any, y_train: ArrayLike | None
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Search all training rows of the runner-up classes, a chunk at a time."""
    if y_train is None:
        raise ValueError(
            "y_train, the labels of X_train, must be given with X_train: they decide "
            "which rows are of the runner-up class; got X_train alone."
        )
    if X_train is None:
        raise ValueError(
            "X_train, the rows to search, must be given with y_train; got y_train "
            "alone. Leave both out to take the rows that represent prototypes."
        )
    X_train, labels = as_samples(X_train), column_or_1d(y_train)
    check_consistent_length(labels, range(len_of(X_train)))
    absent = np.setdiff1d(
        found.runner_up, class_codes(found.classes, labels, "y_train")
    )
    if len(absent):
        raise ValueError(
            "y_train must contain each runner-up; it has no row of "
            f"{brief(found.classes[absent])}."
        )
    rule = rule_of(find_sem(psem))
    nearest = np.full(len(found.predicted), -1)
    squares = np.full(len(nearest), np.inf)
    for code in np.unique(found.runner_up):
        samples = np.flatnonzero(found.runner_up == code)
        members = np.flatnonzero(labels == found.classes[code]).tolist()
        queries = rows_of(take(Z, samples))
        for rows in chunks(members, chunk_rows(X_train)):
            best, least = _closest(embed(psem, take(X_train, rows)), queries, rule)
            closer = least < squares[samples]
            nearest[samples[closer]] = np.asarray(rows)[best[closer]]
            squares[samples[closer]] = least[closer]
    return nearest, np.sqrt(squares)


def rows_of_prototypes(
    rule: Rule, Z: Any, found: Decision
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Return rows that represent the runner-up's best prototypes, and distances."""
    best = found.nearest_of(found.runner_up)
    Z = check_array(Z, **NUMBERS)
    squares = map_blocks(rule.squared_distances, Z, len(rule.owners))
    return found.training_rows[best], np.sqrt(squares[np.arange(len(best)), best])


def _closest(
    Z: Any, queries: NDArray, rule: Rule
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Find the first of the nearest rows to each query, and its squared distance."""
    center = np.asarray(rule.prototypes).mean(axis=0, dtype=np.float64)
    Z, queries = (
        rule.metric.project(check_array(rows, **NUMBERS), center)
        for rows in (Z, queries)
    )
    best, least = [], []
    for some in gen_batches(len(queries), QUERIES_AT_A_TIME):
        squares = squared_distances(Z, queries[some])
        best.append(squares.argmin(axis=0))
        least.append(squares.min(axis=0))
    return np.concatenate(best), np.concatenate(least)
