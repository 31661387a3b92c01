"""Checks of the arguments of edits."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sklearn_kmex._classifier import KMExClassifier
from sklearn_kmex._data.brief import brief
from sklearn_kmex._model.labels import kind_of
from sklearn_kmex._model.protocol import levels
from sklearn_kmex._model.steps import find_kmex
from sklearn_kmex._rejecting import RejectingClassifier
from sklearn_kmex.edit._state import State


def find_editable(psem: Any) -> KMExClassifier:
    """Return the classifier to edit; refuse one inside a RejectingClassifier."""
    sem = find_kmex(psem)
    if any(isinstance(level, RejectingClassifier) for level in levels(psem)):
        raise TypeError(
            "psem must not be a RejectingClassifier, because its thresholds were "
            "calibrated for the classifier before the edit: edit the classifier "
            "inside, estimator_, and then fit "
            "RejectingClassifier(FrozenEstimator(edited)) on held-out samples."
        )
    return sem


def check_ids(prototypes: ArrayLike, state: State) -> NDArray[np.intp]:
    """Return distinct numbers of prototypes, in ascending order."""
    ids, last = np.asarray(prototypes), len(state.ids) - 1
    if ids.dtype.kind not in "iu" or ids.ndim > 1 or ids.size == 0:
        raise ValueError(
            "prototypes must be the number of a prototype, or a list of numbers; got "
            f"{prototypes!r}."
        )
    ids = np.unique(ids)
    unknown = ids[(ids < 0) | (ids > last)]
    if len(unknown):
        raise ValueError(
            f"prototypes must be numbers of prototypes of psem, 0 to {last}; got "
            f"{brief(unknown)}. Edits change the numbers; see edit_log_."
        )
    return ids.astype(np.intp)


def check_class_remains(ids: NDArray, state: State, remedy: str) -> None:
    """Refuse to remove all prototypes of a class."""
    left = np.delete(state.labels, ids)
    emptied = np.setdiff1d(state.labels[ids], left).tolist()
    if emptied:
        raise ValueError(
            "prototypes must leave at least one prototype to each class; without "
            f"{brief(ids)}, there would be none of {brief(emptied)}. {remedy}"
        )


def check_label(label: Any, classes: NDArray) -> NDArray:
    """Return a label of the type of the classes, as an array of length 1."""
    given = np.asarray([label])
    if given.ndim == 1 and kind_of(given) == "i" and kind_of(classes) == "f":
        given = given.astype(classes.dtype)
    same = given.ndim == 1 and kind_of(given) == kind_of(classes)
    if not same or label != label:  # nan
        raise ValueError(
            f"label must be of the type of the classes of psem, {brief(classes)}; "
            f"got {label!r} of type {type(label).__name__}."
        )
    return given


def check_classes_alike(labels: NDArray, classes: NDArray, name: str) -> None:
    """Refuse labels of another type than the classes."""
    if kind_of(labels) != kind_of(classes):
        raise ValueError(
            f"{name} must hold labels of the type of the classes of psem, "
            f"{brief(classes)}; got {labels[:1].tolist()} of dtype {labels.dtype}."
        )
