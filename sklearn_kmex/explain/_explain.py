"""explain: decisions explained by prototypes."""

from __future__ import annotations

from dataclasses import replace
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sklearn_kmex._compat import Interval, validate_params
from sklearn_kmex._data.brief import brief
from sklearn_kmex._data.samples import as_samples, len_of, stacked, texts_at
from sklearn_kmex._model.decision import Decision, class_probabilities, decide
from sklearn_kmex._model.protocol import find_sem, of_one_state
from sklearn_kmex._model.steps import embed, memorizes
from sklearn_kmex._rejecting import accepted, held_out_typicality
from sklearn_kmex.explain._contrast import contrast
from sklearn_kmex.explain._explanation import Explanation
from sklearn_kmex.explain._maps import explained_maps
from sklearn_kmex.explain._members import most_alike_members
from sklearn_kmex.explain._word_records import as_objects
from sklearn_kmex.explain._words import texts_or_samples, words

TRAINING_ROWS, HELD_OUT_ROWS = "training rows", "held-out rows"


@validate_params(
    {
        "n_prototypes": [Interval(Integral, 1, None, closed="left")],
        "n_members": [Interval(Integral, 0, None, closed="left")],
    },
    prefer_skip_nested_validation=False,  # relevance checks the method it is given
)
def explain(
    psem: Any,
    X: ArrayLike,
    *,
    n_prototypes: int = 3,
    X_train: Any = None,
    y_train: ArrayLike | None = None,
    n_members: int = 3,
    relevance: Any = None,
    reasons: bool = False,
) -> Explanation:
    """Explain decisions by the prototypes that samples are most similar to.

    All parts of an explanation are outputs of the model: its predictions, its
    probabilities if it has any, and its similarities to its prototypes.

    Read more in the :ref:`User Guide <explanations>`.

    Parameters
    ----------
    psem : estimator
        Fitted prototypical self-explainable model: a classifier with `classes_`,
        `prototypes_`, `prototype_classes_` and `transform`. A `Pipeline` that ends in
        one and a fitted search, `FrozenEstimator` or `RejectingClassifier` around one
        are accepted; the classifier inside is explained.

    X : array-like of shape (n_samples, n_features) or (n_samples, ...)
        Samples to explain, as `psem` takes them.

    n_prototypes : int, default=3
        Number of nearest prototypes of each sample; fewer if the model has fewer.

    X_train : array-like, frame, list or Dataset, default=None
        The rows that `psem` was fitted on, in the same order. The rows that represent
        the prototypes shown are kept, and the members of the winning prototype that are
        most like the sample; and each sample is compared with the training rows of the
        predicted class (`typicality`). None keeps only the row numbers of the rows that
        represent prototypes.

    y_train : array-like of shape (n_train,), default=None
        Labels of `X_train`, which tell the classes of members. None takes the classes
        that `psem` predicts for `X_train`.

    n_members : int, default=3
        Number of members to keep for each sample. Members of a prototype are the
        training rows of its class that are more similar to it than to the other
        prototypes of the class. Those with the largest cosine similarity to the sample
        are kept, compared by their embeddings before the classifier. This embeds the
        rows of `X_train` of the predicted classes, or all of them without `y_train`. 0
        keeps no members, compares with no training rows, and embeds none.

    relevance : True, str, array-like or callable, default=None
        Relevance maps of the samples: an array of shape (n_samples, ...) or
        (n_samples, n_prototypes, ...), or a callable that returns one, called as
        `relevance(psem, X, prototypes=prototypes)` with the indices of the nearest
        prototypes, of shape (n_samples, n_prototypes). True computes them by
        :func:`relevance`, a str by the `method` of this name, one that needs no
        `bounds`; both need torch: a map of the margin for each sample, and for each of
        its `prototypes` a map of what sets it apart from the others. None computes no
        maps.

    reasons : bool, default=False
        Whether to say in which columns each sample is similar to the predicted class,
        and in which not, by :func:`contrast`. For texts, in which words, by
        :func:`words`, which also marks the words of the training rows that are kept. X
        must be a table or texts.

    Returns
    -------
    Explanation
        Predictions, probabilities, nearest prototypes with their labels, training
        rows and similarities, the members most like each sample, the runner-up and the
        margin. `accepted` marks the samples that a `RejectingClassifier` accepts.

    Raises
    ------
    TypeError
        If `psem` is not a prototypical self-explainable model, or if `relevance`
        cannot be called in this way.

    ValueError
        If it has prototypes of only one class, if `X_train`, `y_train` or `relevance`
        does not fit, or if `y_train` is given without `X_train`.

    See Also
    --------
    contrast : Why one class and not another, column by column.
    counterfactuals : What would change the decision.
    sklearn_kmex.metrics.audit : Problems with prototypes and labels.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_kmex import KMExClassifier
    >>> from sklearn_kmex.explain import explain
    >>> X, y = load_iris(return_X_y=True)
    >>> psem = KMExClassifier(n_prototypes=2, random_state=0).fit(X, y)
    >>> explanation = explain(psem, X[:1], n_prototypes=1)
    >>> explanation.predictions, explanation.training_rows, explanation.runner_up
    (array([0]), array([[48]]), array([1]))
    >>> explain(psem, X[:1], X_train=X, y_train=y, n_members=2).members
    array([[ 0, 10]])
    """
    psem = of_one_state(psem)
    sem, X = find_sem(psem), texts_or_samples(psem, X)
    if X_train is not None:
        X_train = texts_or_samples(psem, X_train)
    Z = embed(psem, X)
    found = decide(psem, Z)
    order = np.argsort(-found.similarities, axis=1, kind="stable")[:, :n_prototypes]
    samples = _kept(X, range(len_of(X)))
    is_text = samples is not None and samples.dtype == object
    explanation = Explanation(
        sample_indices=np.arange(len_of(X)),
        predictions=found.classes[found.predicted],
        probabilities=class_probabilities(sem, Z),
        accepted=accepted(psem, Z),
        prototypes=order,
        similarities=np.take_along_axis(found.similarities, order, axis=1),
        samples=samples,
        prototype_classes=np.asarray(sem.prototype_classes_),
        prototype_rows=found.training_rows,
        reasons=_reasons(psem, X, X_train) if reasons and not is_text else None,
        **explained_maps(relevance, psem, X, order),
        **_two_classes(found),
        **_examples(found, order, X_train),
        **_compared(psem, Z, found, X_train, y_train, n_members),
    )
    return _with_words(psem, explanation) if reasons and is_text else explanation


def _kept(X: Any, rows: Any) -> NDArray | None:
    """Return samples that are arrays of numbers or texts; None for others."""
    found = stacked(X, rows)
    return texts_at(X, rows) if found is None else found


def _reasons(psem: Any, X: Any, X_train: Any) -> NDArray[np.object_]:
    return contrast(psem, X, X_train=X_train).reasons()


def _with_words(psem: Any, found: Explanation) -> Explanation:
    """Add the words that decide, of the texts and of the training texts kept."""
    assert found.samples is not None
    own, examples, members = words(psem, found.samples.tolist()), None, None
    if found.examples is not None:
        labels = found.prototype_classes[found.example_prototypes]
        examples = words(psem, found.examples.tolist(), labels=labels)
    if found.member_samples is not None:
        shape = found.member_samples.shape
        labels = np.repeat(found.predictions, shape[1])
        flat = words(psem, found.member_samples.ravel().tolist(), labels=labels)
        numbers = np.arange(len(flat)).reshape(shape)
        members = as_objects([flat[some] for some in numbers])
    return replace(
        found,
        reasons=own.reasons(),
        words=own,
        example_words=examples,
        member_words=members,
    )


def _two_classes(found: Decision) -> dict[str, Any]:
    """Describe the predicted class and the runner-up."""
    rows = np.arange(len(found.scores))
    own, other = found.nearest_of(found.predicted), found.nearest_of(found.runner_up)
    return {
        "classes": found.classes,
        "scores": found.scores,
        "margin": found.margin,
        "predicted_prototype": own,
        "predicted_similarity": found.similarities[rows, own],
        "runner_up": found.classes[found.runner_up],
        "runner_up_prototype": other,
        "runner_up_similarity": found.similarities[rows, other],
    }


def _examples(
    found: Decision, nearest: NDArray[np.intp], X_train: Any
) -> dict[str, Any]:
    """Take the training rows that represent the prototypes shown."""
    if X_train is None:
        return {}
    X_train = as_samples(X_train)
    two = (found.nearest_of(found.predicted), found.nearest_of(found.runner_up))
    ids = np.unique(np.concatenate([nearest.ravel(), *two]))
    rows = found.training_rows[ids]
    if rows.min() < 0 or rows.max() >= len_of(X_train):
        raise ValueError(
            "X_train must hold the rows that psem was fitted on; got "
            f"{len_of(X_train)} rows, and the prototypes are represented by the rows "
            f"{brief(np.unique(rows))} (-1 is unknown)."
        )
    return {"example_prototypes": ids, "examples": _kept(X_train, rows)}


def _compared(
    psem: Any,
    Z: Any,
    found: Decision,
    X_train: Any,
    y_train: ArrayLike | None,
    n_members: int,
) -> dict[str, Any]:
    """Compare samples with members of their prototypes, and rows of their class."""
    if X_train is None and y_train is not None:
        raise ValueError(
            "y_train must be given with X_train, whose labels it holds; got no X_train."
        )
    compared: dict[str, Any] = {"typicality": np.full(len(found.predicted), np.nan)}
    if X_train is not None and n_members:
        X_train = as_samples(X_train)
        compared = most_alike_members(psem, Z, found, X_train, y_train, n_members)
        compared["typicality_among"] = TRAINING_ROWS
    held_out = held_out_typicality(psem, Z)
    if held_out is not None:
        compared |= {"typicality": held_out, "typicality_among": HELD_OUT_ROWS}
    elif memorizes(psem):
        unknown = np.full(len(found.predicted), np.nan)
        compared |= {"typicality": unknown, "typicality_among": None}
    return compared
