"""Arrays in files: read a class at a time, by each process for itself."""

from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import assert_all_finite

FLOATS = (np.dtype(np.float64), np.dtype(np.float32))


class MappedArray(NamedTuple):
    """Where the values of a memory-mapped array are."""

    path: str
    dtype: np.dtype
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    offset: int

    @classmethod
    def of(cls, X: Any) -> Self | None:
        """Find the file behind an array; None if there is none, or other values."""
        base = X
        while isinstance(base, np.ndarray) and not isinstance(base, np.memmap):
            base = base.base
        if not isinstance(base, np.memmap) or not base.filename or base.mode == "c":
            return None
        start = X.__array_interface__["data"][0] - base.__array_interface__["data"][0]
        return cls(str(base.filename), X.dtype, X.shape, X.strides, base.offset + start)

    def take(self, rows: NDArray) -> NDArray:
        """Read some rows. The file is mapped anew, so that no page of it is held."""
        file = np.memmap(self.path, np.uint8, mode="r")
        X = np.ndarray(self.shape, self.dtype, file, self.offset, self.strides)
        return usable(X[rows])


def usable(values: NDArray) -> NDArray:
    """Make rows what `fit` takes, or refuse them: nobody has looked at them before."""
    if values.dtype not in FLOATS:
        values = values.astype(np.float64)
    assert_all_finite(values, input_name="X")
    return values
