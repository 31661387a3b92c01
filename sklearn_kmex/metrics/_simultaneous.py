"""Simultaneous confidence intervals, also for shares of small counts."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import betainc, ndtr
from scipy.stats import t as student

CONFIDENCE = 0.95
N_DRAWS = 8_000  # of the largest error: 0.25 percentage points of the confidence
N_STEPS = 50  # of bisection
MOST_DISCRETE = 2_000  # trials above which a share counts as continuous
MOST_CORRELATED = 3_000  # estimates, above which their correlation costs minutes
RIDGE = 1e-9  # of correlations, which may be singular


class Limits(NamedTuple):
    """Ends of intervals."""

    low: NDArray[np.float64]
    high: NDArray[np.float64]


def mid_p(k: NDArray, n: NDArray, p: NDArray) -> NDArray[np.float64]:
    """Compute the chance of fewer than k of n successes, plus half of that of k.

    k and n need not be integers: effective numbers of weighted rows are not.
    """
    at_most = betainc(np.maximum(n - k, 1e-300), k + 1, 1 - p)
    fewer = betainc(n - k + 1, np.maximum(k, 1e-300), 1 - p)
    at_most = np.where(k >= n, 1.0, at_most)
    return (at_most + np.where(k <= 0, 0.0, fewer)) / 2


def share_limits(k: NDArray, n: NDArray, level: float) -> Limits:
    """Compute mid-P limits of shares, at a two-sided error of `level`."""
    low = _root(k, n, 1 - level / 2)
    high = _root(k, n, level / 2)
    return Limits(np.where(k <= 0, 0.0, low), np.where(k >= n, 1.0, high))


def _root(k: NDArray, n: NDArray, target: float) -> NDArray[np.float64]:
    """Find the share at which `mid_p`, which falls with it, is the target."""
    low, high = np.zeros(np.shape(k)), np.ones(np.shape(k))
    for _ in range(N_STEPS):
        middle = (low + high) / 2
        below = mid_p(k, n, middle) > target
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return (low + high) / 2


def mean_limits(mean: NDArray, error: NDArray, n: NDArray, level: float) -> Limits:
    """Compute limits of means by Student's t, from standard errors."""
    half = student.isf(level / 2, np.maximum(n - 1, 1)) * error
    return Limits(mean - half, mean + half)


def difference_limits(
    one: NDArray, of_one: Limits, other: NDArray, of_other: Limits
) -> Limits:
    """Combine limits of two independent estimates into those of their difference."""
    down = np.hypot(one - of_one.low, of_other.high - other)
    up = np.hypot(of_one.high - one, other - of_other.low)
    return Limits(one - other - down, one - other + up)


def bonferroni(n_estimates: int) -> float:
    """Return the error of each interval at which all hold, however correlated."""
    return (1 - CONFIDENCE) / n_estimates


def joint_level(correlation: NDArray, k: NDArray, n: NDArray) -> float:
    """Find the error of each interval at which all hold with a confidence of 95 %.

    Parameters
    ----------
    correlation : ndarray of shape (m, m)
        Correlation of the estimates.

    k, n : ndarray of shape (m,)
        Successes and trials of the shares among them; NaN for other estimates.

    Returns
    -------
    float
        Two-sided error of each interval.

    Notes
    -----
    Correlated normal deviates are drawn, and converted to counts of the estimated
    shares, as in a parametric bootstrap. The level is the 5 % quantile of the smallest
    p-value of the true shares. Small counts take few values, so that their intervals
    rarely fail: this is counted, and the others become narrower.
    """
    m = len(correlation)
    root = np.linalg.cholesky(correlation + RIDGE * np.eye(m))
    draws = np.random.RandomState(0).standard_normal((N_DRAWS, m)) @ root.T
    smallest = np.ones(N_DRAWS)
    for j in range(m):
        smallest = np.minimum(smallest, _p_values(draws[:, j], k[j], n[j]))
    return float(np.quantile(smallest, 1 - CONFIDENCE))


def _p_values(deviates: NDArray, k: float, n: float) -> NDArray[np.float64]:
    """Return two-sided p-values of the true value, for draws of an estimate."""
    if not n <= MOST_DISCRETE:
        return 2 * ndtr(-np.abs(deviates))
    trials = max(1.0, np.round(n))
    share = (k / n * trials + 0.5) / (trials + 1)
    counts = np.arange(trials + 1)
    tail = mid_p(counts, np.full_like(counts, trials), np.full_like(counts, share))
    at_most = betainc(np.maximum(trials - counts, 1e-300), counts + 1, 1 - share)
    at_most[-1] = 1.0
    drawn = np.searchsorted(at_most, ndtr(deviates)).clip(0, len(counts) - 1)
    return (2 * np.minimum(tail, 1 - tail))[drawn]
