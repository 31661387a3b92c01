"""Squared distances as nodes of a graph: by one product, or to all digits."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_kmex._model.nearest import about_center, rounding
from sklearn_kmex._model.similarity import CANCELLED
from sklearn_kmex._onnx.graph import INT64, Graph

RUN = 64  # columns


def product_distances(
    graph: Graph, X: str, prototypes: NDArray, dtype: Any
) -> tuple[str, str]:
    """Squared distances in the dtype of X, and how far rounding may have moved them."""
    center, exact = about_center(prototypes.astype(np.float64), dtype)
    Z = X if center is None else graph.Sub(X, center)
    squares = np.einsum("ij,ij->i", exact, exact)
    right, own = (-2 * exact.T).astype(dtype), squares.astype(dtype)
    norms = row_squares(graph, Z, exact.shape[1])
    squared = graph.Add(graph.Gemm(Z, np.ascontiguousarray(right), own), norms)
    farthest = graph.Add(graph.Sqrt(norms), dtype(1.01 * np.sqrt(squares.max())))
    own_eps, exact_eps = (float(np.finfo(of).eps) for of in (dtype, np.float64))
    unit = dtype(rounding(exact.shape[1], own_eps, exact_eps))
    return squared, graph.Mul(graph.Mul(farthest, farthest), unit)


def exact_distances(graph: Graph, X: str, prototypes: NDArray, dtype: Any) -> str:
    """Squared distances of float64, as `squared_distances` of `_similarity` takes them.

    Differences are taken where the product cancels, or leaves open which is the least.
    """
    P = prototypes.astype(np.float64)
    center = P.mean(axis=0)
    Z, Q = graph.Sub(X, center), P - center
    norms = graph.Add(square(graph, Z, keepdims=1), (Q**2).sum(axis=1))
    distances = graph.Sub(norms, graph.MatMul(Z, 2 * Q.T))
    cancelled = graph.LessOrEqual(distances, graph.Mul(norms, CANCELLED))
    near = graph.Or(cancelled, tied(graph, distances, norms, P.shape[1], dtype))
    pairs = graph.Transpose(graph.NonZero(near), perm=[1, 0])
    rows, columns = graph.Split(pairs, axis=1, num_outputs=2, n_outputs=2)
    differences = graph.Sub(graph.GatherND(X, rows), graph.GatherND(P, columns))
    return graph.ScatterND(distances, pairs, square(graph, differences, keepdims=0))


def tied(graph: Graph, distances: str, norms: str, width: int, dtype: Any) -> str:
    """Mark what may be the least distance of a row, where that is more than one."""
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


def row_squares(graph: Graph, Z: str, width: int) -> str:
    """Squared norms, (n_samples, 1); onnxruntime sums short runs twice as fast."""
    if width % RUN or width == RUN:
        return square(graph, Z, keepdims=1)
    runs = graph.Reshape(Z, np.array([-1, width // RUN, RUN]))
    sums = graph.ReduceSumSquare(runs, np.array([2]), keepdims=0)
    return graph.ReduceSum(sums, np.array([1]), keepdims=1)


def square(graph: Graph, X: str, keepdims: int) -> str:
    return graph.ReduceSumSquare(X, np.array([1]), keepdims=keepdims)
