"""Class probabilities of a black box, as targets instead of labels."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_kmex._data.arrays import to_numpy


def targets_of(teacher: Any, classes: NDArray, X: Any) -> NDArray | None:
    """Return the probabilities of some classes by the teacher, or None for labels.

    Columns are those of `classes_` of the teacher, if it has them. Probabilities of
    other classes are left out, and a row is divided by its sum.
    """
    if teacher is None:
        return None
    found = teacher.predict_proba(to_numpy(X))
    if found is None:
        return None
    found = np.asarray(found, dtype=np.float64)
    known = np.asarray(getattr(teacher, "classes_", classes))
    if not _knows(known, classes, found) and not getattr(teacher, "required", True):
        return None
    if found.ndim != 2 or found.shape[1] != len(known):
        raise ValueError(
            f"teacher must give a probability for each of {len(known)} classes; got "
            f"probabilities of shape {found.shape}."
        )
    missing = np.setdiff1d(classes, known).tolist()
    if missing:
        raise ValueError(
            f"teacher must know all classes of y; it does not know {missing}. Leave "
            "these out of X and y, or use teacher=None."
        )
    order = np.argsort(known)
    found = found[:, order[np.searchsorted(known, classes, sorter=order)]]
    return found / np.maximum(found.sum(axis=1, keepdims=True), 1e-300)


def _knows(known: NDArray, classes: NDArray, found: NDArray) -> bool:
    """Return whether there is a probability for each class."""
    fits = found.ndim == 2 and found.shape[1] == len(known)
    return fits and len(np.setdiff1d(classes, known)) == 0
