"""Prototypes of the training rows of each fold, compared with its held-out rows."""

import warnings
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedKFold

from sklearn_kmex._data.rows import Rows, Training, map_classes
from sklearn_kmex._fit.covariance import metric_map, scatter_of
from sklearn_kmex._fit.prototypes import (
    ClassPrototypes,
    Plan,
    distinct_rows,
    prototype_path,
    single_start,
)
from sklearn_kmex._model.metric import Metric, preparation

AUTO_FOLDS = 3
# Rows that a search with default settings sees: `ROWS_PER_CLASS` of each class, at
# least `FEW_ROWS` and at most `MOST_ROWS` in all. The final fit sees all.
MOST_ROWS, FEW_ROWS, ROWS_PER_CLASS = 20_000, 6_000, 50


class Split(NamedTuple):
    """Training rows by class, and held-out rows, of one fold."""

    groups: list[NDArray[np.intp]]  # of the classes that have training rows
    present: NDArray[np.intp]  # their codes
    held_out: NDArray[np.intp]  # rows of these classes


def few_folds(training: Training, seed: int) -> list[tuple[NDArray, NDArray]]:
    """Split a sample of the rows into at most `AUTO_FOLDS` stratified folds."""
    n_rows = sum(map(len, training.groups))
    wanted = max(FEW_ROWS, ROWS_PER_CLASS * len(training.classes))
    share = min(1.0, min(MOST_ROWS, wanted) / n_rows)
    rng = np.random.RandomState(seed)
    rows = np.sort(
        np.concatenate(
            [
                rng.permutation(own)[: int(np.ceil(share * len(own)))]
                for own in training.groups
            ]
        )
    )
    y = training.y[rows]
    n_folds = min(AUTO_FOLDS, int(np.unique(y, return_counts=True)[1].max()))
    if n_folds < 2:  # every class has a single row
        return [(rows, rows)] * 2
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The least populated class", UserWarning)
        folds = StratifiedKFold(n_folds, shuffle=True, random_state=rng).split(rows, y)
        return [(rows[train], rows[test]) for train, test in folds]


def open_splits(
    training: Training, splits: Sequence[tuple[NDArray, NDArray]], most: int
) -> list[Split]:
    """Group the training rows of each fold, and draw held-out rows, `most` in all.

    Rows of a class without training rows are left out: no candidate predicts it.
    """
    step = -(-sum(len(test) for _, test in splits) // most)
    codes = np.searchsorted(training.classes, training.y)
    opened = []
    for train, test in splits:
        train = train[training.weights[train] > 0]
        order = train[np.argsort(codes[train], kind="stable")]
        present, first = np.unique(codes[order], return_index=True)
        known = np.isin(codes[test], present) & (training.weights[test] > 0)
        test = test[known]
        by_class = test[np.argsort(codes[test], kind="stable")]
        held_out = np.sort(by_class[::step])
        if len(held_out):
            opened.append(Split(np.split(order, first[1:]), present, held_out))
    if not opened:
        raise ValueError(
            "cv must hold out a row of a class that has training rows in its fold; "
            "got no such fold. Use stratified folds."
        )
    return opened


def fit_paths(
    training: Training, splits: Sequence[Split], plans: Sequence[Plan], metric: str
) -> list[list[list[ClassPrototypes]]]:
    """Find prototypes of each class of each fold, for all counts of its plan.

    The clusterer runs once for each, since prototypes of a fold are only compared.
    """
    once = [plan._replace(clusterer=single_start(plan.clusterer)) for plan in plans]
    of_folds = training._replace(
        groups=[rows for split in splits for rows in split.groups],
        names=[
            f"fold-{k}-{training.names[code]}"
            for k, split in enumerate(splits)
            for code in split.present
        ],
        prepare=preparation(metric),
    )
    of_class = [once[code] for split in splits for code in split.present]
    found = iter(map_classes(_path, of_folds, of_class))
    return [[next(found) for _ in split.present] for split in splits]


def _path(rows: Rows, plan: Plan) -> list[ClassPrototypes]:
    return prototype_path(distinct_rows(rows), plan)


def fold_metric(
    training: Training, split: Split, metric: str, shrinkage: float | str
) -> Metric:
    """Return the metric of the training rows of a fold."""
    found = Metric(metric)
    if not found.mapped:
        return found
    groups = [(rows, training.weights[rows]) for rows in split.groups]
    scatter = scatter_of(training._replace(prepare=preparation(metric)), groups)
    return found._replace(map=metric_map(scatter.covariance(shrinkage)))
