"""Prototypes of the training rows of each fold, compared with its held-out rows."""

import math
import reprlib
import warnings
from collections.abc import Iterator, Mapping, Sequence
from numbers import Integral
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedKFold, check_cv
from sklearn.utils.metadata_routing import get_routing_for_object

from sklearn_kmex._compat import _safe_indexing
from sklearn_kmex._data.mapped import file_behind
from sklearn_kmex._data.rows import Rows, Training, map_batches
from sklearn_kmex._fit.classes import fit_together
from sklearn_kmex._fit.covariance import Scatter, metric_map, scatter_of
from sklearn_kmex._fit.paths import Members, small_paths
from sklearn_kmex._fit.prototypes import Plan, single_start
from sklearn_kmex._fit.small import share_of_batch
from sklearn_kmex._model.metric import Metric, preparation

AUTO_FOLDS = 3
# Rows that a search with default settings sees: `ROWS_PER_CLASS` of each class, at
# least `FEW_ROWS` and at most `MOST_ROWS` in all. The final fit sees all.
MOST_ROWS, FEW_ROWS, ROWS_PER_CLASS = 20_000, 6_000, 50


# Values of rows that are copied to be compared, 128 MiB.
MOST_VALUES = 2**24


class Split(NamedTuple):
    """Training rows by class, and held-out rows, of one fold."""

    groups: list[NDArray[np.intp]]  # of the classes that have training rows
    present: NDArray[np.intp]  # their codes
    held_out: NDArray[np.intp]  # rows of these classes


def split_rows(
    cv: Any, X: Any, y: NDArray, weights: NDArray, metadata: Mapping[str, Any]
) -> list[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Return the row numbers of the training and the held-out rows of each fold.

    A number of folds splits the rows of positive weight. Row numbers in pairs, and
    those of a splitter, are those of X. `metadata` are arguments of `split`.
    """
    if cv is None or isinstance(cv, Integral):
        rows = np.flatnonzero(weights)
        splitter = check_cv(cv, y[rows], classifier=True)
        metadata = {name: _safe_indexing(of, rows) for name, of in metadata.items()}
        folds = splitter.split(rows, y[rows], **metadata)
        return [(rows[train], rows[test]) for train, test in folds]
    if not hasattr(cv, "split"):
        return [_checked(fold, len(y)) for fold in cv]
    _check_groups(cv, metadata)
    return [_checked(fold, len(y)) for fold in cv.split(X, y, **metadata)]


def _check_groups(splitter: Any, metadata: Mapping[str, Any]) -> None:
    """Raise an error if a splitter needs groups, and has none."""
    needed = get_routing_for_object(splitter).consumes("split", ["groups"])
    if needed and metadata.get("groups") is None:
        raise ValueError(
            f"cv={type(splitter).__name__} needs the group of each row; fit got no "
            "groups. Pass them, as fit(X, y, groups=groups). In a Pipeline, a search "
            "or another meta-estimator, call "
            "sklearn.set_config(enable_metadata_routing=True) first, so that they are "
            "passed on."
        )


def _checked(fold: Any, n_rows: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the two parts of a fold as row numbers."""
    try:
        train, test = (np.asarray(part) for part in fold)
    except (TypeError, ValueError):  # no pair
        train = test = np.asarray(reprlib.repr(fold))
    return _row_numbers(train, n_rows), _row_numbers(test, n_rows)


def _row_numbers(part: NDArray, n_rows: int) -> NDArray[np.intp]:
    """Return row numbers of X, which may be given from the end, or as a mask."""
    outside = np.empty(0)
    if part.shape == (n_rows,) and part.dtype == bool:
        return np.flatnonzero(part)
    if part.ndim == 1 and (part.dtype.kind in "iu" or len(part) == 0):
        outside = part[(part < -n_rows) | (part >= n_rows)]
        if len(outside) == 0:
            return part.astype(np.intp) % n_rows
    got = f"row {outside[0]}" if len(outside) else reprlib.repr(part.tolist())
    raise ValueError(
        "cv must give a pair for each fold, the training and the held-out rows: "
        f"row numbers of X, from 0 to {n_rows - 1}, or masks of {n_rows} values; got "
        f"{got}."
    )


def usable_folds(
    folds: Sequence[tuple[NDArray, NDArray]],
    y: NDArray,
    weights: NDArray,
    n_classes: int = 1,
) -> list[tuple[NDArray, NDArray]]:
    """Drop rows of weight 0, held-out rows of unknown classes, and folds without rows.

    A class is unknown if it has no training rows. Folds whose training rows are of
    fewer than `n_classes` classes are dropped, too.
    """
    if not folds:
        raise ValueError(
            "cv must give at least one fold; got none. A generator gives its folds "
            "once: pass a list of them."
        )
    used = []
    for train, test in folds:
        train, test = (rows[weights[rows] > 0] for rows in (train, test))
        known = np.unique(y[train])
        test = test[np.isin(y[test], known)]
        if len(test) and len(known) >= n_classes:
            used.append((train, test))
    if not used:
        raise ValueError(
            "cv must hold out a row of a class that has training rows in its fold; "
            "got no such fold. Use stratified folds."
        )
    return used


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
    """Group the training rows of each fold, and draw held-out rows, `most` in all."""
    splits = usable_folds(splits, training.y, training.weights)
    step = -(-sum(len(test) for _, test in splits) // most)
    codes = np.searchsorted(training.classes, training.y)
    opened = []
    for train, test in splits:
        order = train[np.argsort(codes[train], kind="stable")]
        present, first = np.unique(codes[order], return_index=True)
        by_class = test[np.argsort(codes[test], kind="stable")]
        held_out = np.sort(by_class[::step])
        opened.append(Split(np.split(order, first[1:]), present, held_out))
    return opened


def in_space(training: Training, metric: str) -> Training:
    """Return the training set with rows as a metric compares them, before its map.

    Of many values, or those of a file, this is left to those who read the rows.
    """
    prepare, X = preparation(metric), training.X
    if (
        prepare is None
        or file_behind(X) is not None
        or math.prod(X.shape) > MOST_VALUES
    ):
        return training._replace(prepare=prepare)
    return training._replace(X=prepare(X))


class Part(NamedTuple):
    """Folds of a class that are clustered together."""

    folds: list[int]
    code: int
    rows: NDArray[np.intp]  # of any of the folds
    used: NDArray | None  # how often each fold has them; None if there is one fold
    plan: Plan
    share: float  # of a batch


def fit_paths(
    training: Training, splits: Sequence[Split], plans: Sequence[Plan]
) -> list[list[list[Members]]]:
    """Find prototypes of each class of each fold, for all counts of its plan.

    The clusterer runs once for each, since prototypes of a fold are only compared.
    Small classes are clustered together, and the folds of a small class, too.
    """
    clusterer = single_start(plans[0].clusterer)
    rows_of: list[dict[int, NDArray[np.intp]]] = [{} for _ in plans]
    for fold, split in enumerate(splits):
        for code, rows in zip(split.present.tolist(), split.groups, strict=True):
            rows_of[code][fold] = rows
    parts = [
        part
        for code, plan in enumerate(plans)
        for part in _parts(
            training.X, rows_of[code], code, plan._replace(clusterer=clusterer)
        )
    ]
    of_parts = training._replace(
        groups=[part.rows for part in parts],
        names=[f"{_name(part.folds)}-{training.names[part.code]}" for part in parts],
    )
    found = map_batches(_paths, of_parts, parts, [part.share for part in parts])
    paths = {
        (fold, part.code): path
        for part, of_folds in zip(parts, found, strict=True)
        for fold, path in zip(part.folds, of_folds, strict=True)
    }
    return [
        [paths[fold, code] for code in split.present.tolist()]
        for fold, split in enumerate(splits)
    ]


def _name(folds: Sequence[int]) -> str:
    first, last = folds[0], folds[-1]
    return f"fold-{first}" if first == last else f"folds-{first}-to-{last}"


def _parts(
    X: Any, rows_of: dict[int, NDArray[np.intp]], code: int, plan: Plan
) -> Iterator[Part]:
    """Yield the parts of a class, given its rows in each fold.

    If the class is large, each fold is one.
    """
    folds, most = list(rows_of), max(map(len, rows_of.values()), default=1)
    share = share_of_batch(most, X, plan)
    size = max(1, int(1 / share)) if plan.prototype == "centroid" else 1
    for start in range(0, len(folds), size):
        some = folds[start : start + size]
        rows, used = rows_of[some[0]], None
        if size > 1:
            rows = np.unique(np.concatenate([rows_of[fold] for fold in some]))
            places = [np.searchsorted(rows, rows_of[fold]) for fold in some]
            used = np.stack([np.bincount(own, minlength=len(rows)) for own in places])
        yield Part(some, code, rows, used, plan, share * len(some))


def _paths(
    rows: Rows, owners: NDArray[np.intp], parts: Sequence[Part]
) -> list[list[list[Members]]]:
    """Find prototypes of the folds of a batch of parts, which may be a large class."""
    plans = [part.plan for part in parts]
    used = [part.used for part in parts if part.used is not None]
    if used:
        return small_paths(rows, owners, plans, used)
    found = fit_together(rows, owners, plans, len(plans))
    return [[[Members(p.vectors, p.counts) for p in path]] for path, _ in found]


def fold_metrics(
    training: Training, splits: Sequence[Split], metric: str, shrinkages: Sequence[Any]
) -> list[list[Metric]]:
    """Return the metric of the training rows of each fold, for each shrinkage."""
    found = Metric(metric)
    if not found.mapped:
        return [[found] * len(splits) for _ in shrinkages]
    groups = [(rows, training.weights[rows]) for rows in training.groups]
    whole = scatter_of(training, groups)
    scatters = [_scatter_of_fold(training, split, whole) for split in splits]
    return [
        [found._replace(map=metric_map(one.covariance(share))) for one in scatters]
        for share in shrinkages
    ]


def _scatter_of_fold(training: Training, split: Split, whole: Scatter) -> Scatter:
    """Return the scatter of the training rows of a fold.

    If they are most of the rows, the others are taken from the scatter of the whole.
    The mean fourth power is then that of the whole.
    """
    inside = np.zeros(training.X.shape[0], dtype=bool)
    inside[np.concatenate(split.groups)] = True
    rest = [rows[~inside[rows]] for rows in training.groups]
    n_rest, n_rows = sum(map(len, rest)), sum(map(len, split.groups))
    if n_rest >= n_rows or np.count_nonzero(inside) < n_rows:
        rows_of = split.groups
        return scatter_of(
            training, [(rows, training.weights[rows]) for rows in rows_of]
        )
    left = [(rows, training.weights[rows]) for rows in rest]
    own = whole.merge(scatter_of(training, left, with_fourth=False), -1)
    return own._replace(fourth=whole.fourth * own.mass.sum() / whole.mass.sum())
