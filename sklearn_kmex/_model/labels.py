"""Labels: their codes, and what kind of values they are."""

import numpy as np
from numpy.typing import NDArray


def class_codes(classes: NDArray, labels: NDArray) -> NDArray[np.intp]:
    """Code labels by their place in the classes, in whatever order these are."""
    unknown = np.setdiff1d(labels, classes).tolist()
    if unknown:
        raise ValueError(
            f"Labels must be among the classes of psem, {classes.tolist()}; got "
            f"{unknown} besides."
        )
    order = np.argsort(classes, kind="stable")
    return order[np.searchsorted(classes, labels, sorter=order)]


def kind_of(labels: NDArray) -> str:
    """Tell strings, whole numbers, numbers and the rest apart, whatever holds them."""
    kinds = {labels.dtype.kind}
    if kinds == {"O"}:
        kinds = {np.asarray(label).dtype.kind for label in labels.ravel()}
    kind = kinds.pop() if len(kinds) == 1 else "O"
    return "i" if kind == "u" else kind
