"""What edits accept, each refusal in one sentence."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sklearn_kmex._model.labels import kind_of
from sklearn_kmex.edit._state import State


def check_ids(prototypes: ArrayLike, state: State) -> NDArray[np.intp]:
    """Return the numbers of prototypes, ascending."""
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
            f"{unknown.tolist()}. Numbers change with an edit: see edit_log_."
        )
    return ids.astype(np.intp)


def check_none_is_emptied(ids: NDArray, state: State, remedy: str) -> None:
    """Refuse to take the last prototypes of a class."""
    left = np.delete(state.labels, ids)
    emptied = np.setdiff1d(state.labels[ids], left).tolist()
    if emptied:
        raise ValueError(
            "prototypes must leave one to each class; with "
            f"{ids.tolist()}, no prototype is left of {emptied}. {remedy}"
        )


def check_label(label: Any, classes: NDArray) -> NDArray:
    """Return the label as an array of one, if it is of the kind of the classes."""
    given = np.asarray([label])
    if given.ndim == 1 and kind_of(given) == "i" and kind_of(classes) == "f":
        given = given.astype(classes.dtype)
    same = given.ndim == 1 and kind_of(given) == kind_of(classes)
    if not same or label != label:  # nan
        raise ValueError(
            f"label must be of the type of the classes of psem, {classes.tolist()}; "
            f"got {label!r} of type {type(label).__name__}."
        )
    return given


def check_classes_alike(labels: NDArray, classes: NDArray, name: str) -> None:
    """Refuse labels of a type that cannot be that of any class."""
    if kind_of(labels) != kind_of(classes):
        raise ValueError(
            f"{name} must hold labels of the type of the classes of psem, "
            f"{classes.tolist()}; got {labels[:1].tolist()} of dtype {labels.dtype}."
        )
