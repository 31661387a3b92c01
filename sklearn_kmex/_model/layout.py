"""The fitted arrays as constants of a graph, padded to classes of equal size."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sklearn_kmex._model.rule import rule_of


class Layout(NamedTuple):
    """Prototypes and class scores as constants of a graph.

    Rows, of length one where the metric says so, are compared with `prototypes` after
    `center` is subtracted and, where there is a map, they are multiplied by `map`.
    `columns`, of shape (n_classes, largest count), holds the prototypes of each class.
    The scores are the similarities in `columns` plus `shift`, aggregated over the last
    axis; the shift is what the weights of prototypes add, and minus infinity where a
    class has fewer.
    """

    center: NDArray
    map: NDArray[np.float64] | None
    prototypes: NDArray[np.float64]
    columns: NDArray[np.int64]
    shift: NDArray[np.float64]


def lay_out(kmex: Any, dtype: Any = np.float64) -> Layout:
    """Lay out a fitted classifier for rows of a dtype.

    The center is rounded to that dtype, so that the same numbers are subtracted.
    """
    rule = rule_of(kmex)
    center = kmex.prototypes_.mean(axis=0, dtype=np.float64).astype(dtype)
    counts = kmex.n_prototypes_
    first = np.cumsum(counts) - counts
    places = np.arange(max(counts))
    inside = places < counts[:, np.newaxis]
    columns = np.where(inside, first[:, np.newaxis] + places, 0).astype(np.int64)
    return Layout(
        center,
        rule.metric.map,
        rule.metric.place(kmex.prototypes_.astype(np.float64) - center),
        columns,
        np.where(inside, rule.shift[columns], -np.inf),
    )


def check_n_prototypes(n_prototypes: Any, kmex: Any) -> int:
    """Return the number of prototypes that a graph reports for each row."""
    if not isinstance(n_prototypes, int | np.integer) or n_prototypes < 1:
        raise ValueError(
            f"n_prototypes must be an int of at least 1; got {n_prototypes!r}."
        )
    return min(int(n_prototypes), len(kmex.prototypes_))
