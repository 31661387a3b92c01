"""Means that are merged by the least increase of inertia (Ward 1963)."""

import numpy as np
from numpy.typing import NDArray


def merge(means: NDArray, weights: NDArray, count: int) -> NDArray:
    """Merge the means of each problem until `count` are left.

    They are an array of shape (n_problems, n_means, n_features), and their weights one
    of (n_problems, n_means). A mean of weight 0 is none. Each problem must have at
    least `count` means.
    """
    means, weights = means.copy(), weights.astype(means.dtype)
    columns = means.any(axis=(0, 1))  # few, if these are words of texts
    if 2 * np.count_nonzero(columns) < means.shape[2]:
        kept = merge(means[..., columns], weights, count)
        found = np.zeros((len(kept), count, means.shape[2]), means.dtype)
        found[..., columns] = kept
        return found
    apart = (means - one[:, np.newaxis] for one in means.swapaxes(0, 1))
    squared = np.stack([np.einsum("pid,pid->pi", of, of) for of in apart], axis=1)
    while len(going := np.flatnonzero((weights > 0).sum(axis=1) > count)):
        one, other = _cheapest(squared[going], weights[going])
        both = weights[going, one] + weights[going, other]
        share = (weights[going, one] / both)[:, np.newaxis]
        rest, between = 1 - share, squared[going, one, other][:, np.newaxis]
        moved = share * squared[going, one] + rest * squared[going, other]
        moved -= share * rest * between
        squared[going, one] = squared[going, :, one] = moved
        means[going, one] = share * means[going, one] + rest * means[going, other]
        weights[going, one], weights[going, other] = both, 0
    left = np.argsort(weights == 0, axis=1, kind="stable")[:, :count]
    return means[np.arange(len(means))[:, np.newaxis], left]


def _cheapest(
    squared: NDArray, weights: NDArray
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the pair of each problem whose merger adds the least inertia."""
    n_means = weights.shape[1]
    one, other = weights[:, :, np.newaxis], weights[:, np.newaxis]
    pairs = (one > 0) & (other > 0) & ~np.eye(n_means, dtype=bool)
    added = squared * one * other / np.where(pairs, one + other, 1)
    best = np.where(pairs, added, np.inf).reshape(len(weights), -1).argmin(axis=1)
    return np.divmod(best, n_means)
