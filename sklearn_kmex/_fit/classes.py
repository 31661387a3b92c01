"""The prototypes of all classes, found for each class alone, in parallel."""

from collections.abc import Sequence
from functools import partial

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sklearn_kmex._data.rows import Rows, Training, map_classes
from sklearn_kmex._fit.prototypes import (
    ClassPrototypes,
    Plan,
    distinct_rows,
    prototype_path,
)
from sklearn_kmex._fit.temperature import Fold, held_out_folds, unchanged_folds


def fit_classes(
    training: Training, plans: Sequence[Plan]
) -> list[tuple[ClassPrototypes | None, list[Fold]]]:
    """Find the prototypes of each class, and those of its folds for the temperature.

    A class without rows keeps the prototypes of earlier batches.
    """
    one_class = partial(_fit_class, n_classes=len(training.classes))
    fitted = iter(map_classes(one_class, training, plans))
    return [
        next(fitted) if len(rows) else (plan.known, unchanged_folds(plan.known))
        for rows, plan in zip(training.groups, plans, strict=True)
    ]


def _fit_class(
    rows: Rows, plan: Plan, n_classes: int
) -> tuple[ClassPrototypes, list[Fold]]:
    """Find the prototypes of one class and, if requested, those of its folds."""
    rows = distinct_rows(rows)
    fitted = prototype_path(rows, plan)[0]
    return fitted, held_out_folds(rows, plan, n_classes) if plan.hold_out else []


def counts_by_share(training: Training, shares: ArrayLike) -> NDArray[np.intp]:
    """Return each share of the number of distinct rows of each class, rounded up."""
    sizes = map_classes(_n_distinct, training._replace(task=None))
    return np.ceil(np.multiply.outer(sizes, shares)).astype(np.intp)


def _n_distinct(rows: Rows) -> int:
    return len(distinct_rows(rows).numbers)


def class_weights(
    training: Training, known: Sequence[ClassPrototypes | None]
) -> list[float]:
    """Return the weight of all rows of each class, including earlier batches."""
    return [
        training.weights[rows].sum() + (old.counts.sum() if old else 0.0)
        for rows, old in zip(training.groups, known, strict=True)
    ]
