"""Prototypes of a table, as values in columns that a reader knows."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from sklearn_kmex._protocol import find_sem
from sklearn_kmex.embedding._rows import as_array
from sklearn_kmex.explain._decision import steps_before
from sklearn_kmex.inspection._examples import as_numbers, class_ranks, names_of_columns
from sklearn_kmex.report._text import as_cell, as_name, as_number

N_COLUMNS = 12


class Table(NamedTuple):
    """Cells of samples, (n_samples, n_columns), and names of the columns."""

    cells: Any
    names: list[str]


def as_table(psem: Any, X: Any, feature_names: Sequence[str] | None) -> Table | None:
    """Return rows of cells, or None where samples are something else."""
    X = as_array(X)
    if not (sparse.issparse(X) or getattr(X, "ndim", 0) == 2):
        return None
    cells = X.tocsc() if sparse.issparse(X) else np.asarray(X)
    return Table(cells, names_of_columns(psem, X, cells.shape[1], feature_names))


def in_columns(psem: Any, table: Table) -> NDArray | None:
    """Prototypes themselves, where these are rows of the same columns."""
    prototypes = np.asarray(find_sem(psem).prototypes_)
    same = not steps_before(psem) and prototypes.shape[1] == table.cells.shape[1]
    return prototypes if same else None


def cells_of(cells: Any, rows: Any) -> NDArray:
    taken = cells[rows]
    return taken.toarray() if sparse.issparse(taken) else taken


def places_in_class(
    table: Table, columns: NDArray, values: NDArray, owners: NDArray, codes: NDArray
) -> list[list[dict[str, Any]]]:
    """Describe rows of values by some columns.

    A rank is the share of the samples of the row's class with a smaller value.
    """
    shown = values[:, columns]
    ranks = class_ranks(shown, owners, table.cells[:, columns], codes)
    return [
        [
            {
                "feature": as_name(table.names[column]),
                "value": as_cell(value),
                "rank": as_number(rank),
            }
            for column, value, rank in zip(columns, row, places, strict=True)
        ]
        for row, places in zip(shown, ranks, strict=True)
    ]


def telling_columns(cells: Any, values: NDArray) -> NDArray[np.intp]:
    """Choose columns by the spread of prototypes over that of samples, in order."""
    spreads = [
        column_spread(cells[:, [j]], values[:, [j]]) for j in range(values.shape[1])
    ]
    return np.sort(np.argsort(-np.array(spreads), kind="stable")[:N_COLUMNS])


def column_spread(column: Any, wanted: NDArray) -> float:
    """Spread of prototypes, in that of samples; 0 where a column has no numbers."""
    samples, prototypes = as_numbers(column), as_numbers(wanted)
    if samples is None or prototypes is None or np.isnan(prototypes).all():
        return 0.0
    spread = np.nanstd(samples)
    return float(np.nanstd(prototypes) / spread) if spread > 0 else 0.0
