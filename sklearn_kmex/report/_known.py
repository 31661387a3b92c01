"""Rows that samples are compared with, to say what their similarities mean."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sklearn_kmex._model.steps import memorizes
from sklearn_kmex._rejecting import held_out_scores
from sklearn_kmex.report._answers import Answers
from sklearn_kmex.report._findings import TrainingSet

HELD_OUT, TRAINING, TEST = "held-out samples", "training samples", "test samples"


class Known(NamedTuple):
    """Similarities of known rows to the nearest prototype of their class."""

    of_classes: list[NDArray]  # ascending, by class code
    among: str  # what the rows are

    def share_below(self, code: int, similarity: float) -> float | None:
        """Return the share of the rows of a class that are less similar."""
        known = self.of_classes[code]
        if not len(known):
            return None
        return float(known.searchsorted(similarity) / len(known))


def known_rows(psem: Any, answers: Answers, training: TrainingSet | None) -> Known:
    """Find rows to compare with: held-out, training, or otherwise the test samples.

    Training samples that the encoder has memorized are no measure for others.
    """
    found = answers.decision
    held_out = held_out_scores(psem)
    if held_out is not None:
        return Known(held_out, HELD_OUT)
    if training is None or memorizes(psem):
        similarities, codes, among = found.similarities, found.predicted, TEST
    else:
        similarities, codes, among = training.similarities, training.codes, TRAINING
    own = np.where(found.owners == codes[:, np.newaxis], similarities, -np.inf)
    best = own.max(axis=1)
    codes = np.where(np.isfinite(best), codes, -1)  # -1: no prototype of the class
    classes = range(len(found.classes))
    return Known([np.sort(best[codes == code]) for code in classes], among)
