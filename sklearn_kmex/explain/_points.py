"""Prototypes in the columns before a step, if the step can be inverted."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_kmex._data.samples import as_samples, len_of, take
from sklearn_kmex.explain._probe import rows_of, transform_silently


def points_before(
    step: Any,
    X: Any,
    Z: Any,
    points: NDArray,
    source: NDArray[np.intp],
    affine: tuple[NDArray, NDArray] | None,
) -> NDArray:
    """Take points (2, n_samples, n_out) back to the input of a step where possible."""
    found = nowhere((2, *X.shape), points.dtype)
    if unknown(points).all():
        return found
    one_to_one = len(np.unique(source)) == len(source)
    if one_to_one and affine is not None:
        slope, offset = affine
        side, row, column = np.nonzero(~unknown(points) & (slope != 0))
        values = points[side, row, column].astype(np.float64)
        found[side, row, source[column]] = (values - offset[column]) / slope[column]
    elif one_to_one and _keeps_values(X, Z, source):
        found[..., source] = points
    else:
        found = _invert(step, points, source, one_to_one, X.shape)
    return found


def nowhere(shape: tuple[int, ...], dtype: Any) -> NDArray:
    """Make unknown points: None for objects, NaN for numbers."""
    if np.dtype(dtype).hasobject:
        return np.full(shape, None, dtype=object)
    return np.full(shape, np.nan)


def unknown(values: NDArray) -> NDArray[np.bool_]:
    """Mark unknown values."""
    if values.dtype != object:
        return np.isnan(values)
    return np.equal(values, np.array(None, dtype=object)).astype(bool)


def as_objects(points: NDArray) -> NDArray[np.object_]:
    """Convert points to objects, so that they can hold text."""
    objects = points.astype(object)
    objects[unknown(points)] = None
    return objects


def as_table(X: Any) -> Any:
    """Make an array of rows that are lists; return anything else unchanged."""
    rows = isinstance(X, list | tuple) and all(isinstance(r, list | tuple) for r in X)
    return as_samples(np.asarray(X) if rows else X)


def with_training_rows(points: NDArray, X: Any, rows: NDArray[np.intp]) -> NDArray:
    """Replace unknown values of points (2, n_samples, n_columns) by those of rows of X.

    A row of -1 is unknown.
    """
    if rows.size and rows.max() >= len_of(X):
        raise ValueError(
            "X_train must hold the rows that psem was fitted on; got "
            f"{len_of(X)} rows, and a prototype is represented by row {rows.max()}."
        )
    if len_of(X) == 0:
        return points
    values = rows_of(take(X, np.maximum(rows, 0).ravel())).reshape(points.shape)
    if values.dtype.kind not in "biuf":
        points = as_objects(points)
    absent = unknown(points) & (rows >= 0)[..., np.newaxis]
    return np.where(absent, values, points)


def _keeps_values(X: Any, Z: Any, source: NDArray[np.intp]) -> bool:
    """Tell whether the step keeps all values that are not missing."""
    before = rows_of(X).astype(object)[:, source]
    after = rows_of(Z).astype(object)
    missing = unknown(before) | (before != before)
    return bool((missing | np.equal(before, after)).all())


def _invert(
    step: Any,
    points: NDArray,
    source: NDArray[np.intp],
    one_to_one: bool,
    shape: tuple[int, ...],
) -> NDArray:
    """Use the inverse of the step; it gives the most frequent category of a column."""
    try:
        wanted = points.reshape(-1, points.shape[-1]).astype(np.float64)
        back = rows_of(step.inverse_transform(wanted))
        numeric = back.dtype.kind in "biuf"
        back = back.astype(np.float64 if numeric else object)
        again = transform_silently(step, back) if one_to_one else wanted
        back = back.reshape(2, *shape)
        if one_to_one:  # a rounded code is not an inverse
            off = ~(np.abs(again - wanted) <= 1e-6 * np.abs(wanted).max(initial=0))
            side, row, column = np.nonzero(off.reshape(points.shape))
            back[side, row, source[column]] = np.nan if numeric else None
    except Exception:  # no inverse, or none for these values
        return nowhere((2, *shape), np.float64)
    found = nowhere(back.shape, back.dtype)
    dropped = getattr(step, "drop_idx_", None)  # its category has no column
    for j in np.unique(source):
        if dropped is None or dropped[j] is None:
            found[..., j] = back[..., j]
    return found
