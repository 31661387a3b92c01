"""Distance -> similarity -> class score -> probability, as pure functions."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.special import log_softmax
from sklearn.utils import gen_batches

# Elements of the float64 working copy of a block of rows: 8 MiB.
BLOCK_ELEMENTS = 2**20
# Share of |x|^2 + |p|^2 below which too few digits of |x - p|^2 are left.
CANCELLED = 1e-6


def squared_distances(X: Any, prototypes: NDArray) -> NDArray[np.float64]:
    """Squared Euclidean distances, (n_samples, n_prototypes), to about 9 digits.

    Taken in float64 about the mean of the prototypes, so that an offset common
    to all features costs no digits, whatever the dtype of the input; sparse rows
    stay sparse, and are not centered. Where the
    expanded product cancels, or leaves open which prototype is the nearest,
    differences are taken instead: a row equal to a prototype is at distance 0.
    """
    Z, P = X, prototypes.astype(np.float64, copy=False)
    if not sparse.issparse(X):
        center = P.mean(axis=0)
        Z, P = X - center, P - center
    with np.errstate(over="ignore", invalid="ignore"):
        norms = squared_norms(Z)[:, np.newaxis] + squared_norms(P)
        distances = norms - 2 * (Z @ P.T)
    if not np.isfinite(distances).all():
        raise ValueError(
            "X must be small enough for squared distances in float64; got a value of "
            f"{abs(Z).max():.3g} from the prototypes' mean. Rescale X, for example "
            "with StandardScaler."
        )
    near = np.argwhere((distances <= CANCELLED * norms) | tied(distances, norms, X))
    size = max(1, BLOCK_ELEMENTS // X.shape[1])
    for start in range(0, len(near), size):
        rows, columns = near[start : start + size].T
        differences = np.subtract(dense(X[rows]), prototypes[columns], dtype=np.float64)
        distances[rows, columns] = squared_norms(differences)
    return distances


def tied(distances: NDArray, norms: NDArray, X: Any) -> NDArray[np.bool_]:
    """Mark what may be the least distance of a row, where that is more than one.

    A product rounds otherwise in another batch of rows; differences do not.
    """
    slack = 4 * (X.shape[1] + 4) * np.finfo(np.float64).eps * norms.max(axis=1)
    least = distances.min(axis=1) * (1 + 4 * float(np.finfo(X.dtype).eps)) + slack
    candidates = distances <= least[:, np.newaxis]
    return candidates & (candidates.sum(axis=1) > 1)[:, np.newaxis]


def squared_norms(X: Any) -> NDArray[np.float64]:
    """Squared norms of rows, in float64."""
    if sparse.issparse(X):
        X = X.astype(np.float64)
        return np.asarray(X.multiply(X).sum(axis=1)).ravel()
    return np.einsum("ij,ij->i", X, X)


def dense(X: Any) -> NDArray:
    """Return rows as an array, sparse or not."""
    return X.toarray() if sparse.issparse(X) else X


def log_similarity(distances: NDArray, epsilon: float) -> NDArray:
    """Return log((d + 1) / (d + epsilon)), with all its digits where d is large."""
    return np.log1p((1 - epsilon) / (distances + epsilon))


def similarities(
    X: Any, prototypes: NDArray, similarity: str, epsilon: float
) -> NDArray:
    """Similarity of each row to each prototype, in the dtype of X."""
    squared = squared_distances(X, prototypes)
    if similarity == "gaussian":
        result = np.divide(squared, -2, out=squared)
    else:
        result = log_similarity(np.sqrt(squared, out=squared), epsilon)
    return np.maximum(result, np.finfo(X.dtype).min).astype(X.dtype, copy=False)


def class_scores(
    similarities: NDArray, prototype_codes: NDArray, n_classes: int, aggregation: str
) -> NDArray:
    """Score of each class from the similarities to its prototypes.

    `prototype_codes` holds the sorted class code of each prototype; a class
    without a prototype scores minus infinity.
    """
    codes, starts = np.unique(prototype_codes, return_index=True)
    best = np.maximum.reduceat(similarities, starts, axis=1)
    if aggregation == "sum":
        of_prototype = np.searchsorted(codes, prototype_codes)
        mass = np.exp(similarities - best[:, of_prototype])
        best += np.log(np.add.reduceat(mass, starts, axis=1))
    scores = np.full((len(similarities), n_classes), -np.inf, dtype=best.dtype)
    scores[:, codes] = best
    return scores


def add_priors(scores: NDArray, priors: NDArray, temperature: float) -> NDArray:
    """Shift scores so that their softmax over the temperature has these priors.

    The shift is 0 for the most frequent class, and so for all where they are equal.
    A class of prior 0 scores minus infinity.
    """
    with np.errstate(divide="ignore", over="ignore"):
        shift = temperature * np.log(priors / priors.max())
        return scores + shift.astype(scores.dtype)


def log_probabilities(scores: NDArray, temperature: float) -> NDArray:
    """Logarithm of the softmax of `scores / temperature`."""
    below = (scores - scores.max(axis=1, keepdims=True)).astype(np.float64, copy=False)
    with np.errstate(over="ignore"):  # a tiny temperature: the rest is impossible
        logits = (below / temperature).astype(scores.dtype, copy=False)
    return keep_winner(log_softmax(logits, axis=1), scores)


def probabilities(scores: NDArray, temperature: float) -> NDArray:
    """Softmax of `scores / temperature`."""
    return keep_winner(np.exp(log_probabilities(scores, temperature)), scores)


def keep_winner(values: NDArray, scores: NDArray) -> NDArray:
    """Undo ties: rounding may level values whose scores still differed."""
    rows = np.arange(len(values))
    winner = scores.argmax(axis=1)
    tied = values.argmax(axis=1) != winner
    lead = np.nextafter(values[tied].max(axis=1), np.inf, dtype=values.dtype)
    values[rows[tied], winner[tied]] = lead
    return values


def row_blocks(X: Any) -> Iterator[Any]:
    """Yield X block by block, so that no working copy of the whole is made."""
    n_rows, width = X.shape
    if sparse.issparse(X):
        width = 1 + X.nnz // n_rows
    return (X[rows] for rows in gen_batches(n_rows, max(1, BLOCK_ELEMENTS // width)))


def map_blocks(function: Callable[[Any], NDArray], X: Any) -> NDArray:
    """Apply a row-wise function to each block of X."""
    return np.concatenate([function(block) for block in row_blocks(X)])
