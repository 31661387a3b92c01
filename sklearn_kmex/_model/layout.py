"""The fitted arrays as constants of a graph, padded to classes of equal size."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sklearn_kmex._model.similarity import add_priors


class Layout(NamedTuple):
    """Prototypes and class scores as constants of a graph.

    Rows and prototypes are compared after `center` is subtracted. `columns`, of shape
    (n_classes, largest count), holds the prototypes of each class; `mask` is minus
    infinity where a class has fewer. The scores are the similarities in `columns` plus
    `mask`, aggregated over the last axis, plus `shift`.
    """

    center: NDArray
    prototypes: NDArray
    columns: NDArray[np.int64]
    mask: NDArray
    shift: NDArray


def lay_out(kmex: Any, dtype: Any) -> Layout:
    """Lay out a fitted classifier for rows of a dtype.

    The center is rounded to that dtype, so that the same numbers are subtracted.
    """
    center = kmex.prototypes_.mean(axis=0, dtype=np.float64).astype(dtype)
    counts = kmex.n_prototypes_
    first = np.cumsum(counts) - counts
    places = np.arange(max(counts))
    inside = places < counts[:, np.newaxis]
    present = np.where(counts, kmex.class_prior_, 0)
    return Layout(
        center,
        kmex.prototypes_.astype(np.float64) - center,
        np.where(inside, first[:, np.newaxis] + places, 0).astype(np.int64),
        np.where(inside, 0, -np.inf).astype(dtype),
        add_priors(np.zeros(len(counts), dtype), present, kmex.temperature_),
    )


def check_n_prototypes(n_prototypes: Any, kmex: Any) -> int:
    """Return the number of prototypes that a graph reports for each row."""
    if not isinstance(n_prototypes, int | np.integer) or n_prototypes < 1:
        raise ValueError(
            f"n_prototypes must be an int of at least 1; got {n_prototypes!r}."
        )
    return min(int(n_prototypes), len(kmex.prototypes_))
