"""Arrays where they live: of NumPy or, with `array_api_dispatch`, on any device.

What costs time stays there. Labels, weights, row numbers and prototypes at work are of
NumPy, on the host: a few numbers a row or a class.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.utils import gen_batches

from sklearn_kmex._compat import (
    _convert_to_numpy,
    _max_precision_float_dtype,
    get_namespace_and_device,
)

# Elements of the float64 working copy of a block of rows: 8 MiB.
BLOCK_ELEMENTS = 2**20


# An accelerator works off larger blocks than fit the cache of a processor.
ACCELERATED = 64


def to_numpy(array: Any) -> Any:
    """Bring an array to the host; anything but an array is left as it is."""
    if isinstance(array, np.ndarray) or not hasattr(array, "__dlpack__"):
        return array
    xp, *_ = get_namespace_and_device(array)
    return _convert_to_numpy(array, xp)


def beside(array: Any, X: Any, dtype: Any = None) -> Any:
    """Put an array into the library and on the device of X."""
    xp, _, device = get_namespace_and_device(X)
    return xp.asarray(array, dtype=dtype, device=device)


def widest(X: Any) -> Any:
    """Floating dtype of the most digits where X lives: float64, if it is there."""
    xp, _, device = get_namespace_and_device(X)
    return _max_precision_float_dtype(xp, device)


def floats(X: Any) -> list[Any]:
    """Floating dtypes that are kept, where X lives; the first one is for the others."""
    xp, *_ = get_namespace_and_device(X)
    return [widest(X), xp.float32]


def rows_at(X: Any, rows: Any) -> Any:
    """Take rows by their numbers, out of an array or a sparse matrix."""
    if isinstance(X, np.ndarray) or sparse.issparse(X):
        return X[rows]
    xp, *_ = get_namespace_and_device(X)
    return xp.take(X, beside(rows, X), axis=0)


def block_size(X: Any, elements: int) -> int:
    """Elements of a block, of so many where X is on the host."""
    on_host = isinstance(X, np.ndarray) or str(getattr(X, "device", "cpu")) == "cpu"
    return elements if on_host else ACCELERATED * elements


def squared_norms(X: Any) -> Any:
    """Squared norms of the rows of a dense array."""
    if isinstance(X, np.ndarray):
        return np.einsum("...i,...i->...", X, X)
    xp, *_ = get_namespace_and_device(X)
    return xp.sum(X * X, axis=-1)


def descending(values: Any) -> Any:
    """Places that sort each row from the largest on, equal ones in their order."""
    if isinstance(values, np.ndarray):
        return np.argsort(-values, axis=1, kind="stable")
    xp, *_ = get_namespace_and_device(values)
    return xp.argsort(-values, axis=1)


def reduce_columns(ufunc: np.ufunc, values: Any, starts: NDArray[np.intp]) -> Any:
    """Reduce the columns from each start to the next, by a ufunc of two arguments.

    Elsewhere than in NumPy, the first columns of all groups are combined with their
    second ones, then with their third, while any has some.
    """
    if isinstance(values, np.ndarray):
        return ufunc.reduceat(values, starts, axis=1)
    xp, *_ = get_namespace_and_device(values)
    combine = getattr(xp, ufunc.__name__)
    sizes = np.diff(starts, append=values.shape[1])
    order = np.argsort(-sizes, kind="stable")
    first = starts[order]
    result = xp.take(values, beside(first, values), axis=1)
    for place in range(1, sizes.max()):
        left = int((sizes > place).sum())
        more = xp.take(values, beside(first[:left] + place, values), axis=1)
        result[:, :left] = combine(result[:, :left], more)
    return xp.take(result, beside(np.argsort(order), values), axis=1)


def dense(X: Any) -> Any:
    """Return rows as an array, sparse or not."""
    return X.toarray() if sparse.issparse(X) else X


def row_blocks(X: Any) -> Iterator[Any]:
    """Yield X block by block, so that no working copy of the whole is made."""
    n_rows, width = X.shape
    if sparse.issparse(X):
        width = 1 + X.nnz // n_rows
    size = max(1, block_size(X, BLOCK_ELEMENTS) // width)
    return (X[rows, :] for rows in gen_batches(n_rows, size))


def map_blocks(function: Callable[[Any], Any], X: Any) -> Any:
    """Apply a row-wise function to each block of X."""
    xp, *_ = get_namespace_and_device(X)
    return xp.concat([function(block) for block in row_blocks(X)], axis=0)
