"""The training example or the row of values that represents each prototype."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.stats import percentileofscore
from sklearn.utils.validation import check_consistent_length

from sklearn_kmex._data.brief import brief
from sklearn_kmex._data.samples import as_array, as_samples, len_of, stacked
from sklearn_kmex._draw.pictures import Scale, channels_last, value_range
from sklearn_kmex._model.protocol import find_sem
from sklearn_kmex._model.rule import metric_of
from sklearn_kmex._model.steps import embed, steps_before


def find_examples(
    psem: Any, X: Any, y: Any, scale: Scale, feature_names: Sequence[str] | None
) -> dict[str, Any]:
    """Find the pictures or values to show."""
    labels = None if y is None else np.asarray(y)
    if scale.image_shape is not None and hasattr(X, "columns"):
        X = np.asarray(X)
    X = as_samples(X)
    if labels is not None:
        check_consistent_length(np.empty(len_of(X)), labels)
    rows = _training_rows(psem, X, labels)
    raw = stacked(X, rows)
    pictures = None if raw is None else channels_last(raw, scale.image_shape)
    found: dict[str, Any] = {"training_rows": rows, "pictures": pictures}
    if pictures is None:
        return found | _as_table(psem, X, labels, rows, feature_names)
    low, high = value_range([pictures], scale)
    return found | {"vmin": low, "vmax": high}


def _training_rows(psem: Any, X: Any, labels: NDArray | None) -> NDArray[np.intp]:
    """Return the row that represents each prototype; find it if the model has none."""
    sem = find_sem(psem)
    owners = np.asarray(sem.prototype_classes_)
    rows = np.array(getattr(sem, "prototype_indices_", np.full(len(owners), -1)))
    if rows.max() >= len_of(X):
        raise ValueError(
            f"X must hold the rows that estimator was fitted on; got {len_of(X)} rows, "
            f"and a prototype is represented by row {rows.max()}."
        )
    unknown = rows < 0
    if unknown.any():
        labels = _check_labels(labels, owners)
        own = labels[:, np.newaxis] == owners
        similar = np.asarray(sem.transform(embed(psem, X)))
        rows[unknown] = np.where(own, similar, -np.inf).argmax(axis=0)[unknown]
    return rows


def _check_labels(labels: NDArray | None, owners: NDArray) -> NDArray:
    """Check that there is a row of each class with prototypes."""
    if labels is None:
        raise ValueError(
            "y must be given for a table, and for a model that does not know the "
            "training rows of its prototypes; got None."
        )
    missing = np.setdiff1d(owners, labels).tolist()
    if missing:
        raise ValueError(
            "y must contain each class with prototypes; it has no row of "
            f"{brief(missing)}."
        )
    return labels


def _as_table(
    psem: Any,
    X: Any,
    labels: NDArray | None,
    rows: NDArray[np.intp],
    feature_names: Sequence[str] | None,
) -> dict[str, Any]:
    """Return the values of prototypes, and their ranks among the rows of a class.

    They are those of the prototypes if these have the columns and the scale of X, else
    those of training rows.
    """
    cells: Any = X.tocsc() if sparse.issparse(X) else np.asarray(as_array(X))
    if cells.ndim != 2:
        raise ValueError(
            "X must hold pictures, or rows of a table; got samples of shape "
            f"{cells.shape[1:]} and dtype {cells.dtype}."
        )
    sem = find_sem(psem)
    owners = np.asarray(sem.prototype_classes_)
    labels = _check_labels(labels, owners)
    values = cells[rows].toarray() if sparse.issparse(cells) else cells[rows]
    prototypes = prototypes_in_columns(psem, cells.shape[1])
    if prototypes is not None:
        values = prototypes
    return {
        "values": values,
        "ranks": class_ranks(values, owners, cells, labels),
        "feature_names": names_of_columns(psem, X, values.shape[1], feature_names),
    }


def prototypes_in_columns(psem: Any, n_columns: int) -> NDArray | None:
    """Return the prototypes if they have the columns and the scale of X, or None."""
    sem = find_sem(psem)
    prototypes = np.asarray(sem.prototypes_)
    same = prototypes.shape[1] == n_columns and not metric_of(sem).unit
    return prototypes if same and not steps_before(psem) else None


def class_ranks(
    values: NDArray, owners: NDArray, cells: Any, labels: NDArray
) -> NDArray[np.float64]:
    """Compute the share of rows of a class below a value; equal rows count half."""
    ranks = np.full(values.shape, np.nan)
    groups = [(owners == label, labels == label) for label in np.unique(owners)]
    for j in range(values.shape[1]):
        column, wanted = as_numbers(cells[:, [j]]), as_numbers(values[:, [j]])
        if column is None or wanted is None:
            continue
        for mine, own in groups:
            ranks[mine, j] = _ranks_among(column[own], wanted[mine])
    return ranks


def _ranks_among(column: NDArray, wanted: NDArray) -> NDArray[np.float64]:
    known = column[~np.isnan(column)]
    if not len(known):
        return np.full(len(wanted), np.nan)
    # Rounding may give a little more than 1.
    ranks = np.minimum(percentileofscore(known, wanted, kind="mean") / 100, 1)
    return np.where(np.isnan(wanted), np.nan, ranks)


def as_numbers(column: Any) -> NDArray[np.float64] | None:
    """Return a column as floats; None if it is not numeric."""
    column = column.toarray() if sparse.issparse(column) else column
    column = column.ravel()
    if column.dtype == object:
        column = np.array(column.tolist())
    return column.astype(np.float64) if column.dtype.kind in "biuf" else None


def names_of_columns(
    psem: Any, X: Any, n_columns: int, given: Sequence[str] | None
) -> list[str]:
    """Return names of the columns: given, of the frame, of the model, or x0, x1."""
    names = getattr(X, "columns", None) if given is None else given
    if names is None:
        names = getattr(psem, "feature_names_in_", [f"x{j}" for j in range(n_columns)])
    if len(names) != n_columns:
        raise ValueError(
            f"feature_names must give one name for each of the {n_columns} columns; "
            f"got {len(names)}."
        )
    return [" ".join(str(name).split()) for name in names]
