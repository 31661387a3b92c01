"""Inputs of a graph: their names and types."""

import copy
import re
from itertools import count
from typing import Any, NamedTuple

import numpy as np
from skl2onnx.common.data_types import guess_data_type
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline

from sklearn_kmex._compat import selected_columns

NUMBERS, OBJECT, FLOAT64 = "biuf", np.dtype(object), np.dtype(np.float64)
KNOWN = {"int64", "float32", "float64"}  # dtypes that all converters take


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

    def onnx_type(self) -> Any:
        """Type in skl2onnx; values without a type in ONNX are declared as text."""
        kind = guess_data_type(np.empty((1, 1), self.dtype or OBJECT))[0][1]
        kind.shape = [None, *self.shape]
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
        known_dtype = array.dtype if array.dtype.itemsize <= 8 else FLOAT64
        is_number = array.dtype.kind in NUMBERS
        kind = str(array.dtype)
        return Input(column, known_dtype if is_number else None, shape, kind)
    known = [value for value in array.ravel() if not _is_missing(value)]
    kinds = sorted({type(value).__name__ for value in known})
    if len(known) < array.size:
        kinds.append("missing values")
    dtype = _common(known, len(known) < array.size)
    return Input(column, dtype, shape, " and ".join(kinds))


def _common(known: list[Any], some_missing: bool) -> np.dtype | None:
    """Return the common dtype of objects, if it has a type in ONNX."""
    texts = [value for value in known if isinstance(value, str)]
    if texts:
        return None if some_missing or len(texts) < len(known) else OBJECT
    dtype = np.asarray(known).dtype
    if dtype.kind not in NUMBERS:
        return None
    return FLOAT64 if some_missing else dtype


def _is_missing(value: Any) -> bool:
    """Whether a value is None, NaN, or the NA of pandas."""
    return value is None or type(value).__name__ == "NAType" or value != value


def model_inputs(inputs: list[Input]) -> list[Input]:
    """Return inputs as skl2onnx takes them: one matrix of numbers, if all are numbers.

    Numbers get one dtype, because skl2onnx gives them that of the first column.
    """
    names = {str(part.dtype) for part in inputs if part.is_number}
    is_known = len(names) == 1 and names <= KNOWN
    shared = np.dtype(names.pop()) if is_known else FLOAT64
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
    """Return a step whose ColumnTransformers select columns as skl2onnx takes them.

    That is by lists of positions, or of names if X is a DataFrame with several inputs,
    but not by masks.
    """
    if isinstance(step, FeatureUnion):
        step = copy.copy(step)
        step.transformer_list = [
            (name, select_columns(part, X, as_matrix))
            for name, part in step.transformer_list
        ]
    if isinstance(step, Pipeline):
        return make_pipeline(*select_in_steps([s for _, s in step.steps], X, as_matrix))
    return _select(step, X, as_matrix) if isinstance(step, ColumnTransformer) else step


def select_in_steps(steps: list[Any], X: Any, as_matrix: bool) -> list[Any]:
    """Apply `select_columns` to steps, of which the first takes X."""
    first, *rest = steps
    rest = [select_columns(step, None, as_matrix=True) for step in rest]
    return [select_columns(first, X, as_matrix), *rest]


def _select(step: Any, X: Any, as_matrix: bool) -> Any:
    """Replace the columns that a ColumnTransformer selects."""
    places: Any = range(step.n_features_in_)
    if hasattr(X, "columns") and hasattr(step, "feature_names_in_"):
        places = step.feature_names_in_.tolist()
        if as_matrix:
            places = [list(X.columns).index(name) for name in places]
    chosen = selected_columns(step)
    step = copy.copy(step)
    step.transformers_ = [
        (name, select_columns(part, None, True), [places[n] for n in chosen[name]])
        for name, part, _ in step.transformers_
    ]
    return step
