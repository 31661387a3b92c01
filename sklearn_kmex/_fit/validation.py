"""Validation of the input and the parameters of `fit` and `partial_fit`."""

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.multiclass import check_classification_targets, unique_labels
from sklearn.utils.validation import (
    check_consistent_length,
    column_or_1d,
    validate_data,
)

from sklearn_kmex._compat import _check_sample_weight
from sklearn_kmex._data.arrays import kept_dtypes, to_numpy
from sklearn_kmex._data.brief import brief
from sklearn_kmex._data.chunked import check_known_chunks, in_memory, is_dask
from sklearn_kmex._data.mapped import file_behind
from sklearn_kmex._data.rows import Training, split_by_class
from sklearn_kmex._model.rule import Rule
from sklearn_kmex.exceptions import KMExWarning

# Squared distances that are weighted by less or more may under- or overflow.
LIGHTEST, HEAVIEST = 1e-100, 1e100
# The log similarity is called flat if the largest distance between prototypes is less
# than this share of epsilon, or larger than FARTHEST.
FLAT, FARTHEST = 1e-2, 1e9
# Smaller differences have squares that underflow.
LEAST_DIFFERENCE = 1e-150


def check_training(
    estimator: Any, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None
) -> Training:
    """Validate the input of `fit`, and split it by class."""
    X, y, weights = check_rows(estimator, X, y, sample_weight, reset=True)
    classes = check_classes(y)
    training = split_by_class(X, y, weights, classes, n_jobs=estimator.n_jobs)
    _check_no_class_is_empty(training)
    return training


def check_rows(
    estimator: BaseEstimator,
    X: ArrayLike,
    y: ArrayLike,
    sample_weight: ArrayLike | None,
    *,
    reset: bool,
) -> tuple[Any, NDArray, NDArray[np.float64]]:
    """Validate training rows, labels and weights.

    Rows stay in their library; labels and weights become NumPy arrays. Values of
    mapped files and dask arrays are validated later, when a class is read.
    """
    y, sample_weight = to_numpy(in_memory(y)), to_numpy(in_memory(sample_weight))
    _check_not_missing(y)
    if is_dask(X):
        rows = check_known_chunks(X)
        labels = check_labels(estimator, rows, y)
        validate_data(estimator, rows, reset=reset, skip_check_array=True)
    else:
        _check_no_dates(X)
        mapped = file_behind(X) is not None
        rows, labels = validate_data(
            estimator,
            X,
            y,
            accept_sparse="csr",
            dtype=None if mapped else kept_dtypes(X),
            ensure_all_finite=not mapped,
            reset=reset,
        )
    if labels.dtype.kind not in "biuUS":  # which can only be classes
        check_classification_targets(labels)
    return rows, labels, check_weights(sample_weight, labels)


def check_weights(sample_weight: ArrayLike | None, X: Any) -> NDArray[np.float64]:
    """Validate weights, at least one of which must be positive; None is all ones."""
    if sample_weight is None:
        return np.ones(len(X))
    if not np.any(np.asarray(sample_weight)):
        raise ValueError(
            "sample_weight must be positive for at least one row; all weights are zero."
        )
    weights = _check_sample_weight(
        sample_weight, X, dtype=np.float64, ensure_non_negative=True
    )
    with np.errstate(over="ignore"):
        total = weights.sum()
    if not LIGHTEST <= total <= HEAVIEST:
        raise ValueError(
            f"sample_weight must have a sum between {LIGHTEST:g} and {HEAVIEST:g}; got "
            f"{total:.3g}. Divide the weights by their largest value."
        )
    return weights


def check_labels(estimator: BaseEstimator, X: Any, y: ArrayLike) -> NDArray:
    """Validate labels, and that there is one for each row of X."""
    if y is None:
        raise ValueError(
            f"{type(estimator).__name__} requires y to be passed, but the target y is "
            "None."
        )
    labels = column_or_1d(y, warn=True)
    check_consistent_length(X, labels)
    return labels


def _check_no_dates(X: Any) -> None:
    """Refuse columns of dates and times, which have no distance."""
    for name, dtype in zip(
        getattr(X, "columns", ()), getattr(X, "dtypes", ()), strict=False
    ):
        if str(dtype).lower().startswith(("date", "time", "duration", "period")):
            raise ValueError(
                f"X must have columns of numbers; got column {name!r} of {dtype}. "
                "Leave it out, or convert it to numbers, such as days since a date."
            )


def _check_not_missing(y: Any) -> None:
    """Refuse missing labels among objects, which cannot be compared."""
    labels = np.asarray(y)
    if y is None or labels.dtype != object:
        return
    for row, label in enumerate(labels.ravel()):
        of_pandas = type(label).__name__ in ("NAType", "NaTType")
        if label is None or of_pandas or (isinstance(label, float) and label != label):
            raise ValueError(
                f"y must have a label for each row; got {label} in row {row}. Input "
                "contains NaN: leave such rows out of X and y, or label them."
            )


def check_classes(y: NDArray) -> NDArray:
    """Return the distinct labels, of which there must be at least two."""
    classes = np.unique(y)
    if len(classes) < 2:
        raise ValueError(
            f"y must contain at least 2 classes; got 1 class: {brief(classes)}."
        )
    return classes


def check_stream_classes(
    y: NDArray, named: ArrayLike | None, known: NDArray | None, closed: bool
) -> NDArray:
    """Return the labels of a stream after a batch.

    `named` are the labels given as `classes`, `known` those of earlier batches. In a
    `closed` stream, an earlier call has named all labels.
    """
    labels = [] if known is None else [known]
    if named is not None:
        given = np.unique(np.asarray(named))
        if closed and not np.array_equal(given, labels[0]):
            raise ValueError(
                "classes must be those of the first call to partial_fit, "
                f"{brief(labels[0])}; got {brief(given)}."
            )
        labels.append(given)
        closed = True
    every = unique_labels(*labels, y)
    if closed:
        allowed = unique_labels(*labels)
        new = np.setdiff1d(every, allowed).tolist()
        if new:
            raise ValueError(
                f"y must contain only the labels given as classes, {brief(allowed)}; "
                f"got also {brief(new)}. Give all labels in the first call to "
                "partial_fit."
            )
    return every


def _check_no_class_is_empty(training: Training) -> None:
    """Raise an error if all rows of a class have weight 0."""
    labelled = zip(training.classes.tolist(), training.groups, strict=True)
    empty = [label for label, rows in labelled if len(rows) == 0]
    if empty:
        raise ValueError(
            "sample_weight must be positive for a row of each class; it is zero for "
            f"all rows of {brief(empty)}. Leave these classes out of X and y."
        )


def prototypes_per_class(
    n_prototypes: int | np.integer | Mapping, classes: NDArray
) -> list[int]:
    """Resolve `n_prototypes` to a count for each class."""
    labels = classes.tolist()
    if n_prototypes is True:
        raise ValueError(
            "n_prototypes must be an int of at least 1, a share between 0 and 1, a "
            "dict or 'auto'; got True. Use 1 for one prototype of each class."
        )
    if not isinstance(n_prototypes, Mapping):
        return [int(n_prototypes)] * len(labels)
    for problem, keys in (
        ("names classes that are not in y", set(n_prototypes) - set(labels)),
        ("lacks classes of y", set(labels) - set(n_prototypes)),
    ):
        if keys:
            raise ValueError(
                f"n_prototypes must give a count for each class of y; it {problem}: "
                f"{sorted(keys, key=str)}."
            )
    for label, count in n_prototypes.items():
        if not isinstance(count, int | np.integer) or count is True or count < 1:
            raise ValueError(
                "n_prototypes must give an int of at least 1 for each class; got "
                f"{count!r} for class {label!r}."
            )
    return [int(n_prototypes[label]) for label in labels]


def class_priors(priors: str | ArrayLike, mass: ArrayLike) -> NDArray[np.float64]:
    """Resolve `priors` to a probability for each class, given its weight of rows."""
    mass = np.asarray(mass, dtype=np.float64)
    if isinstance(priors, str):
        equal = priors == "uniform"
        return np.ones_like(mass) / len(mass) if equal else mass / mass.sum()
    given = np.asarray(priors, dtype=np.float64)
    if given.shape != mass.shape:
        raise ValueError(
            "priors must be one number for each class, in the order of classes_; got "
            f"an array of shape {given.shape} for {len(mass)} classes."
        )
    if not (given > 0).all() or not np.isclose(given.sum(), 1):
        raise ValueError(
            f"priors must be positive and sum to 1; got {brief(given)}. Divide them "
            "by their sum, and leave classes that never occur out of X and y."
        )
    return given / given.sum()


def check_scale(rule: Rule) -> None:
    """Raise an error or warn if the scale of X is not one of similarities."""
    placed = to_numpy(rule.metric.place(rule.prototypes))
    apart = float(np.ptp(placed.astype(np.float64), axis=0).max())
    remedy = "Rescale X, for example with StandardScaler"
    if 0 < apart < LEAST_DIFFERENCE:
        raise ValueError(
            "X must be large enough for squared distances in float64; the prototypes "
            f"differ by at most {apart:.3g}. {remedy}."
        )
    flat = not FLAT * rule.epsilon <= apart <= FARTHEST
    if rule.similarity == "log" and flat and apart > 0:
        warnings.warn(
            "The log similarity is nearly the same for all prototypes, which differ by "
            f"at most {apart:.3g} with epsilon={rule.epsilon:g}. Decisions are not "
            f"affected. {remedy}, or use similarity='gaussian'.",
            KMExWarning,
            stacklevel=5,
        )


def warn_of_fewer(wanted: list[int], found: NDArray, classes: NDArray) -> None:
    """Warn of the classes that got fewer prototypes than requested, in one warning."""
    short = [
        f"{label!r} ({n} of {of})"
        for label, n, of in zip(classes.tolist(), found, wanted, strict=True)
        if n < of
    ]
    if short:
        more = f" and {len(short) - 10} more" if len(short) > 10 else ""
        warnings.warn(
            "Fewer prototypes than n_prototypes for classes with fewer distinct rows "
            f"or clusters: {', '.join(short[:10])}{more}.",
            KMExWarning,
            stacklevel=4,
        )
