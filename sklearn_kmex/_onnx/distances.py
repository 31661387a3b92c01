"""Squared distances as nodes of a graph."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_kmex._model.layout import lay_out
from sklearn_kmex._model.nearest import about_center
from sklearn_kmex._model.rule import metric_of
from sklearn_kmex._model.similarity import CANCELLED
from sklearn_kmex._onnx.graph import BOOL, FEATURES, INT64, Graph, cast


def squared_distances(graph: Graph, X: str, kmex: Any, dtype: Any) -> str:
    """Squared distances to the prototypes in the metric of a classifier, in float64.

    `dtype` is that of the rows.
    """
    metric, prototypes = metric_of(kmex), kmex.prototypes_.astype(np.float64)
    if metric.unit:
        X = _unit_rows(graph, X)
    X = X if dtype == np.float64 else cast(graph, X, np.float64)
    if metric.mapped:
        layout = lay_out(kmex)
        X = graph.MatMul(graph.Sub(X, layout.center), layout.map)
        prototypes, dtype = layout.prototypes, np.float64
    return _euclidean(graph, X, prototypes, dtype)


def _unit_rows(graph: Graph, X: str) -> str:
    """Divide each row by its length; rows of zeros stay as they are."""
    zero = graph.Not(graph.Cast(_largest(graph, X), to=BOOL))
    largest = graph.Add(_largest(graph, X), graph.CastLike(zero, X))
    X = graph.Div(X, largest)  # squares neither over- nor underflow
    lengths = graph.Sqrt(_square(graph, X, keepdims=1))
    return graph.Div(X, graph.Add(lengths, graph.CastLike(zero, X)))


def _largest(graph: Graph, X: str) -> str:
    """Largest absolute value of each row, (n_samples, 1)."""
    return graph.ReduceMax(graph.Abs(X), FEATURES, keepdims=1)


def _euclidean(graph: Graph, X: str, P: NDArray[np.float64], dtype: Any) -> str:
    """Squared Euclidean distances, as in `_model.similarity`.

    Differences are squared where the expanded product cancels, or leaves open which
    prototype is nearest. `dtype` is the original dtype of the rows.
    """
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
    slack = graph.Mul(
        graph.ReduceMax(norms, FEATURES, keepdims=1),
        4 * (width + 4) * float(np.finfo(np.float64).eps),
    )
    least = graph.ReduceMin(distances, FEATURES, keepdims=1)
    least = graph.Mul(least, 1 + 4 * float(np.finfo(dtype).eps))
    candidates = graph.LessOrEqual(distances, graph.Add(least, slack))
    count = graph.ReduceSum(graph.Cast(candidates, to=INT64), FEATURES, keepdims=1)
    return graph.And(candidates, graph.Greater(count, np.int64(1)))


def _square(graph: Graph, X: str, keepdims: int) -> str:
    return graph.ReduceSumSquare(X, FEATURES, keepdims=keepdims)


def undefined_rows(graph: Graph, squared: str) -> str:
    """Return NaN for rows with distances that are not finite, and 0 for others."""
    zeros = graph.Mul(squared, np.float64(0))  # infinity times 0 is NaN
    return graph.ReduceSum(zeros, FEATURES, keepdims=1)
