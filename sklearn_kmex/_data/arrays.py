"""Array operations for NumPy and, with `array_api_dispatch`, other libraries.

Arrays as large as the rows stay in their library and on their device. Labels, weights,
row numbers and prototypes in training are NumPy arrays.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from sklearn_kmex._compat import (
    _convert_to_numpy,
    _max_precision_float_dtype,
    get_namespace_and_device,
)

# Elements of the float64 working copy of a block of rows: 8 MiB.
BLOCK_ELEMENTS = 2**20
# Blocks are this many times larger on an accelerator.
ACCELERATED = 64


def to_numpy(array: Any) -> Any:
    """Convert an array to NumPy; return anything else unchanged."""
    if isinstance(array, np.ndarray) or not hasattr(array, "__dlpack__"):
        return array
    xp, *_ = get_namespace_and_device(array)
    return _convert_to_numpy(array, xp)


def asarray_like(array: Any, X: Any, dtype: Any = None) -> Any:
    """Convert an array to the library and device of X."""
    xp, _, device = get_namespace_and_device(X)
    return xp.asarray(array, dtype=dtype, device=device)


def widest_float(X: Any) -> Any:
    """Return the widest float dtype of the library and device of X, mostly float64."""
    xp, _, device = get_namespace_and_device(X)
    return _max_precision_float_dtype(xp, device)


def widened(X: Any) -> Any:
    """Return an array in the widest float dtype, as it is if it has that one."""
    xp, *_ = get_namespace_and_device(X)
    return xp.astype(X, widest_float(X), copy=False)


def column_major(values: Any) -> Any:
    """Return a NumPy array in column-major order, whose rows are reduced faster."""
    return np.asfortranarray(values) if isinstance(values, np.ndarray) else values


def kept_dtypes(X: Any) -> list[Any]:
    """List the float dtypes of X that are kept; others are converted to the first."""
    xp, *_ = get_namespace_and_device(X)
    return [widest_float(X), xp.float32]


def rows_at(X: Any, rows: Any) -> Any:
    """Take rows by their numbers, from an array or a sparse matrix."""
    if isinstance(X, np.ndarray) or sparse.issparse(X):
        return X[rows]
    xp, *_ = get_namespace_and_device(X)
    return xp.take(X, asarray_like(rows, X), axis=0)


def block_size(X: Any, elements: int) -> int:
    """Return the number of elements of a block, larger if X is on an accelerator."""
    on_host = isinstance(X, np.ndarray) or str(getattr(X, "device", "cpu")) == "cpu"
    return elements if on_host else ACCELERATED * elements


def squared_norms(X: Any) -> Any:
    """Return the squared norms of the rows of a dense array."""
    if isinstance(X, np.ndarray):
        return np.einsum("...i,...i->...", X, X)
    xp, *_ = get_namespace_and_device(X)
    return xp.sum(X * X, axis=-1)


def argsort_rows(values: Any, n: int | None = None) -> Any:
    """Return the indices of the n smallest values of each row, smallest first.

    Those of equal values keep their order.
    """
    if isinstance(values, np.ndarray):
        if n == 1:
            return values.argmin(axis=1)[:, np.newaxis]
        return np.argsort(values, axis=1, kind="stable")[:, :n]
    xp, *_ = get_namespace_and_device(values)
    return xp.argsort(values, axis=1)[:, :n]


def smallest_of_rows(values: Any, n: int) -> Any:
    """Return the indices of the n smallest values of each row, in any order."""
    if isinstance(values, np.ndarray) and n < values.shape[1]:
        return np.argpartition(values, n - 1, axis=1)[:, :n]
    return argsort_rows(values, n)


def reduce_columns(ufunc: np.ufunc, values: Any, starts: NDArray[np.intp]) -> Any:
    """Reduce groups of adjacent columns, given by the first column of each group.

    It is `ufunc.reduceat` for any array library. Without NumPy, the second columns of
    all groups are combined with the first ones, then the third columns, and so on.
    """
    sizes = group_sizes(starts, values.shape[1])
    if isinstance(values, np.ndarray):
        columns = values.T
        if starts[0] == 0 and (sizes == sizes[0]).all():  # many times as fast
            columns = columns.reshape(len(starts), sizes[0], len(values))
            return ufunc.reduce(columns, axis=1).T
        return ufunc.reduceat(columns, starts, axis=0).T
    xp, *_ = get_namespace_and_device(values)
    combine = getattr(xp, ufunc.__name__)
    order = np.argsort(-sizes, kind="stable")
    first = starts[order]
    result = xp.take(values, asarray_like(first, values), axis=1)
    for place in range(1, sizes.max()):
        left = int((sizes > place).sum())
        more = xp.take(values, asarray_like(first[:left] + place, values), axis=1)
        result[:, :left] = combine(result[:, :left], more)
    return xp.take(result, asarray_like(np.argsort(order), values), axis=1)


def group_starts(owners: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return the place of the first member of each group; owners are sorted."""
    new = np.ones(len(owners), dtype=bool)
    np.not_equal(owners[1:], owners[:-1], out=new[1:])
    return np.flatnonzero(new)


def group_sizes(starts: NDArray[np.intp], total: int) -> NDArray[np.intp]:
    """Return the number of members of each group."""
    return np.append(starts[1:], total) - starts


def dense(X: Any) -> Any:
    """Convert sparse rows to an array; return an array unchanged."""
    return X.toarray() if sparse.issparse(X) else X


def batches(n_rows: int, size: int) -> list[slice]:
    """Return slices of at most `size` rows.

    `gen_batches` of scikit-learn takes as long as the prediction of a row.
    """
    starts = range(0, n_rows, size)
    return [slice(start, min(start + size, n_rows)) for start in starts]


def row_blocks(X: Any, columns: int = 1) -> Iterator[Any]:
    """Yield the rows in blocks, so that working copies stay small.

    `columns` is the number of results of a row, such as one for each prototype.
    """
    n_rows, width = X.shape
    if sparse.issparse(X):
        width = 1 + X.nnz // n_rows
    size = max(1, block_size(X, BLOCK_ELEMENTS) // max(width, columns))
    return (X[rows, :] for rows in batches(n_rows, size))


def map_blocks(function: Callable[[Any], Any], X: Any, columns: int = 1) -> Any:
    """Apply a row-wise function to each block of rows, and join the results."""
    xp, *_ = get_namespace_and_device(X)
    parts = [function(block) for block in row_blocks(X, columns)]
    return parts[0] if len(parts) == 1 else xp.concat(parts, axis=0)
