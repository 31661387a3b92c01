"""The temperature that turns class scores into calibrated probabilities."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax
from sklearn.base import clone

from sklearn_kmex._data.arrays import to_numpy
from sklearn_kmex._data.rows import Rows, gather
from sklearn_kmex._fit.prototypes import (
    ClassPrototypes,
    Plan,
    byte_order,
    class_prototypes,
)

# Limits on the rows used: the temperature is a single number.
N_FOLDS, FITTED_ROWS, ROWS_PER_PROTOTYPE, SCORED_ROWS = 3, 10_000, 20, 5_000

Score = Callable[[Any, NDArray, NDArray, int], Any]


class Fold(NamedTuple):
    """Prototypes of one class, and rows of the class that were not used for them."""

    vectors: NDArray
    held_out: NDArray[np.intp]
    weights: NDArray[np.float64]


def held_out_folds(rows: Rows, plan: Plan, n_classes: int) -> list[Fold]:
    """Find prototypes of a class three times, each time without a third of its rows.

    `rows` are distinct. Only some of them are used, and the clusterer runs once, since
    a single number is fitted. If a class has one row, it is not held out.
    """
    clusterer = clone(plan.clusterer)
    if "n_init" in clusterer.get_params(deep=False):
        clusterer.set_params(n_init=1)
    n_prototypes = plan.counts[0]
    plan = plan._replace(clusterer=clusterer, start=None)
    most = max(FITTED_ROWS // n_classes, ROWS_PER_PROTOTYPE * n_prototypes)
    scored = -(-SCORED_ROWS // N_FOLDS // n_classes)
    order = np.random.RandomState(plan.seed).permutation(byte_order(rows.values))[:most]
    only = len(order) == 1 and plan.known is None
    part = np.full(1, N_FOLDS) if only else np.arange(len(order)) % N_FOLDS
    folds = []
    for k in range(N_FOLDS):
        held_out = rows.take(order[part == k][:scored])
        fitted = class_prototypes(rows.take(order[part != k]), n_prototypes, plan)
        folds.append(Fold(fitted.vectors, held_out.numbers, held_out.weights))
    return folds


def unchanged_folds(known: ClassPrototypes | None) -> list[Fold]:
    """Return the folds of a class without new rows: nothing is held out."""
    if known is None:
        return []
    return [Fold(known.vectors, np.empty(0, np.intp), np.empty(0))] * N_FOLDS


def held_out_scores(
    X: Any, first_row: int, folds: Sequence[Sequence[Fold]], score: Score
) -> tuple[NDArray, NDArray, NDArray]:
    """Return class scores of held-out rows, with their class codes and weights.

    `folds` holds the folds of each class; the k-th folds of all classes are one
    classifier. The first row of X has the row number `first_row`.
    """
    n_classes = len(folds)
    parts = []
    for fold in zip(*folds, strict=True):
        codes = np.repeat(np.arange(n_classes), [len(f.held_out) for f in fold])
        if len(codes) == 0:
            continue
        owners = np.repeat(np.arange(n_classes), [len(f.vectors) for f in fold])
        vectors = np.concatenate([f.vectors for f in fold])
        rows = np.concatenate([f.held_out for f in fold]) - first_row
        weights = np.concatenate([f.weights for f in fold])
        scores = to_numpy(score(gather(X, rows), vectors, owners, n_classes))
        parts.append((scores, codes, weights))
    if not parts:
        return np.empty((0, n_classes)), np.empty(0, np.intp), np.empty(0)
    scores, codes, weights = map(np.concatenate, zip(*parts, strict=True))
    return scores, codes, weights


def fit_temperature(
    scores: NDArray, codes: NDArray, weights: NDArray, known: float = 0.0
) -> tuple[float, float]:
    """Return the temperature of least smoothed log-loss, and the number of rows used.

    This is temperature scaling (Guo et al. 2017, arXiv 1706.04599) with the targets of
    Platt (1999), 1 - 1 / (n + 2) instead of 1: if all rows are correctly classified,
    targets of 1 would give a temperature of 0. `n` is Kish's effective sample size,
    which does not depend on the scale of the weights, plus the `known` number of rows
    of earlier batches. Without rows, or if all scores of each row are equal, the
    temperature is 1.0, from 0 rows.
    """
    scores = scores.astype(np.float64, copy=False)
    spread = float(np.mean(np.ptp(scores, axis=1))) if len(scores) else 0.0
    if spread == 0.0:
        return 1.0, 0.0
    share = weights / weights.max()
    n_rows = float(share.sum() ** 2 / (share**2).sum())
    smoothing = 1 / (known + n_rows + 2)
    rows = np.arange(len(scores))

    def loss(log_temperature: float) -> float:
        log_p = log_softmax(scores / np.exp(log_temperature), axis=1)
        target = (1 - smoothing) * log_p[rows, codes] + smoothing * log_p.mean(axis=1)
        return -np.average(target, weights=weights)

    bounds = np.log(spread) + np.array([-12.0, 7.0])
    best = minimize_scalar(loss, bounds=bounds, method="bounded")
    return float(np.exp(best.x)), n_rows
