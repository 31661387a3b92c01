"""The rule by which prototypes decide: from rows to class scores."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sklearn_kmex._compat import get_namespace_and_device
from sklearn_kmex._data.arrays import (
    asarray_like,
    map_blocks,
    reduce_columns,
    to_numpy,
    widened,
)
from sklearn_kmex._model.labels import class_codes
from sklearn_kmex._model.metric import Metric
from sklearn_kmex._model.similarity import (
    class_scores,
    keep_winner,
    log_weights,
    relative_similarities,
    similarities,
    squared_distances,
)


class Rule(NamedTuple):
    """Prototypes, grouped by class, and how they decide.

    The score of a class is `temperature * log(sum(weights * exp(similarities /
    temperature)))` over its prototypes, or the maximum instead of the sum.
    """

    prototypes: Any  # (n_prototypes, n_features)
    owners: NDArray[np.intp]  # class code of each prototype, sorted
    n_classes: int
    weights: NDArray[np.float64]  # of the prototypes
    metric: Metric = Metric()
    similarity: str = "log"
    epsilon: float = 1e-4
    aggregation: str = "max"
    temperature: float = 1.0

    @property
    def shift(self) -> NDArray[np.float64]:
        """Return what the weights add to the similarities, at most 0."""
        return self.temperature * log_weights(self.weights)

    @property
    def is_linear(self) -> bool:
        """Return whether the largest of some functions linear in a row decides."""
        same = np.ptp(self.weights) == 0
        return self.aggregation == "max" and (same or self.similarity == "gaussian")

    def squared_distances(self, X: Any, ties: bool = True) -> Any:
        """Return squared distances of rows to prototypes, in the metric."""
        if not self.metric.mapped:
            return squared_distances(self.metric.project(X), self.prototypes, ties)
        center = to_numpy(self.prototypes).mean(axis=0, dtype=np.float64)
        placed = self.metric.place(asarray_like(self.prototypes, X), center)
        return squared_distances(self.metric.project(X, center), placed, ties)

    def similarities(self, X: Any) -> Any:
        """Return the similarity of each row to each prototype, in float64."""
        return self.similarities_at(self.squared_distances(X))

    def similarities_at(self, squared: Any) -> Any:
        """Return similarities at squared distances, in float64.

        That of the nearest prototype is the largest, also where rounding makes a tie.
        """
        squared = widened(squared)
        nearer = -squared
        similar = similarities(squared, self.similarity, self.epsilon)
        return keep_winner(similar, nearer)

    def relative(self, squared: Any) -> Any:
        """Return similarities at squared distances, minus the largest of each row."""
        xp, *_ = get_namespace_and_device(squared)
        least = xp.min(squared, axis=1, keepdims=True)
        return relative_similarities(squared, self.similarity, self.epsilon, least)

    def weigh(self, similar: Any) -> Any:
        """Add what the weights add to the similarities."""
        shift = self.shift
        if not shift.any():
            return similar
        return similar + asarray_like(shift, similar, similar.dtype)

    def class_scores(self, similar: Any) -> Any:
        """Return the score of each class for similarities to the prototypes."""
        return class_scores(
            self.weigh(similar),
            self.owners,
            self.n_classes,
            self.aggregation,
            self.temperature,
        )

    def scores(self, X: Any) -> Any:
        """Return class scores minus the largest similarity of each row, in float64.

        They have the shape (n_samples, n_classes).
        """
        return map_blocks(
            lambda block: self.scores_at(self.squared_distances(block)),
            X,
            len(self.owners),
        )

    def scores_at(self, squared: Any) -> Any:
        """Return `scores` at squared distances."""
        deciding, squared = self._of_classes(squared)
        return deciding.class_scores(deciding.relative(squared))

    def absolute_scores(self, X: Any) -> Any:
        """Return class scores, (n_samples, n_classes), in float64, block by block."""
        return map_blocks(
            lambda block: self.absolute_scores_at(self.squared_distances(block)),
            X,
            len(self.owners),
        )

    def absolute_scores_at(self, squared: Any) -> Any:
        """Return `absolute_scores` at squared distances."""
        deciding, squared = self._of_classes(squared)
        scores = deciding.class_scores(deciding.relative(squared))
        similar = similarities(squared, self.similarity, self.epsilon)
        return keep_winner(deciding.class_scores(similar), scores)

    def _of_classes(self, squared: Any) -> tuple["Rule", Any]:
        """Keep the nearest prototype of each class, if it alone decides."""
        owners, first = np.unique(self.owners, return_index=True)
        same = self.weights == self.weights[first][np.searchsorted(owners, self.owners)]
        if self.aggregation == "sum" or not same.all():
            return self, widened(squared)
        deciding = self._replace(owners=owners, weights=self.weights[first])
        return deciding, widened(reduce_columns(np.minimum, squared, first))


def rule_of(sem: Any) -> Rule:
    """Read the rule of a fitted model.

    A model of another kind decides like a `KMExClassifier` with default settings, as
    far as it does not have the attributes of one. Only then may `owners` be unsorted.
    """
    owners = _owners(sem)
    return Rule(
        sem.prototypes_,
        owners,
        len(to_numpy(sem.classes_)),
        to_numpy(getattr(sem, "prototype_weights_", np.ones(len(owners)))),
        metric_of(sem),
        getattr(sem, "similarity_", "log"),
        getattr(sem, "epsilon", 1e-4),
        getattr(sem, "aggregation_", "max"),
        getattr(sem, "temperature_", 1.0),
    )


def _owners(sem: Any) -> NDArray[np.intp]:
    """Return the class code of each prototype."""
    if hasattr(sem, "n_prototypes_"):
        counts = to_numpy(sem.n_prototypes_)
        return np.repeat(np.arange(len(counts)), counts)
    labels = np.asarray(sem.prototype_classes_)
    return class_codes(np.asarray(sem.classes_), labels, "prototype_classes_")


def prototype_weights(
    priors: Any, class_prior: NDArray, owners: NDArray[np.intp], counts: NDArray
) -> NDArray[np.float64]:
    """Return the prior of the class of each prototype, or its share of that prior."""
    weights = class_prior[owners]
    if isinstance(priors, str) and priors == "prototype":
        return weights * counts / np.bincount(owners, counts)[owners]
    return weights


def metric_of(sem: Any) -> Metric:
    """Read the metric of a fitted model; that of another kind is Euclidean."""
    name = getattr(sem, "metric_", "euclidean")
    return Metric(name, getattr(sem, "metric_map_", None))
