"""Inputs of a graph: their names and types."""

import copy
import re
from itertools import count
from typing import Any, NamedTuple

import numpy as np
from skl2onnx.common.data_types import guess_data_type
from sklearn.compose import ColumnTransformer

from sklearn_kmex._compat import selected_columns

NUMBERS, OBJECT, FLOAT64 = "biuf", np.dtype(object), np.dtype(np.float64)
KNOWN = {"bool", "int64", "float32", "float64"}  # of which skl2onnx converts all steps


class Input(NamedTuple):
    """Input of a graph: the column it takes, its dtype, and its shape without rows.

    Text has the dtype object; a dtype of None has no type in ONNX. `kind` names the
    dtype in errors.
    """

    column: Any
    dtype: np.dtype | None
    shape: tuple[int, ...]
    kind: str

    @property
    def is_number(self) -> bool:
        return self.dtype is not None and self.dtype != OBJECT


def onnx_type(dtype: np.dtype | None, shape: tuple[int, ...]) -> Any:
    """Type of rows in skl2onnx; those without a type in ONNX are declared as text."""
    kind = guess_data_type(np.empty((1, 1), dtype or OBJECT))[0][1]
    kind.shape = [None, *shape]
    return kind


def inputs_of(X: Any) -> list[Input]:
    """Return the input for an array, or those for a DataFrame, one for each column."""
    if not hasattr(X, "columns"):
        return [_input_of("X", X, X.shape[1:])]
    columns = X.iloc if hasattr(X, "iloc") else X  # pandas, or polars
    return [_input_of(name, columns[:, n], (1,)) for n, name in enumerate(X.columns)]


def _input_of(column: Any, values: Any, shape: tuple[int, ...]) -> Input:
    """Describe the input of some values; integers with missing values are floats."""
    array = np.asarray(values)
    if array.dtype.kind in "UT":
        return Input(column, OBJECT, shape, "text")
    if array.dtype != OBJECT:
        is_known = array.dtype.kind in NUMBERS and array.dtype.itemsize <= 8
        return Input(column, array.dtype if is_known else None, shape, str(array.dtype))
    known = [value for value in array.ravel() if not _is_missing(value)]
    kinds = {type(value).__name__ for value in known}
    return Input(column, _common(known, array.size), shape, ", ".join(sorted(kinds)))


def _common(known: list[Any], size: int) -> np.dtype | None:
    """Return the common dtype of objects, of which some may be missing."""
    n_texts = sum(isinstance(value, str) for value in known)
    if n_texts == len(known):
        return OBJECT
    dtype = np.asarray(known).dtype
    if n_texts or dtype.kind not in NUMBERS:
        return None
    return dtype if len(known) == size else np.dtype(np.float64)


def _is_missing(value: Any) -> bool:
    """Whether a value is None, NaN, or the NA of pandas."""
    return value is None or type(value).__name__ == "NAType" or value != value


def model_inputs(inputs: list[Input]) -> list[Input]:
    """Return inputs as skl2onnx takes them: one matrix of numbers, if all are numbers.

    Numbers get one dtype, because skl2onnx gives them that of the first column.
    """
    dtypes = {part.dtype for part in inputs if part.is_number}
    shared = dtypes.pop() if len(dtypes) == 1 else FLOAT64
    shared = shared if shared.name in KNOWN else FLOAT64
    if len(inputs) > 1 and all(part.is_number for part in inputs):
        return [Input("X", shared, (len(inputs),), shared.name)]
    return [p._replace(dtype=shared) if p.is_number else p for p in inputs]


def input_names(columns: list[Any], reserved: tuple[str, ...]) -> list[str]:
    """Name inputs after columns, in letters, digits and underscores, each name once."""
    texts = {column for column in columns if isinstance(column, str)}
    kept = {text for text in texts if text.isidentifier()} - set(reserved)
    names: list[str] = []
    for column in columns:
        if column not in kept or column in names:
            column = _new_name(column, kept.union(names, reserved))
        names.append(column)
    return names


def _new_name(column: Any, taken: set[str]) -> str:
    parts = column if isinstance(column, tuple) else (column,)
    stem = re.sub(r"\W", "_", "_".join(map(str, parts)))
    stem = stem if stem.isidentifier() else f"_{stem}"
    return next(name for n in count() if (name := f"{stem}{n or ''}") not in taken)


def select_columns(step: Any, X: Any, as_matrix: bool) -> Any:
    """Return a ColumnTransformer that selects columns in the way skl2onnx takes.

    It takes lists of positions, or of names if X is a DataFrame that is not one matrix,
    but no masks.
    """
    if not isinstance(step, ColumnTransformer):
        return step
    places: Any = range(step.n_features_in_)
    if hasattr(X, "columns") and hasattr(step, "feature_names_in_"):
        places = step.feature_names_in_.tolist()
        places = [list(X.columns).index(name) for name in places] if as_matrix else places
    chosen = selected_columns(step)
    step = copy.copy(step)
    step.transformers_ = [
        (name, part, [places[n] for n in chosen[name]])
        for name, part, _ in step.transformers_
    ]
    return step
