"""skl2onnx: the converter of the classifier, registered by the import."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from skl2onnx import update_registered_converter
from skl2onnx.common.data_types import (
    BooleanTensorType,
    DoubleTensorType,
    FloatTensorType,
    Int64TensorType,
    StringTensorType,
)

from sklearn_kmex._classifier import KMExClassifier
from sklearn_kmex._classifier_cv import KMExClassifierCV
from sklearn_kmex._graph_backend import (
    DOUBLE,
    Graph,
    NoConverter,
    all_float32,
    cast,
    rows_of,
)
from sklearn_kmex._layout import Layout, lay_out
from sklearn_kmex._nearest import about_center
from sklearn_kmex._similarity import CANCELLED

KINDS = (KMExClassifier, KMExClassifierCV)
OUTPUTS = ("label", "probabilities", "prototypes", "similarities")
LABELS = {
    "b": BooleanTensorType,
    "f": DoubleTensorType,
    "i": Int64TensorType,
    "u": Int64TensorType,
    "U": StringTensorType,
}


def parse_kmex(scope: Any, model: Any, inputs: Any, custom_parsers: Any = None) -> Any:
    """Declare four outputs, where skl2onnx expects two of a classifier."""
    operator = scope.declare_local_operator("KMExClassifier", model)
    operator.inputs.extend(inputs)
    for name in OUTPUTS:
        operator.outputs.append(scope.declare_local_variable(name, FloatTensorType()))
    return operator.outputs


def shape_kmex(operator: Any) -> None:
    """Say of which type and shape the outputs are."""
    kmex = operator.raw_operator
    real = FloatTensorType if all_float32(operator) else DoubleTensorType
    label, chances, prototypes, similar = operator.outputs
    label.type = LABELS[class_labels(kmex).dtype.kind]([None])
    chances.type = real([None, len(kmex.classes_)])
    prototypes.type, similar.type = Int64TensorType([None, None]), real([None, None])


def class_labels(kmex: Any) -> NDArray:
    """Labels as a graph holds them: text, whole numbers, floats or booleans."""
    labels = kmex.classes_
    if labels.dtype == object and all(isinstance(label, str) for label in labels):
        labels = labels.astype(str)
    if labels.dtype.kind in "iu":
        labels = labels.astype(np.int64)
    if labels.dtype.kind == "f":
        labels = labels.astype(np.float64)
    if labels.dtype.kind not in LABELS:
        raise NoConverter(
            "classes_ must be text, numbers or booleans to be exported; got "
            f"{labels.dtype}. Encode y with LabelEncoder, and fit again."
        )
    return labels


def convert_kmex(scope: Any, operator: Any, container: Any) -> None:
    """Write a fitted classifier as a graph, in the steps of its own `predict`."""
    kmex, graph = operator.raw_operator, Graph(scope, container)
    options = container.get_options(kmex, {"n_prototypes": 1})
    X, dtype = rows_of(graph, operator)
    similar = similarities(graph, X, kmex, dtype)
    scores = class_scores(graph, similar, kmex, lay_out(kmex, dtype))
    labels = class_labels(kmex)
    labels = labels.astype(object) if labels.dtype.kind == "U" else labels
    code = graph.ArgMax(scores, axis=1, keepdims=0)
    values, ids = graph.TopK(
        similar, np.array([options["n_prototypes"]]), axis=1, n_outputs=2
    )
    graph.give(
        operator.outputs,
        graph.Gather(labels, code),
        probabilities(graph, scores, kmex.temperature_, dtype),
        ids,
        values,
    )


def similarities(graph: Graph, X: str, kmex: Any, dtype: Any) -> str:
    """Similarity of each row to each prototype, as `_similarity` computes it."""
    if dtype != np.float64:
        X = graph.Cast(X, to=DOUBLE)
    squared = squared_distances(graph, X, kmex.prototypes_.astype(np.float64))
    if kmex.similarity == "gaussian":
        values = graph.Div(squared, -2.0)
    else:
        values = log_similarity(graph, graph.Sqrt(squared), float(kmex.epsilon))
    least = np.float64(np.finfo(dtype).min)
    return cast(graph, graph.Max(values, least), dtype)


def squared_distances(graph: Graph, X: str, P: NDArray) -> str:
    """Squared distances, by differences where products cancel.

    They are taken about the mean of the prototypes where that is far away.
    """
    center, Q = about_center(P, P.dtype)
    Z = X if center is None else graph.Sub(X, center)
    norms = graph.Add(square(graph, Z, keepdims=1), (Q**2).sum(axis=1))
    distances = graph.Sub(norms, graph.MatMul(Z, 2 * Q.T))
    near = graph.LessOrEqual(distances, graph.Mul(norms, CANCELLED))
    pairs = graph.Transpose(graph.NonZero(near), perm=[1, 0])
    rows, columns = graph.Split(pairs, axis=1, num_outputs=2, n_outputs=2)
    differences = graph.Sub(graph.GatherND(X, rows), graph.GatherND(P, columns))
    return graph.ScatterND(distances, pairs, square(graph, differences, keepdims=0))


def square(graph: Graph, X: str, keepdims: int) -> str:
    return graph.ReduceSumSquare(X, np.array([1]), keepdims=keepdims)


def log_similarity(graph: Graph, distances: str, epsilon: float) -> str:
    """Logarithm of 1 + x with all digits of a small x, which ONNX has no operator for.

    Kahan's: the error of rounding 1 + x is the same above and below.
    """
    x = graph.Div(1 - epsilon, graph.Add(distances, epsilon))
    above = graph.Add(x, 1.0)
    quotient = graph.Div(x, graph.Sub(above, 1.0))
    large = graph.Mul(graph.Log(above), quotient)
    return graph.Where(graph.Equal(above, 1.0), x, large)


def class_scores(graph: Graph, similar: str, kmex: Any, layout: Layout) -> str:
    """Score of each class, with its prior."""
    own = graph.Gather(similar, layout.columns, axis=1)
    own = graph.Add(own, layout.mask)
    reduce = graph.ReduceMax if kmex.aggregation == "max" else graph.ReduceLogSumExp
    return graph.Add(reduce(own, np.array([2]), keepdims=0), layout.shift)


def probabilities(graph: Graph, scores: str, temperature: float, dtype: Any) -> str:
    """Softmax of scores over the temperature, taken below the largest."""
    best = graph.ReduceMax(scores, np.array([1]), keepdims=1)
    below = graph.Cast(graph.Sub(scores, best), to=DOUBLE)
    chances = graph.Softmax(graph.Div(below, float(temperature)), axis=1)
    return cast(graph, chances, dtype)


for kind in KINDS:
    update_registered_converter(
        kind,
        "KMExClassifier",
        shape_kmex,
        convert_kmex,
        parser=parse_kmex,
        options={"n_prototypes": None},
    )
