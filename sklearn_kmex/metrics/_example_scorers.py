"""Scorers of the training samples that represent prototypes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils import column_or_1d
from sklearn.utils.validation import check_consistent_length

from sklearn_kmex._data.samples import as_samples, len_of
from sklearn_kmex._model.decision import Decision, decide
from sklearn_kmex._model.protocol import find_sem
from sklearn_kmex._model.steps import embed
from sklearn_kmex.metrics._likeness import (
    distinct_examples_score,
    example_likeness_score,
)
from sklearn_kmex.metrics._scorer import SEMScorer


def distinct_examples(
    estimator: Any,
    X: ArrayLike | None = None,
    y: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
    X_train: Any = None,
) -> float:
    """Score the share of prototypes that show a training sample of their own.

    Row numbers are compared. To compare the content of training samples, use
    `sem_scorers` with `X_train`.

    Read more in the :ref:`User Guide <scorers>`.

    Parameters
    ----------
    estimator : estimator
        Fitted prototypical self-explainable model with `prototype_indices_`, or a
        `Pipeline` that ends in one.

    X : array-like of shape (n_samples, n_features), default=None
        Ignored.

    y : array-like of shape (n_samples,), default=None
        Ignored.

    sample_weight : array-like of shape (n_samples,), default=None
        Ignored.

    Returns
    -------
    float
        `distinct_examples_score` of the model, in (0, 1]; 1 is best.

    Raises
    ------
    TypeError
        If the estimator is not a prototypical self-explainable model.

    ValueError
        If it does not know the training rows of its prototypes.

    See Also
    --------
    distinct_examples_score : The metric behind it.
    sem_scorers : All scorers at once.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_kmex import KMExClassifier
    >>> from sklearn_kmex.metrics import distinct_examples_scorer
    >>> X, y = load_iris(return_X_y=True)
    >>> psem = KMExClassifier(n_prototypes=2, random_state=0).fit(X, y)
    >>> distinct_examples_scorer(psem, X)
    1.0
    """
    sem = find_sem(estimator)
    unknown = np.full(len(sem.prototype_classes_), -1)
    return distinct_examples_score(getattr(sem, "prototype_indices_", unknown), X_train)


distinct_examples_scorer = SEMScorer("distinct_examples_scorer", distinct_examples)


def _score_example_likeness(
    estimator: Any,
    X: ArrayLike,
    y: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
    *,
    X_train: Any,
    y_train: ArrayLike,
) -> float:
    """Score how much the training samples that are shown look like the samples.

    Made by `make_example_likeness_scorer`.
    """
    Z = embed(estimator, X)
    found = decide(estimator, Z)
    X_train, labels = as_samples(X_train), column_or_1d(y_train)
    check_consistent_length(np.empty(len_of(X_train)), labels)
    _check_training_rows(found, labels)
    return example_likeness_score(
        Z,
        found.training_rows[found.nearest_of(found.predicted)],
        embed(estimator, X_train),
        labels,
        sample_weight=sample_weight,
    )


def _check_training_rows(found: Decision, labels: np.ndarray) -> None:
    """Check that the model was fitted on rows with these labels, as far as is known."""
    rows = found.training_rows
    if rows.min() < 0 or rows.max() >= len(labels):
        raise ValueError(
            "X_train must hold the rows that the estimator was fitted on; got "
            f"{len(labels)} rows, and its prototypes are represented by rows "
            f"{rows.min()} to {rows.max()} (-1 is unknown)."
        )
    other = np.flatnonzero(labels[rows] != found.classes[found.owners])
    if len(other):
        k = other[0]
        raise ValueError(
            "X_train and y_train must hold the rows that the estimator was fitted on; "
            f"its prototype {k}, of class {found.classes[found.owners[k]]}, is "
            f"represented by row {rows[k]}, whose label is {labels[rows[k]]}. In "
            "cross-validation each split is fitted on other rows: score the fitted "
            "model instead."
        )


def make_example_likeness_scorer(X_train: Any, y_train: ArrayLike) -> SEMScorer:
    """Make a scorer of how much the training samples shown look like the samples.

    The training sample shown for a sample is the one that represents the most similar
    prototype of its predicted class.

    Read more in the :ref:`User Guide <scorers>`.

    Parameters
    ----------
    X_train : array-like, frame, list or Dataset
        The rows that the estimator was fitted on, in the same order. They are embedded
        whenever the scorer is called.

    y_train : array-like of shape (n_train,)
        Their labels.

    Returns
    -------
    callable
        Scorer of a fitted estimator, X and y, which is ignored: the
        `example_likeness_score`, in (0, 1]; 1 is best. It raises a ValueError if the
        estimator does not know the training rows of its prototypes, or if these are of
        another class in `y_train`.

    See Also
    --------
    example_likeness_score : The metric behind it.
    sem_scorers : All scorers at once.

    Notes
    -----
    The scorer is for models that are fitted on `X_train`. It cannot be used in
    cross-validation, where each split is fitted on other rows.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_kmex import KMExClassifier
    >>> from sklearn_kmex.metrics import make_example_likeness_scorer
    >>> X, y = load_iris(return_X_y=True)
    >>> psem = KMExClassifier(n_prototypes=2, random_state=0).fit(X[::2], y[::2])
    >>> scorer = make_example_likeness_scorer(X[::2], y[::2])
    >>> scorer(psem, X[1::2]) > 0.6
    True
    """
    settings = {"X_train": X_train, "y_train": y_train}
    return SEMScorer("example_likeness_scorer", _score_example_likeness, settings)
