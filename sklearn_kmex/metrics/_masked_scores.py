"""Scores of samples, unchanged and with some positions replaced."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_array

from sklearn_kmex.metrics._maps import masked_inputs


def masked_scores(
    score: Callable[[NDArray], ArrayLike],
    X: ArrayLike,
    score_columns: ArrayLike | None,
    relevance: ArrayLike,
    *masking: Any,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Compute the explained score of each sample, unchanged and masked."""
    inputs = check_array(X, allow_nd=True, ensure_all_finite=False, input_name="X")
    masked = masked_inputs(inputs, relevance, *masking)
    outputs = _outputs(score, inputs)
    columns = _check_columns(score_columns, outputs)
    whole = _explained(outputs, columns, "X")
    return whole, _explained(_outputs(score, masked), columns, "the masked X")


def _outputs(score: Callable[[NDArray], ArrayLike], X: NDArray) -> NDArray[np.float64]:
    """Compute the scores of all samples, (n_samples, n_outputs)."""
    outputs = np.asarray(score(X), dtype=np.float64)
    if outputs.ndim not in (1, 2) or len(outputs) != len(X) or outputs.size == 0:
        raise ValueError(
            "score must return an array of shape (n_samples,) or (n_samples, "
            f"n_outputs); got shape {outputs.shape} for {len(X)} samples."
        )
    return outputs.reshape(len(X), -1)


def _check_columns(
    score_columns: ArrayLike | None, outputs: NDArray[np.float64]
) -> NDArray[np.intp]:
    """Return the column of the explained score of each sample."""
    n_samples, n_outputs = outputs.shape
    if score_columns is None:
        return outputs.argmax(axis=1)
    columns = np.asarray(score_columns)
    if columns.shape != (n_samples,) or columns.dtype.kind not in "iu":
        raise ValueError(
            f"score_columns must be one column number for each of {n_samples} "
            f"samples; got an array of shape {columns.shape} and dtype "
            f"{columns.dtype}. From labels, take np.searchsorted(psem.classes_, "
            "labels)."
        )
    if columns.min() < 0 or columns.max() >= n_outputs:
        raise ValueError(
            f"score_columns must be from 0 to {n_outputs - 1}, as score returns "
            f"{n_outputs} columns; got {columns.min()} to {columns.max()}."
        )
    return columns


def _explained(
    outputs: NDArray[np.float64], columns: NDArray[np.intp], of: str
) -> NDArray[np.float64]:
    """Return the explained scores; a share of a negative one has no meaning."""
    values = np.take_along_axis(outputs, columns[:, np.newaxis], axis=1)[:, 0]
    rows = np.flatnonzero(~(np.isfinite(values) & (values >= 0)))
    if len(rows):
        more = ", ..." if len(rows) > 5 else ""
        raise ValueError(
            "score must be finite and not negative for what a map explains; got "
            f"{values[rows[0]]:.3g} for row {rows[0]} of {of} ({len(rows)} such rows: "
            f"{', '.join(map(str, rows[:5]))}{more}). Use probabilities "
            "(predict_proba) or log similarities (transform)."
        )
    return values
