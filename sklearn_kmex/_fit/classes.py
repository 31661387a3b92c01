"""Every class on its own, several at a time."""

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sklearn_kmex._data.jobs import Task
from sklearn_kmex._data.rows import Rows, map_classes
from sklearn_kmex._fit.prototypes import (
    ClassPrototypes,
    class_prototypes,
    distinct_rows,
    prototype_path,
)
from sklearn_kmex._fit.temperature import Fold, held_out_folds, unchanged_folds


def counts_by_share(
    X: Any,
    weights: NDArray,
    groups: Sequence[NDArray],
    shares: ArrayLike,
    n_jobs: int | None,
) -> NDArray[np.intp]:
    """Each share of the distinct rows of each class, rounded up."""
    none: list[tuple] = [()] * len(groups)
    sizes = map_classes(n_distinct, X, weights, groups, none, n_jobs=n_jobs)
    return np.ceil(np.multiply.outer(sizes, shares)).astype(np.intp)


def n_distinct(rows: Rows) -> int:
    return len(distinct_rows(rows).numbers)


def class_weights(
    weights: NDArray, groups: Sequence[NDArray], known: Sequence[ClassPrototypes | None]
) -> list[float]:
    """Weight of all rows of each class, those of earlier batches included."""
    return [
        weights[rows].sum() + (old.counts.sum() if old else 0.0)
        for rows, old in zip(groups, known, strict=True)
    ]


def fit_class(
    rows: Rows,
    path: Sequence[int],
    seed: int,
    known: ClassPrototypes | None,
    start: NDArray | None,
    *,
    n_classes: int,
    hold_out: bool,
    **how: Any,
) -> tuple[ClassPrototypes, list[Fold]]:
    """Prototypes of one class and, where asked for, those of its folds."""
    rows = distinct_rows(rows)
    how["known"] = known
    if start is None:
        fitted = prototype_path(rows, path, seed, **how)[0]
    else:
        fitted = class_prototypes(rows, path[0], seed, start=start, **how)
    if not hold_out:
        return fitted, []
    return fitted, held_out_folds(rows, path[0], n_classes, seed, **how)


def fit_classes(
    X: Any,
    weights: NDArray,
    groups: Sequence[NDArray],
    known: Sequence[ClassPrototypes | None],
    paths: Sequence[Sequence[int]],
    seeds: Iterable[int],
    *,
    first_row: int,
    hold_out: bool,
    n_jobs: int | None,
    starts: Sequence[NDArray | None] | None = None,
    task: Task | None = None,
    names: Sequence[str] = (),
    **settings: Any,
) -> list[tuple[ClassPrototypes | None, list[Fold]]]:
    """Prototypes of each class; one without rows keeps those it is `known` by.

    The path of a class is the number of its prototypes, and the larger numbers from
    which they come down, if any. `names` are those of the subtasks that callbacks are
    told of, if there is a `task`.
    """
    starts = [None] * len(groups) if starts is None else starts
    fitted = iter(
        map_classes(
            partial(fit_class, n_classes=len(groups), hold_out=hold_out, **settings),
            X,
            weights,
            groups,
            zip(paths, seeds, known, starts, strict=True),
            n_jobs=n_jobs,
            first_row=first_row,
            task=task,
            names=names,
        )
    )
    return [
        next(fitted) if len(rows) else (old, unchanged_folds(old))
        for rows, old in zip(groups, known, strict=True)
    ]
