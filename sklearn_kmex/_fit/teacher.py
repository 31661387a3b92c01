"""Class probabilities of a black box, as targets instead of labels."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_kmex._data.arrays import to_numpy
from sklearn_kmex._data.brief import brief
from sklearn_kmex._data.rows import Training, gather
from sklearn_kmex._model.matching import Match, check_match, match_outputs

N_CHECKED = 1_000  # rows by which the order of the outputs is checked


def targets_of(
    teacher: Any, classes: NDArray, present: NDArray[np.intp], X: Any
) -> NDArray | None:
    """Return the probabilities of some classes by the teacher, or None for labels.

    `present` are the places of these classes. Probabilities of other classes are left
    out, and a row is divided by its sum.
    """
    found = _ask(teacher, classes, X)
    if found is None:
        return None
    chances, match = found
    by_class = np.full(len(classes), -1)
    by_class[match.places[match.places >= 0]] = np.flatnonzero(match.places >= 0)
    chances = chances[:, by_class[present]]
    return chances / np.maximum(chances.sum(axis=1, keepdims=True), 1e-300)


def check_teacher(teacher: Any, training: Training) -> None:
    """Raise an error if the outputs of a teacher seem to be of other classes."""
    if teacher is None:
        return
    rows = np.sort(np.concatenate(training.groups))
    rows = rows[:: max(1, len(rows) // N_CHECKED)]
    found = _ask(teacher, training.classes, gather(training.X, rows))
    if found is not None:
        chances, match = found
        codes = np.searchsorted(training.classes, training.y[rows])
        check_match(match, chances.argmax(axis=1), codes, "the labels in y")


def _ask(
    teacher: Any, classes: NDArray, X: Any
) -> tuple[NDArray[np.float64], Match] | None:
    """Return probabilities by a teacher, and their classes, or None for labels."""
    found = None if teacher is None else teacher.predict_proba(to_numpy(X))
    if found is None:
        return None
    try:
        return _matched(teacher, classes, np.asarray(found, dtype=np.float64))
    except ValueError:
        if getattr(teacher, "required", True):
            raise
        return None


def _matched(
    teacher: Any, classes: NDArray, chances: NDArray[np.float64]
) -> tuple[NDArray[np.float64], Match]:
    """Return probabilities with the classes that they are of, which must be all."""
    known = getattr(teacher, "classes_", None)
    n_known = len(classes if known is None else known)
    if chances.ndim != 2 or chances.shape[1] != n_known:
        raise ValueError(
            f"teacher must give a probability for each of {n_known} classes; got "
            f"probabilities of shape {chances.shape}."
        )
    match = match_outputs(known, n_known, classes)
    missing = classes[np.setdiff1d(np.arange(len(classes)), match.places)].tolist()
    if missing:
        raise ValueError(
            f"teacher must know all classes of y; it does not know {brief(missing)}. "
            "Leave these out of X and y, or use teacher=None."
        )
    return chances, match
