"""Nodes of an ONNX graph, written as calls."""

from typing import Any

import numpy as np
from onnx import numpy_helper
from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType

FLOAT, INT64, BOOL, DOUBLE = 1, 7, 9, 11  # of onnx.TensorProto


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
    kind = FloatTensorType if dtype == np.float32 else DoubleTensorType
    names = [
        column.full_name
        if type(column.type) is kind
        else cast(graph, column.full_name, dtype)
        for column in columns
    ]
    return names[0] if len(names) == 1 else graph.Concat(*names, axis=1), dtype


def all_float32(operator: Any) -> bool:
    """Whether all inputs are float32."""
    return all(type(column.type) is FloatTensorType for column in operator.inputs)


def cast(graph: Graph, value: str, dtype: Any) -> str:
    return graph.Cast(value, to=FLOAT if dtype == np.float32 else DOUBLE)
