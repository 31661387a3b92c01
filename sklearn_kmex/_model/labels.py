"""Class labels: their codes and their kind."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_kmex._data.brief import brief


def class_codes(
    classes: NDArray, labels: NDArray, name: str = "labels"
) -> NDArray[np.intp]:
    """Return the index of each label in the classes, which may have any order.

    An error calls the labels by `name`, the parameter that holds them.
    """
    unknown = _unknown(classes, labels)
    if unknown:
        raise ValueError(
            f"{name} must be among the classes of psem, {brief(classes)}; unknown: "
            f"{brief(unknown)}."
        )
    order = np.argsort(classes, kind="stable")
    return order[np.searchsorted(classes, labels, sorter=order)]


def _unknown(classes: NDArray, labels: NDArray) -> list[Any]:
    """List labels that are not among the classes, also labels of several types."""
    try:
        return np.setdiff1d(labels, classes).tolist()
    except TypeError:  # such as text and nan
        known = set(classes.tolist())
        return [one for one in dict.fromkeys(labels.tolist()) if one not in known]


def known_codes(classes: NDArray, labels: NDArray) -> NDArray[np.intp]:
    """Return codes of labels, -1 for labels that are not among the classes."""
    codes = np.full(len(labels), -1)
    known = np.isin(labels, classes)
    codes[known] = class_codes(classes, labels[known])
    return codes


def kind_of(labels: NDArray) -> str:
    """Return the NumPy kind of labels, also of those in an object array."""
    kinds = {labels.dtype.kind}
    if kinds == {"O"}:
        kinds = {np.asarray(label).dtype.kind for label in labels.ravel()}
    kind = kinds.pop() if len(kinds) == 1 else "O"
    return "i" if kind == "u" else kind
