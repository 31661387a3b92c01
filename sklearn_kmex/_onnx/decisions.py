"""From squared distances to classes, probabilities and similarities, in a graph."""

from typing import Any, NamedTuple

import numpy as np

from sklearn_kmex._model.layout import Layout, lay_out
from sklearn_kmex._onnx.graph import Graph, cast


class Decide(NamedTuple):
    """Decision of a classifier, as nodes of a graph that takes float64 distances."""

    graph: Graph
    kmex: Any
    dtype: Any  # of the outputs
    n_prototypes: int

    def __call__(self, squared: str) -> tuple[str, str, str, str]:
        """Return class codes, probabilities, prototypes and their similarities."""
        graph, n = self.graph, np.array([self.n_prototypes])
        nearest, ids = graph.TopK(squared, n, axis=1, largest=0, n_outputs=2)
        scores = self.class_scores(squared)
        code = graph.ArgMax(scores, axis=1, keepdims=0)
        return code, self.probabilities(scores), ids, self.similarity(nearest)

    def class_scores(self, squared: str) -> str:
        """Score of each class, including its prior."""
        graph, layout, axis = self.graph, lay_out(self.kmex, self.dtype), np.array([2])
        if self.kmex.aggregation_ == "max":
            own = _by_class(graph, squared, layout, graph.Sub, np.float64)
            scores = self.similarity(graph.ReduceMin(own, axis, keepdims=0))
        else:
            similar = self.similarity(squared)
            own = _by_class(graph, similar, layout, graph.Add, self.dtype)
            scores = graph.ReduceLogSumExp(own, axis, keepdims=0)
        return graph.Add(scores, layout.shift) if layout.shift.any() else scores

    def similarity(self, squared: str) -> str:
        """Similarity for squared distances, as in `_model.similarity`."""
        graph = self.graph
        squared = graph.Max(squared, np.float64(0))
        if self.kmex.similarity_ == "gaussian":
            values = graph.Div(squared, np.float64(-2))
        else:
            values = _log_similarity(graph, graph.Sqrt(squared), self.kmex.epsilon)
        least = np.float64(np.finfo(self.dtype).min)
        return cast(graph, graph.Max(values, least), self.dtype)

    def probabilities(self, scores: str) -> str:
        """Softmax of scores over the temperature."""
        graph = self.graph
        best = graph.ReduceMax(scores, np.array([1]), keepdims=1)
        below = cast(graph, graph.Sub(scores, best), np.float64)
        logits = graph.Div(below, np.float64(self.kmex.temperature_))
        return cast(graph, graph.Softmax(logits, axis=1), self.dtype)


def _by_class(graph: Graph, values: str, layout: Layout, mask: Any, dtype: Any) -> str:
    """Values of the prototypes of each class, (n_samples, n_classes, largest count)."""
    columns = layout.columns
    if np.array_equal(columns.ravel(), np.arange(columns.size)):
        return graph.Reshape(values, np.array([-1, *columns.shape]))
    return mask(graph.Gather(values, columns, axis=1), layout.mask.astype(dtype))


def _log_similarity(graph: Graph, distances: str, epsilon: float) -> str:
    """Logarithm of 1 + x without cancellation; ONNX has no such operator.

    Uses Kahan's formula, in which the rounding error of 1 + x cancels.
    """
    one, small = np.float64(1), np.float64(epsilon)
    x = graph.Div(one - small, graph.Add(distances, small))
    above = graph.Max(graph.Add(x, one), one + np.finfo(np.float64).eps)
    return graph.Mul(graph.Log(above), graph.Div(x, graph.Sub(above, one)))
