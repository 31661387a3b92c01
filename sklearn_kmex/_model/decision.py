"""The decisions of a model about samples, from one pass of its encoder."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_array

from sklearn_kmex._data.arrays import map_blocks
from sklearn_kmex._data.brief import brief
from sklearn_kmex._model.labels import class_codes
from sklearn_kmex._model.predictor import PrototypePredictor
from sklearn_kmex._model.protocol import find_sem
from sklearn_kmex._model.rule import Rule, rule_of
from sklearn_kmex._model.similarity import rounded


class Decision(NamedTuple):
    """Decisions about samples. A class code is an index into `classes`."""

    similarities: NDArray  # (n_samples, n_prototypes)
    scores: NDArray  # (n_samples, n_classes), in the unit of similarities
    predicted: NDArray[np.intp]  # (n_samples,), class codes
    runner_up: NDArray[np.intp]  # (n_samples,), class codes
    classes: NDArray  # (n_classes,)
    owners: NDArray[np.intp]  # (n_prototypes,), class codes
    training_rows: NDArray[np.intp]  # (n_prototypes,), -1 where not known
    shift: NDArray  # (n_prototypes,), what weights add to the similarities

    @property
    def margin(self) -> NDArray:
        """Return the score of the predicted class minus that of the runner-up."""
        rows = np.arange(len(self.scores))
        return self.scores[rows, self.predicted] - self.scores[rows, self.runner_up]

    def nearest_of(self, codes: NDArray) -> NDArray[np.intp]:
        """Find the most similar prototype of one class, by weight, for each row."""
        return self.most_similar(self.owners == codes[:, np.newaxis])

    def most_similar(self, allowed: NDArray) -> NDArray[np.intp]:
        """Find the most similar of the allowed prototypes, by weight, for each row."""
        if not allowed.any(axis=1).all():
            raise ValueError(
                "psem must have prototypes of each class to compare; a class of "
                f"{brief(self.classes)} has none."
            )
        weighted = self.similarities + self.shift
        return np.where(allowed, weighted, -np.inf).argmax(axis=1)


def decide(psem: Any, Z: Any) -> Decision:
    """Compute similarities, class scores and decisions for embeddings."""
    sem = find_sem(psem)
    classes = np.asarray(sem.classes_)
    rule = rule_of(sem)
    owners = rule.owners
    exact, dtype = _similarities(sem, rule, Z)
    if exact.shape[1] != len(owners):
        raise ValueError(
            f"transform must give a similarity to each of the {len(owners)} "
            f"prototypes; got {exact.shape[1]} columns."
        )
    scores = rounded(_scores(sem, rule, Z, exact), dtype)
    similar = rounded(exact, dtype)
    shift = rule.shift.astype(dtype)
    predicted = scores.argmax(axis=1)
    if hasattr(sem, "predict") and not _is_ours(sem, "predict"):
        predicted = class_codes(classes, np.asarray(sem.predict(Z)), "predicted labels")
    rows = getattr(sem, "prototype_indices_", np.full(len(owners), -1))
    runner_up = _second(scores, predicted)
    return Decision(
        similar, scores, predicted, runner_up, classes, owners, np.asarray(rows), shift
    )


def _similarities(sem: Any, rule: Rule, Z: Any) -> tuple[NDArray[np.float64], Any]:
    """Return similarities in float64, and their dtype.

    Those of a model of this package are computed in float64, in which it decides.
    """
    if _is_ours(sem, "transform"):
        rows = sem._check_input(Z, "transform")
        return map_blocks(rule.similarities, rows, len(rule.owners)), rows.dtype
    similar = check_array(
        sem.transform(Z), dtype=[np.float64, np.float32], input_name="similarities"
    )
    return similar.astype(np.float64), similar.dtype


def _scores(
    sem: Any, rule: Rule, Z: Any, similar: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return class scores in float64, for similarities to the prototypes."""
    if _is_ours(sem, "transform"):
        return rule.absolute_scores(sem._check_input(Z, "transform"))
    order = np.argsort(rule.owners, kind="stable")
    ordered = rule._replace(owners=rule.owners[order], weights=rule.weights[order])
    return ordered.class_scores(similar[:, order])


def class_probabilities(sem: Any, Z: Any) -> NDArray | None:
    """Return class probabilities, (n_samples, n_classes), or None if there are none."""
    has_proba = hasattr(sem, "predict_proba")
    return np.asarray(sem.predict_proba(Z)) if has_proba else None


def _is_ours(sem: Any, method: str) -> bool:
    """Return whether a method is the one of `PrototypePredictor`."""
    ours = getattr(PrototypePredictor, method)
    return getattr(type(sem), method, None) is ours


def _second(scores: NDArray, predicted: NDArray) -> NDArray[np.intp]:
    """Find the class with the largest score, other than the predicted class."""
    others = scores.copy()
    others[np.arange(len(scores)), predicted] = -np.inf
    if not (others > -np.inf).any(axis=1).all():
        raise ValueError(
            "psem must have prototypes of at least two classes for a runner-up."
        )
    return others.argmax(axis=1)
