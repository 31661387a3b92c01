"""Distances, similarities, class scores and probabilities, as pure functions."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from sklearn_kmex._compat import get_namespace_and_device
from sklearn_kmex._data.arrays import (
    BLOCK_ELEMENTS,
    asarray_like,
    batches,
    block_size,
    column_major,
    dense,
    reduce_columns,
    rows_at,
    squared_norms,
    widest_float,
)

# |x - p|^2 is inaccurate below this share of |x|^2 + |p|^2, because of cancellation.
CANCELLED = 1e-6


def squared_distances(X: Any, prototypes: Any, ties: bool = True) -> Any:
    """Squared Euclidean distances, (n_samples, n_prototypes), to about 9 digits.

    They are computed in float64 after the mean of the prototypes is subtracted, so
    that a large offset of all rows costs no precision. Sparse rows stay sparse, and
    are not centered. Where the expanded product |x|^2 - 2 x.p + |p|^2 cancels, or the
    nearest prototype is not certain, the squares of differences are summed instead: a
    row equal to a prototype is at distance 0. Without `ties`, which of nearly equal
    distances is the least is left to rounding.
    """
    xp, *_ = get_namespace_and_device(X)
    whole = asarray_like(prototypes, X, widest_float(X))
    Z, P = X, whole
    if not sparse.issparse(X):
        center = xp.mean(whole, axis=0)
        Z, P = X - center, whole - center
    with np.errstate(over="ignore", invalid="ignore"):
        norms, squares = norms_of_rows(Z), squared_norms(P)
        distances = column_major(Z @ P.T)
        distances *= -2
        distances += squares
        distances += norms[:, None]
    if not xp.all(xp.isfinite(distances)):
        raise ValueError(
            "X must be small enough for squared distances in float64; got a value that "
            f"is {float(xp.max(abs(Z))):.3g} from the mean of the prototypes. Rescale "
            "X, for example with StandardScaler."
        )
    least, largest = xp.min(distances, axis=1), norms + xp.max(squares)
    cancelled = xp.any(least <= CANCELLED * largest)
    if not ties and not cancelled:
        return distances
    near = distances <= CANCELLED * (norms[:, None] + squares)
    if ties:
        near |= _uncertain(distances, least, largest, X)
    exact = list(_by_differences(X, whole, *xp.nonzero(near)))
    if exact:
        distances[near] = xp.concat(exact, axis=0)
    return distances


def _uncertain(distances: Any, least: Any, largest: Any, X: Any) -> Any:
    """Mark distances that may be the least of a row, if there are several.

    A product rounds differently in different batches of rows; differences do not.
    """
    xp, *_ = get_namespace_and_device(distances)
    eps, eps_of_rows = (float(xp.finfo(a.dtype).eps) for a in (distances, X))
    limit = least * (1 + 4 * eps_of_rows) + 4 * (X.shape[1] + 4) * eps * largest
    near = distances <= limit[:, None]
    near &= (xp.count_nonzero(near, axis=1) > 1)[:, None]
    return near


def _by_differences(X: Any, prototypes: Any, rows: Any, columns: Any) -> Iterator[Any]:
    """Yield squared distances of some rows to a prototype each, block by block."""
    xp, *_ = get_namespace_and_device(rows)
    size = max(1, block_size(X, BLOCK_ELEMENTS) // X.shape[1])
    for block in batches(rows.shape[0], size):
        near = xp.take(prototypes, columns[block], axis=0)
        yield squared_norms(dense(rows_at(X, rows[block])) - near)


def norms_of_rows(X: Any) -> Any:
    """Return the squared norms of rows, sparse or not, in the dtype of distances."""
    if sparse.issparse(X):
        X = X.astype(np.float64)
        return np.asarray(X.multiply(X).sum(axis=1)).ravel()
    return squared_norms(X)


def log_similarity(distances: Any, epsilon: float) -> Any:
    """Return log((d + 1) / (d + epsilon)), accurate also for large d."""
    xp, *_ = get_namespace_and_device(distances)
    return xp.log1p((1 - epsilon) / (distances + epsilon))


def similarities(squared: Any, similarity: str, epsilon: float) -> Any:
    """Return similarities at squared distances."""
    xp, *_ = get_namespace_and_device(squared)
    if similarity == "gaussian":
        return -0.5 * squared
    return log_similarity(xp.sqrt(squared), epsilon)


def change_of_similarity(
    squared: Any, error: Any, similarity: str, epsilon: float
) -> Any:
    """Bound the change of similarities by errors of squared distances or larger ones.

    It is infinite where a log similarity is not known at all.
    """
    xp, *_ = get_namespace_and_device(squared)
    if similarity == "gaussian":
        return error / 2
    near = squared - error
    d = xp.sqrt(xp.where(near > 0, near, xp.ones_like(near)))
    change = (1 - epsilon) * error / (2 * d * (d + epsilon) * (d + 1))
    return xp.where(near > 0, change, xp.full_like(near, xp.inf))


def relative_similarities(
    squared: Any, similarity: str, epsilon: float, reference: Any
) -> Any:
    """Return similarities minus that at squared distances of reference.

    They are accurate at any scale, also where the similarities are nearly equal.
    """
    xp, *_ = get_namespace_and_device(squared)
    if similarity == "gaussian":
        return (reference - squared) / 2
    far, near = xp.sqrt(squared), reference**0.5
    share = (1 - epsilon) * (far - near) / ((far + epsilon) * (near + 1))
    half = xp.full_like(share, 0.5)
    relative = xp.log1p(-xp.minimum(share, half))
    if not xp.any(share > half):
        return relative
    apart = log_similarity(far, epsilon) - log_similarity(near, epsilon)
    return xp.where(share > half, apart, relative)


def rounded(values: Any, dtype: Any) -> Any:
    """Round similarities or scores to a dtype; those outside its range to its ends.

    The largest of each row stays the largest.
    """
    if values.dtype == dtype:
        return values
    xp, *_ = get_namespace_and_device(values)
    end = float(xp.finfo(dtype).max) * (1 - 4 * float(xp.finfo(dtype).eps))
    if xp.max(abs(values)) <= end:
        return keep_winner(xp.astype(values, dtype), values)
    inside = xp.where(values > end, end, xp.where(values < -end, -end, values))
    inside = xp.where(xp.isfinite(values), inside, values)
    return keep_winner(xp.astype(inside, dtype), values)


def log_weights(weights: NDArray) -> NDArray[np.float64]:
    """Return the logarithms of weights of prototypes, of which the largest is 0."""
    return np.log(weights / weights.max()) if len(weights) else weights


def class_scores(
    weighted: Any,
    prototype_codes: NDArray,
    n_classes: int,
    aggregation: str,
    temperature: float = 1.0,
) -> Any:
    """Return the score of each class from the weighted similarities to its prototypes.

    `prototype_codes` holds the sorted class code of each prototype; a class
    without a prototype scores minus infinity.
    """
    xp, *_ = get_namespace_and_device(weighted)
    codes, starts = np.unique(prototype_codes, return_index=True)
    scores = reduce_columns(np.maximum, weighted, starts)
    if aggregation == "sum":
        of_prototype = asarray_like(np.searchsorted(codes, prototype_codes), scores)
        below = weighted - xp.take(scores, of_prototype, axis=1)
        with np.errstate(over="ignore"):  # a tiny temperature
            mass = xp.exp(below / temperature)
        scores += temperature * xp.log(reduce_columns(np.add, mass, starts))
    if len(codes) == n_classes:
        return scores
    none = xp.full_like(scores[:, :1], -xp.inf)
    places = np.full(n_classes, len(codes))
    places[codes] = np.arange(len(codes))
    scores = xp.concat([scores, none], axis=1)
    return xp.take(scores, asarray_like(places, scores), axis=1)


def log_probabilities(scores: Any, temperature: float) -> Any:
    """Return the logarithm of the softmax of `scores / temperature`."""
    xp, *_ = get_namespace_and_device(scores)
    logits = _logits(scores, temperature)
    mass = xp.sum(xp.exp(logits), axis=1, keepdims=True)
    return keep_winner(logits - xp.log(mass), scores)


def probabilities(scores: Any, temperature: float) -> Any:
    """Return the softmax of `scores / temperature`."""
    xp, *_ = get_namespace_and_device(scores)
    mass = xp.exp(_logits(scores, temperature))
    return keep_winner(mass / xp.sum(mass, axis=1, keepdims=True), scores)


def _logits(scores: Any, temperature: float) -> Any:
    """Return `scores / temperature`, of which the largest of each row is 0."""
    xp, *_ = get_namespace_and_device(scores)
    with np.errstate(over="ignore"):  # a tiny temperature
        return (scores - xp.max(scores, axis=1, keepdims=True)) / temperature


def keep_winner(values: Any, scores: Any) -> Any:
    """Give the class of the largest score the largest value, if rounding made a tie."""
    xp, _, device = get_namespace_and_device(values)
    most = xp.max(values, axis=1, keepdims=True)
    if xp.all((values == most) == (scores == xp.max(scores, axis=1, keepdims=True))):
        return values
    winner = xp.argmax(scores, axis=1)
    lost = xp.argmax(values, axis=1) != winner
    lead = xp.nextafter(most, xp.full_like(most, xp.inf))
    wins = xp.arange(values.shape[1], device=device) == winner[:, None]
    return xp.where(wins & lost[:, None], lead, values)
