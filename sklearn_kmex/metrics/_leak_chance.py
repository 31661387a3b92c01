"""Which test rows are nearer to a training row than chance explains."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom

LEVEL = 0.01  # chance of a claim without leaks
SHARES = (0.0005, 0.001, *(k / 1_000 for k in range(2, 11)))  # of training rows
EXCESS = 2.0  # times as many as within the training set
TAIL, FEWEST = 0.01, 10  # smallest distances that the tail is estimated from
GAP, SURE = 2.0, 1e-6  # ratio of distances, and its chance, between copies and others
QUANTILES = np.linspace(0.05, 1, 20)  # of distances at which copies are counted
UNSEEN = 5  # rows by which a count of few rows may be too small


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


def without_copies(distances: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the distance of each training row to the nearest that is no copy of it.

    `distances` are those to other training rows, (n_rows, n_found), the smallest first,
    and infinite if unknown. If rows are drawn independently, the number of others that
    are nearer than a limit follows a mixture of Poisson distributions. By the
    inequality of Cauchy and Schwarz, the probabilities p[t] of t others then obey
    ``p[t]**2 <= (t + 1) / t * p[t - 1] * p[t + 1]``. Where too many rows have exactly t
    others, these are copies. The limit and t of the largest excess are taken.
    """
    n_rows = len(distances)
    n_found = np.isfinite(distances).sum(axis=1).min()
    counts, most = np.zeros(n_rows, dtype=np.intp), 0.0
    for limit in np.unique([0.0, *np.quantile(distances[:, 0], QUANTILES)]):
        n_near = np.sum(distances <= limit, axis=1)
        for times in range(1, n_found):
            exact = np.mean(n_near == times)
            fewer = np.mean(n_near == times - 1) + UNSEEN / n_rows
            more = np.mean(n_near > times) + UNSEEN / n_rows
            by_chance = (EXCESS * (times + 1) / times * fewer * more) ** 0.5
            if exact - by_chance > most:
                most = exact - by_chance
                counts = np.minimum(n_near, times)
    return distances[np.arange(n_rows), counts]


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
    """Return distances at which the numbers of near rows are compared.

    Below a gap, training rows are copies, and do not count among those near by chance.
    """
    ranked = np.sort(known)
    usual = ranked[_n_below_gap(ranked) :]
    edges = [usual[max(int(share * len(usual)), 1) - 1] for share in SHARES]
    rare = [edge for edge in edges if np.mean(usual <= edge) <= SHARES[-1]]
    return sorted({0.0, *map(float, rare)})


def _n_below_gap(ranked: NDArray) -> int:
    """Count the distances below a gap that is too wide for a power law."""
    n_below = np.arange(1, len(ranked))
    lower, upper = ranked[:-1], ranked[1:]
    needed = np.maximum(GAP, SURE ** (-1 / n_below))
    found = np.flatnonzero(upper > needed * lower)
    return int(n_below[found[-1]]) if len(found) else 0
