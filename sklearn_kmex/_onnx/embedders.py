"""Converters of the embedders for skl2onnx."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import numpy_helper
from scipy import sparse
from skl2onnx import update_registered_converter
from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType
from sklearn.pipeline import FeatureUnion, Pipeline

from sklearn_kmex._onnx.graph import (
    INT64,
    Graph,
    all_float32,
    cast,
    infinite_rows,
    rows_of,
)
from sklearn_kmex._onnx.trees import Tree, Trees, trees_of
from sklearn_kmex.embedding import MLPEmbedder, TreeEmbedder
from sklearn_kmex.embedding._leaves import XGBOOST, is_instance, leaf_tables

ZERO_IS_MISSING = "zero_is_missing"  # option: XGBoost takes the zeros of sparse rows so
ACTIVATIONS = {"logistic": "Sigmoid", "relu": "Relu", "tanh": "Tanh"}


def _shape_mlp(operator: Any) -> None:
    """Set the type of the embedding, the common one of rows and weights."""
    embedder = operator.raw_operator
    mlp = embedder.mlp
    floats = all_float32(operator) and mlp.coefs_[0].dtype == np.float32
    width = mlp.coefs_[embedder.layer % (len(mlp.coefs_) - 1)].shape[1]
    kind = FloatTensorType if floats else DoubleTensorType
    operator.outputs[0].type = kind([None, width])


def _convert_mlp(scope: Any, operator: Any, container: Any) -> None:
    """Add the hidden layers of a network as matrix products."""
    embedder, graph = operator.raw_operator, Graph(scope, container)
    mlp, (X, dtype) = embedder.mlp, rows_of(graph, operator)
    dtype = np.result_type(dtype, mlp.coefs_[0].dtype)
    X = cast(graph, X, dtype)
    for depth in range(embedder.layer % (len(mlp.coefs_) - 1) + 1):
        weights, bias = mlp.coefs_[depth], mlp.intercepts_[depth]
        X = graph.MatMul(X, weights.astype(dtype))
        X = graph.Add(X, bias.astype(dtype))
        if mlp.activation != "identity":
            X = getattr(graph, ACTIVATIONS[mlp.activation])(X)
    graph.set_outputs(operator.outputs, X)


def _shape_tree(operator: Any) -> None:
    embedder = operator.raw_operator
    trees = trees_of(embedder.ensemble).trees
    if embedder.leaves == "value":
        width = _leaf_values(embedder, len(trees)).shape[1] * len(trees)
    else:
        width = sum(len(_leaves_of(tree)) for tree in trees)
    operator.outputs[0].type = DoubleTensorType([None, width])


def _convert_tree(scope: Any, operator: Any, container: Any) -> None:
    """Add an ensemble of trees that returns the number of a leaf for each tree."""
    embedder, graph = operator.raw_operator, Graph(scope, container)
    found = trees_of(embedder.ensemble)
    X = cast(graph, rows_of(graph, operator)[0], found.dtype)  # dtype of thresholds
    if container.get_options(embedder, {ZERO_IS_MISSING: False})[ZERO_IS_MISSING]:
        zero = graph.Equal(X, found.dtype(0))
        X = graph.Where(zero, found.dtype(np.nan), X)
    numbers = graph.TreeEnsembleRegressor(
        X,
        op_domain="ai.onnx.ml",
        op_version=3,
        n_targets=len(found.trees),
        **_ensemble_attributes(found),
    )
    leaves = graph.Cast(numbers, to=INT64)
    width = operator.outputs[0].type.shape[1]
    if embedder.leaves == "value":
        values = graph.Gather(_leaf_values(embedder, len(found.trees)), leaves, axis=0)
        Z = graph.Reshape(values, np.array([-1, width]))
    else:
        Z = _indicators(graph, leaves, len(found.trees), width)
    # Rows that are infinite in the dtype of thresholds are refused by the trees.
    graph.set_outputs(operator.outputs, graph.Add(Z, infinite_rows(graph, X)))


def _leaf_values(embedder: TreeEmbedder, n_trees: int) -> NDArray[np.float64]:
    """Values of all leaves, in the order of their numbers."""
    tables = leaf_tables(embedder.ensemble)[:n_trees]
    return np.concatenate([table.values[table.is_leaf] for table in tables])


def _indicators(graph: Graph, leaves: str, n_trees: int, width: int) -> str:
    """Add rows with one entry for each tree, in the column of its leaf."""
    size = graph.Concat(graph.Shape(leaves, start=0, end=1), np.array([width]), axis=0)
    zeros = graph.Expand(np.float64(0), size)
    entries = graph.Expand(np.sqrt(0.5 / n_trees), graph.Shape(leaves))
    return graph.ScatterElements(zeros, leaves, entries, axis=1)


def _leaves_of(tree: Tree) -> NDArray[np.intp]:
    """Numbers of the nodes that are leaves, in the order of their numbers."""
    return np.flatnonzero((tree.left == -1) & (tree.feature != -1))


def _ensemble_attributes(found: Trees) -> dict[str, Any]:
    """Nodes of all trees, with the number of each leaf as its target.

    Numbers are stored as tensors; other attributes cannot be float64.
    """
    fields: dict[str, list] = {}
    first = 0
    for number, tree in enumerate(found.trees):
        leaves = _leaves_of(tree)
        for name, values in _tree_attributes(tree, number, leaves, found.mode).items():
            fields.setdefault(name, []).extend(values)
        first += len(leaves)
    numbers = {
        "nodes_values_as_tensor": np.array(fields.pop("nodes_values"), found.dtype),
        "target_weights_as_tensor": np.arange(first, dtype=found.dtype),
    }
    tensors = {key: numpy_helper.from_array(v, key) for key, v in numbers.items()}
    return {**fields, **tensors}


def _tree_attributes(
    tree: Tree, number: int, leaves: NDArray, mode: str
) -> dict[str, list]:
    """Nodes of one tree in the format of the ONNX operator."""
    is_leaf = tree.left == -1
    kept = np.flatnonzero(~is_leaf | (tree.feature != -1))
    nodes = {
        "nodes_nodeids": np.arange(len(is_leaf)),
        "nodes_featureids": np.where(is_leaf, 0, tree.feature),
        "nodes_modes": np.where(is_leaf, "LEAF", mode),
        "nodes_values": np.where(is_leaf, 0, tree.threshold),
        "nodes_truenodeids": np.where(is_leaf, 0, tree.left),
        "nodes_falsenodeids": np.where(is_leaf, 0, tree.right),
        "nodes_missing_value_tracks_true": np.where(is_leaf, 0, tree.missing_left),
    }
    return {
        **{name: values[kept].tolist() for name, values in nodes.items()},
        "nodes_treeids": [number] * len(kept),
        "target_treeids": [number] * len(leaves),
        "target_nodeids": leaves.tolist(),
        "target_ids": [number] * len(leaves),
    }


def zeros_as_missing(steps: list[Any], X: Any) -> Iterator[TreeEmbedder]:
    """Yield the embedders, also of inner steps, whose input has zeros that are missing.

    These are trees of XGBoost behind a step with sparse output; `X` is their input.
    """
    for place, step in enumerate(steps):
        if isinstance(step, TreeEmbedder):
            if sparse.issparse(X) and is_instance(step.ensemble, XGBOOST):
                yield step
        elif isinstance(step, Pipeline):
            yield from zeros_as_missing([part for _, part in step.steps], X)
        elif isinstance(step, FeatureUnion):
            for _, part in step.transformer_list:
                yield from zeros_as_missing([part], X)
        if place < len(steps) - 1:
            X = step.transform(X)


def register_embedders() -> None:
    """Register the converters of the embedders."""
    for kind, shape, convert in (
        (MLPEmbedder, _shape_mlp, _convert_mlp),
        (TreeEmbedder, _shape_tree, _convert_tree),
    ):
        update_registered_converter(
            kind,
            f"KMEx{kind.__name__}",
            shape,
            convert,
            options={ZERO_IS_MISSING: [True, False]},
        )
