"""Prototypes in the columns before a step, where the step can tell."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_kmex.explain._probe import rows_of, run


def points_before(
    step: Any,
    X: Any,
    Z: Any,
    points: NDArray,
    source: NDArray[np.intp],
    affine: tuple[NDArray, NDArray] | None,
) -> NDArray:
    """Take points (2, n_samples, n_out) to the input of a step; None where unknown."""
    found = np.full((2, *X.shape), None, dtype=object)
    one_to_one = len(np.unique(source)) == len(source)
    if one_to_one and affine is not None:
        slope, offset = affine
        side, row, column = np.nonzero(~unknown(points) & (slope != 0))
        values = points[side, row, column].astype(np.float64)
        found[side, row, source[column]] = (values - offset[column]) / slope[column]
    elif one_to_one and _keeps_values(X, Z, source):
        found[..., source] = points
    else:
        _invert(step, points, source, one_to_one, found)
    return found


def unknown(values: NDArray) -> NDArray[np.bool_]:
    """Mark what is None."""
    return np.equal(values, np.array(None, dtype=object)).astype(bool)


def _keeps_values(X: Any, Z: Any, source: NDArray[np.intp]) -> bool:
    """Tell whether text is left as it is, where it is not missing."""
    before = rows_of(X).astype(object)[:, source]
    after = rows_of(Z).astype(object)
    missing = unknown(before) | (before != before)
    return bool((missing | np.equal(before, after)).all())


def _invert(
    step: Any, points: NDArray, source: NDArray, one_to_one: bool, found: NDArray
) -> None:
    """Ask the step, of categories for the most frequent one of a prototype's rows."""
    try:
        wanted = points.reshape(-1, points.shape[-1]).astype(np.float64)
        back = rows_of(step.inverse_transform(wanted)).astype(object)
        again = run(step, back) if one_to_one else wanted
        back = back.reshape(found.shape)
        if one_to_one:  # rounded codes and the like are no answer
            off = ~(np.abs(again - wanted) <= 1e-6 * np.abs(wanted).max(initial=0))
            side, row, column = np.nonzero(off.reshape(points.shape))
            back[side, row, source[column]] = None
    except Exception:  # it has no inverse, or none for such values
        return
    dropped = getattr(step, "drop_idx_", None)  # all zeros, or rather a share of them
    for j in np.unique(source):
        if dropped is None or dropped[j] is None:
            found[..., j] = back[..., j]
