"""Arrays in files: read a class at a time, by each process for itself."""

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
    """Find the mapped file that holds the values of an array, if one does."""
    while isinstance(X, np.ndarray) and isinstance(X.base, np.ndarray):
        X = X.base
    is_file = isinstance(X, np.memmap) and X.filename and X.mode != "c"
    return X if is_file else None


class MappedArray:
    """Rows of an array in a file. Other processes map it, rather than be sent rows.

    Parameters
    ----------
    X : ndarray
        An array with a file behind it.
    """

    def __init__(self, X: NDArray) -> None:
        self.X, self.fit = X, uuid.uuid4().hex

    def take(self, rows: NDArray) -> NDArray:
        return usable(self.X[rows])

    def __reduce__(self) -> tuple[Callable, tuple]:
        X: NDArray = self.X
        file: Any = file_behind(X)
        start = X.__array_interface__["data"][0] - file.__array_interface__["data"][0]
        place = X.shape, X.dtype, file.offset + start, X.strides
        return mapped_again, (self.fit, str(file.filename), *place)


@lru_cache(maxsize=1)  # a new mapping for each class would take longer than reading it
def mapped_again(
    fit: str, path: str, shape: tuple, dtype: np.dtype, offset: int, strides: tuple
) -> MappedArray:
    """Map the file of a `MappedArray`, once in a process and fit."""
    file = np.memmap(path, np.uint8, mode="r")
    return ReadOnce(np.ndarray(shape, dtype, file, offset, strides))


class ReadOnce(MappedArray):
    """A mapped array in another process, where pages that were read are let go.

    They count as memory of the process, and joblib restarts one that grows. They stay
    in the page cache of the system.
    """

    def take(self, rows: NDArray) -> NDArray:
        values = self.X[rows]
        file: Any = file_behind(self.X)
        if hasattr(file.base, "madvise"):  # pragma: no branch, Windows has none
            file.base.madvise(mmap.MADV_DONTNEED)
        return usable(values)


def usable(values: NDArray) -> NDArray:
    """Make rows what `fit` takes, or refuse them: nobody has looked at them before."""
    if values.dtype not in FLOATS:
        values = values.astype(np.float64)
    assert_all_finite(values, input_name="X")
    return values
