"""ROC AUC and average precision of each class, with confidence intervals."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_kmex.report._answers import Answers
from sklearn_kmex.report._estimates import estimate, wilson


def ranking(answers: Answers, names: list[str]) -> dict[str, Any]:
    """Compute how well the samples of each class are ranked before all others.

    Samples are ranked by the probability of the class, or without probabilities by the
    score of the class minus the highest score of another class.
    """
    proba = answers.probabilities
    scores = lead(answers.decision.scores) if proba is None else proba
    classes = [
        {"label": name, **of_class(scores[:, code], answers.codes == code)}
        for code, name in enumerate(names)
    ]
    keys = ("roc_auc", "average_precision")
    return {
        "by": "score" if proba is None else "probability",
        "classes": classes,
        **{f"mean_{key}": mean_of(classes, key) for key in keys},
    }


def lead(scores: NDArray) -> NDArray:
    """Return how much the score of each class exceeds the highest other score."""
    order = np.argsort(scores, axis=1)
    first, second = order[:, -1], order[:, -2]
    rows = np.arange(len(scores))
    highest = np.repeat(scores[rows, first][:, np.newaxis], scores.shape[1], axis=1)
    highest[rows, first] = scores[rows, second]
    return scores - highest


def of_class(scores: NDArray, mine: NDArray[np.bool_]) -> dict[str, Any]:
    """Estimate both figures for a class; None without samples inside or outside it."""
    inside, outside = np.sort(scores[mine]), np.sort(scores[~mine])
    n, m = len(inside), len(outside)
    if not n or not m:
        return {"roc_auc": None, "average_precision": None}
    return {
        "roc_auc": bounded(*roc_auc(inside, outside), n + m, 2 * min(n, m)),
        "average_precision": bounded(*average_precision(inside, outside), n + m, n),
    }


def roc_auc(inside: NDArray, outside: NDArray) -> tuple[float, float]:
    """Return the ROC AUC of sorted scores, and its variance by DeLong et al. (1988)."""
    above = placements(outside, inside)
    below = 1 - placements(inside, outside)
    return float(above.mean()), variance_of_mean(above) + variance_of_mean(below)


def placements(some: NDArray, scores: NDArray) -> NDArray[np.float64]:
    """Return the share of some sorted scores below each score; ties count half."""
    below, up_to = (some.searchsorted(scores, side) for side in ("left", "right"))
    return (below + up_to) / (2 * len(some))


def average_precision(inside: NDArray, outside: NDArray) -> tuple[float, float]:
    """Return the average precision of sorted scores, and its variance.

    The variance is that of the influence of each sample, given the share of the class.
    """
    n, m = len(inside), len(outside)
    share = n / (n + m)
    mine = 1 - inside.searchsorted(inside) / n  # with at least the score of each sample
    others = 1 - outside.searchsorted(inside) / m
    found = share * mine + (1 - share) * others
    precision = share * mine / found
    slope = share * (1 - share) / found**2
    gains, losses = (np.append(0, np.cumsum(slope * x)) / n for x in (others, mine))
    of_mine = precision + gains[inside.searchsorted(inside, "right")]
    of_others = losses[inside.searchsorted(outside, "right")]
    variance = variance_of_mean(of_mine) + variance_of_mean(of_others)
    return float(precision.mean()), variance


def variance_of_mean(values: NDArray) -> float:
    """Return the variance of a mean; infinite for a single value."""
    return float(np.var(values, ddof=1) / len(values)) if len(values) > 1 else np.inf


def bounded(value: float, variance: float, n: int, limit: int) -> dict[str, Any]:
    """Estimate a mean in [0, 1] from its variance, by Wilson's interval.

    The interval is that of as many independent trials as have this variance, at least
    one and at most the limit: near 0 and 1 the variance is known to be too small.
    """
    spread = value * (1 - value)
    trials = np.clip(spread / variance if variance > 0 else np.inf, 1, limit)
    low, high = wilson(np.asarray(value * trials), np.asarray(trials))
    return estimate(value, float(low), float(high), n)


def mean_of(classes: list[dict[str, Any]], key: str) -> float | None:
    """Return the mean over the classes that have a figure."""
    known = [one[key]["value"] for one in classes if one[key] is not None]
    return float(np.mean(known)) if known else None
