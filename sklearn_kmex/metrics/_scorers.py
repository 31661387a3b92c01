"""Scorers: the predicates as functions of a fitted estimator, X and y."""

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.metrics import get_scorer
from sklearn.pipeline import Pipeline

from sklearn_kmex._model.protocol import find_sem
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
    """Score the share of prototypes that decide some row of X.

    Read more in the :ref:`User Guide <scorers>`.

    Parameters
    ----------
    estimator : estimator
        Fitted prototypical self-explainable model, or a `Pipeline` that ends in one.

    X : array-like of shape (n_samples, n_features) or (n_samples, ...)
        Reference set.

    y : array-like of shape (n_samples,), default=None
        Ignored.

    sample_weight : array-like of shape (n_samples,), default=None
        Rows of weight 0 are left out; other weights change nothing.

    Returns
    -------
    float
        `transparency_score` on X, in (0, 1]; 1 is best.

    Raises
    ------
    TypeError
        If the estimator is no prototypical self-explainable model.

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
    n_prototypes = len(find_sem(estimator).prototypes_)
    activations = np.asarray(estimator.transform(X)).argmax(axis=1)
    if sample_weight is not None:
        activations = activations[np.asarray(sample_weight) > 0]
    return transparency_score(activations, n_prototypes)


def diversity(
    estimator: Any,
    X: ArrayLike | None = None,
    y: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
) -> float:
    """Score how far each prototype resembles only itself; X is not looked at.

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
        If the estimator is no prototypical self-explainable model.

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
    return diversity_score(find_sem(estimator).prototypes_)


def fidelity(
    estimator: Any,
    X: ArrayLike,
    y: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
    black_box: Any = None,
) -> float:
    """Score the share of rows on which the model decides like its black box.

    Read more in the :ref:`User Guide <scorers>`.

    Parameters
    ----------
    estimator : estimator
        Fitted prototypical self-explainable model, or a `Pipeline` that ends in one,
        whose embedder gives the black box by `black_box_output`. For a black box of
        your own see `sem_scorers`.

    X : array-like of shape (n_samples, n_features) or (n_samples, ...)
        Rows, best of a set that neither was fitted on.

    y : array-like of shape (n_samples,), default=None
        Ignored.

    sample_weight : array-like of shape (n_samples,), default=None
        Weight of each row. None is 1 for all.

    Returns
    -------
    float
        `fidelity_score` on X, in [0, 1]; 1 is best.

    Raises
    ------
    TypeError
        If the estimator is no prototypical self-explainable model, or no black box
        is found.

    ValueError
        If the outputs of the black box cannot be read as one for each class.

    See Also
    --------
    fidelity_score : The metric behind it.
    sem_scorers : All scorers at once, with a black box of your own.

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
    sem = find_sem(estimator)
    theirs, ours = labels_of_both(estimator, X, black_box, sem)
    return fidelity_score(theirs, ours, sample_weight=sample_weight)


def gap(
    estimator: Any,
    X: ArrayLike,
    y: ArrayLike,
    sample_weight: ArrayLike | None = None,
    black_box: Any = None,
) -> float:
    """Score the accuracy of the model minus that of its black box.

    Read more in the :ref:`User Guide <scorers>`.

    Parameters
    ----------
    estimator : estimator
        Fitted prototypical self-explainable model, or a `Pipeline` that ends in one,
        whose embedder gives the black box by `black_box_output`. For a black box of
        your own see `sem_scorers`.

    X : array-like of shape (n_samples, n_features) or (n_samples, ...)
        Rows, best of a set that neither was fitted on.

    y : array-like of shape (n_samples,)
        True labels.

    sample_weight : array-like of shape (n_samples,), default=None
        Weight of each row. None is 1 for all.

    Returns
    -------
    float
        `accuracy_gap` on X, in [-1, 1]; 0 is parity, more is better than the black
        box.

    Raises
    ------
    TypeError
        If the estimator is no prototypical self-explainable model, or no black box
        is found.

    ValueError
        If the outputs of the black box cannot be read as one for each class.

    See Also
    --------
    accuracy_gap : The metric behind it.
    sem_scorers : All scorers at once, with a black box of your own.

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
    sem = find_sem(estimator)
    theirs, ours = labels_of_both(estimator, X, black_box, sem)
    return accuracy_gap(y, theirs, ours, sample_weight=sample_weight)


def labels_of_both(
    estimator: Any, X: Any, black_box: Any, sem: Any
) -> tuple[NDArray, NDArray]:
    """Labels of the black box and of the model, by one pass where there can be one."""
    both = one_pass(estimator, X, sem, labels_of) if black_box is None else None
    if both is None:
        theirs = black_box_labels(estimator, X, black_box, sem.classes_)
        return theirs, estimator.predict(X)
    Z, theirs = both
    return theirs, sem.predict(Z)


def one_pass(
    estimator: Any, X: Any, sem: Any, read: Callable
) -> tuple[Any, NDArray] | None:
    """Embed X and run the black box at once, where the embedder comes right before."""
    steps = estimator.steps if isinstance(estimator, Pipeline) else []
    embedder: Any = steps[-2][1] if len(steps) > 1 and steps[-1][1] is sem else None
    if not hasattr(embedder, "embed_with_output"):
        return None
    X = estimator[:-2].transform(X) if len(steps) > 2 else X
    Z, output = embedder.embed_with_output(X)
    return Z, read(output, embedder, sem.classes_)


def black_box_labels(
    estimator: Any, X: Any, black_box: Any, classes: NDArray
) -> NDArray:
    """Ask the black box for labels: the one given, or that of the embedder."""
    if black_box is not None:
        return np.asarray(black_box.predict(X))
    found = embedder_output(estimator, X)
    if found is None:
        raise TypeError(
            f"{type(estimator).__name__} must have a step with black_box_output to be "
            "compared to its black box, as make_kmex makes of a network or of trees; "
            "give one with sem_scorers(black_box=...), or leave it out with "
            "black_box=None."
        )
    return labels_of(*found, classes)


def embedder_output(estimator: Any, X: Any) -> tuple[Any, Any] | None:
    """Run the black box of the first step that gives one; return that step, too."""
    steps = estimator.steps if isinstance(estimator, Pipeline) else []
    for place, (_, step) in enumerate(steps):
        if hasattr(step, "black_box_output"):
            X = estimator[:place].transform(X) if place else X
            return step.black_box_output(X), step
    return None


def labels_of(output: Any, embedder: BaseEstimator, classes: NDArray) -> NDArray:
    """Take the class of the largest output, of the classes the model was fitted on."""
    labels = labels_if_any(output, embedder, classes)
    if labels is None:
        raise ValueError(
            f"The black box must give one output for each of the {len(classes)} "
            f"classes; got outputs of shape {np.shape(output)}. Give a model that "
            "predicts labels with sem_scorers(black_box=...)."
        )
    return labels


def labels_if_any(
    output: Any, embedder: BaseEstimator, classes: NDArray
) -> NDArray | None:
    """Read outputs as labels, or return None where there is not one for each class."""
    held = embedder.get_params().values()
    known = [model.classes_ for model in held if hasattr(model, "classes_")]
    classes, output = known[0] if known else classes, np.asarray(output)
    if output.ndim != 2 or output.shape[1] != len(classes):
        return None
    return classes[output.argmax(axis=1)]


transparency_scorer = SEMScorer("transparency_scorer", transparency)
diversity_scorer = SEMScorer("diversity_scorer", diversity)
fidelity_scorer = SEMScorer("fidelity_scorer", fidelity)
accuracy_gap_scorer = SEMScorer("accuracy_gap_scorer", gap)


def sem_scorers(black_box: Any | Literal["embedder"] = "embedder") -> dict[str, Any]:
    """Make the scorers of a search over prototypical self-explainable models.

    Read more in the :ref:`User Guide <scorers>`.

    Parameters
    ----------
    black_box : {"embedder"}, fitted model or None, default="embedder"
        What the model is compared to: the network or trees behind its embedder, a
        model of your own whose `predict` takes the same X, or nothing, which leaves
        out "fidelity" and "accuracy_gap".

    Returns
    -------
    dict of str to callable
        Scorers "accuracy", "transparency", "diversity", "fidelity" and
        "accuracy_gap", each called with a fitted estimator, X and y. More is better
        for all of them.

    Raises
    ------
    TypeError
        If `black_box` has no `predict`.

    See Also
    --------
    transparency_scorer : Share of prototypes that decide some row.
    diversity_scorer : How far each prototype resembles only itself.
    fidelity_scorer : Share of rows on which the model decides like its black box.
    accuracy_gap_scorer : Accuracy of the model minus that of its black box.

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
    scorers = {
        "accuracy": get_scorer("accuracy"),
        "transparency": transparency_scorer,
        "diversity": diversity_scorer,
    }
    if black_box is None:
        return scorers
    own = not isinstance(black_box, str)
    if not (hasattr(black_box, "predict") if own else black_box == "embedder"):
        raise TypeError(
            'black_box must be "embedder", None or a fitted model with predict; got '
            f"{black_box!r}."
        )
    settings = {"black_box": black_box} if own else None
    fidelity_of = SEMScorer("fidelity_scorer", fidelity, settings)
    gap_of = SEMScorer("accuracy_gap_scorer", gap, settings)
    return {**scorers, "fidelity": fidelity_of, "accuracy_gap": gap_of}
