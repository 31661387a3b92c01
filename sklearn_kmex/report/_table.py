"""Prototypes and samples of a table, as values in its columns."""

import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.utils.sparsefuncs import mean_variance_axis

from sklearn_kmex._data.samples import as_array, stacked
from sklearn_kmex.inspection._examples import as_numbers, class_ranks, names_of_columns
from sklearn_kmex.report._text import as_cell, as_name, as_number, listed

N_COLUMNS = 12
N_HIDDEN = 20  # columns that are named although they are not shown
N_ROWS = 1_000  # to estimate the spread of a column from


class Table(NamedTuple):
    """Values of samples, (n_samples, n_columns), and names of the columns."""

    cells: Any
    names: list[str]


def as_table(psem: Any, X: Any, feature_names: Sequence[str] | None) -> Table | None:
    """Return samples as a table, or None if they are something else."""
    X = as_array(X)
    if isinstance(X, list | tuple) and isinstance(X[0], list | tuple):
        X = stacked(X, range(len(X)))
    is_frame = hasattr(X, "columns")  # that of polars has no ndim
    if not (sparse.issparse(X) or is_frame or getattr(X, "ndim", 0) == 2):
        return None
    cells = X.tocsc() if sparse.issparse(X) else np.asarray(X)
    return Table(cells, names_of_columns(psem, X, cells.shape[1], feature_names))


def cells_of(cells: Any, rows: Any) -> NDArray:
    taken = cells[rows]
    return taken.toarray() if sparse.issparse(taken) else taken


def places_in_class(
    table: Table, columns: NDArray, values: NDArray, owners: NDArray, codes: NDArray
) -> list[list[dict[str, Any]]]:
    """Describe rows by their values in some columns.

    The rank is the share of samples of the row's class with a smaller value; for values
    without order, `same` is the share with the same value.
    """
    shown, cells = values[:, columns], table.cells[:, columns]
    ranks = class_ranks(shown, owners, cells, codes)
    shares = equal_shares(shown, ranks, owners, cells, codes)
    return [
        [
            {
                "feature": as_name(table.names[column]),
                "value": as_cell(value),
                "rank": as_number(rank),
                "same": as_number(same),
            }
            for column, value, rank, same in zip(columns, *of_row, strict=True)
        ]
        for of_row in zip(shown, ranks, shares, strict=True)
    ]


def named_values(
    names: Sequence[str], columns: NDArray[np.intp], values: NDArray
) -> list[dict[str, str]]:
    """Describe a row by its values in some columns."""
    return [
        {"feature": as_name(names[column]), "value": as_cell(value)}
        for column, value in zip(columns, values, strict=True)
    ]


def leading_columns(
    cells: Any, values: NDArray, contributions: NDArray | None, wanted: Sequence[int]
) -> NDArray[np.intp]:
    """Return the columns to show: those wanted, then others, the most important first.

    These are the columns that contribute most to the decisions, each of which counts
    the same, or if that is unknown those in which prototypes differ most, relative to
    samples.
    """
    if contributions is None:
        few = cells[:: -(-cells.shape[0] // N_ROWS)]
        weights = np.nan_to_num(column_spreads(values) / column_spreads(few), posinf=0)
    else:
        sizes = np.abs(np.nan_to_num(contributions.astype(np.float64)))
        totals = sizes.sum(axis=1, keepdims=True)
        weights = (sizes / np.where(totals == 0, 1, totals)).mean(axis=0)
    order = np.argsort(-weights, kind="stable")
    others = order[~np.isin(order, wanted)]
    shown = np.concatenate([np.asarray(wanted, dtype=np.intp), others])
    return shown[: max(N_COLUMNS, len(wanted))]


def numbers_of(
    names: Sequence[str] | None, columns: Sequence[str | int] | None
) -> list[int]:
    """Return the numbers of columns given by name or number; no names, no table."""
    if columns is None:
        return []
    if names is None:
        raise ValueError(
            f"columns must be None unless X is a table; got {columns!r}. Leave it out."
        )
    wanted = []
    for column in columns:
        places = range(len(names))
        known: Sequence[Any] = names if isinstance(column, str) else places
        if column not in known:
            raise ValueError(
                "columns must be names or numbers of columns of X; got "
                f"{column!r}. The columns are {listed(names, 20)}."
            )
        wanted.append(known.index(column))
    return list(dict.fromkeys(wanted))


def equal_shares(
    values: NDArray, ranks: NDArray, owners: NDArray, cells: Any, codes: NDArray
) -> NDArray[np.float64]:
    """Compute the share of rows of a class with the same value, if that has no rank."""
    shares = np.full(values.shape, np.nan)
    for j in np.flatnonzero(np.isnan(ranks).all(axis=0)):
        column = cells_of(cells, slice(None))[:, j]
        for i, (value, owner) in enumerate(zip(values[:, j], owners, strict=True)):
            own = column[codes == owner]
            if len(own) and value == value:  # not missing
                shares[i, j] = np.mean(own == value)
    return shares


def columns_note(
    names: list[str], columns: NDArray, by_contribution: bool, n_wanted: int = 0
) -> str:
    """Say which columns are shown, and which are not."""
    hidden = np.setdiff1d(np.arange(len(names)), columns)
    first = f"first the {n_wanted} asked for, then " if n_wanted else ""
    if not len(hidden):
        order = "Columns are ordered by what they contribute to the decisions shown"
        first = f", after the {n_wanted} asked for" if n_wanted else ""
        return f"{order}{first}." if by_contribution else ""
    some = ", ".join(as_name(names[place]) for place in hidden[:N_HIDDEN])
    more = f" and {len(hidden) - N_HIDDEN:,} more" if len(hidden) > N_HIDDEN else ""
    which = "those that contribute most to the decisions shown"
    if not by_contribution:
        which = "those in which prototypes differ most"
    return (
        f"{len(columns)} of {len(names):,} columns are shown: {first}{which}. Not "
        f"shown: {some}{more}."
    )


def column_spreads(cells: Any) -> NDArray[np.float64]:
    """Compute standard deviations of columns; NaN if 0, or if not numeric."""
    if sparse.issparse(cells):
        spreads = mean_variance_axis(cells.astype(np.float64), axis=0)[1] ** 0.5
    else:
        spreads = dense_spreads(cells)
    return np.where(spreads > 0, spreads, np.nan)


def dense_spreads(cells: NDArray) -> NDArray[np.float64]:
    numbers = np.full(cells.shape, np.nan)
    if cells.dtype.kind in "biuf":
        numbers[:] = cells
    else:
        for j in range(cells.shape[1]):
            column = as_numbers(cells[:, [j]])
            if column is not None:
                numbers[:, j] = column
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # columns that are not numeric
        return np.nanstd(numbers, axis=0)
