"""Values of samples, to be shown beside each other."""

from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_kmex._data.samples import as_samples, len_of, stacked, take
from sklearn_kmex.explain._probe import rows_of

MAX_ROWS = 10_000  # from which standard deviations are computed


def values_at(X: Any, rows: Any) -> NDArray | None:
    """Return some samples as an array; None if they are of other kinds."""
    return rows_of(take(X, rows)) if hasattr(X, "columns") else stacked(X, rows)


def column_scales(X: Any) -> NDArray[np.float64]:
    """Compute the standard deviation of each column; NaN if it is not numeric."""
    X = as_samples(X)
    n_rows = len_of(X)
    rows = np.linspace(0, n_rows - 1, min(n_rows, MAX_ROWS)).astype(np.intp)
    values = values_at(X, rows)
    assert values is not None  # the nearest rows were
    scales = np.full(values.shape[1], np.nan)
    for column, some in enumerate(values.T):
        known = some[[_is_number(value) for value in some]].astype(np.float64)
        if len(known):
            scales[column] = known.std()
    return scales


def _is_number(value: Any) -> bool:
    """Tell whether it is a number, neither missing nor a boolean."""
    is_real = isinstance(value, Real) and not isinstance(value, bool | np.bool_)
    return bool(is_real and np.isfinite(value))
