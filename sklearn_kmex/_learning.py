"""Every class on its own, several at a time."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from joblib import delayed
from numpy.typing import ArrayLike, NDArray

from sklearn_kmex._path import prototype_path
from sklearn_kmex._progress import Task, run
from sklearn_kmex._prototypes import (
    ClassPrototypes,
    Rows,
    class_prototypes,
    distinct_rows,
)
from sklearn_kmex._temperature import Fold, held_out_folds, unchanged_folds


def counts_by_share(
    X: Any, weights: NDArray, groups: Sequence[NDArray], shares: ArrayLike
) -> NDArray[np.intp]:
    """Each share of the distinct rows of each class, rounded up."""
    sizes = [
        len(distinct_rows(Rows(X[rows], rows, weights[rows])).numbers)
        for rows in groups
    ]
    return np.ceil(np.multiply.outer(sizes, shares)).astype(np.intp)


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
    n_classes: int,
    seed: int,
    hold_out: bool,
    start: NDArray | None,
    **how: Any,
) -> tuple[ClassPrototypes, list[Fold]]:
    """Prototypes of one class and, where asked for, those of its folds."""
    rows = distinct_rows(rows)
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
    which they come down, if any. The rows of a class are gathered when its turn comes,
    so that a memory-mapped X is never copied whole. `names` are those of the subtasks
    that callbacks are told of, if there is a `task`.
    """
    starts = [None] * len(groups) if starts is None else starts
    jobs = (
        delayed(fit_class)(
            Rows(X[rows], rows + first_row, weights[rows]),
            path,
            len(groups),
            seed,
            hold_out,
            start,
            known=old,
            **settings,
        )
        for rows, path, seed, old, start in zip(
            groups, paths, seeds, known, starts, strict=True
        )
        if len(rows)
    )
    fitted = iter(run(jobs, n_jobs, task, names))
    return [
        next(fitted) if len(rows) else (old, unchanged_folds(old))
        for rows, old in zip(groups, known, strict=True)
    ]
