"""Faithfulness: explanations show what decisions are based on."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from numbers import Integral, Real

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import rel_entr

from sklearn_kmex._compat import Interval, StrOptions, validate_params
from sklearn_kmex.exceptions import KMExWarning
from sklearn_kmex.metrics._maps import (
    check_channel_axis,
    check_maps,
    distributions,
    is_flat,
    mean_of,
    mean_of_defined,
)
from sklearn_kmex.metrics._masked_scores import masked_scores

_DIVERGENCE = {
    "relevance_black_box": ["array-like"],
    "relevance_sem": ["array-like"],
    "channel_axis": [Integral, None],
    "per_sample": ["boolean"],
}
# Settings of masks.
MASKING = {
    "keep": [Interval(Real, 0, 1, closed="right")],
    "baseline": [Real, "array-like"],
    "mask": [StrOptions({"keep", "remove"})],
    "channel_axis": [Integral, None],
}
_MASKED_SCORES = {
    "score": [callable],
    "X": ["array-like"],
    "relevance": ["array-like"],
    "score_columns": ["array-like", None],
    **MASKING,
    "per_sample": ["boolean"],
}


@validate_params(_DIVERGENCE, prefer_skip_nested_validation=True)
def relevance_divergence_loss(
    relevance_black_box: ArrayLike,
    relevance_sem: ArrayLike,
    *,
    channel_axis: int | None = None,
    per_sample: bool = False,
) -> float | NDArray[np.float64]:
    """Compute the divergence of relevance maps from those of the black box.

    Each map is made a distribution over positions: it is summed over the channels, its
    absolute values are taken, 1e-8 of their total is added to each, and they are
    divided by their sum. With P the distribution of the black box and Q that of the
    self-explainable model, the loss is the mean over the samples of
    `KL(P || Q) = sum(P * log(P / Q))`, in nats.

    Read more in the :ref:`User Guide <faithfulness>`.

    Parameters
    ----------
    relevance_black_box : array-like of shape (n_samples, ...)
        Relevance of the input to the class score of the black box.

    relevance_sem : array-like of shape (n_samples, ...)
        Relevance of the input to the score of the same class in the
        self-explainable model, computed by the same rules.

    channel_axis : int, default=None
        Axis of the maps to sum over, not 0. None counts each value as a position.

    per_sample : bool, default=False
        Whether to return the divergence of each sample rather than the mean.

    Returns
    -------
    float or ndarray of shape (n_samples,)
        Divergence in [0, log(1 + 1e8)], about 18.4; 0 is best. NaN if both maps of a
        sample, or of all samples, are uniform.

    Raises
    ------
    ValueError
        If the maps differ in shape, have no position or contain values that are not
        finite, or if `channel_axis` leaves no axis of positions.

    Warns
    -----
    KMExWarning
        If both maps of a sample give all positions the same relevance.

    See Also
    --------
    average_drop_loss : Faithfulness of the maps of one model to that model.
    fidelity_score : Share of samples for which both models predict the same label.

    Notes
    -----
    The value has no absolute scale. Compare it with the loss between two black boxes
    that differ only in the seed (the distance between equally good maps), and with the
    loss between the black box and itself with a new random head (an unfaithful map).

    The result does not change if the maps are multiplied by a number. A map that is
    zero everywhere counts as uniform. Where both maps are uniform, up to rounding of
    float32, they agree whatever the models do: the divergence is NaN, and the mean is
    that of the other samples. The cost is O(n_samples * n_values). The
    comparison of maps is that of [1]_. The term 1e-8, which bounds the loss, is an
    addition of this package.

    References
    ----------
    .. [1] S. Gautam, A. Boubekki, M. Höhne and M. Kampffmeyer, "Prototypical
       Self-Explainable Models Without Re-training", 2024, arXiv:2312.07822.

    Examples
    --------
    >>> from sklearn_kmex.metrics import relevance_divergence_loss
    >>> black_box = [[1.0, 1.0, 2.0], [0.0, 0.5, 0.5]]
    >>> sem = [[2.0, 1.0, 1.0], [0.0, -3.0, 3.0]]
    >>> round(relevance_divergence_loss(black_box, sem), 4)
    0.0866
    >>> relevance_divergence_loss(black_box, sem, per_sample=True).round(4)
    array([0.1733, 0.    ])
    """
    black_box = check_maps(relevance_black_box, "relevance_black_box")
    sem = check_maps(relevance_sem, "relevance_sem")
    if black_box.shape != sem.shape:
        raise ValueError(
            "relevance_black_box and relevance_sem must have the same shape; got "
            f"{black_box.shape} and {sem.shape}."
        )
    check_channel_axis(channel_axis, sem, "the maps")
    theirs, ours = (distributions(maps, channel_axis) for maps in (black_box, sem))
    losses = np.maximum(rel_entr(theirs, ours).sum(axis=1), 0)
    losses[_warn_if_flat(is_flat(theirs) & is_flat(ours))] = np.nan
    return losses if per_sample else mean_of_defined(losses)


def _warn_if_flat(flat: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Warn of samples for which both maps say nothing; return these."""
    rows = np.flatnonzero(flat)
    if len(rows):
        more = ", ..." if len(rows) > 5 else ""
        warnings.warn(
            f"The divergence is NaN for {len(rows)} of {len(flat)} samples (rows "
            f"{', '.join(map(str, rows[:5]))}{more}), as both maps give all positions "
            "the same relevance, which says nothing about the model. Use another "
            'method for the maps, such as "epsilon_plus" or "integrated_gradients".',
            KMExWarning,
            stacklevel=3,
        )
    return flat


@validate_params(_MASKED_SCORES, prefer_skip_nested_validation=True)
def average_drop_loss(
    score: Callable[[NDArray], ArrayLike],
    X: ArrayLike,
    relevance: ArrayLike,
    *,
    score_columns: ArrayLike | None = None,
    keep: float = 0.5,
    baseline: float | ArrayLike = 0.0,
    mask: str = "keep",
    channel_axis: int | None = None,
    per_sample: bool = False,
) -> float | NDArray[np.float64]:
    """Compute the drop of the score when the less relevant positions are removed.

    It is the mean over the samples of `max(0, f - f_masked) / f` [1]_, where f is the
    explained score of a sample, and f_masked the score when only the most relevant
    positions of the sample are kept. The drop is 0 where f is 0.

    Read more in the :ref:`User Guide <faithfulness>`.

    Parameters
    ----------
    score : callable
        Takes an array like X and returns scores of shape (n_samples,) or
        (n_samples, n_outputs). The explained scores must not be negative; use
        `psem.predict_proba`, or `psem.transform` with the log similarity.

    X : array-like of shape (n_samples, ...)
        Input of the model. It may contain NaN if the model accepts it.

    relevance : array-like of shape (n_samples, ...)
        Relevance maps of the explained scores, of the shape of X, or of X without its
        channels. The largest values are the most relevant. Pass absolute values to
        rank by magnitude.

    score_columns : array-like of shape (n_samples,), dtype=int, default=None
        Column of the scores that each map explains. None is the column with the
        largest score for X.

    keep : float in (0, 1], default=0.5
        Share of the positions of a sample that count as its most relevant ones:
        `ceil(keep * n_positions)` of them, ties in their order in the map.

    baseline : float or array-like, default=0.0
        What replaces the other positions: a number, or an array that broadcasts to
        the shape of a sample, such as the mean of the training set.

    mask : {"keep", "remove"}, default="keep"
        "keep" keeps the most relevant positions and replaces the rest. "remove"
        replaces the most relevant ones and keeps the rest, as the code released with
        [2]_ does. Then a larger drop is better.

    channel_axis : int, default=None
        Axis of X, not 0, whose values form one position, such as the colors of a
        pixel. Relevance of the shape of X is summed over it. None counts each value as
        a position.

    per_sample : bool, default=False
        Whether to return the drop of each sample rather than the mean.

    Returns
    -------
    float or ndarray of shape (n_samples,)
        Drop in [0, 1]; 0 is best, or 1 for `mask="remove"`.

    Raises
    ------
    ValueError
        If a score is negative or not finite (the rows are named), the shapes do not
        match, `score_columns` has no such column, or X cannot hold `baseline`.

    See Also
    --------
    average_increase_score : Share of samples whose score increases.
    relevance_divergence_loss : Divergence of the maps from those of the black box.

    Notes
    -----
    The cost is two calls of `score` on all samples and a sort of each map. In [1]_ the
    input is multiplied by the map. Keeping a fixed share of the positions makes maps of
    different methods and scales comparable; it is an addition of this package, as is
    the rule for ties.

    References
    ----------
    .. [1] A. Chattopadhay, A. Sarkar, P. Howlader and V. N. Balasubramanian,
       "Grad-CAM++: Generalized Gradient-Based Visual Explanations for Deep
       Convolutional Networks", 2018, arXiv:1710.11063.
    .. [2] S. Gautam, A. Boubekki, M. Höhne and M. Kampffmeyer, "Prototypical
       Self-Explainable Models Without Re-training", 2024, arXiv:2312.07822.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_kmex.metrics import average_drop_loss
    >>> X = np.array([[3.0, 1.0], [2.0, 8.0]])
    >>> def score(X):
    ...     return X.sum(axis=1)
    >>> average_drop_loss(score, X, relevance=X)
    0.225
    >>> average_drop_loss(score, X, relevance=X, mask="remove")
    0.775
    """
    whole, masked = masked_scores(
        score, X, score_columns, relevance, keep, baseline, mask, channel_axis
    )
    drops = np.zeros_like(whole)
    np.divide(np.maximum(whole - masked, 0), whole, out=drops, where=whole > 0)
    return mean_of(drops, per_sample)


@validate_params(_MASKED_SCORES, prefer_skip_nested_validation=True)
def average_increase_score(
    score: Callable[[NDArray], ArrayLike],
    X: ArrayLike,
    relevance: ArrayLike,
    *,
    score_columns: ArrayLike | None = None,
    keep: float = 0.5,
    baseline: float | ArrayLike = 0.0,
    mask: str = "keep",
    channel_axis: int | None = None,
    per_sample: bool = False,
) -> float | NDArray[np.float64]:
    """Compute how often the score increases when less relevant positions are removed.

    It is the mean over the samples of `f_masked > f` [1]_, where f is the explained
    score of a sample, and f_masked the score when only the most relevant positions of
    the sample are kept.

    Read more in the :ref:`User Guide <faithfulness>`.

    Parameters
    ----------
    score : callable
        Takes an array like X and returns scores of shape (n_samples,) or
        (n_samples, n_outputs). The explained scores must not be negative; use
        `psem.predict_proba`, or `psem.transform` with the log similarity.

    X : array-like of shape (n_samples, ...)
        Input of the model. It may contain NaN if the model accepts it.

    relevance : array-like of shape (n_samples, ...)
        Relevance maps of the explained scores, of the shape of X, or of X without its
        channels. The largest values are the most relevant. Pass absolute values to
        rank by magnitude.

    score_columns : array-like of shape (n_samples,), dtype=int, default=None
        Column of the scores that each map explains. None is the column with the
        largest score for X.

    keep : float in (0, 1], default=0.5
        Share of the positions of a sample that count as its most relevant ones:
        `ceil(keep * n_positions)` of them, ties in their order in the map.

    baseline : float or array-like, default=0.0
        What replaces the other positions: a number, or an array that broadcasts to
        the shape of a sample, such as the mean of the training set.

    mask : {"keep", "remove"}, default="keep"
        "keep" keeps the most relevant positions and replaces the rest. "remove"
        replaces the most relevant ones. Then fewer increases are better.

    channel_axis : int, default=None
        Axis of X, not 0, whose values form one position, such as the colors of a
        pixel. Relevance of the shape of X is summed over it. None counts each value as
        a position.

    per_sample : bool, default=False
        Whether to return 1.0 or 0.0 for each sample rather than the mean.

    Returns
    -------
    float or ndarray of shape (n_samples,)
        Share in [0, 1]; 1 is best, or 0 for `mask="remove"`.

    Raises
    ------
    ValueError
        If a score is negative or not finite (the rows are named), the shapes do not
        match, `score_columns` has no such column, or X cannot hold `baseline`.

    See Also
    --------
    average_drop_loss : Share of the score that is lost, with the same masks.

    Notes
    -----
    A probability that is rounded to 1 cannot increase. For very confident predictions
    and in float32, use similarities. For the rest see :func:`average_drop_loss`.

    References
    ----------
    .. [1] A. Chattopadhay, A. Sarkar, P. Howlader and V. N. Balasubramanian,
       "Grad-CAM++: Generalized Gradient-Based Visual Explanations for Deep
       Convolutional Networks", 2018, arXiv:1710.11063.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_kmex.metrics import average_increase_score
    >>> X = np.array([[3.0, -1.0], [2.0, 8.0]])
    >>> def score(X):
    ...     return X.sum(axis=1)
    >>> average_increase_score(score, X, relevance=X)
    0.5
    """
    whole, masked = masked_scores(
        score, X, score_columns, relevance, keep, baseline, mask, channel_axis
    )
    return mean_of((masked > whole).astype(np.float64), per_sample)
