"""Whether samples resemble anything the model knows."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_kmex.report._answers import Answers
from sklearn_kmex.report._estimates import share
from sklearn_kmex.report._text import as_number

TAIL = 0.01
N_BINS = 24
ROUNDING = 1e-5  # relative, of similarities in single precision
QUANTILES = (0, 0.01, 0.05, 0.25, 0.5, 0.75, 1)


def likeness(answers: Answers, training: NDArray | None) -> dict[str, Any]:
    """Similarity of samples to their nearest prototype, against training rows.

    A sample is unlike anything if fewer than one in a hundred training rows are as
    unlike; without training rows there is nothing to hold it against.
    """
    best = answers.best
    edges = bin_edges(best if training is None else np.concatenate([best, training]))
    threshold = None if training is None else float(np.quantile(training, TAIL))
    quantiles = np.quantile(best, QUANTILES)
    return {
        "quantiles": [
            {"share": float(at), "similarity": as_number(value)}
            for at, value in zip(QUANTILES, quantiles, strict=True)
        ],
        "threshold": threshold,
        "below": None if threshold is None else share(best < threshold),
        "histogram": {
            "edges": edges.tolist(),
            "samples": np.histogram(best, edges)[0].tolist(),
            "training": training_counts(training, edges),
        },
    }


def bin_edges(similarities: NDArray) -> NDArray[np.float64]:
    """Part a range into equal bins, also one so short that only rounding is in it."""
    low, high = float(similarities.min()), float(similarities.max())
    least = ROUNDING * max(abs(low), abs(high)) or 1.0
    if high - low < least:
        low, high = low - least, high + least
    return np.linspace(low, high, N_BINS + 1)


def training_counts(training: NDArray | None, edges: NDArray) -> list[int] | None:
    return None if training is None else np.histogram(training, edges)[0].tolist()
