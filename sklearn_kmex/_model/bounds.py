"""The nearest prototypes of rows, with bounds of the distances."""

from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.utils import assert_all_finite

from sklearn_kmex._data.arrays import batches, rows_at, squared_norms
from sklearn_kmex._model.similarity import squared_distances

# Relative error of squared distances in float64.
EXACT = 1e-9
# Elements of a block of rows: 512 KiB in float32, which fit into the cache.
BLOCK_ELEMENTS = 2**17


class Nearest(NamedTuple):
    """The nearest prototype of each row, and bounds of its distances."""

    owners: NDArray[np.intp]
    least: NDArray[np.float64]  # the row is at least so far from its prototype
    most: NDArray[np.float64]  # and at most so far
    others: NDArray[np.float64]  # and at least so far from all others


class Placed(NamedTuple):
    """Prototypes, and their places about their mean in the dtype of rows."""

    prototypes: NDArray
    center: NDArray
    places: NDArray
    squares: NDArray

    @classmethod
    def of(cls, prototypes: NDArray, dtype: Any) -> Self:
        center = prototypes.mean(axis=0, dtype=np.float64).astype(dtype)
        places = (prototypes - center.astype(np.float64)).astype(dtype)
        return cls(prototypes, center, places, squared_norms(places)[:, np.newaxis])

    def nearest(self, X: Any, numbers: NDArray[np.intp]) -> Nearest:
        """Compare some rows; in float64 where rounding could matter."""
        if sparse.issparse(X):
            owners, own, others = self._exact(X, numbers)
            error = EXACT * own
        else:
            with np.errstate(over="ignore", invalid="ignore"):
                found, error = self._squared(rows_at(X, numbers))
                owners, own, others = _two_least(found)
                unsure = np.flatnonzero(~(others - own > 2 * error))
            if len(unsure):
                exact = self._exact(X, numbers[unsure])
                owners[unsure], own[unsure], others[unsure] = exact
                error[unsure] = EXACT * own[unsure]
        least, others = np.maximum(own - error, 0), np.maximum(others - error, 0)
        return Nearest(owners, *map(np.sqrt, (least, own + error, others)))

    def _squared(self, rows: NDArray) -> tuple[NDArray, NDArray]:
        """Return squared distances, (n_prototypes, n_rows), and bounds of errors.

        A sum of n products has an error of at most n / 2 eps times the product of the
        lengths. The rows are overwritten.
        """
        rows -= self.center
        norms = squared_norms(rows)
        found = np.ascontiguousarray((rows @ self.places.T).T)
        found *= -2
        found += self.squares
        found += norms
        limits, n_features = np.finfo(rows.dtype), rows.shape[1]
        farthest = np.sqrt(norms, dtype=np.float64) + np.sqrt(self.squares.max())
        tiny = 4 * n_features * float(limits.smallest_normal)
        return found, (n_features + 8) * float(limits.eps) * farthest**2 + tiny

    def _exact(self, X: Any, numbers: NDArray[np.intp]) -> tuple[NDArray, ...]:
        rows = rows_at(X, numbers)
        assert_all_finite(rows.data if sparse.issparse(rows) else rows, input_name="X")
        return _two_least(squared_distances(rows, self.prototypes).T)


def _two_least(squared: NDArray) -> tuple[NDArray, NDArray, NDArray]:
    """Return the number of the least distance of each column, it, and the second."""
    owners, each = squared.argmin(axis=0), np.arange(squared.shape[1])
    own = squared[owners, each].astype(np.float64)
    squared[owners, each] = np.inf
    return owners, own, squared.min(axis=0).astype(np.float64)


def compare(rows: Any, numbers: NDArray[np.intp], prototypes: NDArray) -> Nearest:
    """Find the nearest of some prototypes for some rows, which are read once."""
    placed = Placed.of(prototypes, rows.dtype)
    size = max(1, BLOCK_ELEMENTS // max(rows.shape[1], len(prototypes)))
    parts = [
        placed.nearest(rows, numbers[block]) for block in batches(len(numbers), size)
    ]
    return Nearest(*map(np.concatenate, zip(*parts, strict=True)))
