"""Memory-mapped arrays, which each worker process reads class by class."""

import mmap
import uuid
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import assert_all_finite

FLOATS = (np.dtype(np.float64), np.dtype(np.float32))


def file_behind(X: Any) -> np.memmap | None:
    """Return the memory map behind an array, or None if there is none."""
    while isinstance(X, np.ndarray) and isinstance(X.base, np.ndarray):
        X = X.base
    is_file = isinstance(X, np.memmap) and X.filename and X.mode != "c"
    return X if is_file else None


class MappedArray:
    """An array in a file; worker processes map the file and are sent no rows.

    Parameters
    ----------
    X : ndarray
        Array that is a memory-mapped file, or a view of one.
    """

    def __init__(self, X: NDArray) -> None:
        self.X, self.fit = X, uuid.uuid4().hex

    def take(self, rows: NDArray) -> NDArray:
        return check_values(self.X[rows])

    def __reduce__(self) -> tuple[Callable, tuple]:
        X: NDArray = self.X
        file: Any = file_behind(X)
        place = X.shape, X.dtype, _offset(X, file), X.strides
        return _map_again, (self.fit, str(file.filename), *place)


@lru_cache(maxsize=1)  # mapping anew for each class takes longer than reading it
def _map_again(
    fit: str, path: str, shape: tuple, dtype: np.dtype, offset: int, strides: tuple
) -> MappedArray:
    """Map the file of a `MappedArray`, once for each process and fit."""
    file = np.memmap(path, np.uint8, mode="r")
    return ReadOnce(np.ndarray(shape, dtype, file, offset, strides))


class ReadOnce(MappedArray):
    """A mapped array in a worker process, whose pages do not stay in its memory.

    Mapped pages of a file count as memory of the process, and joblib restarts a process
    whose memory grows.
    """

    def take(self, rows: NDArray) -> NDArray:
        X: NDArray = self.X
        file: Any = file_behind(X)
        if X[:1].flags.c_contiguous:
            return check_values(_read_rows(X, file, rows))
        values = X[rows]
        if hasattr(file.base, "madvise"):  # pragma: no branch, not on Windows
            file.base.madvise(mmap.MADV_DONTNEED)
        return check_values(values)


def _read_rows(X: NDArray, file: Any, rows: NDArray) -> NDArray:
    """Read rows from the file: faster than mapping and releasing its pages."""
    values = np.empty((len(rows), X.shape[1]), X.dtype)
    first, step = _offset(X, file), X.strides[0]
    with open(file.filename, "rb", buffering=0) as source:
        for row, place in zip(rows.tolist(), values, strict=True):
            source.seek(first + row * step)
            source.readinto(place)
    return values


def _offset(X: NDArray, file: Any) -> int:
    """Return where an array begins in the file behind it."""
    first, base = (a.__array_interface__["data"][0] for a in (X, file))
    return int(file.offset + first - base)


def check_values(values: NDArray) -> NDArray:
    """Check that rows are finite, and convert them to floats.

    `fit` validates rows of files and dask arrays here, after they were read.
    """
    if values.dtype not in FLOATS:
        values = values.astype(np.float64)
    assert_all_finite(values, input_name="X")
    return values
