"""Rows of the training set that contributions to a network are measured from."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sklearn_kmex._data.samples import len_of, take

N_REFERENCES = 32
# Methods for contributions to a network; names after the first are those of LRP.
NETWORK_METHODS = (
    "integrated_gradients", "epsilon", "epsilon_plus", "epsilon_alpha2_beta1"
)  # fmt: skip


def evenly_spaced(X: Any) -> Any:
    """Take up to 32 rows at even distances."""
    rows = np.linspace(0, len_of(X) - 1, min(N_REFERENCES, len_of(X)))
    return take(X, rows.round().astype(np.intp))


def reference_of(embedder: Any, n_features: int) -> NDArray[np.float64]:
    """Return the reference rows of an embedder; a row of zeros if it was not fitted."""
    rows = np.asarray(getattr(embedder, "reference_", np.zeros((1, n_features))))
    if rows.ndim != 2 or len(rows) == 0 or rows.shape[1] != n_features:
        raise ValueError(
            f"reference_ of {type(embedder).__name__} must be an array of shape "
            f"(n_rows, {n_features}) with at least one row; got shape {rows.shape}."
        )
    return rows.astype(np.float64)


class Unlike(NamedTuple):
    """For each sample, the reference rows that speak least for what is explained."""

    rows: NDArray[np.intp]  # (n_samples, n_chosen)
    base: NDArray[np.float64]  # (n_samples,), mean of the function over them


def least_alike(slope: NDArray, Z: NDArray) -> Unlike:
    """Choose the half of the reference rows Z with the smallest `slope @ Z.T`."""
    values = slope @ Z.T.astype(np.float64)
    n_chosen = -(-values.shape[1] // 2)
    rows = np.argsort(values, axis=1, kind="stable")[:, :n_chosen]
    return Unlike(rows, np.take_along_axis(values, rows, axis=1).mean(axis=1))
