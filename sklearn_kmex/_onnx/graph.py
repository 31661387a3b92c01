"""Nodes of an ONNX graph, written as calls."""

from collections.abc import Callable
from typing import Any

import numpy as np
from onnx import GraphProto, numpy_helper
from skl2onnx.common.data_types import FloatTensorType

FLOAT, INT64, STRING, BOOL, DOUBLE = 1, 7, 8, 9, 11  # of onnx.TensorProto
FEATURES = np.array([1])  # the axis of features


class NoConverter(TypeError):
    """Error of a model that cannot be converted to a graph."""


class Graph:
    """Adds nodes by calls: `graph.Add(a, b)` returns the name of the output."""

    def __init__(self, scope: Any, container: Any) -> None:
        self.scope = scope
        self.container = container

    def __getattr__(self, operation: str) -> Any:
        def add(*inputs: Any, n_outputs: int = 1, **attributes: Any) -> Any:
            names = [
                self.scope.get_unique_variable_name(operation) for _ in range(n_outputs)
            ]
            self.container.add_node(
                operation,
                [self.name(value) for value in inputs],
                names,
                name=self.scope.get_unique_operator_name(operation),
                **attributes,
            )
            return names[0] if n_outputs == 1 else names

        return add

    def name(self, value: Any) -> str:
        """Return the name of a value; an array becomes a constant."""
        if isinstance(value, str):
            return value
        tensor = numpy_helper.from_array(np.asarray(value))
        return self.Constant(value=tensor)

    def set_outputs(self, outputs: list[Any], *values: str) -> None:
        """Set the values of the outputs."""
        for output, value in zip(outputs, values, strict=True):
            self.container.add_node("Identity", [value], [output.full_name])


def rows_of(graph: Graph, operator: Any) -> tuple[str, Any]:
    """Return the input columns as one matrix, float32 if all of them are."""
    columns = operator.inputs
    dtype = np.float32 if all_float32(operator) else np.float64
    # A cast of each, because skl2onnx declares wrong types after some steps.
    names = [cast(graph, column.full_name, dtype) for column in columns]
    return names[0] if len(names) == 1 else graph.Concat(*names, axis=1), dtype


def all_float32(operator: Any) -> bool:
    """Whether all inputs are float32."""
    return all(type(column.type) is FloatTensorType for column in operator.inputs)


def cast(graph: Graph, value: str, dtype: Any) -> str:
    return graph.Cast(value, to=FLOAT if dtype == np.float32 else DOUBLE)


def infinite_rows(graph: Graph, X: str) -> str:
    """Return NaN for rows with infinite values, and 0 for others, (n_samples, 1)."""
    infinite = graph.Cast(graph.IsInf(X), to=DOUBLE)
    some = graph.ReduceMax(infinite, FEATURES, keepdims=1)
    return graph.Div(np.float64(0), graph.Sub(np.float64(1), some))


def rename(graph: GraphProto, new: Callable[[str], str]) -> None:
    """Rename all values and nodes of a graph, also in its branches and loops."""
    sparse = graph.sparse_initializer
    tensors = (
        *graph.initializer,
        *(t for part in sparse for t in (part.values, part.indices)),
    )
    for part in (*graph.input, *graph.output, *graph.value_info, *tensors, *graph.node):
        part.name = new(part.name) if part.name else ""
    for node in graph.node:
        node.input[:] = [new(name) if name else "" for name in node.input]
        node.output[:] = [new(name) if name else "" for name in node.output]
        for attribute in node.attribute:
            inner = [attribute.g] if attribute.HasField("g") else attribute.graphs
            for branch in inner:
                rename(branch, new)
