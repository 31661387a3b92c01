"""Estimates of measures in groups, and their simultaneous confidence intervals."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import gen_batches

from sklearn_kmex.metrics._simultaneous import (
    MOST_CORRELATED,
    Limits,
    bonferroni,
    difference_limits,
    joint_level,
    mean_limits,
    share_limits,
)

BLOCK_ELEMENTS = 2**22
SMOOTHING = 1.0  # rows of average scatter, added to each group


class Measure(NamedTuple):
    """A measure: the mean of values over the samples that it is defined for."""

    name: str
    label: Any  # class, or None
    kind: str  # "share", "gap" between probability and share, or "mean"
    values: NDArray[np.float64]  # (n_samples,)
    counted: NDArray[np.bool_]  # (n_samples,)
    shift: NDArray[np.float64] | float = 0.0  # probability of a gap, (n_samples,)


class Cells(NamedTuple):
    """Means of measures in groups, (n_groups, n_measures)."""

    mean: NDArray[np.float64]
    total: NDArray[np.float64]  # sum of weights
    n: NDArray[np.float64]  # effective number of samples
    error: NDArray[np.float64]  # standard error
    shift: NDArray[np.float64]
    known: NDArray[np.bool_]


class Estimates(NamedTuple):
    """Means and their difference to the rest, with simultaneous intervals."""

    mean: NDArray[np.float64]
    limits: Limits
    n_samples: NDArray[np.intp]
    difference: NDArray[np.float64]
    difference_limits: Limits


def estimate(
    measures: list[Measure], members: NDArray[np.bool_], weights: NDArray[np.float64]
) -> Estimates:
    """Estimate measures in groups, and compare each group with all other samples.

    `members` marks the samples of groups, (n_samples, n_groups).
    """
    values = np.stack([one.values for one in measures], axis=1)
    counted = np.stack([one.counted for one in measures], axis=1) * weights[:, None]
    shift = np.stack([one.shift + 0 * one.values for one in measures], axis=1)
    own = _cells(values, counted, shift, members)
    rest = _cells(values, counted, shift, ~members)
    level = _level(measures, own, _correlation(values, counted, members, own, None))
    both = own.known & rest.known
    pair = own._replace(known=both)
    correlation = _correlation(values, counted, members, pair, rest)
    shared = _level(measures, pair, correlation, differences=True)
    apart = difference_limits(
        own.mean,
        _limits(measures, own, shared),
        rest.mean,
        _limits(measures, rest, shared),
    )
    return Estimates(
        np.where(own.known, own.mean, np.nan),
        _hidden(_limits(measures, own, level), own.known),
        (members.T.astype(np.float64) @ (counted > 0)).round().astype(np.intp),
        np.where(both, own.mean - rest.mean, np.nan),
        _hidden(apart, both),
    )


def _hidden(limits: Limits, known: NDArray) -> Limits:
    return Limits(*(np.where(known, ends, np.nan) for ends in limits))


def _cells(
    values: NDArray, counted: NDArray, shift: NDArray, members: NDArray
) -> Cells:
    """Compute weighted means, effective numbers of samples and standard errors."""
    rows = members.T.astype(np.float64)
    total, squares = rows @ counted, rows @ counted**2
    known = total > 0
    weight = np.where(known, total, 1.0)
    n = np.where(known, weight**2 / np.where(known, squares, 1.0), 0.0)
    mean = (rows @ (counted * values)) / weight
    second = (rows @ (counted * values**2)) / weight
    scatter = np.maximum(second - mean**2, 0)
    of_all = np.average((values - values.mean(axis=0)) ** 2, axis=0)
    pooled = (n * scatter + SMOOTHING * of_all) / np.maximum(n + SMOOTHING - 1, 1)
    error = np.sqrt(pooled / np.maximum(n, 1))
    return Cells(mean, weight, n, error, rows @ (counted * shift) / weight, known)


def _limits(measures: list[Measure], cells: Cells, level: float) -> Limits:
    """Compute the limits of all measures in all groups at one level."""
    ends = np.empty((2, *cells.mean.shape))
    kinds = np.array([measure.kind for measure in measures])
    means, gaps = kinds == "mean", kinds == "gap"
    known = cells.mean[:, means], cells.error[:, means], cells.n[:, means]
    ends[:, :, means] = mean_limits(*known, level)
    shares = np.flatnonzero(~means).tolist()
    if shares:
        counts = [_as_share(measures[j], cells, j) for j in shares]
        k, n = np.stack(counts, axis=2)
        ends[:, :, shares] = share_limits(k, n, level)
    low, high = ends[:, :, gaps]
    ends[:, :, gaps] = cells.shift[:, gaps] - high, cells.shift[:, gaps] - low
    return Limits(*ends)


def _as_share(measure: Measure, cells: Cells, j: int) -> tuple[NDArray, NDArray]:
    """Return successes and trials of a share, or of the accuracy in a gap.

    A gap is the mean probability of the predicted class minus the accuracy. Given the
    probabilities, only the accuracy varies. Where they tell which predictions are
    correct, it varies less: the number of trials is larger by this ratio.
    """
    mean, trials = cells.mean[:, j], cells.n[:, j]
    if measure.kind == "gap":
        of_gap, of_hits = measure.values.var(), (measure.shift - measure.values).var()
        trials = trials * (of_hits / of_gap if of_hits > 0 else 1.0)
        mean = np.clip(cells.shift[:, j] - mean, 0, 1)
    return mean * trials, trials


def _level(
    measures: list[Measure],
    cells: Cells,
    correlation: NDArray | None,
    differences: bool = False,
) -> float:
    """Find the error of each interval at which all are right."""
    if correlation is None:
        return bonferroni(int(cells.known.sum()))
    successes = np.full(cells.mean.shape, np.nan)
    trials = successes.copy()
    if not differences:
        for j, measure in enumerate(measures):
            if measure.kind != "mean":
                successes[:, j], trials[:, j] = _as_share(measure, cells, j)
    known = cells.known
    return joint_level(correlation, successes[known], trials[known])


def _correlation(
    values: NDArray,
    counted: NDArray,
    members: NDArray,
    own: Cells,
    rest: Cells | None,
) -> NDArray[np.float64] | None:
    """Compute the correlation of the known estimates, or of differences to the rest.

    None if there are too many.
    """
    n_cells = own.known.size
    if own.known.sum() > MOST_CORRELATED:
        return None
    product = np.zeros((n_cells, n_cells))
    for some in gen_batches(len(values), max(1, BLOCK_ELEMENTS // n_cells)):
        of_group = members[some, :, None]
        weight, value = counted[some, None, :], values[some, None, :]
        parts = of_group * weight * (value - own.mean) / own.total
        if rest is not None:
            parts -= ~of_group * weight * (value - rest.mean) / rest.total
        parts = parts.reshape(-1, n_cells)
        product += parts.T @ parts
    known = own.known.ravel()
    product = product[np.ix_(known, known)]
    scale = np.sqrt(np.diag(product))
    scale[scale == 0] = np.inf
    found = product / np.outer(scale, scale)
    np.fill_diagonal(found, 1.0)
    return found
