"""Every class on its own, several at a time."""

from collections.abc import Iterable, Sequence
from typing import Any

from joblib import Parallel, delayed
from numpy.typing import NDArray

from sklearn_kmex._prototypes import (
    ClassPrototypes,
    Rows,
    class_prototypes,
    distinct_rows,
)
from sklearn_kmex._temperature import Fold, held_out_folds, unchanged_folds


def fit_class(
    rows: Rows, n_prototypes: int, n_classes: int, seed: int, hold_out: bool, **how: Any
) -> tuple[ClassPrototypes, list[Fold]]:
    """Prototypes of one class and, where asked for, those of its folds."""
    rows = distinct_rows(rows)
    fitted = class_prototypes(rows, n_prototypes, seed, **how)
    if not hold_out:
        return fitted, []
    return fitted, held_out_folds(rows, n_prototypes, n_classes, seed, **how)


def fit_classes(
    X: Any,
    weights: NDArray,
    groups: Sequence[NDArray],
    known: Sequence[ClassPrototypes | None],
    counts: Sequence[int],
    seeds: Iterable[int],
    *,
    first_row: int,
    hold_out: bool,
    n_jobs: int | None,
    **settings: Any,
) -> list[tuple[ClassPrototypes | None, list[Fold]]]:
    """Prototypes of each class; one without rows keeps those it is `known` by.

    The rows of a class are gathered when its turn comes, so that a memory-mapped
    X is never copied whole.
    """
    fitted = iter(
        Parallel(n_jobs=n_jobs)(
            delayed(fit_class)(
                Rows(X[rows], rows + first_row, weights[rows]),
                count,
                len(groups),
                seed,
                hold_out,
                known=old,
                **settings,
            )
            for rows, count, seed, old in zip(groups, counts, seeds, known, strict=True)
            if len(rows)
        )
    )
    return [
        next(fitted) if len(rows) else (old, unchanged_folds(old))
        for rows, old in zip(groups, known, strict=True)
    ]
