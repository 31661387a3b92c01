"""Convert steps to ONNX graphs, and merge graphs."""

from typing import Any

import onnx
import skl2onnx
from onnx import ModelProto, compose, helper
from sklearn.pipeline import make_pipeline

from sklearn_kmex._onnx.classifier import OUTPUTS, register_classifiers
from sklearn_kmex._onnx.embedders import register_embedders
from sklearn_kmex._onnx.graph import NoConverter

register_classifiers()
register_embedders()


def convert(
    steps: list[Any], X: Any, opset: int, n_prototypes: int | None = None
) -> ModelProto:
    """Convert steps; with `n_prototypes`, the last step is the classifier."""
    names = ["embedding"] if n_prototypes is None else OUTPUTS
    options = {id(steps[-1]): {"n_prototypes": n_prototypes}} if n_prototypes else None
    try:
        graph = skl2onnx.to_onnx(
            make_pipeline(*steps),
            X,
            options=options,
            target_opset={"": opset, "ai.onnx.ml": 3},
            final_types=[(name, None) for name in names],
        )
    except NoConverter:
        raise
    except Exception as error:
        kinds = ", ".join(type(step).__name__ for step in steps)
        raise TypeError(
            f"psem must consist of steps that skl2onnx converts; of {kinds} one is "
            f"not: {_first_line(error)} Export the steps after it, and pass their "
            "graph the output of the steps before."
        ) from error
    _set_opset(graph, opset)
    return graph


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]


def _set_opset(graph: ModelProto, opset: int) -> None:
    """Declare the opset of a graph; skl2onnx declares the lowest possible one."""
    del graph.opset_import[:]
    graph.opset_import.extend(
        [helper.make_opsetid("", opset), helper.make_opsetid("ai.onnx.ml", 3)]
    )


def chain(graphs: list[ModelProto]) -> ModelProto:
    """Merge graphs; each takes the output of the one before it."""
    merged, *rest = graphs
    for place, graph in enumerate(rest, 1):
        name = merged.graph.output[0].name
        graph.ir_version = merged.ir_version = min(graph.ir_version, merged.ir_version)
        graph = compose.add_prefix(
            graph, f"part{place}_", rename_outputs=place < len(rest)
        )
        links = [(name, graph.graph.input[0].name)]
        merged = compose.merge_models(merged, graph, links)
    return merged


def finish(graph: ModelProto, opset: int, metadata: dict[str, str]) -> ModelProto:
    """Add metadata and a batch axis of any size to a graph, and check it.

    Other metadata are removed: torch stores paths of source files in them.
    """
    _set_opset(graph, opset)
    del graph.graph.value_info[:]
    for part in (*graph.graph.node, *graph.graph.input, *graph.graph.output):
        del part.metadata_props[:]
        part.doc_string = ""
    for value in (*graph.graph.input, *graph.graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "n_samples"
    helper.set_model_props(graph, metadata)
    graph.producer_name, graph.doc_string = "sklearn_kmex", ""
    onnx.checker.check_model(graph, full_check=True)
    return graph
