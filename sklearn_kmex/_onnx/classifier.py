"""Converter of the classifier for skl2onnx."""

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
from sklearn_kmex._onnx.decisions import Decide
from sklearn_kmex._onnx.distances import squared_distances, undefined_rows
from sklearn_kmex._onnx.graph import (
    Graph,
    NoConverter,
    all_float32,
    cast,
    infinite_rows,
    rows_of,
)

OUTPUTS = ("label", "probabilities", "prototypes", "similarities")
LABELS = {
    "b": BooleanTensorType,
    "f": DoubleTensorType,
    "i": Int64TensorType,
    "u": Int64TensorType,
    "U": StringTensorType,
}


def _parse_kmex(scope: Any, model: Any, inputs: Any, custom_parsers: Any = None) -> Any:
    """Declare four outputs; by default, skl2onnx declares two for a classifier."""
    operator = scope.declare_local_operator("KMExClassifier", model)
    operator.inputs.extend(inputs)
    for name in OUTPUTS:
        operator.outputs.append(scope.declare_local_variable(name, FloatTensorType()))
    return operator.outputs


def _shape_kmex(operator: Any) -> None:
    """Set the types and shapes of the outputs."""
    kmex = operator.raw_operator
    real = FloatTensorType if all_float32(operator) else DoubleTensorType
    label, chances, prototypes, similar = operator.outputs
    label.type = LABELS[_class_labels(kmex).dtype.kind]([None])
    chances.type = real([None, len(kmex.classes_)])
    prototypes.type, similar.type = Int64TensorType([None, None]), real([None, None])


def _class_labels(kmex: Any) -> NDArray:
    """Class labels in a dtype of ONNX: text, int64, float64 or booleans."""
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


def _convert_kmex(scope: Any, operator: Any, container: Any) -> None:
    """Add the nodes of a fitted classifier, with distances in float64."""
    kmex, graph = operator.raw_operator, Graph(scope, container)
    options = container.get_options(kmex, {"n_prototypes": 1})
    X, dtype = rows_of(graph, operator)
    decide = Decide(graph, kmex, dtype, options["n_prototypes"])
    squared = squared_distances(graph, X, kmex, dtype)
    code, chances, ids, similar = decide(squared)
    undefined = cast(graph, _undefined(graph, scope, squared), dtype)
    chances, similar = (graph.Add(x, undefined) for x in (chances, similar))
    labels = _class_labels(kmex)
    labels = labels.astype(object) if labels.dtype.kind == "U" else labels
    label = graph.Gather(labels, code)
    graph.set_outputs(operator.outputs, label, chances, ids, similar)


def _undefined(graph: Graph, scope: Any, squared: str) -> str:
    """Return NaN for rows that `predict` refuses, and 0 for others, (n_samples, 1).

    These have infinite values, which a step may clip, or are too far to be compared.
    """
    found = undefined_rows(graph, squared)
    for part in scope.input_variables:
        if isinstance(part.type, DoubleTensorType | FloatTensorType):
            found = graph.Add(found, infinite_rows(graph, part.onnx_name))
    return found


def register_classifiers() -> None:
    """Register the converter for the classifiers of this package."""
    for kind in (KMExClassifier, KMExClassifierCV):
        update_registered_converter(
            kind,
            "KMExClassifier",
            _shape_kmex,
            _convert_kmex,
            parser=_parse_kmex,
            options={"n_prototypes": None},
        )
