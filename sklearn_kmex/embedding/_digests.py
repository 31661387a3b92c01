"""Samples one at a time: what they hold, as a hash, and some of them by number."""

import hashlib
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import numpy as np
from joblib import cpu_count
from numpy.typing import NDArray
from scipy import sparse
from sklearn.utils import _safe_indexing, gen_batches

from sklearn_kmex._base import RowsError, numbered
from sklearn_kmex.embedding._fingerprint import fingerprint

CHUNK_BYTES = 2**28
CHUNK_ROWS = (512, 4_096)
ROWS_HASHED = 256


def as_samples(X: Any) -> Any:
    """Make X something whose samples can be counted and taken by number."""
    if sparse.issparse(X):
        return X.tocsr()
    if hasattr(X, "__array__") and not hasattr(X, "__len__"):
        X = np.asarray(X)
    if not (hasattr(X, "__len__") and hasattr(X, "__getitem__")):
        raise TypeError(
            "X must hold samples that can be counted and taken by number, as an array, "
            f"tensor, list or Dataset does; got {type(X).__name__}. Of a DataLoader, "
            "pass its dataset."
        )
    return X


def row_digests(X: Any, model: bytes) -> list[bytes]:
    """Hash the content of each sample, for one model.

    Parameters
    ----------
    X : array-like, sparse matrix, tensor, Dataset or list
        Samples.

    model : bytes
        Fingerprint of the model that takes them.

    Returns
    -------
    list of bytes
        SHA-256 of model and sample, one for each sample.
    """
    if len_of(X) == 0:
        return []
    if hasattr(X, "columns"):  # a frame
        model = model + fingerprint([*map(str, X.columns), *map(str, X.dtypes)])
        X = np.asarray(X)
    start = hashlib.sha256(model)
    X = as_array(X)
    if not is_numeric(X):
        return digests(start, contents(X))
    start.update(f"{X.dtype.str}{X.shape[1:]}".encode())
    blocks = [X[some] for some in gen_batches(len(X), ROWS_HASHED)]
    with ThreadPoolExecutor(cpu_count()) as threads:  # hashing long rows is parallel
        found = threads.map(lambda rows: array_digests(start, rows), blocks)
        return [digest for some in found for digest in some]


def array_digests(start: Any, rows: NDArray) -> list[bytes]:
    return digests(start, ((row,) for row in np.ascontiguousarray(rows)))


def digests(start: Any, samples: Iterable[Sequence[Any]]) -> list[bytes]:
    """Go on from the hash of a model with the bytes of each sample."""
    found = []
    for parts in samples:
        one = start.copy()
        for part in parts:
            one.update(part)
        found.append(one.digest())
    return found


def len_of(X: Any) -> int:
    return X.shape[0] if hasattr(X, "shape") else len(X)


def contents(X: Any) -> Iterator[Sequence[Any]]:
    """Yield the bytes that tell each sample from others."""
    if sparse.issparse(X):
        head = f"{X.dtype.str}{X.shape[1:]}".encode()
        yield from ((head, *row) for row in sparse_rows(X))
    else:
        yield from (content(sample(X, i)) for i in range(len(X)))


def sparse_rows(X: Any) -> Iterator[tuple[NDArray, NDArray]]:
    """Yield the columns and the values of each row."""
    X = X.tocsr()
    columns = X.indices.astype(np.int64)
    for start, stop in pairwise(X.indptr):
        yield columns[start:stop], X.data[start:stop]


def is_numeric(X: Any) -> bool:
    return isinstance(X, np.ndarray) and X.ndim > 0 and X.dtype.kind in "biufcmM"


def sample(X: Any, index: int) -> Any:
    """Take one sample; of a Dataset that gives labels as well, without them."""
    try:
        value = getattr(X, "iloc", X)[index]  # by place, not by label
    except Exception as error:
        what = f" of X could not be read: {error!r}"
        raise RowsError("Sample ", [index], what) from error
    labelled = isinstance(value, tuple | list) and is_dataset(X)
    return value[0] if labelled else value


def content(value: Any) -> Sequence[Any]:
    """Bytes that tell a sample from others; a path stands for what its file holds."""
    value = as_array(value)
    if is_numeric(value):
        return f"{value.dtype.str}{value.shape}".encode(), np.ascontiguousarray(value)
    if isinstance(value, Mapping):
        pairs = ((repr(key).encode(), content(value[key])) for key in value)
        return [part for key, parts in pairs for part in (key, *parts)]
    inside = value if isinstance(value, list | tuple | np.ndarray) else [value]
    files = (part for part in inside if isinstance(part, str | os.PathLike))
    return (fingerprint(value), *map(file_digest, filter(os.path.isfile, files)))


def file_digest(path: str | os.PathLike) -> bytes:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def as_array(value: Any) -> Any:
    """Turn a tensor into an array; leave anything else."""
    torch = sys.modules.get("torch")
    if torch is None or not isinstance(value, torch.Tensor):
        return value
    value = value.detach().cpu()
    return value.float().numpy() if value.dtype == torch.bfloat16 else value.numpy()


def is_dataset(X: Any) -> bool:
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(X, torch.utils.data.Dataset)


def take(X: Any, rows: Any) -> Any:
    """Take samples by their numbers, as input of their own."""
    if is_dataset(X):
        return sys.modules["torch"].utils.data.Subset(X, list(rows))
    if isinstance(X, list | tuple):
        return [X[row] for row in rows]
    return _safe_indexing(X, np.asarray(rows))


def run_part(run: Callable, X: Any, rows: Sequence[int]) -> Any:
    """Run a model on some samples, named in errors by their numbers in X."""
    with numbered(rows):
        embeddings = run(take(X, rows))
    if len_of(embeddings) != len(rows):
        raise ValueError(
            "The embedder must give one row for each sample; it gave "
            f"{len_of(embeddings)} for {len(rows)}."
        )
    return embeddings


def chunk_rows(X: Any) -> int:
    """Count the samples to hand to a model at a time."""
    fewest, most = CHUNK_ROWS
    n_bytes = getattr(X, "nbytes", 0) / max(1, len_of(X))
    return most if n_bytes == 0 else int(np.clip(CHUNK_BYTES / n_bytes, fewest, most))


def chunks(items: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    """Split a sequence."""
    return (items[start : start + size] for start in range(0, len(items), size))
