"""onnx: steps converted to graphs, and graphs joined into one."""

from typing import Any

import onnx
import skl2onnx
from onnx import ModelProto, compose, helper
from sklearn.pipeline import make_pipeline

import sklearn_kmex._onnx.embedders  # noqa: F401  registers converters
from sklearn_kmex._onnx.classifier import OUTPUTS
from sklearn_kmex._onnx.graph import NoConverter


def convert(
    steps: list[Any], X: Any, opset: int, n_prototypes: int | None = None
) -> ModelProto:
    """Convert steps; the last is the classifier where prototypes are to be told."""
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
            f"not: {first_line(error)} Export from the step after it on, and give the "
            "graph what the steps before that give."
        ) from error
    set_opset(graph, opset)
    return graph


def first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]


def set_opset(graph: ModelProto, opset: int) -> None:
    """Declare the opset converted for; skl2onnx declares the least that would do."""
    del graph.opset_import[:]
    graph.opset_import.extend(
        [helper.make_opsetid("", opset), helper.make_opsetid("ai.onnx.ml", 3)]
    )


def chain(graphs: list[ModelProto]) -> ModelProto:
    """Let each graph take what the one before it gives."""
    whole, *rest = graphs
    for place, graph in enumerate(rest, 1):
        name = whole.graph.output[0].name
        graph.ir_version = whole.ir_version = min(graph.ir_version, whole.ir_version)
        graph = compose.add_prefix(
            graph, f"part{place}_", rename_outputs=place < len(rest)
        )
        taken = graph.graph.input[0].name
        whole = compose.merge_models(whole, graph, [(name, taken)])
    return whole


def finish(graph: ModelProto, opset: int, metadata: dict[str, str]) -> ModelProto:
    """Write what is to be known about a graph into it, and check the whole.

    Where in whose files a node of torch was written is nobody's business.
    """
    set_opset(graph, opset)
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
