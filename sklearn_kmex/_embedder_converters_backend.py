"""skl2onnx: converters of the embedders, registered by the import."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from skl2onnx import update_registered_converter
from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType

from sklearn_kmex._graph_backend import (
    INT64,
    Graph,
    NoConverter,
    all_float32,
    cast,
    rows_of,
)
from sklearn_kmex.embedding import MLPEmbedder, TreeEmbedder

ACTIVATIONS = {"logistic": "Sigmoid", "relu": "Relu", "tanh": "Tanh"}


def shape_mlp(operator: Any) -> None:
    """Say of which type the embedding is: that of rows and weights together."""
    embedder = operator.raw_operator
    mlp = embedder.mlp
    floats = all_float32(operator) and mlp.coefs_[0].dtype == np.float32
    width = mlp.coefs_[embedder.layer % (len(mlp.coefs_) - 1)].shape[1]
    kind = FloatTensorType if floats else DoubleTensorType
    operator.outputs[0].type = kind([None, width])


def convert_mlp(scope: Any, operator: Any, container: Any) -> None:
    """Write the hidden layers of a network as matrix products."""
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
    graph.give(operator.outputs, X)


def trees_of(ensemble: Any) -> list[Any]:
    """Trees of an ensemble of scikit-learn, whose nodes can be read."""
    trees = np.ravel(getattr(ensemble, "estimators_", ensemble))
    if not all(hasattr(tree, "tree_") for tree in trees):
        raise NoConverter(
            "ensemble must be a random forest, extra trees, gradient boosting or "
            "decision tree of scikit-learn to be exported; got "
            f"{type(ensemble).__name__}. Save the model with skops.io."
        )
    return [tree.tree_ for tree in trees]


def shape_tree(operator: Any) -> None:
    trees = trees_of(operator.raw_operator.ensemble)
    width = sum(int((tree.children_left == -1).sum()) for tree in trees)
    operator.outputs[0].type = DoubleTensorType([None, width])


def convert_tree(scope: Any, operator: Any, container: Any) -> None:
    """Write an ensemble as one that gives, for each tree, the number of a leaf."""
    trees, graph = trees_of(operator.raw_operator.ensemble), Graph(scope, container)
    X = cast(graph, rows_of(graph, operator)[0], np.float32)  # what trees compare
    attributes = ensemble_attributes(trees)
    leaves = graph.TreeEnsembleRegressor(
        X,
        op_domain="ai.onnx.ml",
        op_version=3,
        n_targets=len(trees),
        **attributes,
    )
    width = operator.outputs[0].type.shape[1]
    size = graph.Concat(graph.Shape(X, start=0, end=1), np.array([width]), axis=0)
    nothing = graph.Expand(np.float64(0), size)
    columns = graph.Cast(leaves, to=INT64)
    value = graph.Expand(np.sqrt(0.5 / len(trees)), graph.Shape(columns))
    graph.give(operator.outputs, graph.ScatterElements(nothing, columns, value, axis=1))


def ensemble_attributes(trees: list[Any]) -> dict[str, Any]:
    """Nodes of all trees, each with a target of its own: the column of the leaf."""
    fields: dict[str, list] = {}
    first = 0
    for number, tree in enumerate(trees):
        leaves = np.flatnonzero(tree.children_left == -1)
        for name, values in tree_attributes(tree, number, leaves, first).items():
            fields.setdefault(name, []).extend(values)
        first += len(leaves)
    return fields


def tree_attributes(
    tree: Any, number: int, leaves: NDArray, first: int
) -> dict[str, list]:
    """Nodes of one tree, as the operator of ONNX lists them."""
    is_leaf = tree.children_left == -1
    n_nodes, zeros = len(is_leaf), np.zeros(len(is_leaf), dtype=np.int64)
    return {
        "nodes_treeids": [number] * n_nodes,
        "nodes_nodeids": list(range(n_nodes)),
        "nodes_featureids": np.where(is_leaf, 0, tree.feature).tolist(),
        "nodes_modes": np.where(is_leaf, "LEAF", "BRANCH_LEQ").tolist(),
        "nodes_values": np.where(is_leaf, 0, float32_below(tree.threshold)).tolist(),
        "nodes_truenodeids": np.where(is_leaf, 0, tree.children_left).tolist(),
        "nodes_falsenodeids": np.where(is_leaf, 0, tree.children_right).tolist(),
        "nodes_missing_value_tracks_true": (
            zeros + np.where(is_leaf, 0, tree.missing_go_to_left)
        ).tolist(),
        "target_treeids": [number] * len(leaves),
        "target_nodeids": leaves.tolist(),
        "target_ids": [number] * len(leaves),
        "target_weights": np.arange(first, first + len(leaves)).astype(float).tolist(),
    }


def float32_below(thresholds: NDArray) -> NDArray[np.float32]:
    """Largest float32 not above each threshold: it parts float32 in the same way."""
    rounded = thresholds.astype(np.float32)
    lower = np.nextafter(rounded, np.float32(-np.inf))
    return np.where(rounded > thresholds, lower, rounded)


update_registered_converter(MLPEmbedder, "KMExMLPEmbedder", shape_mlp, convert_mlp)
update_registered_converter(TreeEmbedder, "KMExTreeEmbedder", shape_tree, convert_tree)
