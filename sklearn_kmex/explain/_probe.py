"""Tests of what a fitted step does to columns."""

import copy
import re
import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils import gen_batches

from sklearn_kmex._data.arrays import BLOCK_ELEMENTS, dense

# Rows of X that a step is tested on, and the largest size of a matrix.
ROWS_TRIED, MOST_ELEMENTS = 64, 2**26


def rows_of(X: Any) -> NDArray:
    """Return rows of any kind as an array."""
    return np.asarray(dense(X))


def transform_silently(step: Any, X: Any) -> NDArray[np.float64]:
    """Run a step on unusual rows, without warnings."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        return rows_of(step.transform(X)).astype(np.float64)


def row_lengths(X: Any, norm: str) -> NDArray[np.float64]:
    """Return what a Normalizer divides each row by."""
    order = {"l1": 1, "l2": 2, "max": np.inf}[norm]
    lengths = np.linalg.norm(rows_of(X).astype(np.float64), order, axis=1)
    return np.where(lengths > 0, lengths, 1.0)


def is_identity(step: Any) -> bool:
    if isinstance(step, FunctionTransformer):
        return step.func is None
    return step is None or isinstance(step, str)  # "passthrough"


def sources(step: Any, X: Any, n_out: int) -> NDArray[np.intp] | None:
    """Find the one input column that each output column comes from, if there is one.

    The names of output columns contain those of input columns. This is then tested on
    rows, as a step that mixes columns may keep their names.
    """
    n_in = X.shape[1]
    if is_identity(step):
        return np.arange(n_in)
    if n_in == 1:
        return np.zeros(n_out, dtype=np.intp)
    found = _named_sources(step, n_in)
    if found is None or len(found) != n_out or not _keeps_columns(step, X, found):
        return None
    return found


def _named_sources(step: Any, n_in: int) -> NDArray[np.intp] | None:
    """Give the input columns unique names, and find these in the output names."""
    bare = copy.copy(step)
    vars(bare).pop("feature_names_in_", None)  # which would have to match
    marked = np.array([f"\x00{j}\x01" for j in range(n_in)], dtype=object)
    try:
        names = bare.get_feature_names_out(marked)
    except Exception:  # a step may have no names
        return None
    found = [set(re.findall("\x00(\\d+)\x01", str(name))) for name in names]
    if any(len(columns) != 1 for columns in found):
        return None
    return np.array([int(columns.pop()) for columns in found], dtype=np.intp)


def _keeps_columns(step: Any, X: Any, source: NDArray[np.intp]) -> bool:
    """Test whether columns mix: shuffle each separately, and compare the output."""
    rows = X.iloc[:ROWS_TRIED] if hasattr(X, "iloc") else X[:ROWS_TRIED]
    for some in (_stretched(rows), rows):
        try:
            return _unmixed(step, some, source, _orders(some))
        except Exception:  # a step may refuse unseen values
            continue
    return True


def _orders(rows: Any) -> NDArray[np.intp]:
    """Draw a random order of the rows for each column."""
    n_rows, n_columns = rows.shape
    rng = np.random.default_rng(0)
    each = np.tile(np.arange(n_rows)[:, np.newaxis], n_columns)
    return rng.permuted(each, axis=0)


def _stretched(rows: Any) -> Any:
    """Add rows of other numbers, so that one row is enough; leave text unchanged."""
    values = rows_of(rows)
    if values.dtype.kind not in "biuf":
        return rows
    values = np.concatenate([values, 1.5 * values + 1])
    return sparse.csr_matrix(values) if sparse.issparse(rows) else values


def _unmixed(
    step: Any, rows: Any, source: NDArray[np.intp], orders: NDArray[np.intp]
) -> bool:
    there, shuffled = (
        transform_silently(step, rows),
        transform_silently(step, _shuffled(rows, orders)),
    )
    wanted = np.take_along_axis(there, orders[:, source], axis=0)
    scale = np.nanmax(np.abs(wanted), initial=0)
    return np.allclose(shuffled, wanted, rtol=0, atol=1e-5 * scale, equal_nan=True)


def _shuffled(rows: Any, orders: NDArray[np.intp]) -> Any:
    """Reorder each column separately, in the container that it came in."""
    if hasattr(rows, "isetitem"):  # pandas
        rows = rows.copy()
        for j, order in enumerate(orders.T):
            rows.isetitem(j, rows.iloc[order, j].array)
        return rows
    if hasattr(rows, "with_columns"):  # polars
        return rows.with_columns(
            rows.to_series(j)[order] for j, order in enumerate(orders.T)
        )
    values = np.take_along_axis(rows_of(rows), orders, axis=0)
    return sparse.csr_matrix(values) if sparse.issparse(rows) else values


def _numbers(X: Any) -> NDArray[np.float64] | None:
    """Return rows as floats; None if they are not numeric."""
    values = rows_of(X)
    return values.astype(np.float64) if values.dtype.kind in "biuf" else None


def is_same(found: NDArray, wanted: NDArray, dtype: Any) -> bool:
    """Compare to half the digits of the dtype of the output."""
    scale = np.abs(wanted).max(initial=0)
    eps = np.finfo(dtype).eps if np.issubdtype(dtype, np.floating) else 1e-15
    return bool((np.abs(found - wanted) <= eps**0.5 * scale).all())


def column_slopes(
    step: Any, X: Any, Z: Any, source: NDArray[np.intp]
) -> tuple[NDArray, NDArray] | None:
    """Find slope and offset of each output column; None if the step is not affine."""
    values, n_in = _numbers(X), X.shape[1]
    if is_identity(step):
        return np.ones(n_in), np.zeros(n_in)
    if values is None:
        return None
    try:
        ends = transform_silently(
            step, _like(X, np.stack([np.zeros(n_in), np.ones(n_in)]))
        )
    except Exception:  # not defined for these rows, so not affine
        return None
    offset, slope = ends[0], ends[1] - ends[0]
    Z = rows_of(Z)
    is_affine = is_same(values[:, source] * slope + offset, Z, Z.dtype)
    return (slope, offset) if is_affine else None


def affine_matrix(step: Any, X: Any, Z: Any) -> NDArray[np.float64] | None:
    """Find the matrix (n_out, n_in) of a step that is an affine map; else None.

    Its columns are the outputs for unit rows minus the output for the zero row. It is
    then compared with the outputs for X and for -X.
    """
    values, Z = _numbers(X), rows_of(Z)
    n_in, n_out = X.shape[1], Z.shape[1]
    if values is None or n_in * n_out > MOST_ELEMENTS:
        return None
    try:
        offset = transform_silently(step, _like(X, np.zeros((1, n_in))))
        opposite = transform_silently(step, _like(X, -values[:ROWS_TRIED]))
        if not is_same(2 * offset - opposite, Z[:ROWS_TRIED], Z.dtype):
            return None
        parts = [
            transform_silently(step, _unit_rows(X, rows)) - offset
            for rows in gen_batches(n_in, max(1, BLOCK_ELEMENTS // n_in))
        ]
    except Exception:  # not defined for these rows, so not affine
        return None
    matrix = np.concatenate(parts).T
    return matrix if is_same(values @ matrix.T + offset, Z, Z.dtype) else None


def _like(X: Any, rows: NDArray) -> Any:
    """Convert rows to the kind and dtype of X."""
    dtype = X.dtype if getattr(X, "dtype", None) == np.float32 else np.float64
    rows = rows.astype(dtype)
    return sparse.csr_matrix(rows) if sparse.issparse(X) else rows


def _unit_rows(X: Any, rows: slice) -> Any:
    n_in = X.shape[1]
    unit = sparse.eye(n_in, format="csr")[rows]
    return unit if sparse.issparse(X) else unit.toarray()
