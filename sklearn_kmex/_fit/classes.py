"""The prototypes of all classes, found for each class alone, in parallel."""

from collections.abc import Sequence
from functools import partial

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sklearn_kmex._data.rows import Rows, Training, map_batches, map_classes
from sklearn_kmex._fit.prototypes import (
    ClassPrototypes,
    Plan,
    distinct_rows,
    prototype_path,
)
from sklearn_kmex._fit.small import fit_small, is_safe, share_of_batch
from sklearn_kmex._fit.temperature import Fold, held_out_folds, unchanged_folds


def fit_classes(
    training: Training, plans: Sequence[Plan]
) -> list[tuple[ClassPrototypes | None, list[Fold]]]:
    """Find the prototypes of each class, and those of its folds for the temperature.

    A class without rows keeps the prototypes of earlier batches.
    """
    fitted = iter(fit_paths(training, plans, len(training.classes)))
    found: list[tuple[ClassPrototypes | None, list[Fold]]] = []
    for rows, plan in zip(training.groups, plans, strict=True):
        if len(rows):
            path, folds = next(fitted)
            found.append((path[0], folds))
        else:
            found.append((plan.known, unchanged_folds(plan.known)))
    return found


def fit_paths(
    training: Training, plans: Sequence[Plan], n_classes: int
) -> list[tuple[list[ClassPrototypes], list[Fold]]]:
    """Find the prototypes of each class with rows, for each count of its plan.

    Small classes are clustered in batches, all others one by one.
    """
    function = partial(fit_together, n_classes=n_classes)
    shares = [
        share_of_batch(len(rows), training.X, plan)
        for rows, plan in zip(training.groups, plans, strict=True)
    ]
    return map_batches(function, training, plans, shares)


def fit_together(
    rows: Rows, owners: NDArray[np.intp], plans: Sequence[Plan], n_classes: int
) -> list[tuple[list[ClassPrototypes], list[Fold]]]:
    """Find the prototypes of the classes of a batch, which may be one large class."""
    if fits_batch(rows, plans):
        return fit_small(rows, owners, plans, n_classes)
    if len(plans) == 1:
        return [_fit_alone(rows, plans[0], n_classes)]
    parts = [rows.take(np.flatnonzero(owners == code)) for code in range(len(plans))]
    return [_fit_alone(*each, n_classes) for each in zip(parts, plans, strict=True)]


def fits_batch(rows: Rows, plans: Sequence[Plan]) -> bool:
    """Return whether rows of one or more classes can be clustered as one batch."""
    n_rows = len(rows.numbers)
    several = len(plans) > 1 or share_of_batch(n_rows, rows.values, plans[0]) < 1
    return several and is_safe(rows.values)


def _fit_alone(
    rows: Rows, plan: Plan, n_classes: int
) -> tuple[list[ClassPrototypes], list[Fold]]:
    """Find the prototypes of one class and, if requested, those of its folds."""
    rows = distinct_rows(rows)
    path = prototype_path(rows, plan)
    folds = held_out_folds(rows, plan, n_classes, path[0]) if plan.hold_out else []
    return path, folds


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
