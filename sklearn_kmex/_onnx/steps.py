"""Converters of steps of scikit-learn, in place of those of skl2onnx.

Those of skl2onnx compute in float32, or otherwise than scikit-learn.
"""

from typing import Any

import numpy as np
from skl2onnx.common.data_types import (
    DoubleTensorType,
    FloatTensorType,
    StringTensorType,
)
from skl2onnx.operator_converters.imputer_op import convert_sklearn_imputer
from sklearn.feature_extraction.text import (
    CountVectorizer,
    TfidfTransformer,
    TfidfVectorizer,
)
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import Normalizer

from sklearn_kmex._onnx.graph import Graph, NoConverter, cast, rows_of
from sklearn_kmex._onnx.text import convert_text, divided_by_norm, weighted


def _parse(scope: Any, model: Any, inputs: Any, custom_parsers: Any = None) -> Any:
    """Declare an output of the right type, which steps after it depend on."""
    operator = scope.declare_local_operator(f"KMEx{type(model).__name__}", model)
    operator.inputs.extend(inputs)
    kind = _output_type(model, inputs)
    operator.outputs.append(scope.declare_local_variable("rows", kind))
    return operator.outputs


def _shape(operator: Any) -> None:
    """Set the type of the output."""
    operator.outputs[0].type = _output_type(operator.raw_operator, operator.inputs)


def _output_type(model: Any, inputs: Any) -> Any:
    """Type of the output: float32 of float32, else float64; text stays text."""
    if isinstance(model, CountVectorizer):
        is_float32, width = model.dtype == np.float32, len(model.vocabulary_)
    else:
        kinds = {type(part.type) for part in inputs}
        is_float32, width = kinds == {FloatTensorType}, model.n_features_in_
        if StringTensorType in kinds:
            return StringTensorType([None, width])
    return (FloatTensorType if is_float32 else DoubleTensorType)([None, width])


def _convert_tfidf(scope: Any, operator: Any, container: Any) -> None:
    """Add the weights of counts, in float64."""
    graph, step = Graph(scope, container), operator.raw_operator
    counts, dtype = rows_of(graph, operator)
    rows = weighted(graph, step, cast(graph, counts, np.float64))
    graph.set_outputs(operator.outputs, cast(graph, rows, dtype))


def _convert_normalizer(scope: Any, operator: Any, container: Any) -> None:
    """Add the division of rows by their norm, in float64."""
    graph, step = Graph(scope, container), operator.raw_operator
    X, dtype = rows_of(graph, operator)
    rows = divided_by_norm(graph, cast(graph, X, np.float64), step.norm)
    graph.set_outputs(operator.outputs, cast(graph, rows, dtype))


def _convert_imputer(scope: Any, operator: Any, container: Any) -> None:
    """Replace missing numbers; text is left to skl2onnx."""
    step = operator.raw_operator
    if isinstance(operator.outputs[0].type, StringTensorType):
        convert_sklearn_imputer(scope, operator, container)
        return
    statistics = step.statistics_.astype(np.float64)
    if step.add_indicator or np.isnan(statistics).any():
        raise NoConverter(
            "SimpleImputer must return the columns that it takes to be exported; got "
            f"add_indicator={step.add_indicator} and the statistics {statistics}. Fit "
            "it again without the indicator and without columns of missing values."
        )
    graph = Graph(scope, container)
    X, dtype = rows_of(graph, operator)
    missing = step.missing_values
    is_nan = missing is None or missing != missing or type(missing).__name__ == "NAType"
    found = graph.IsNaN(X) if is_nan else graph.Equal(X, dtype(missing))
    graph.set_outputs(operator.outputs, graph.Where(found, statistics.astype(dtype), X))


CONVERTERS = {
    CountVectorizer: convert_text,
    Normalizer: _convert_normalizer,
    SimpleImputer: _convert_imputer,
    TfidfTransformer: _convert_tfidf,
    TfidfVectorizer: convert_text,
}
SHAPES = dict.fromkeys(CONVERTERS, _shape)
PARSERS = dict.fromkeys(CONVERTERS, _parse)
