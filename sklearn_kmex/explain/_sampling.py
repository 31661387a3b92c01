"""Shapley values of the columns of any model, by random orders of the columns."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from sklearn_kmex._data.samples import len_of, take
from sklearn_kmex.explain._points import nowhere
from sklearn_kmex.explain._probe import rows_of
from sklearn_kmex.explain._walk import Split

SAMPLING = "sampling"
# Pairs of opposite orders, and the largest number of columns.
N_PAIRS, MOST_COLUMNS = 16, 200


def sample_split(
    margin_of: Callable[[Any], NDArray[np.float64]], X: Any, X_train: Any
) -> Split:
    """Split margins over the columns of X by sampled Shapley values.

    Starting from training rows, the columns are replaced by those of X one by one, and
    each gets the change of the margin, averaged over random orders of the columns and
    over the training rows (Strumbelj and Kononenko 2010). Each order is also run
    backwards, from the same rows. The changes sum to the margin of X minus that of
    these rows, whatever the model.
    """
    n_samples, n_columns = X.shape
    rng = np.random.RandomState(0)
    parts, base = np.zeros((n_samples, n_columns)), np.zeros(n_samples)
    for _ in range(N_PAIRS):
        order = rng.permutation(n_columns)
        start = _start(X_train, rng.randint(len_of(X_train), size=n_samples), X)
        first = margin_of(start)
        base += 2 * first
        for columns in (order, order[::-1]):
            rows, before = start, first
            for column in columns:
                rows = _with_column(rows, X, column)
                after = margin_of(rows)
                parts[:, column] += after - before
                before = after
    n_orders = 2 * N_PAIRS
    return Split(
        parts=parts / n_orders,
        points=nowhere((2, *X.shape), rows_of(X).dtype),
        slope=None,
        shift=None,
        base=base / n_orders,
        error=np.zeros(n_samples),
        method=SAMPLING,
    )


def can_sample(X: Any, X_train: Any) -> bool:
    """Whether the columns of a table can be replaced by those of training rows."""
    shape = getattr(X, "shape", ())
    is_table = len(shape) == 2 and not sparse.issparse(X)
    few = is_table and X.shape[1] <= MOST_COLUMNS
    return few and X_train is not None and len_of(X_train) > 0


def _start(X_train: Any, numbers: NDArray[np.intp], X: Any) -> Any:
    """Return training rows that columns of X can be put into."""
    rows = take(X_train, numbers)
    if isinstance(X, np.ndarray):
        rows = np.asarray(rows)
        return rows.astype(np.result_type(rows, X))
    if type(rows) is not type(X):
        raise TypeError(
            f"X_train must be of the type of X, {type(X).__name__}; got "
            f"{type(X_train).__name__}."
        )
    return rows


def _with_column(rows: Any, X: Any, column: int) -> Any:
    """Return a copy of rows with a column of X."""
    if hasattr(rows, "with_columns"):  # polars
        return rows.with_columns(X.to_series(int(column)))
    rows = rows.copy()
    if hasattr(rows, "isetitem"):  # pandas
        rows.isetitem(column, X.iloc[:, column].array)
    else:
        rows[:, column] = X[:, column]
    return rows
