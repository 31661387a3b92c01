"""The nearest prototypes of rows, with bounds of the distances."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.utils import assert_all_finite

from sklearn_kmex._data.arrays import batches, row_blocks, rows_at, squared_norms
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
    others: NDArray[np.float64]  # (n_prototypes, n_rows), at least; inf for its own


def compare(
    rows: Any, numbers: NDArray[np.intp], prototypes: NDArray, exact: bool = True
) -> Nearest:
    """Find the nearest of some prototypes for some rows, which are read once.

    Only rows for which rounding could matter are compared in float64, if `exact`.
    """
    if sparse.issparse(rows):
        return _compare_exactly(rows, numbers, prototypes)
    with np.errstate(over="ignore", invalid="ignore"):
        found = _bounds(*_compare_roughly(rows, numbers, prototypes))
    unsure = ~(found.others.min(axis=0) > found.most)
    if exact and unsure.any():
        of_unsure = _compare_exactly(rows, numbers[unsure], prototypes)
        for field, values in zip(found, of_unsure, strict=True):
            field[..., unsure] = values
    return found


def _compare_roughly(
    rows: NDArray, numbers: NDArray[np.intp], prototypes: NDArray
) -> tuple[NDArray, NDArray]:
    """Return squared distances in the dtype of the rows, and bounds of their errors.

    A sum of n products has an error of at most n / 2 eps times the product of the
    lengths.
    """
    n_features, n_prototypes, n_rows = rows.shape[1], len(prototypes), len(numbers)
    center = prototypes.mean(axis=0, dtype=np.float64).astype(rows.dtype)
    places = (prototypes - center.astype(np.float64)).astype(rows.dtype)
    squared = np.empty((n_rows, n_prototypes), dtype=rows.dtype)
    norms, squares = np.empty(n_rows, dtype=rows.dtype), squared_norms(places)
    for block in batches(n_rows, max(1, BLOCK_ELEMENTS // n_features)):
        apart = rows[numbers[block]]
        apart -= center
        norms[block] = squared_norms(apart)
        squared[block] = apart @ places.T
    squared *= -2
    squared += squares
    squared = np.ascontiguousarray(squared.T)
    squared += norms
    limits, farthest = np.finfo(rows.dtype), np.sqrt(norms, dtype=np.float64)
    farthest += np.sqrt(squares.max())
    error = (n_features + 8) * float(limits.eps) * farthest**2
    return squared, error + 4 * n_features * float(limits.smallest_normal)


def _compare_exactly(
    rows: Any, numbers: NDArray[np.intp], prototypes: NDArray
) -> Nearest:
    parts = []
    for some in row_blocks(rows_at(rows, numbers), len(prototypes)):
        assert_all_finite(some.data if sparse.issparse(some) else some, input_name="X")
        squared = np.ascontiguousarray(squared_distances(some, prototypes).T)
        parts.append(_bounds(squared, EXACT * squared.min(axis=0)))
    return _joined(parts)


def _bounds(squared: NDArray, error: NDArray) -> Nearest:
    """Return what squared distances, (n_prototypes, n_rows), and their errors tell."""
    owners, each = squared.argmin(axis=0), np.arange(squared.shape[1])
    own = squared[owners, each]
    others = np.sqrt(np.maximum(squared - error, 0.0))
    others[owners, each] = np.inf
    least = np.sqrt(np.maximum(own - error, 0.0))
    return Nearest(owners, least, np.sqrt(own + error), others)


def _joined(parts: list[Nearest]) -> Nearest:
    return Nearest(*(np.concatenate(p, axis=-1) for p in zip(*parts, strict=True)))
