"""Samples of any kind, such as arrays, lists and Datasets: counted and selected."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.utils import _safe_indexing

CHUNK_BYTES = 2**28
CHUNK_ROWS = (512, 4_096)


def as_samples(X: Any) -> Any:
    """Return X in a form whose samples can be counted and selected by number."""
    if sparse.issparse(X):
        return X.tocsr()
    if hasattr(X, "__array__") and not hasattr(X, "__len__"):
        X = np.asarray(X)
    if not (hasattr(X, "__len__") and hasattr(X, "__getitem__")):
        raise TypeError(
            "X must have a length and samples that can be selected by number, as an "
            f"array, tensor, list or Dataset has; got {type(X).__name__}. Instead of a "
            "DataLoader, pass its dataset."
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
        value = getattr(X, "iloc", X)[index]  # by position, not by label
    except Exception as error:
        what = f" of X could not be read: {error!r}"
        raise RowsError("Sample ", [index], what) from error
    labelled = isinstance(value, tuple | list) and _is_dataset(X)
    return value[0] if labelled else value


def as_array(value: Any) -> Any:
    """Convert a tensor to a NumPy array; return anything else unchanged."""
    torch = sys.modules.get("torch")
    if torch is None or not isinstance(value, torch.Tensor):
        return value
    value = value.detach().cpu()
    return value.float().numpy() if value.dtype == torch.bfloat16 else value.numpy()


def _is_dataset(X: Any) -> bool:
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(X, torch.utils.data.Dataset)


def take(X: Any, rows: Any) -> Any:
    """Select samples by their numbers; a Dataset gives a Subset."""
    if _is_dataset(X):
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
    parts = [np.asarray(as_array(sample(X, int(row)))) for row in rows]
    same = len({part.shape for part in parts}) == 1 and parts[0].ndim > 0
    numeric = all(part.dtype.kind in "biuf" for part in parts)
    return np.stack(parts) if same and numeric else None
