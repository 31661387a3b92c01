"""Hashes of the content of samples."""

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from joblib import cpu_count
from numpy.typing import NDArray
from scipy import sparse
from sklearn.utils import gen_batches

from sklearn_kmex._data.samples import (
    as_array,
    len_of,
    sample,
    sparse_rows,
)
from sklearn_kmex.embedding._code import file_digest
from sklearn_kmex.embedding._fingerprint import fingerprint

ROWS_HASHED = 256


def row_digests(X: Any, model: bytes) -> list[bytes]:
    """Hash the content of each sample together with a model.

    Parameters
    ----------
    X : array-like, sparse matrix, tensor, Dataset or list
        Samples.

    model : bytes
        Fingerprint of the model.

    Returns
    -------
    list of bytes
        SHA-256 hash of the model and each sample.
    """
    if len_of(X) == 0:
        return []
    if hasattr(X, "columns"):  # a frame
        model = model + fingerprint([*map(str, X.columns), *map(str, X.dtypes)])
        X = np.asarray(X)
    start = hashlib.sha256(model)
    X = as_array(X)
    if not _is_numeric(X):
        return _digests(start, _contents(X))
    start.update(f"{X.dtype.str}{X.shape[1:]}".encode())
    blocks = [X[some] for some in gen_batches(len(X), ROWS_HASHED)]
    with ThreadPoolExecutor(
        cpu_count()
    ) as threads:  # hashing long rows releases the lock
        found = threads.map(lambda rows: _array_digests(start, rows), blocks)
        return [digest for some in found for digest in some]


def _array_digests(start: Any, rows: NDArray) -> list[bytes]:
    return _digests(start, ((row,) for row in np.ascontiguousarray(rows)))


def _digests(start: Any, samples: Iterable[Sequence[Any]]) -> list[bytes]:
    """Extend the hash of a model by the bytes of each sample."""
    found = []
    for parts in samples:
        one = start.copy()
        for part in parts:
            one.update(part)
        found.append(one.digest())
    return found


def _contents(X: Any) -> Iterator[Sequence[Any]]:
    """Yield the bytes that identify each sample."""
    if sparse.issparse(X):
        head = f"{X.dtype.str}{X.shape[1:]}".encode()
        yield from ((head, *row) for row in sparse_rows(X))
    else:
        yield from (_content(sample(X, i)) for i in range(len(X)))


def _is_numeric(X: Any) -> bool:
    return isinstance(X, np.ndarray) and X.ndim > 0 and X.dtype.kind in "biufcmM"


def _content(value: Any) -> Sequence[Any]:
    """Bytes that identify a sample; for a path, also the content of its file."""
    value = as_array(value)
    if _is_numeric(value):
        return f"{value.dtype.str}{value.shape}".encode(), np.ascontiguousarray(value)
    if isinstance(value, Mapping):
        pairs = ((repr(key).encode(), _content(value[key])) for key in value)
        return [part for key, parts in pairs for part in (key, *parts)]
    inside = value if isinstance(value, list | tuple | np.ndarray) else [value]
    files = (part for part in inside if isinstance(part, str | os.PathLike))
    return (fingerprint(value), *map(file_digest, filter(os.path.isfile, files)))
