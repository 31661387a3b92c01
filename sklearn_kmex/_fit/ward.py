"""Means that are merged by the least increase of inertia (Ward 1963)."""

import numpy as np
from numpy.typing import NDArray


def merge(means: NDArray, weights: NDArray, count: int) -> NDArray[np.float64]:
    """Merge the means of each problem until `count` are left.

    They are an array of shape (n_problems, n_means, n_features), and their weights one
    of (n_problems, n_means). A mean of weight 0 is none. Each problem must have at
    least `count` means.
    """
    means, weights = means.astype(np.float64), weights.astype(np.float64)
    columns = means.any(axis=(0, 1))  # of words that no text of a class has, it is 0
    if not columns.all():
        kept = merge(means[..., columns], weights, count)
        found = np.zeros((len(kept), count, means.shape[2]))
        found[..., columns] = kept
        return found
    squared = np.stack(
        [
            ((means - one[:, np.newaxis]) ** 2).sum(axis=2)
            for one in means.swapaxes(0, 1)
        ],
        axis=1,
    )
    while len(going := np.flatnonzero((weights > 0).sum(axis=1) > count)):
        one, other = _cheapest(squared[going], weights[going])
        both = weights[going, one] + weights[going, other]
        share = (weights[going, one] / both)[:, np.newaxis]
        merged = share * means[going, one] + (1 - share) * means[going, other]
        means[going, one], weights[going, one] = merged, both
        weights[going, other] = 0
        apart = ((means[going] - merged[:, np.newaxis]) ** 2).sum(axis=2)
        squared[going, one] = squared[going, :, one] = apart
    left = np.argsort(weights == 0, axis=1, kind="stable")[:, :count]
    return np.take_along_axis(means, left[..., np.newaxis], axis=1)


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
