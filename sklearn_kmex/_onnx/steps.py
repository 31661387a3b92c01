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
from sklearn.cluster import KMeans, MiniBatchKMeans
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.feature_extraction.text import (
    CountVectorizer,
    TfidfTransformer,
    TfidfVectorizer,
)
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import Normalizer, PolynomialFeatures

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
        if isinstance(model, WIDE):
            width = len(model.get_feature_names_out())
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


def _convert_lda(scope: Any, operator: Any, container: Any) -> None:
    """Project rows; skl2onnx takes the step for a classifier."""
    step, width = operator.raw_operator, operator.outputs[0].type.shape[1]
    if not hasattr(step, "scalings_"):
        raise NoConverter(
            "LinearDiscriminantAnalysis must have a projection to be exported; got "
            f"solver={step.solver!r}. Fit it again with solver='svd'."
        )
    graph, scalings = Graph(scope, container), step.scalings_[:, :width]
    X, dtype = rows_of(graph, operator)
    X = cast(graph, X, np.float64)
    if step.solver == "svd":
        X = graph.Sub(X, step.xbar_.astype(np.float64))
    rows = graph.MatMul(X, scalings.astype(np.float64))
    graph.set_outputs(operator.outputs, cast(graph, rows, dtype))


def _convert_kmeans(scope: Any, operator: Any, container: Any) -> None:
    """Add the distances to the centers, without the numbers of clusters."""
    graph, centers = Graph(scope, container), operator.raw_operator.cluster_centers_
    X, dtype = rows_of(graph, operator)
    X = graph.Unsqueeze(cast(graph, X, np.float64), np.array([1]))
    far = graph.ReduceL2(
        graph.Sub(X, centers.astype(np.float64)), np.array([2]), keepdims=0
    )
    graph.set_outputs(operator.outputs, cast(graph, far, dtype))


def _convert_polynomial(scope: Any, operator: Any, container: Any) -> None:
    """Add products of columns, each of as many factors; a column of ones fills up."""
    graph, powers = Graph(scope, container), operator.raw_operator.powers_
    factors = [np.repeat(np.arange(len(row)), row) for row in powers]
    longest = max(map(len, factors), default=1)
    places = np.full((len(factors), longest), powers.shape[1])
    for place, columns in zip(places, factors, strict=True):
        place[: len(columns)] = columns
    X, dtype = rows_of(graph, operator)
    X = graph.Pad(X, np.array([0, 0, 0, 1]), dtype(1))
    products = graph.ReduceProd(
        graph.Gather(X, places, axis=1), np.array([2]), keepdims=0
    )
    graph.set_outputs(operator.outputs, products)


WIDE = (LinearDiscriminantAnalysis, KMeans, MiniBatchKMeans, PolynomialFeatures)
CONVERTERS = {
    KMeans: _convert_kmeans,
    LinearDiscriminantAnalysis: _convert_lda,
    MiniBatchKMeans: _convert_kmeans,
    PolynomialFeatures: _convert_polynomial,
    CountVectorizer: convert_text,
    Normalizer: _convert_normalizer,
    SimpleImputer: _convert_imputer,
    TfidfTransformer: _convert_tfidf,
    TfidfVectorizer: convert_text,
}
SHAPES = dict.fromkeys(CONVERTERS, _shape)
PARSERS = dict.fromkeys(CONVERTERS, _parse)
