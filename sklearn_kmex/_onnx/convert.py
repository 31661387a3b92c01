"""Convert steps to ONNX graphs, and merge graphs."""

import json
import warnings
from typing import Any, NamedTuple

import onnx
import skl2onnx
from onnx import GraphProto, ModelProto, compose, helper
from sklearn.pipeline import make_pipeline

from sklearn_kmex._onnx.classifier import OUTPUTS, register_classifiers
from sklearn_kmex._onnx.embedders import (
    ZERO_IS_MISSING,
    register_embedders,
    zeros_as_missing,
)
from sklearn_kmex._onnx.graph import NoConverter, rename
from sklearn_kmex._onnx.inputs import (
    Input,
    input_names,
    inputs_of,
    model_inputs,
    select_in_steps,
)
from sklearn_kmex._onnx.steps import CONVERTERS, PARSERS, SHAPES
from sklearn_kmex.exceptions import KMExWarning

register_classifiers()
register_embedders()


class Part(NamedTuple):
    """Graph of some steps, and the columns that its inputs take."""

    graph: ModelProto
    columns: list[Any]


def convert(
    steps: list[Any], X: Any, opset: int, n_prototypes: int | None = None
) -> Part:
    """Convert steps; with `n_prototypes`, the last step is the classifier."""
    inputs = inputs_of(X)
    taken = model_inputs(inputs)
    chosen = select_in_steps(steps, X, as_matrix=len(taken) == 1)
    options = _options(steps, X, n_prototypes)
    try:
        graph = skl2onnx.convert_sklearn(
            make_pipeline(*chosen),
            "KMEx",
            [(str(part.column), part.onnx_type()) for part in taken],
            options=options,
            target_opset={"": opset, "ai.onnx.ml": 3},
            custom_conversion_functions=CONVERTERS,
            custom_shape_calculators=SHAPES,
            custom_parsers=PARSERS,
        )
    except NoConverter:
        raise
    except Exception as error:
        raise _no_converter(steps, inputs, error) from error
    _set_opset(graph, opset)
    return Part(graph, _set_inputs(graph.graph, inputs))


def _options(steps: list[Any], X: Any, n_prototypes: int | None) -> dict[int, Any]:
    """Return the options of converters, by the identity of a step."""
    options: dict[int, Any] = {}
    if n_prototypes:
        options[id(steps[-1])] = {"n_prototypes": n_prototypes}
    before = steps[:-1] if n_prototypes else steps
    return options | {
        id(step): {ZERO_IS_MISSING: True} for step in zeros_as_missing(before, X[:1])
    }


def _no_converter(steps: list[Any], inputs: list[Input], error: Exception) -> TypeError:
    """Return the error for columns without a type in ONNX, or for a step."""
    for part in inputs:
        if part.dtype is None:
            return _no_type(part)
    kinds = ", ".join(type(step).__name__ for step in steps)
    first_line = str(error).strip().partition("\n")[0]
    return TypeError(
        f"psem must consist of steps that skl2onnx converts; of {kinds} one is not: "
        f"{first_line.rstrip('.')}. Export the steps after it, and pass their graph "
        "the output of the steps before."
    )


def _set_opset(graph: ModelProto, opset: int) -> None:
    """Declare the opset of a graph; skl2onnx declares the lowest possible one."""
    versions = {part.domain: part.version for part in graph.opset_import}
    versions |= {"": opset, "ai.onnx.ml": 3}
    del graph.opset_import[:]
    graph.opset_import.extend(helper.make_opsetid(*pair) for pair in versions.items())


def _set_inputs(graph: GraphProto, inputs: list[Input]) -> list[Any]:
    """Replace the inputs by those of X, cast and joined; return their columns.

    Columns without a type in ONNX have no input; no node may take them.
    """
    values = list(graph.input)
    joined = len(values) < len(inputs)
    if not joined:
        _check_taken(graph, inputs)
    known = [(n, part) for n, part in enumerate(inputs) if part.dtype is not None]
    del graph.input[:]
    nodes = []
    for n, part in known:
        own = f"column.{n}"  # no name of skl2onnx has a dot
        graph.input.append(helper.make_value_info(own, part.onnx_type().to_onnx_type()))
        value = values[0 if joined else n]
        to, kind = f"cast.{n}" if joined else value.name, value.type.tensor_type
        nodes.append(helper.make_node("Cast", [own], [to], to=kind.elem_type))
    if joined:
        names = [node.output[0] for node in nodes]
        nodes.append(helper.make_node("Concat", names, [values[0].name], axis=1))
    nodes += graph.node
    del graph.node[:]
    graph.node.extend(nodes)
    return [part.column for _, part in known]


def _check_taken(graph: GraphProto, inputs: list[Input]) -> None:
    """Raise an error if a node takes an input without a type in ONNX."""
    taken = {name for node in graph.node for name in node.input}
    for value, part in zip(graph.input, inputs, strict=True):
        if part.dtype is None and value.name in taken:
            raise _no_type(part)


def _no_type(part: Input) -> NoConverter:
    return NoConverter(
        "X must have columns of numbers, booleans or text to be exported; got column "
        f"{part.column!r} of {part.kind}. Convert it to one of them, and fit again."
    )


def chain(parts: list[Part]) -> tuple[ModelProto, list[Any]]:
    """Merge graphs; each takes the output of the one before it.

    Names within each graph get a prefix, so that no two are equal.
    """
    for place, part in enumerate(parts):
        rename(part.graph.graph, f"{place}.{{}}".format)
    merged, *rest = (part.graph for part in parts)
    for graph in rest:
        graph.ir_version = merged.ir_version = min(graph.ir_version, merged.ir_version)
        link = merged.graph.output[0].name, graph.graph.input[0].name
        merged = compose.merge_models(merged, graph, [link])
    return merged, parts[0].columns


def finish(
    graph: ModelProto, columns: list[Any], opset: int, metadata: dict[str, str]
) -> ModelProto:
    """Name inputs and outputs, add metadata and batches of any size, and check.

    Other metadata are removed: torch stores paths of source files in them.
    """
    _set_opset(graph, opset)
    del graph.graph.value_info[:]
    for part in (*graph.graph.node, *graph.graph.input, *graph.graph.output):
        del part.metadata_props[:]
        part.doc_string = ""
    for value in (*graph.graph.input, *graph.graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "n_samples"
    names = input_names(columns, OUTPUTS)
    _publish(graph.graph, names)
    described = {"inputs": json.dumps(dict(zip(names, columns, strict=True)))}
    helper.set_model_props(graph, metadata | described)
    graph.producer_name, graph.doc_string = "sklearn_kmex", ""
    _check(graph)
    _warn_of_new_names(names, columns)
    return graph


def _check(graph: ModelProto) -> None:
    """Refuse a graph whose nodes do not fit together, as of some steps."""
    try:
        onnx.checker.check_model(graph, full_check=True)
    except Exception as error:
        first_line = str(error).strip().partition("\n")[0]
        raise NoConverter(
            "psem must consist of steps whose graphs fit together; got a node of "
            f"skl2onnx that does not: {first_line}. Export the steps after it, and "
            "pass their graph the output of the steps before."
        ) from error


def _publish(graph: GraphProto, names: list[str]) -> None:
    """Give the inputs and outputs of a merged graph their public names."""
    values = *graph.input, *graph.output
    pairs = zip(values, (*names, *OUTPUTS), strict=True)
    public = {value.name: name for value, name in pairs}
    rename(graph, lambda name: public.get(name, name))


def _warn_of_new_names(names: list[str], columns: list[Any]) -> None:
    """Warn of inputs that are not named like their columns."""
    pairs = zip(names, columns, strict=True)
    new = [f"{name!r} for {column!r}" for name, column in pairs if name != column]
    if new:
        more = f", and {len(new) - 5} more" if len(new) > 5 else ""
        warnings.warn(
            "Inputs of the graph cannot be named like these columns; they are named "
            f"{', '.join(new[:5])}{more}. All names are in its metadata 'inputs'.",
            KMExWarning,
            stacklevel=4,
        )
