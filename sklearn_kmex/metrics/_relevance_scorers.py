"""Scorers of relevance maps: how faithful and how robust they are."""

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sklearn_kmex._model.protocol import find_sem
from sklearn_kmex._model.steps import predict
from sklearn_kmex.metrics._faithfulness import (
    average_drop_loss,
    relevance_divergence_loss,
)
from sklearn_kmex.metrics._robustness import local_lipschitz_error
from sklearn_kmex.metrics._scorer import SEMScorer


def faithfulness(
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
    """Score relevance maps by what is lost without the irrelevant, or by another map.

    Made by `make_faithfulness_scorer`.
    """
    target = predicted_codes(estimator, X)
    maps = relevance(estimator, X, target)
    if relevance_black_box is not None:
        theirs = relevance_black_box(estimator, X, target)
        return -average(
            relevance_divergence_loss(
                theirs, maps, channel_axis=channel_axis, per_sample=True
            ),
            sample_weight,
        )
    drop = average_drop_loss(
        estimator.predict_proba,
        X,
        maps,
        target=target,
        channel_axis=channel_axis,
        per_sample=True,
        **masking,
    )
    sign = 1 if masking.get("mask") == "remove" else -1
    return sign * average(drop, sample_weight)


def robustness(
    estimator: Any,
    X: ArrayLike,
    y: ArrayLike | None = None,
    *,
    sample_weight: ArrayLike | None = None,
    relevance: Callable,
    **settings: Any,
) -> float:
    """Score how little relevance maps change between neighbours.

    Made by `make_robustness_scorer`.
    """

    def maps(neighbours: ArrayLike, target: NDArray) -> ArrayLike:
        return relevance(estimator, neighbours, target)

    target = predicted_codes(estimator, X)
    error = local_lipschitz_error(maps, X, target=target, per_sample=True, **settings)
    return -average(error, sample_weight)


def predicted_codes(estimator: Any, X: ArrayLike) -> NDArray[np.intp]:
    """Predict the places of labels in `classes_`."""
    return np.searchsorted(find_sem(estimator).classes_, predict(estimator, X))


def average(values: Any, sample_weight: ArrayLike | None) -> float:
    weights = None if sample_weight is None else np.asarray(sample_weight)
    return float(np.average(values, weights=weights))


def make_faithfulness_scorer(
    relevance: Callable[[Any, ArrayLike, NDArray], ArrayLike],
    *,
    relevance_black_box: Callable[[Any, ArrayLike, NDArray], ArrayLike] | None = None,
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
        Called with the fitted estimator, X and the places of the predicted labels in
        `classes_`; returns maps of the shape of X, or of X without its channels. To
        be used by several processes it must be importable, as a function of a module
        is.

    relevance_black_box : callable, default=None
        The same for the black box. Where given, maps are scored by their divergence
        from these (`relevance_divergence_loss`), and the settings of masks are not
        used; otherwise by `average_drop_loss` of the predicted probability.

    keep : float in (0, 1], default=0.5
        Share of positions that a mask keeps or removes.

    baseline : float or array-like, default=0.0
        What replaces the other positions.

    mask : {"keep", "remove"}, default="keep"
        Whether the most relevant positions are kept or removed.

    channel_axis : int, default=None
        Axis of the channels, over which maps are summed. None is none.

    Returns
    -------
    callable
        Scorer of a fitted estimator, X and y; more is better. It is minus the loss,
        and with `mask="remove"`, where a larger drop is better, the drop.

    See Also
    --------
    average_drop_loss : The metric behind it.
    relevance_divergence_loss : The metric behind it, where the maps are compared.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_kmex import KMExClassifier
    >>> from sklearn_kmex.metrics import make_faithfulness_scorer
    >>> X, y = load_iris(return_X_y=True)
    >>> psem = KMExClassifier(random_state=0).fit(X, y)
    >>> def closeness(psem, X, target):
    ...     _, nearest = psem.nearest_prototypes(X)
    ...     return -((X - psem.prototypes_[nearest[:, 0]]) ** 2)
    >>> scorer = make_faithfulness_scorer(closeness, baseline=X.mean(axis=0))
    >>> -1 <= scorer(psem, X, y) <= 0
    True
    """
    settings: dict[str, Any] = {"relevance": relevance, "channel_axis": channel_axis}
    if relevance_black_box is not None:
        settings["relevance_black_box"] = relevance_black_box
    else:
        settings |= {"keep": keep, "baseline": baseline, "mask": mask}
    return SEMScorer("faithfulness_scorer", faithfulness, settings)


def make_robustness_scorer(
    relevance: Callable[[Any, ArrayLike, NDArray], ArrayLike],
    *,
    n_neighbors: int = 10,
    radius: float = 0.1,
    random_state: int | np.random.RandomState | None = None,
) -> SEMScorer:
    """Make a scorer of how little relevance maps change between neighbours.

    Read more in the :ref:`User Guide <scorers>`.

    Parameters
    ----------
    relevance : callable
        Called with the fitted estimator, X and the places in `classes_` of the labels
        to explain; returns maps with one value or more for each sample. To be used
        by several processes it must be importable, as a function of a module is.

    n_neighbors : int, default=10
        Number of neighbours of each sample.

    radius : float, default=0.1
        Largest change of a value of X, in its units.

    random_state : int, RandomState instance or None, default=None
        Draws the neighbours.

    Returns
    -------
    callable
        Scorer of a fitted estimator, X and y: minus `local_lipschitz_error`, at most
        0; more is better.

    See Also
    --------
    local_lipschitz_error : The metric behind it.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_kmex import KMExClassifier
    >>> from sklearn_kmex.metrics import make_robustness_scorer
    >>> X, y = load_iris(return_X_y=True)
    >>> psem = KMExClassifier(random_state=0).fit(X, y)
    >>> def closeness(psem, X, target):
    ...     _, nearest = psem.nearest_prototypes(X)
    ...     return -((X - psem.prototypes_[nearest[:, 0]]) ** 2)
    >>> make_robustness_scorer(closeness, random_state=0)(psem, X, y) < 0
    True
    """
    settings = {
        "relevance": relevance,
        "n_neighbors": n_neighbors,
        "radius": radius,
        "random_state": random_state,
    }
    return SEMScorer("robustness_scorer", robustness, settings)
