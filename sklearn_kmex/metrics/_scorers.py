"""Scorers: the predicates as functions of a fitted estimator, X and y."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import column_or_1d

from sklearn_kmex._data.arrays import to_numpy
from sklearn_kmex._model.black_box import BlackBox
from sklearn_kmex._model.labels import class_codes, known_codes
from sklearn_kmex._model.protocol import find_sem
from sklearn_kmex._model.rule import rule_of
from sklearn_kmex._model.steps import activations
from sklearn_kmex.exceptions import KMExWarning
from sklearn_kmex.metrics._diversity import diversity_score
from sklearn_kmex.metrics._scorer import SEMScorer
from sklearn_kmex.metrics._transparency import transparency_score
from sklearn_kmex.metrics._trustworthiness import accuracy_gap, fidelity_score


def transparency(
    estimator: Any,
    X: ArrayLike,
    y: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
) -> float:
    """Score the share of prototypes that are the most similar one to some sample of X.

    Similarities include what the weights of prototypes add, as in the decision.

    Read more in the :ref:`User Guide <scorers>`.

    Parameters
    ----------
    estimator : estimator
        Fitted prototypical self-explainable model, or a `Pipeline` that ends in one.

    X : array-like of shape (n_samples, n_features) or (n_samples, ...)
        Samples of the reference set.

    y : array-like of shape (n_samples,), default=None
        Ignored.

    sample_weight : array-like of shape (n_samples,), default=None
        Samples of weight 0 are left out. Other weights have no effect.

    Returns
    -------
    float
        `transparency_score` on X, in (0, 1]; 1 is best.

    Raises
    ------
    TypeError
        If the estimator is not a prototypical self-explainable model.

    See Also
    --------
    transparency_score : The metric behind it.
    sem_scorers : All scorers at once.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_kmex import KMExClassifier
    >>> from sklearn_kmex.metrics import transparency_scorer
    >>> X, y = load_iris(return_X_y=True)
    >>> psem = KMExClassifier(n_prototypes=2, random_state=0).fit(X, y)
    >>> transparency_scorer(psem, X, y)
    1.0
    """
    sem = find_sem(estimator)
    active = activations(estimator, X)
    if sample_weight is not None:
        active = active[np.asarray(sample_weight) > 0]
    return transparency_score(active, len(sem.prototypes_))


def diversity(
    estimator: Any,
    X: ArrayLike | None = None,
    y: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
) -> float:
    """Score how different the prototypes are from each other. X is ignored.

    They are compared by the metric and the similarity of the model.

    Read more in the :ref:`User Guide <scorers>`.

    Parameters
    ----------
    estimator : estimator
        Fitted prototypical self-explainable model, or a `Pipeline` that ends in one.

    X : array-like of shape (n_samples, n_features), default=None
        Ignored.

    y : array-like of shape (n_samples,), default=None
        Ignored.

    sample_weight : array-like of shape (n_samples,), default=None
        Ignored.

    Returns
    -------
    float
        `diversity_score` of the prototypes, in [0, 1]; 1 is best.

    Raises
    ------
    TypeError
        If the estimator is not a prototypical self-explainable model.

    See Also
    --------
    diversity_score : The metric behind it.
    sem_scorers : All scorers at once.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_kmex import KMExClassifier
    >>> from sklearn_kmex.metrics import diversity_scorer
    >>> X, y = load_iris(return_X_y=True)
    >>> psem = KMExClassifier(n_prototypes=2, random_state=0).fit(X, y)
    >>> 0 < diversity_scorer(psem, X, y) < 1
    True
    """
    rule = rule_of(find_sem(estimator))
    placed = rule.metric.place(to_numpy(rule.prototypes).astype(np.float64))
    return diversity_score(placed, similarity=rule.similarity, epsilon=rule.epsilon)


def fidelity(
    estimator: Any,
    X: ArrayLike,
    y: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
    black_box: Any = "embedder",
    classes: ArrayLike | None = None,
) -> float:
    """Score the share of samples for which model and black box predict the same class.

    Read more in the :ref:`User Guide <scorers>`.

    Parameters
    ----------
    estimator : estimator
        Fitted prototypical self-explainable model, or a `Pipeline` that ends in one,
        whose embedder has a `black_box_output`. To compare with another black box,
        use `sem_scorers`.

    X : array-like of shape (n_samples, n_features) or (n_samples, ...)
        Samples, preferably of a set that neither model was fitted to.

    y : array-like of shape (n_samples,), default=None
        Ignored.

    sample_weight : array-like of shape (n_samples,), default=None
        Weight of each sample. None means equal weights.

    Returns
    -------
    float
        `fidelity_score` on X, in [0, 1]; 1 is best.

    Raises
    ------
    TypeError
        If the estimator is not a prototypical self-explainable model, or has no
        black box.

    ValueError
        If the black box does not give one output for each class, or its labels are not
        those of the estimator: they have no label in common, or its outputs are matched
        to classes by their order, and another order fits much better.

    Warns
    -----
    KMExWarning
        If the labels may not be the same: some of them differ, or agreement is near
        chance.

    See Also
    --------
    fidelity_score : The metric behind it.
    sem_scorers : All scorers at once, also with another black box.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> from sklearn_kmex import make_kmex
    >>> from sklearn_kmex.metrics import fidelity_scorer
    >>> X, y = load_iris(return_X_y=True)
    >>> forest = RandomForestClassifier(random_state=0).fit(X[::2], y[::2])
    >>> psem = make_kmex(forest, random_state=0).fit(X[::2], y[::2])
    >>> fidelity_scorer(psem, X[1::2]) > 0.9
    True
    """
    theirs, ours = _codes_of_both(estimator, X, black_box, classes)
    return fidelity_score(theirs, ours, sample_weight=sample_weight)


def gap(
    estimator: Any,
    X: ArrayLike,
    y: ArrayLike,
    sample_weight: ArrayLike | None = None,
    black_box: Any = "embedder",
    classes: ArrayLike | None = None,
) -> float:
    """Score the accuracy of the model minus that of its black box.

    Read more in the :ref:`User Guide <scorers>`.

    Parameters
    ----------
    estimator : estimator
        Fitted prototypical self-explainable model, or a `Pipeline` that ends in one,
        whose embedder has a `black_box_output`. To compare with another black box,
        use `sem_scorers`.

    X : array-like of shape (n_samples, n_features) or (n_samples, ...)
        Samples, preferably of a set that neither model was fitted to.

    y : array-like of shape (n_samples,)
        True labels.

    sample_weight : array-like of shape (n_samples,), default=None
        Weight of each sample. None means equal weights.

    Returns
    -------
    float
        `accuracy_gap` on X, in [-1, 1]; positive where the model is more accurate
        than the black box.

    Raises
    ------
    TypeError
        If the estimator is not a prototypical self-explainable model, or has no
        black box.

    ValueError
        If the black box does not give one output for each class, or its labels are not
        those of the estimator: they have no label in common, or its outputs are matched
        to classes by their order, and another order fits much better.

    Warns
    -----
    KMExWarning
        If the labels may not be the same: some of them differ, or agreement is near
        chance.

    See Also
    --------
    accuracy_gap : The metric behind it.
    sem_scorers : All scorers at once, also with another black box.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> from sklearn_kmex import make_kmex
    >>> from sklearn_kmex.metrics import accuracy_gap_scorer
    >>> X, y = load_iris(return_X_y=True)
    >>> forest = RandomForestClassifier(random_state=0).fit(X[::2], y[::2])
    >>> psem = make_kmex(forest, random_state=0).fit(X[::2], y[::2])
    >>> abs(accuracy_gap_scorer(psem, X[1::2], y[1::2])) < 0.1
    True
    """
    theirs, ours = _codes_of_both(estimator, X, black_box, classes)
    labels = column_or_1d(y)
    true = known_codes(np.asarray(find_sem(estimator).classes_), labels)
    if (true < 0).all():
        class_codes(np.asarray(find_sem(estimator).classes_), labels, "y")
    return accuracy_gap(
        np.where(true < 0, -2, true), theirs, ours, sample_weight=sample_weight
    )


def _codes_of_both(
    estimator: Any, X: ArrayLike, black_box: Any, classes: ArrayLike | None
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Predict by the black box and by the model, in one pass if possible."""
    sem, asked = find_sem(estimator), BlackBox(estimator, black_box, classes)
    predicted = np.asarray(sem.predict(asked.embed(X)))
    ours = class_codes(np.asarray(sem.classes_), predicted, "predictions")
    theirs = asked.codes(ours)
    if asked.doubt is not None:
        warnings.warn(asked.doubt, KMExWarning, stacklevel=3)
    return theirs, ours


transparency_scorer = SEMScorer("transparency_scorer", transparency)
diversity_scorer = SEMScorer("diversity_scorer", diversity)
fidelity_scorer = SEMScorer("fidelity_scorer", fidelity)
accuracy_gap_scorer = SEMScorer("accuracy_gap_scorer", gap)
