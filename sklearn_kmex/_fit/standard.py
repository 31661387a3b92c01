"""Rows of one class about their mean, in a unit in which squares are harmless."""

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from sklearn_kmex._compat import get_namespace_and_device
from sklearn_kmex._data.arrays import (
    asarray_like,
    map_blocks,
    row_blocks,
    rows_at,
    squared_norms,
    to_numpy,
    widest_float,
)
from sklearn_kmex._data.rows import Rows
from sklearn_kmex._model.similarity import squared_distances

# Squared norms in this range are neither huge nor tiny in float32.
MODERATE = 2.0**-40, 2.0**40
# Relative difference up to which two squared distances count as equal.
AS_NEAR = 1e-6
# If more than this share of the distances are uncertain, all are computed in float64.
MOST_UNCERTAIN = 0.05


class Standard(NamedTuple):
    """Rows of one class, as their differences from a center, divided by a scale."""

    values: Any
    center: Any
    scale: float  # a power of two, so that the division is exact
    norms: Any = None  # squared norms of the values, but of sparse rows


def standardize(rows: Rows) -> Standard:
    """Center the rows, and scale them if their squares are huge or tiny in float32.

    Sparse rows are not centered, and always scaled.
    """
    if sparse.issparse(rows.values):
        of_dtype = rows.values.dtype.type
        scale = power_of_two(abs(rows.values).max())
        return Standard(rows.values / of_dtype(scale), of_dtype(0), scale)
    xp, *_ = get_namespace_and_device(rows.values)
    center = _rough_mean(rows)
    with np.errstate(over="ignore"):
        values = rows.values - asarray_like(center, rows.values)
        norms = squared_norms(values)
    if MODERATE[0] <= float(xp.max(norms)) <= MODERATE[1]:
        return Standard(values, center, 1.0, norms)
    farthest = max(float(xp.max(values)), -float(xp.min(values)))
    # The inverse of a smaller number would overflow.
    scale = max(power_of_two(farthest), float(xp.finfo(values.dtype).smallest_normal))
    values *= 1 / scale
    return Standard(values, center, scale, squared_norms(values))


def power_of_two(value: float) -> float:
    """Return the least power of two that is larger than a number."""
    return math.ldexp(1.0, math.frexp(value)[1])


def _rough_mean(rows: Rows) -> NDArray:
    """Return the weighted mean, of which only each block is summed in the dtype."""
    shares, start = rows.weights / rows.weights.sum(), 0
    total = np.zeros(rows.values.shape[1])
    for block in row_blocks(rows.values):
        own = shares[start : start + block.shape[0]]
        total += to_numpy(asarray_like(own, block, block.dtype) @ block)
        start += block.shape[0]
    return total.astype(to_numpy(block[:1, :]).dtype)


def weighted_mean(rows: Rows) -> NDArray:
    """Return the weighted mean, summed in float64 without a float64 copy."""
    values, weights = rows.values, rows.weights
    if sparse.issparse(values):
        total, dtype = values.T @ weights, values.dtype
    elif isinstance(values, np.ndarray):
        total, dtype = np.einsum("i,ij->j", weights, values), values.dtype
    else:
        total, dtype = _weighted_sum(values, weights), to_numpy(values[:1, :]).dtype
    return (total / weights.sum()).astype(dtype, copy=False)


def _weighted_sum(values: Any, weights: NDArray) -> NDArray:
    """Return the weighted sum of rows of another library than NumPy."""
    xp, *_ = get_namespace_and_device(values)
    dtype, total, start = widest_float(values), 0, 0
    for block in row_blocks(values):
        own = asarray_like(weights[start : start + block.shape[0]], values, dtype)
        total = total + own @ xp.astype(block, dtype)
        start += block.shape[0]
    return to_numpy(total)


def distances(
    rows: Rows, vectors: NDArray, standard: Standard | None = None
) -> NDArray[np.float64]:
    """Return the squared distance of each row to each vector, as a NumPy array.

    From standardized rows of float32, distances have the precision of float32, but
    those that decide which vector is nearest to a row, and which row or member is
    nearest to a vector, are exact.
    """
    if standard is not None and _is_float32(standard.values):
        found = _of_standard(rows, vectors, standard)
        if found is not None:
            return found
    return to_numpy(
        map_blocks(
            lambda block: squared_distances(block, vectors), rows.values, len(vectors)
        )
    )


def _is_float32(values: Any) -> bool:
    if sparse.issparse(values):
        return False
    xp, *_ = get_namespace_and_device(values)
    return values.dtype == xp.float32


def _of_standard(
    rows: Rows, vectors: NDArray, standard: Standard
) -> NDArray[np.float64] | None:
    """Return distances from products of float32; None if too many are uncertain."""
    values, center, scale, norms = standard
    norms = to_numpy(norms).astype(np.float64)[:, np.newaxis]
    places = (vectors.astype(np.float64) - center) / scale
    products = to_numpy(values @ asarray_like(places, values, values.dtype).T)
    squares = squared_norms(places)
    found = norms + squares - 2.0 * products
    # A bound on the rounding errors of sums of as many terms as there are features.
    slack = 4 * (values.shape[1] + 4) * np.finfo(np.float32).eps
    slack = slack * (norms + squares.max())
    uncertain = _may_decide(found, slack)
    row, column = np.nonzero(uncertain)
    if len(row) > MOST_UNCERTAIN * found.size:
        return None
    apart = to_numpy(rows_at(rows.values, row)).astype(np.float64) - vectors[column]
    found[row, column] = squared_norms(apart / scale)
    return np.maximum(found, 0.0) * scale**2


def _may_decide(found: NDArray, slack: NDArray) -> NDArray[np.bool_]:
    """Mark distances that may be the least of a row, a column or a cluster."""
    low, high = found - slack, found + slack
    of_row = low <= high.min(axis=1, keepdims=True)
    several = np.count_nonzero(of_row, axis=1, keepdims=True) > 1
    nearest = (1 + 2 * AS_NEAR) * high.min(axis=0)
    of_members = np.where(of_row & ~several, high, np.inf)
    nearest_member = (1 + 2 * AS_NEAR) * of_members.min(axis=0)
    decides = several | (low <= nearest_member)
    return (of_row & decides) | (low <= nearest)


def means_of_members(
    rows: Rows, owner: NDArray[np.intp], n_clusters: int, standard: Standard | None
) -> NDArray:
    """Return the weighted mean of the members of each cluster."""
    if standard is None or sparse.issparse(standard.values):
        members = [np.flatnonzero(owner == j) for j in range(n_clusters)]
        return np.stack([weighted_mean(rows.take(own)) for own in members])
    values, center, scale, _ = standard
    shares = (owner == np.arange(n_clusters)[:, np.newaxis]) * rows.weights
    shares /= shares.sum(axis=1, keepdims=True)
    means = to_numpy(asarray_like(shares, values, values.dtype) @ values)
    return (means.astype(np.float64) * scale + center).astype(center.dtype)
