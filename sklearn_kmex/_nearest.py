"""The nearest prototype from one matrix product, where its rounding allows."""

import numpy as np
from numpy.typing import NDArray

# Elements of a block of rows, 1 MiB in float32, so that it stays in cache.
BLOCK_ELEMENTS = 2**18
# Rows of a block at most, where prototypes are many and each block reads them all.
BLOCK_ROWS = 1024
# Fewer prototypes than this are faster on the right of the product.
FEW = 128
# The prototypes' mean is subtracted where it is this many times their spread.
FAR = 4.0


def sure_nearest(
    X: NDArray, prototypes: NDArray, epsilon: float
) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """Find the prototype nearest to each row, and whether that is sure.

    It is sure where the largest x.p - |p|^2 / 2 leads all others by more than rounding
    can make up: that of the product in the dtype of X, that of distances in float64,
    and that of similarities in the dtype of X, which may tie where distances do not.
    Rows that are not finite, or too large to be squared, are never sure.
    """
    n_prototypes = len(prototypes)
    places = np.stack([np.ones(n_prototypes), np.arange(n_prototypes)]).astype(
        np.float32
    )
    nearest, sure = np.empty(len(X), np.intp), np.empty(len(X), np.bool_)
    size = max(1, BLOCK_ELEMENTS // X.shape[1], min(n_prototypes, BLOCK_ROWS))
    with np.errstate(over="ignore", invalid="ignore"):
        center, exact = about_center(prototypes, X.dtype)
        squares = np.einsum("ij,ij->i", exact, exact)
        reach, right = float(np.sqrt(squares.max())), exact.astype(X.dtype)
        half = (squares / 2).astype(X.dtype)[:, np.newaxis]
        for start in range(0, len(X), size):
            rows = X[start : start + size]
            if center is not None:
                rows = rows - center
            scores = half_scores(rows, right, half)
            wanted = scores.max(axis=0) - lead(rows, reach, epsilon)
            rivals = (scores >= wanted).astype(np.float32)
            count, place = places @ rivals
            nearest[start : start + size] = np.where(count == 1, place, 0)
            sure[start : start + size] = count == 1
    return nearest, sure


def about_center(
    prototypes: NDArray, dtype: np.dtype
) -> tuple[NDArray | None, NDArray[np.float64]]:
    """Take prototypes about their mean, in float64, where that is far away."""
    center = prototypes.mean(axis=0, dtype=np.float64)
    center = center.astype(dtype)
    apart = prototypes - center.astype(np.float64)
    if FAR * np.linalg.norm(apart, axis=1).max() > np.linalg.norm(center):
        return None, prototypes.astype(np.float64, copy=False)
    return center, apart


def half_scores(rows: NDArray, prototypes: NDArray, half: NDArray) -> NDArray:
    """x.p - |p|^2 / 2, a prototype in each row, so that columns reduce fast."""
    if len(prototypes) < FEW:
        scores = np.ascontiguousarray((rows @ prototypes.T).T)
    else:
        scores = prototypes @ rows.T
    scores -= half
    return scores


def lead(rows: NDArray, reach: float, epsilon: float) -> NDArray:
    """Lead by which a score is the largest for sure, whatever was rounded.

    D = |x| + `reach`, the norm of the longest prototype, is at least any distance. As
    the logarithm is concave, log similarities at distances d differ after rounding if
    the distances do by 2 eps log(1 + 1 / epsilon) (d + epsilon).
    """
    n_features, limits = rows.shape[1], np.finfo(rows.dtype)
    squares = (rows[:, np.newaxis, :] @ rows[:, :, np.newaxis])[:, 0, 0]
    # A hundredth more, for what is rounded here.
    farthest = np.float64(1.01) * (np.sqrt(squares) + reach)
    ties = 2 * float(limits.eps) * float(np.log1p(1 / epsilon))
    unit = rounding(n_features, rows.dtype) + ties
    slack = unit * farthest**2 + ties * epsilon * farthest
    return (slack + 4 * n_features * float(limits.tiny)).astype(rows.dtype)


def rounding(n_features: int, dtype: np.dtype) -> float:
    """Bound on the rounding of x.p - |p|^2 / 2, in squares of the largest distance D.

    D^2 is at least 4 |x| |p|. A product of n features is off by at most n / 2 eps |x|
    |p|, so two of them by n / 4 eps D^2; squared distances in float64, by 4 n of its
    eps times D^2.
    """
    product = float(np.finfo(dtype).eps) * (n_features / 4 + 4)
    exact = float(np.finfo(np.float64).eps) * 4 * (n_features + 4)
    return product + exact
