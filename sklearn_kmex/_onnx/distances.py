"""Squared distances as nodes of a graph."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_kmex._model.nearest import about_center
from sklearn_kmex._model.similarity import CANCELLED
from sklearn_kmex._onnx.graph import INT64, Graph


def squared_distances(graph: Graph, X: str, prototypes: NDArray, dtype: Any) -> str:
    """Squared distances in float64, as in `_model.similarity`.

    Differences are squared where the expanded product cancels, or leaves open which
    prototype is nearest. `dtype` is the original dtype of the rows.
    """
    P = prototypes.astype(np.float64)
    center, Q = about_center(P, np.float64)
    Z = X if center is None else graph.Sub(X, center)
    norms = graph.Add(_square(graph, Z, keepdims=1), (Q**2).sum(axis=1))
    distances = graph.Gemm(Z, np.ascontiguousarray(-2 * Q.T), norms)
    cancelled = graph.LessOrEqual(distances, graph.Mul(norms, CANCELLED))
    near = graph.Or(cancelled, _tied(graph, distances, norms, P.shape[1], dtype))
    pairs = graph.Transpose(graph.NonZero(near), perm=[1, 0])
    rows, columns = graph.Split(pairs, axis=1, num_outputs=2, n_outputs=2)
    differences = graph.Sub(graph.GatherND(X, rows), graph.GatherND(P, columns))
    return graph.ScatterND(distances, pairs, _square(graph, differences, keepdims=0))


def _tied(graph: Graph, distances: str, norms: str, width: int, dtype: Any) -> str:
    """Mark the distances of a row that may be the least, if there are several."""
    axis = np.array([1])
    slack = graph.Mul(
        graph.ReduceMax(norms, axis, keepdims=1),
        4 * (width + 4) * float(np.finfo(np.float64).eps),
    )
    least = graph.ReduceMin(distances, axis, keepdims=1)
    least = graph.Mul(least, 1 + 4 * float(np.finfo(dtype).eps))
    candidates = graph.LessOrEqual(distances, graph.Add(least, slack))
    count = graph.ReduceSum(graph.Cast(candidates, to=INT64), axis, keepdims=1)
    return graph.And(candidates, graph.Greater(count, np.int64(1)))


def _square(graph: Graph, X: str, keepdims: int) -> str:
    return graph.ReduceSumSquare(X, np.array([1]), keepdims=keepdims)
