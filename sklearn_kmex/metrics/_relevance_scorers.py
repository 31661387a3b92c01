"""Scorers of relevance maps: how faithful and how robust they are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from sklearn_kmex._compat import validate_params
from sklearn_kmex._model.functions import check_takes
from sklearn_kmex._model.labels import class_codes
from sklearn_kmex._model.protocol import find_sem
from sklearn_kmex._model.steps import predict
from sklearn_kmex.metrics._faithfulness import (
    MASKING,
    average_drop_loss,
    relevance_divergence_loss,
)
from sklearn_kmex.metrics._maps import mean_of_defined
from sklearn_kmex.metrics._robustness import NEIGHBORS, local_lipschitz_error
from sklearn_kmex.metrics._scorer import SEMScorer


def _score_faithfulness(
    estimator: Any,
    X: ArrayLike,
    y: ArrayLike | None = None,
    *,
    sample_weight: ArrayLike | None = None,
    relevance: Callable,
    relevance_black_box: Callable | None = None,
    channel_axis: int | None = None,
    **masking: Any,
) -> float:
    """Score relevance maps by masking their samples, or by those of the black box.

    Made by `make_faithfulness_scorer`.
    """
    labels = predict(estimator, X)
    maps = relevance(estimator, X, labels=labels)
    if relevance_black_box is not None:
        theirs = relevance_black_box(estimator, X, labels=labels)
        return -mean_of_defined(
            relevance_divergence_loss(
                theirs, maps, channel_axis=channel_axis, per_sample=True
            ),
            sample_weight,
        )
    drop = average_drop_loss(
        estimator.predict_proba,
        X,
        maps,
        score_columns=class_codes(np.asarray(find_sem(estimator).classes_), labels),
        channel_axis=channel_axis,
        per_sample=True,
        **masking,
    )
    sign = 1 if masking.get("mask") == "remove" else -1
    return sign * _average(drop, sample_weight)


def _score_robustness(
    estimator: Any,
    X: ArrayLike,
    y: ArrayLike | None = None,
    *,
    sample_weight: ArrayLike | None = None,
    relevance: Callable,
    **settings: Any,
) -> float:
    """Score how little relevance maps change between neighbors.

    Made by `make_robustness_scorer`.
    """
    labels = predict(estimator, X)
    error = local_lipschitz_error(
        estimator, X, relevance, labels=labels, per_sample=True, **settings
    )
    return -_average(error, sample_weight)


def _average(values: Any, sample_weight: ArrayLike | None) -> float:
    weights = None if sample_weight is None else np.asarray(sample_weight)
    return float(np.average(values, weights=weights))


@validate_params(MASKING, prefer_skip_nested_validation=True)
def make_faithfulness_scorer(
    relevance: Callable[..., ArrayLike],
    *,
    relevance_black_box: Callable[..., ArrayLike] | None = None,
    keep: float = 0.5,
    baseline: float | ArrayLike = 0.0,
    mask: Literal["keep", "remove"] = "keep",
    channel_axis: int | None = None,
) -> SEMScorer:
    """Make a scorer of how faithful relevance maps are to the decision.

    Read more in the :ref:`User Guide <scorers>`.

    Parameters
    ----------
    relevance : callable
        Called as `relevance(psem, X, labels=labels)` with the fitted estimator,
        samples and the predicted labels; returns maps of the shape of X, or of X
        without its channels. For example :func:`sklearn_kmex.explain.relevance`, or a
        :func:`functools.partial` of it. To run in several processes it must be
        importable, like a function of a module.

    relevance_black_box : callable, default=None
        The same for the black box, such as
        :func:`sklearn_kmex.explain.black_box_relevance`. If given, maps are scored by
        their divergence from these (`relevance_divergence_loss`), and the settings of
        masks are not used. Otherwise they are scored by `average_drop_loss` of the
        predicted probability.

    keep : float in (0, 1], default=0.5
        Share of the positions that count as the most relevant ones.

    baseline : float or array-like, default=0.0
        Values that replace the masked positions.

    mask : {"keep", "remove"}, default="keep"
        Whether the most relevant positions are kept or removed.

    channel_axis : int, default=None
        Axis of the channels, over which maps are summed. None if there are none.

    Returns
    -------
    callable
        Scorer of a fitted estimator, X and y; more is better. The score is minus the
        loss. With `mask="remove"`, where a larger drop is better, it is the drop.

    Raises
    ------
    TypeError
        If a function of maps cannot be called in this way.

    ValueError
        If another setting has no possible value.

    See Also
    --------
    average_drop_loss : Metric of a single model.
    relevance_divergence_loss : Metric of two models.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_kmex import KMExClassifier
    >>> from sklearn_kmex.metrics import make_faithfulness_scorer
    >>> X, y = load_iris(return_X_y=True)
    >>> psem = KMExClassifier(random_state=0).fit(X, y)
    >>> def closeness(psem, X, labels):
    ...     _, nearest = psem.nearest_prototypes(X)
    ...     return -((X - psem.prototypes_[nearest[:, 0]]) ** 2)
    >>> scorer = make_faithfulness_scorer(closeness, baseline=X.mean(axis=0))
    >>> -1 <= scorer(psem, X, y) <= 0
    True
    """
    check_takes(relevance, "relevance", "labels")
    settings: dict[str, Any] = {"relevance": relevance, "channel_axis": channel_axis}
    if relevance_black_box is not None:
        check_takes(relevance_black_box, "relevance_black_box", "labels")
        settings["relevance_black_box"] = relevance_black_box
    else:
        settings |= {"keep": keep, "baseline": baseline, "mask": mask}
    return SEMScorer("faithfulness_scorer", _score_faithfulness, settings)


@validate_params(NEIGHBORS, prefer_skip_nested_validation=True)
def make_robustness_scorer(
    relevance: Callable[..., ArrayLike],
    *,
    n_neighbors: int = 10,
    radius: float = 0.1,
    random_state: int | np.random.RandomState | None = None,
) -> SEMScorer:
    """Make a scorer of how little relevance maps change between neighbors.

    Read more in the :ref:`User Guide <scorers>`.

    Parameters
    ----------
    relevance : callable
        Called as `relevance(psem, X, labels=labels)` with the fitted estimator,
        samples and the labels predicted for X, also for neighbors; returns maps with
        at least one value for each sample. For example
        :func:`sklearn_kmex.explain.relevance`, or a :func:`functools.partial` of it.
        To run in several processes it must be importable, like a function of a module.

    n_neighbors : int, default=10
        Number of neighbors of each sample.

    radius : float, default=0.1
        Largest change of a value of X, in its units.

    random_state : int, RandomState instance or None, default=None
        Draws the neighbors.

    Returns
    -------
    callable
        Scorer of a fitted estimator, X and y; more is better. The score is minus
        `local_lipschitz_error`, at most 0.

    Raises
    ------
    TypeError
        If `relevance` cannot be called in this way.

    ValueError
        If another setting has no possible value.

    See Also
    --------
    local_lipschitz_error : Metric that is used.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_kmex import KMExClassifier
    >>> from sklearn_kmex.metrics import make_robustness_scorer
    >>> X, y = load_iris(return_X_y=True)
    >>> psem = KMExClassifier(random_state=0).fit(X, y)
    >>> def closeness(psem, X, labels):
    ...     _, nearest = psem.nearest_prototypes(X)
    ...     return -((X - psem.prototypes_[nearest[:, 0]]) ** 2)
    >>> make_robustness_scorer(closeness, random_state=0)(psem, X, y) < 0
    True
    """
    check_takes(relevance, "relevance", "labels")
    settings = {
        "relevance": relevance,
        "n_neighbors": n_neighbors,
        "radius": radius,
        "random_state": random_state,
    }
    return SEMScorer("robustness_scorer", _score_robustness, settings)
