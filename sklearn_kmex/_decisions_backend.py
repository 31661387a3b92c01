"""From squared distances to labels, probabilities and reasons, as nodes of a graph."""

import math
from typing import Any, NamedTuple

import numpy as np

from sklearn_kmex._graph_backend import Graph, cast
from sklearn_kmex._layout import Layout, lay_out

TOLERANCE = 1e-4  # how far a probability may be off, and which share of a similarity


class Answers(NamedTuple):
    """What a graph says of rows, and what tells how sure that is."""

    outputs: tuple[str, str, str, str]  # class, probabilities, prototypes, similarities
    nearest: str  # squared distance to the nearest prototype, (n_samples, 1)
    leaders: str  # the two largest class scores, (n_samples, 2)


class Decide(NamedTuple):
    """The rule of a classifier, as nodes of a graph."""

    graph: Graph
    kmex: Any
    dtype: Any  # of what is answered
    n_prototypes: int

    def __call__(self, squared: str, dtype: Any) -> Answers:
        """Answer rows by squared distances of a dtype."""
        graph, n = self.graph, np.array([self.n_prototypes])
        nearest, ids = graph.TopK(squared, n, axis=1, largest=0, n_outputs=2)
        scores = self.class_scores(squared, dtype)
        leaders, codes = graph.TopK(scores, np.array([2]), axis=1, n_outputs=2)
        best = graph.Gather(leaders, np.array([0]), axis=1)
        outputs = (
            graph.Gather(codes, np.array(0), axis=1),
            self.probabilities(graph.Sub(scores, best), dtype),
            ids,
            self.similarity(nearest, dtype),
        )
        return Answers(outputs, graph.Gather(nearest, np.array([0]), axis=1), leaders)

    def left_open(self, answers: Answers, slack: str) -> str:
        """Mark the rows whose answers rounding may have changed.

        Those where the best class leads by less than the range in which a similarity
        may lie, at most that to the nearest prototype, which is the steepest; and
        those whose probabilities or similarity it usually moves by more than they are
        to be off.
        """
        graph, eps = self.graph, self.dtype(16 * np.finfo(self.dtype).eps)
        most = self.similarity(graph.Sub(answers.nearest, slack), self.dtype)
        least = self.similarity(graph.Add(answers.nearest, slack), self.dtype)
        best, second = graph.Split(answers.leaders, axis=1, num_outputs=2, n_outputs=2)
        rounded = graph.Mul(graph.Add(graph.Abs(most), graph.Abs(best)), eps)
        moved = graph.Add(graph.Sub(most, least), rounded)
        leads = graph.Greater(graph.Sub(best, second), moved)
        usual = graph.Mul(moved, self.dtype(usual_share(self.kmex.n_features_in_)))
        share = graph.Mul(graph.Abs(least), self.dtype(2 * TOLERANCE))
        sure = graph.And(leads, graph.LessOrEqual(usual, share))
        sure = graph.And(sure, self.steady(answers.outputs[1], usual))
        return graph.Not(graph.Squeeze(sure, np.array([1])))

    def steady(self, probabilities: str, moved: str) -> str:
        """Mark the rows of which no probability changed by more than it is to be off.

        `moved`, (n_samples, 1), is how far scores may have moved against each other.

        Logits apart by d move a largest probability of p by (1 - p) (exp(d) - 1) at
        most, and every other one by less; for d up to 1, exp(d) - 1 < 2 d.
        """
        graph, eps = self.graph, self.dtype(np.finfo(self.dtype).eps)
        moved = graph.Div(moved, self.dtype(self.kmex.temperature_))
        best = graph.ReduceMax(probabilities, np.array([1]), keepdims=1)
        others = graph.Sub(self.dtype(1) + eps, best)  # 1 - p may be rounded to 0
        little = graph.LessOrEqual(graph.Mul(others, moved), self.dtype(TOLERANCE / 2))
        return graph.And(little, graph.LessOrEqual(moved, self.dtype(1)))

    def class_scores(self, squared: str, dtype: Any) -> str:
        """Score of each class, with its prior."""
        graph, layout, axis = self.graph, lay_out(self.kmex, self.dtype), np.array([2])
        if self.kmex.aggregation == "max":
            own = by_class(graph, squared, layout, graph.Sub, dtype)
            nearest = graph.ReduceMin(own, axis, keepdims=0)
            scores = self.similarity(nearest, dtype)
        else:
            similar = self.similarity(squared, dtype)
            own = by_class(graph, similar, layout, graph.Add, self.dtype)
            scores = graph.ReduceLogSumExp(own, axis, keepdims=0)
        return graph.Add(scores, layout.shift) if layout.shift.any() else scores

    def similarity(self, squared: str, dtype: Any) -> str:
        """Similarity at squared distances, as `_similarity` computes it."""
        graph = self.graph
        squared = graph.Max(squared, dtype(0))
        if self.kmex.similarity == "gaussian":
            values = graph.Div(squared, dtype(-2))
        else:
            distances = graph.Sqrt(squared)
            values = log_similarity(graph, distances, self.kmex.epsilon, dtype)
        if dtype == self.dtype == np.float32:
            return values
        least = dtype(np.finfo(self.dtype).min)
        return cast(graph, graph.Max(values, least), self.dtype)

    def probabilities(self, below: str, dtype: Any) -> str:
        """Softmax, over the temperature, of scores below the largest."""
        graph = self.graph
        logits = graph.Div(cast(graph, below, dtype), dtype(self.kmex.temperature_))
        return cast(graph, graph.Softmax(logits, axis=1), self.dtype)


def usual_share(n_features: int) -> float:
    """Give what the rounding of a distance comes to of its bound in practice, at most.

    In a sum of n terms it grows as the square root of n [1]_, and its bound as n; see
    `rounding` in `_nearest`.

    References
    ----------
    .. [1] N. J. Higham, T. Mary. "A New Approach to Probabilistic Rounding Error
       Analysis", SIAM Journal on Scientific Computing 41(5), 2019.
    """
    return (math.sqrt(n_features) / 4 + 2) / (n_features / 4 + 4)


def by_class(graph: Graph, values: str, layout: Layout, mask: Any, dtype: Any) -> str:
    """Values of the prototypes of each class, (n_samples, n_classes, largest count)."""
    columns = layout.columns
    if np.array_equal(columns.ravel(), np.arange(columns.size)):
        return graph.Reshape(values, np.array([-1, *columns.shape]))
    return mask(graph.Gather(values, columns, axis=1), layout.mask.astype(dtype))


def log_similarity(graph: Graph, distances: str, epsilon: float, dtype: Any) -> str:
    """Logarithm of 1 + x with all digits of a small x, which ONNX has no operator for.

    Kahan's: the error of rounding 1 + x is the same above and below.
    """
    one, small = dtype(1), dtype(epsilon)
    x = graph.Div(dtype(1 - epsilon), graph.Add(distances, small))
    above = graph.Max(graph.Add(x, one), one + np.finfo(dtype).eps)
    return graph.Mul(graph.Log(above), graph.Div(x, graph.Sub(above, one)))
