"""Shares and paired differences of shares, with confidence intervals."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import norm

from sklearn_kmex.report._text import as_number

CONFIDENCE = 0.95
QUANTILE = norm.ppf((1 + CONFIDENCE) / 2)


def shares(successes: ArrayLike, trials: ArrayLike) -> list[dict[str, Any]]:
    """Estimate shares, with confidence intervals of Wilson (1927)."""
    k, n = np.broadcast_arrays(np.asarray(successes), np.asarray(trials))
    low, high = wilson(k, n)
    return [
        estimate(k_i / n_i if n_i else np.nan, low_i, high_i, int(n_i))
        for k_i, n_i, low_i, high_i in zip(k, n, low, high, strict=True)
    ]


def share(marks: ArrayLike) -> dict[str, Any]:
    """Estimate the share of samples that are marked."""
    flags = np.asarray(marks)
    return shares([np.count_nonzero(flags)], [flags.size])[0]


def wilson(k: NDArray, n: NDArray) -> tuple[NDArray, NDArray]:
    """Compute the ends of Wilson's score interval; NaN without trials."""
    with np.errstate(invalid="ignore", divide="ignore"):
        p, z = k / n, QUANTILE
        middle = (p + z**2 / (2 * n)) / (1 + z**2 / n)
        half = z / (1 + z**2 / n) * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    # Without rounding errors, the ends are 0 and 1 if no or all trials succeed.
    low, high = np.where(k == 0, 0, middle - half), np.where(k == n, 1, middle + half)
    return np.where(n > 0, low, np.nan), np.where(n > 0, high, np.nan)


def paired_difference(first: NDArray, second: NDArray) -> dict[str, Any]:
    """Estimate the share of the first minus that of the second, for the same samples.

    The interval is that of Wald with half a sample added to each of the four cells (A.
    Agresti and Y. Min, "Simple improved confidence intervals for comparing matched
    proportions", Statistics in Medicine 24, 2005).
    """
    n, b, c = len(first), int((first & ~second).sum()), int((~first & second).sum())
    total, more, fewer = n + 2, b + 0.5, c + 0.5
    middle = (more - fewer) / total
    half = QUANTILE * np.sqrt((more + fewer) / total - middle**2) / np.sqrt(total)
    ends = max(-1.0, middle - half), min(1.0, middle + half)
    found = estimate((b - c) / n, *ends, n)
    return {**found, "only_first": b, "only_second": c}


def estimate(value: float, low: float, high: float, n: int) -> dict[str, Any]:
    """Return an estimate as plain numbers, with None for unknown ones."""
    ends = {"value": value, "low": low, "high": high}
    return {**{name: as_number(end) for name, end in ends.items()}, "n": n}
