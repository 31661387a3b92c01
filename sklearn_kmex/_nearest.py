"""The nearest prototype from one matrix product, where its rounding allows."""

import math
from typing import Any

import numpy as np
from sklearn.utils import gen_batches

from sklearn_kmex._arrays import beside, block_size, squared_norms, widest
from sklearn_kmex._compat import get_namespace_and_device

# Elements of a block of rows, 1 MiB in float32, so that it stays in cache.
BLOCK_ELEMENTS = 2**18
# Rows of a block at most, where prototypes are many and each block reads them all.
BLOCK_ROWS = 1024
# Fewer prototypes than this are faster on the right of the product.
FEW = 128
# The prototypes' mean is subtracted where it is this many times their spread.
FAR = 4.0


def sure_nearest(X: Any, prototypes: Any, epsilon: float) -> tuple[Any, Any]:
    """Find the prototype nearest to each row, and whether that is sure.

    It is sure where the largest x.p - |p|^2 / 2 leads all others by more than rounding
    can make up: that of the product in the dtype of X, that of distances in float64,
    and that of similarities in the dtype of X, which may tie where distances do not.
    Rows that are not finite, or too large to be squared, are never sure.
    """
    xp, *_ = get_namespace_and_device(X)
    n_prototypes = prototypes.shape[0]
    places = np.stack([np.ones(n_prototypes), np.arange(n_prototypes)])
    places = beside(places, X, xp.float32)
    nearest, sure = [], []
    size = block_size(X, BLOCK_ELEMENTS) // X.shape[1]
    size = max(1, size, min(n_prototypes, BLOCK_ROWS))
    with np.errstate(over="ignore", invalid="ignore"):
        center, exact = about_center(beside(prototypes, X, widest(X)), X.dtype)
        squares = squared_norms(exact)
        reach, right = math.sqrt(xp.max(squares)), xp.astype(exact, X.dtype)
        half = xp.astype(squares / 2, X.dtype)[:, None]
        for block in gen_batches(X.shape[0], size):
            rows = X[block, :]
            if center is not None:
                rows = rows - center
            scores = half_scores(rows, right, half)
            wanted = xp.max(scores, axis=0) - lead(rows, reach, epsilon)
            found = places @ xp.astype(scores >= wanted, xp.float32)
            count, place = found[0, :], found[1, :]
            sure.append(count == 1)
            nearest.append(xp.astype(xp.where(sure[-1], place, 0.0), xp.int64))
    return xp.concat(nearest, axis=0), xp.concat(sure, axis=0)


def about_center(prototypes: Any, dtype: Any) -> tuple[Any, Any]:
    """Take prototypes about their mean, in float64, where that is far away."""
    xp, *_ = get_namespace_and_device(prototypes)
    center = xp.astype(xp.mean(prototypes, axis=0), dtype)
    apart = prototypes - center
    if FAR**2 * xp.max(squared_norms(apart)) > squared_norms(center):
        return None, prototypes
    return center, apart


def half_scores(rows: Any, prototypes: Any, half: Any) -> Any:
    """x.p - |p|^2 / 2, a prototype in each row, so that columns reduce fast."""
    if prototypes.shape[0] < FEW:
        scores = (rows @ prototypes.T).T
        if isinstance(scores, np.ndarray):
            scores = np.ascontiguousarray(scores)
    else:
        scores = prototypes @ rows.T
    scores -= half
    return scores


def lead(rows: Any, reach: float, epsilon: float) -> Any:
    """Lead by which a score is the largest for sure, whatever was rounded.

    D = |x| + `reach`, the norm of the longest prototype, is at least any distance. As
    the logarithm is concave, log similarities at distances d differ after rounding if
    the distances do by 2 eps log(1 + 1 / epsilon) (d + epsilon).
    """
    xp, *_ = get_namespace_and_device(rows)
    n_features, limits = rows.shape[1], xp.finfo(rows.dtype)
    squares = (rows[:, None, :] @ rows[:, :, None])[:, 0, 0]
    # A hundredth more, for what is rounded here.
    norms = xp.astype(xp.sqrt(squares), widest(rows), copy=False)
    farthest = 1.01 * (norms + reach)
    ties = 2 * float(limits.eps) * math.log1p(1 / epsilon)
    exact = float(xp.finfo(farthest.dtype).eps)
    unit = rounding(n_features, float(limits.eps), exact) + ties
    slack = unit * farthest**2 + ties * epsilon * farthest
    tiny = 4 * n_features * float(limits.smallest_normal)
    return xp.astype(slack + tiny, rows.dtype)


def rounding(n_features: int, eps: float, exact: float) -> float:
    """Bound on the rounding of x.p - |p|^2 / 2, in squares of the largest distance D.

    D^2 is at least 4 |x| |p|. A product of n features is off by at most n / 2 eps |x|
    |p|, so two of them by n / 4 eps D^2; squared distances to all digits, by 4 n times
    D^2 of the eps of their dtype, `exact`.
    """
    return eps * (n_features / 4 + 4) + exact * 4 * (n_features + 4)
