"""From squared distances to classes, probabilities and similarities, in a graph."""

from typing import Any, NamedTuple

import numpy as np

from sklearn_kmex._model.layout import Layout, lay_out
from sklearn_kmex._onnx.graph import Graph, cast

COLUMNS = np.array([1])  # the axis of prototypes, and of classes


class Decide(NamedTuple):
    """Decision of a classifier, as nodes of a graph that takes float64 distances."""

    graph: Graph
    kmex: Any
    dtype: Any  # of the outputs
    n_prototypes: int

    def __call__(self, squared: str) -> tuple[str, str, str, str]:
        """Return class codes, probabilities, prototypes and their similarities.

        Similarities and class scores are float64; only the outputs are rounded.
        """
        graph, n = self.graph, np.array([self.n_prototypes])
        squared = graph.Max(squared, np.float64(0))
        least, ids = graph.TopK(squared, n, axis=1, largest=0, n_outputs=2)
        scores = self.class_scores(self.relative_similarity(squared))
        code = graph.ArgMax(scores, axis=1, keepdims=1)
        chances = self.probabilities(scores, code)
        lowest = np.float64(np.finfo(self.dtype).min)
        nearest = graph.Max(self.similarity(least), lowest)
        nearest = cast(graph, nearest, self.dtype)
        return graph.Squeeze(code, COLUMNS), chances, ids, nearest

    def similarity(self, squared: str) -> str:
        """Similarity for squared distances, as in `_model.similarity`."""
        graph = self.graph
        if self.kmex.similarity_ == "gaussian":
            return graph.Div(squared, np.float64(-2))
        return _log_similarity(graph, graph.Sqrt(squared), self.kmex.epsilon)

    def relative_similarity(self, squared: str) -> str:
        """Similarity minus the largest of each row, as in `_model.similarity`."""
        graph, one, small = self.graph, np.float64(1), np.float64(self.kmex.epsilon)
        least = graph.ReduceMin(squared, COLUMNS, keepdims=1)
        if self.kmex.similarity_ == "gaussian":
            return graph.Div(graph.Sub(least, squared), np.float64(2))
        far, near = graph.Sqrt(squared), graph.Sqrt(least)
        apart = graph.Mul(graph.Sub(far, near), one - small)
        share = graph.Div(apart, graph.Mul(graph.Add(far, small), graph.Add(near, one)))
        apart = graph.Sub(self.similarity(squared), self.similarity(least))
        half = np.float64(0.5)
        close = _log1p(graph, graph.Neg(graph.Min(share, half)))
        return graph.Where(graph.Greater(share, half), apart, close)

    def class_scores(self, similar: str) -> str:
        """Score of each class, from weighted similarities."""
        graph, layout, axis = self.graph, lay_out(self.kmex), np.array([2])
        own = _by_class(graph, similar, layout)
        if self.kmex.aggregation_ == "max":
            return graph.ReduceMax(own, axis, keepdims=0)
        temperature = np.float64(self.kmex.temperature_)
        mass = graph.ReduceLogSumExp(graph.Div(own, temperature), axis, keepdims=0)
        return graph.Mul(mass, temperature)

    def probabilities(self, scores: str, code: str) -> str:
        """Softmax of scores over the temperature, rounded at the end."""
        graph = self.graph
        best = graph.ReduceMax(scores, COLUMNS, keepdims=1)
        below = graph.Sub(scores, best)
        logits = graph.Div(below, np.float64(self.kmex.temperature_))
        chances = cast(graph, graph.Softmax(logits, axis=1), self.dtype)
        return self.keep_winner(chances, code)

    def keep_winner(self, values: str, code: str) -> str:
        """Give the winning class the largest value, if rounding made a tie.

        The sum is the next number of the dtype, or the one after it.
        """
        graph, limits = self.graph, np.finfo(self.dtype)
        most = graph.ReduceMax(values, COLUMNS, keepdims=1)
        step = graph.Mul(graph.Abs(most), self.dtype(0.75 * limits.eps))
        lead = graph.Add(most, graph.Max(step, limits.smallest_normal))
        first = graph.ArgMax(values, axis=1, keepdims=1)
        lost = graph.Not(graph.Equal(first, code))
        wins = graph.Equal(code, np.arange(len(self.kmex.classes_)))
        return graph.Where(graph.And(wins, lost), lead, values)


def _by_class(graph: Graph, similar: str, layout: Layout) -> str:
    """Weighted similarities by class, (n_samples, n_classes, largest count)."""
    columns = layout.columns
    if np.array_equal(columns.ravel(), np.arange(columns.size)):
        own = graph.Reshape(similar, np.array([-1, *columns.shape]))
    else:
        own = graph.Gather(similar, columns, axis=1)
    return graph.Add(own, layout.shift) if layout.shift.any() else own


def _log_similarity(graph: Graph, distances: str, epsilon: float) -> str:
    one, small = np.float64(1), np.float64(epsilon)
    return _log1p(graph, graph.Div(one - small, graph.Add(distances, small)))


def _log1p(graph: Graph, x: str) -> str:
    """Logarithm of 1 + x without cancellation; ONNX has no such operator.

    Uses Kahan's formula, in which the rounding error of 1 + x cancels.
    """
    one = np.float64(1)
    total = graph.Add(x, one)
    ratio = graph.Div(x, graph.Sub(total, one))
    exact = graph.Mul(graph.Log(total), ratio)
    return graph.Where(graph.Equal(total, one), x, exact)
