"""The metric of the decision: rows in the space where it is the Euclidean distance."""

import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from sklearn_kmex._compat import get_namespace_and_device
from sklearn_kmex._data.arrays import asarray_like, map_blocks, widest_float
from sklearn_kmex._data.unit_rows import divide_by_length, largest_values, unit_rows
from sklearn_kmex.exceptions import KMExWarning

METRICS = ("euclidean", "cosine", "mahalanobis", "cosine_mahalanobis")


class Metric(NamedTuple):
    """How far a row is from a prototype: the Euclidean distance after `project`.

    If `unit`, rows of length one are compared with prototypes as they are, which are
    means of such rows. If `mapped`, `X @ map` is compared with `prototypes @ map`.
    """

    name: str = "euclidean"
    map: Any = None  # (n_features, n_features)

    @property
    def unit(self) -> bool:
        """Return whether rows are divided by their length."""
        return self.name.startswith("cosine")

    @property
    def mapped(self) -> bool:
        """Return whether the distance is that of the pooled covariance."""
        return self.name.endswith("mahalanobis")

    def project(self, X: Any, center: Any = None) -> Any:
        """Map rows into the space in which the metric is the Euclidean distance.

        A `center` is subtracted first where a product follows, so that a large offset
        of all rows costs no precision.
        """
        return self.place(compared_rows(X) if self.unit else X, center)

    def direction(self, X: Any) -> Any:
        """Return rows as they are compared, before the map; zeros become nan."""
        if not self.unit:
            return X
        with np.errstate(invalid="ignore", divide="ignore"):
            return divide_by_length(X)

    def place(self, prototypes: Any, center: Any = None) -> Any:
        """Map prototypes into the same space."""
        if not self.mapped:
            return prototypes
        of_dtype = widest_float(prototypes)
        placed = asarray_like(prototypes, prototypes, of_dtype)
        if center is not None:
            placed = placed - asarray_like(center, prototypes, of_dtype)
        return placed @ asarray_like(self.map, prototypes, of_dtype)


def preparation(metric: str) -> Callable[[Any], Any] | None:
    """Return what is done to the rows of a class before they are clustered."""
    return compared_rows if Metric(metric).unit else None


def compared_rows(X: Any) -> Any:
    """Divide each row by its length; a row of zeros stays, with a warning."""
    _warn_of_zeros(largest_values(X))
    return unit_rows(X)


def _warn_of_zeros(largest: Any) -> None:
    """Warn if the largest absolute value of a row is 0."""
    xp, *_ = get_namespace_and_device(largest)
    if xp.any(largest == 0):
        warnings.warn(
            "X has rows of zeros, which have no direction for a cosine metric; they "
            "are compared as they are. Keep the rows X[X.any(axis=1)], or use "
            "metric='euclidean'.",
            KMExWarning,
            stacklevel=2,
        )


def has_direction(X: Any) -> bool:
    """Return whether no row is zero."""
    xp, *_ = get_namespace_and_device(X)
    largest = map_blocks(largest_values, X)
    return bool(xp.all(largest > 0))
