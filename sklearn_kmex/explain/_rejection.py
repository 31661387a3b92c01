"""Samples that a model with a reject option accepts."""

import copy
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_kmex._model.protocol import find_sem, levels
from sklearn_kmex._rejecting import RejectingClassifier


def accepted(psem: Any, Z: Any) -> NDArray[np.bool_] | None:
    """Mark the embeddings that a RejectingClassifier accepts, if psem has one."""
    for level in levels(psem):
        if isinstance(level, RejectingClassifier):
            of_embeddings = copy.copy(level)
            of_embeddings.estimator_ = find_sem(psem)
            return of_embeddings.accept(Z)
    return None
