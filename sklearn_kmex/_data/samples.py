"""Samples of any kind, such as arrays, lists and Datasets: counted and selected."""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import pairwise
from numbers import Integral, Number
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.utils import _safe_indexing

from sklearn_kmex._data.chunked import is_dask

CHUNK_BYTES = 2**28
CHUNK_ROWS = (512, 4_096)


def as_samples(X: Any) -> Any:
    """Return X in a form whose samples can be counted and selected by number."""
    if sparse.issparse(X):
        return X.tocsr()
    if is_dask(X) and not isinstance(getattr(X, "shape", (0,))[0], Integral):
        X = X.compute()  # a selection, whose rows are not counted yet
    if hasattr(X, "__array__") and not hasattr(X, "__len__"):
        X = np.asarray(X)
    keyed = isinstance(X, Mapping) and not hasattr(X, "shape")  # a SliceDict has one
    if keyed or not (hasattr(X, "__len__") and hasattr(X, "__getitem__")):
        raise TypeError(
            "X must have a length and samples that can be selected by number, as an "
            f"array, tensor, list or Dataset has; got {type(X).__name__}. Instead of a "
            "DataLoader, pass its dataset; instead of a dict, a list of dicts."
        )
    return X


def len_of(X: Any) -> int:
    """Return the number of samples."""
    return X.shape[0] if hasattr(X, "shape") else len(X)


def sparse_rows(X: Any) -> Iterator[tuple[NDArray, NDArray]]:
    """Yield the columns and the values of each row."""
    X = X.tocsr()
    columns = X.indices.astype(np.int64)
    for start, stop in pairwise(X.indptr):
        yield columns[start:stop], X.data[start:stop]


def sample(X: Any, index: int) -> Any:
    """Return one sample; of a Dataset with labels, without the label."""
    try:
        if isinstance(X, Mapping):  # inputs by name, as in a SliceDict
            return {name: values[index] for name, values in X.items()}
        value = getattr(X, "iloc", X)[index]  # by position, not by label
    except Exception as error:
        what = f" of X could not be read: {error!r}"
        raise RowsError("Sample ", [index], what) from error
    return unlabelled(value) if is_dataset(X) else value


def unlabelled(value: Any) -> Any:
    """Return a sample of a Dataset without its label; a list of numbers has none."""
    is_row = isinstance(value, list) and all(isinstance(one, Number) for one in value)
    return value[0] if isinstance(value, list | tuple) and not is_row else value


def as_row(value: Any) -> Any:
    """Convert a list of numbers to an array; return anything else unchanged."""
    if not (isinstance(value, list | tuple) and _is_numbers(value)):
        return value
    try:
        return np.asarray(value)
    except ValueError:  # inner lists differ in length
        return value


def _is_numbers(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return len(value) > 0 and all(map(_is_numbers, value))
    return isinstance(value, Number)


def as_array(value: Any) -> Any:
    """Convert a tensor to a NumPy array; return anything else unchanged."""
    torch = sys.modules.get("torch")
    if torch is None or not isinstance(value, torch.Tensor):
        return value
    value = value.detach().cpu()
    return value.float().numpy() if value.dtype == torch.bfloat16 else value.numpy()


def is_numeric(X: Any) -> bool:
    """Whether X is a NumPy array of numbers."""
    return isinstance(X, np.ndarray) and X.dtype.kind in "biufc"


def is_dataset(X: Any) -> bool:
    """Whether X is a Dataset of torch, or an object that gives samples like one."""
    torch = sys.modules.get("torch")
    if torch is None or isinstance(X, list | tuple | str | bytes | Mapping):
        return False
    methods = hasattr(X, "__getitem__") and hasattr(X, "__len__")
    is_array = any(hasattr(X, name) for name in ("__array__", "dtype", "iloc"))
    return isinstance(X, torch.utils.data.Dataset) or (methods and not is_array)


def take(X: Any, rows: Any) -> Any:
    """Select samples by their numbers; a Dataset gives a Subset."""
    if is_dataset(X):
        return sys.modules["torch"].utils.data.Subset(X, list(rows))
    if isinstance(X, list | tuple):
        return [X[row] for row in rows]
    return _safe_indexing(X, np.asarray(rows))


def run_part(run: Callable, X: Any, rows: Sequence[int]) -> Any:
    """Run a model on some samples; errors name their numbers in X."""
    with numbered(rows):
        embeddings = run(take(X, rows))
    if len_of(embeddings) != len(rows):
        raise ValueError(
            "The embedder must give one row for each sample; it gave "
            f"{len_of(embeddings)} for {len(rows)} samples."
        )
    return embeddings


def chunk_rows(X: Any) -> int:
    """Return the number of samples to pass to a model at a time."""
    fewest, most = CHUNK_ROWS
    n_bytes = getattr(X, "nbytes", 0) / max(1, len_of(X))
    return most if n_bytes == 0 else int(np.clip(CHUNK_BYTES / n_bytes, fewest, most))


def chunks(items: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    """Split a sequence into parts of this size."""
    return (items[start : start + size] for start in range(0, len(items), size))


class RowsError(ValueError):
    """Error of some samples, which names their numbers.

    Parameters
    ----------
    before, after : str
        Message before and after the numbers.

    rows : sequence of int
        Numbers of the samples.
    """

    def __init__(self, before: str, rows: Sequence[int] = (), after: str = "") -> None:
        self.before, self.rows, self.after = before, rows, after
        more = ", ..." if len(rows) > 5 else ""
        super().__init__(f"{before}{', '.join(map(str, rows[:5]))}{more}{after}")


@contextmanager
def numbered(rows: Sequence[int]) -> Iterator[None]:
    """Replace the numbers in a `RowsError`, counted in `rows`, by those in X."""
    try:
        yield
    except RowsError as error:
        there = [int(rows[row]) for row in error.rows]
        raise RowsError(error.before, there, error.after) from error.__cause__


def stacked(X: Any, rows: Any) -> NDArray | None:
    """Stack samples that are numeric arrays of one shape; return None for others."""
    if sparse.issparse(X) or hasattr(X, "columns"):
        return None
    X = as_array(X)
    if isinstance(X, np.ndarray):
        return X[np.asarray(rows)] if X.dtype.kind in "biuf" and X.ndim > 1 else None
    parts = [_as_numbers(sample(X, int(row))) for row in rows]
    same = len({part.shape for part in parts}) == 1 and parts[0].ndim > 0
    numeric = all(part.dtype.kind in "biuf" for part in parts)
    return np.stack(parts) if same and numeric else None


def texts_at(X: Any, rows: Any) -> NDArray | None:
    """Return samples that are texts as an array of objects; None for others."""
    if sparse.issparse(X) or hasattr(X, "columns") or is_numeric(as_array(X)):
        return None
    found = np.empty(len(rows), dtype=object)
    for place, row in enumerate(rows):
        found[place] = sample(X, int(row))
        if not isinstance(found[place], str):
            return None
    return found if len(rows) else None


def _as_numbers(value: Any) -> NDArray:
    """Return an array of numbers; without axes for several inputs, texts and others."""
    value = as_array(as_row(value))
    is_several = isinstance(value, list | tuple | Mapping)
    return np.empty(()) if is_several else np.asarray(value)
