"""Which test rows are nearer to a training row than chance explains."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom

LEVEL = 0.01  # chance of a claim without leaks
SHARES = (0.0005, 0.001, *(k / 1_000 for k in range(2, 11)))  # of training rows
EXCESS = 2.0  # times as many as within the training set
TAIL, FEWEST = 0.01, 10  # smallest distances that the tail is estimated from


class Claims(NamedTuple):
    """Test rows that are nearer to a training row than chance explains."""

    rows: NDArray[np.intp]
    n_expected: float  # number of them that chance explains


def chances(
    distances: NDArray, known: NDArray, step: float = 0.0
) -> NDArray[np.float64]:
    """Return the share of training rows as near to another training row.

    Below the smallest distances within the training set, their number is taken to fall
    with a power of the distance, as it does in a space of that many dimensions. The
    power is estimated by the median, so that a few equal rows do not decide, and
    reduced by two of its standard errors. `step` is the smallest difference between
    rows that are not equal: in a table of coarse values, equal rows are as likely.
    """
    known = np.sort(known)
    share = np.searchsorted(known, distances, side="right") / len(known)
    k = min(max(FEWEST, round(TAIL * len(known))), len(known))
    edge = known[k - 1]
    if edge == 0:
        return share
    with np.errstate(divide="ignore"):
        power = np.log(2) / np.median(np.log(edge / known[: max(k - 1, 1)]))
        power *= max(1 - 2 / np.sqrt(k), 0)
        tail = (
            k / len(known) * np.clip(distances / edge, min(step / edge, 1), 1) ** power
        )
    return np.where(distances < edge, np.maximum(share, tail), share)


def claim(distances: NDArray, known: NDArray, chance: NDArray) -> Claims:
    """Find test rows that chance does not explain, one by one or by their number."""
    n_rows = len(distances)
    alone = chance * n_rows <= LEVEL
    limit, expected = -1.0, float(chance[alone].sum())
    odds = n_rows / (n_rows + len(known))
    for edge in _edges(known):
        found = np.sum((distances > limit) & (distances <= edge))
        within = np.sum((known > limit) & (known <= edge))
        by_chance = within / len(known) * n_rows
        p_value = binom.sf(found - 1, found + within, odds)
        if p_value <= LEVEL / (len(SHARES) + 1) and found >= EXCESS * by_chance:
            limit = edge
            expected = float(np.sum(known <= edge) / len(known) * n_rows)
    return Claims(np.flatnonzero(alone | (distances <= limit)), expected)


def _edges(known: NDArray) -> list[float]:
    """Return distances at which the numbers of near rows are compared."""
    ranked = np.sort(known)
    edges = [ranked[max(int(share * len(ranked)), 1) - 1] for share in SHARES]
    rare = [edge for edge in edges if np.mean(known <= edge) <= SHARES[-1]]
    return sorted({0.0, *map(float, rare)})
