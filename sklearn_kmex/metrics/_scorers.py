"""Scorers: the predicates as functions of a fitted estimator, X and y."""

from __future__ import annotations

import warnings
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.metrics import get_scorer
from sklearn.utils import column_or_1d

from sklearn_kmex._data.arrays import to_numpy
from sklearn_kmex._model.black_box import BlackBox, check_black_box
from sklearn_kmex._model.labels import class_codes, known_codes
from sklearn_kmex._model.protocol import find_sem
from sklearn_kmex._model.rule import rule_of
from sklearn_kmex._model.steps import activations
from sklearn_kmex.exceptions import KMExWarning
from sklearn_kmex.metrics._diversity import diversity_score
from sklearn_kmex.metrics._example_scorers import (
    distinct_examples,
    make_example_likeness_scorer,
)
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


def sem_scorers(
    black_box: Any | Literal["embedder"] = "embedder",
    *,
    classes: ArrayLike | None = None,
    X_train: Any = None,
    y_train: ArrayLike | None = None,
) -> dict[str, Any]:
    """Return scorers for a search over prototypical self-explainable models.

    Read more in the :ref:`User Guide <scorers>`.

    Parameters
    ----------
    black_box : {"embedder"}, fitted model or None, default="embedder"
        Model to compare with: "embedder" is the whole model that was passed to
        `make_kmex`; any other model must have a `predict` that takes the same X. None
        leaves out "fidelity" and "accuracy_gap".

    classes : array-like of shape (n_outputs,), default=None
        Label of each output of the black box, in their order. None takes the labels
        that it has, and otherwise the classes of the estimator in their order, which is
        checked.

    X_train : array-like, frame, list or Dataset, default=None
        The rows that the estimator was fitted on, in the same order, to score the
        training samples that it shows. None leaves out "example_likeness" and
        "distinct_examples". In cross-validation, where each split is fitted on other
        rows, it must be None.

    y_train : array-like of shape (n_train,), default=None
        Labels of `X_train`; required with it.

    Returns
    -------
    dict of str to callable
        Scorers "accuracy", "transparency", "diversity", "fidelity", "accuracy_gap",
        "example_likeness" and "distinct_examples", each called with a fitted
        estimator, X and y. Higher is better for all of them.

    Raises
    ------
    TypeError
        If `black_box` is none of these.

    ValueError
        If only one of `X_train` and `y_train` is given.

    See Also
    --------
    transparency_scorer : Share of prototypes that decide some sample.
    diversity_scorer : How different the prototypes are from each other.
    fidelity_scorer : Share of samples with the same prediction as the black box.
    accuracy_gap_scorer : Accuracy of the model minus that of its black box.
    make_example_likeness_scorer : How much the training samples shown look like the
        samples.
    distinct_examples_scorer : Share of prototypes with a training sample of their own.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.model_selection import GridSearchCV
    >>> from sklearn_kmex import KMExClassifier
    >>> from sklearn_kmex.metrics import sem_scorers
    >>> X, y = load_iris(return_X_y=True)
    >>> search = GridSearchCV(
    ...     KMExClassifier(random_state=0),
    ...     {"n_prototypes": [1, 2, 4]},
    ...     scoring=sem_scorers(black_box=None),
    ...     refit="accuracy",
    ... ).fit(X, y)
    >>> sorted(name for name in search.cv_results_ if name.startswith("mean_test"))
    ['mean_test_accuracy', 'mean_test_diversity', 'mean_test_transparency']
    """
    check_black_box(black_box, classes)
    if (X_train is None) != (y_train is None):
        missing = "X_train" if X_train is None else "y_train"
        raise ValueError(
            f"X_train and y_train must be given together; got no {missing}."
        )
    scorers = {
        "accuracy": get_scorer("accuracy"),
        "transparency": transparency_scorer,
        "diversity": diversity_scorer,
    }
    if black_box is not None:
        settings = {} if isinstance(black_box, str) else {"black_box": black_box}
        settings |= {} if classes is None else {"classes": classes}
        scorers |= {
            "fidelity": SEMScorer("fidelity_scorer", fidelity, settings),
            "accuracy_gap": SEMScorer("accuracy_gap_scorer", gap, settings),
        }
    if X_train is not None and y_train is not None:
        distinct = {"X_train": X_train}
        scorers |= {
            "example_likeness": make_example_likeness_scorer(X_train, y_train),
            "distinct_examples": SEMScorer(
                "distinct_examples_scorer", distinct_examples, distinct
            ),
        }
    return scorers
