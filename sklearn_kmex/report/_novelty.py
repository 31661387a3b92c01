"""Whether samples are similar to anything that the model was fitted to."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_kmex.report._answers import Answers
from sklearn_kmex.report._estimates import share
from sklearn_kmex.report._known import HELD_OUT, TRAINING, Known
from sklearn_kmex.report._text import as_number

TAIL = 0.01
N_BINS = 24
ROUNDING = 1e-5  # relative rounding error of similarities in single precision
QUANTILES = (0, 0.01, 0.05, 0.25, 0.5, 0.75, 1)


def novelty(answers: Answers, training: NDArray | None, known: Known) -> dict[str, Any]:
    """Describe the similarity of samples to their most similar prototype.

    `training` holds that of the training samples. Samples below the 1 % quantile of the
    known rows are counted as novel, unless these are the samples themselves.
    """
    similarity = answers.similarity
    both = similarity if training is None else np.concatenate([similarity, training])
    edges = bin_edges(both)
    of_known = training if known.among == TRAINING else None
    if known.among == HELD_OUT:
        of_known = np.concatenate(known.of_classes)
    threshold = None if of_known is None else float(np.quantile(of_known, TAIL))
    quantiles = np.quantile(similarity, QUANTILES)
    return {
        "quantiles": [
            {"share": float(at), "similarity": as_number(value)}
            for at, value in zip(QUANTILES, quantiles, strict=True)
        ],
        "among": known.among,
        "threshold": threshold,
        "below": None if threshold is None else share(similarity < threshold),
        "histogram": {
            "edges": edges.tolist(),
            "samples": np.histogram(similarity, edges)[0].tolist(),
            "training": training_counts(training, edges),
        },
    }


def bin_edges(similarities: NDArray) -> NDArray[np.float64]:
    """Return edges of equal bins, wider than the rounding error of the values."""
    low, high = float(similarities.min()), float(similarities.max())
    least = ROUNDING * max(abs(low), abs(high)) or 1.0
    if high - low < least:
        low, high = low - least, high + least
    return np.linspace(low, high, N_BINS + 1)


def training_counts(training: NDArray | None, edges: NDArray) -> list[int] | None:
    return None if training is None else np.histogram(training, edges)[0].tolist()
