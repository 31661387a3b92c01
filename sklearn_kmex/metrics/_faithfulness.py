"""Faithfulness: explanations show what the model decides by."""

from collections.abc import Callable
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import rel_entr
from sklearn.utils import check_array

from sklearn_kmex._compat import Interval, StrOptions, validate_params
from sklearn_kmex.metrics._maps import (
    check_channel_axis,
    check_maps,
    distributions,
    masked_inputs,
    mean_of,
)

_DIVERGENCE = {
    "relevance_black_box": ["array-like"],
    "relevance_sem": ["array-like"],
    "channel_axis": [Integral, None],
    "per_sample": ["boolean"],
}
_MASKING = {
    "score": [callable],
    "X": ["array-like"],
    "relevance": ["array-like"],
    "target": ["array-like", None],
    "keep": [Interval(Real, 0, 1, closed="right")],
    "baseline": [Real, "array-like"],
    "mask": [StrOptions({"keep", "remove"})],
    "channel_axis": [Integral, None],
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
    """Compute how far relevance maps are from those of the black box.

    Each map becomes a distribution over positions: its sum over the channels, in
    absolute value, plus 1e-8 of the total, over their total. With P that of the black
    box and Q that of the self-explainable model, the loss is the mean over the samples
    of `KL(P || Q) = sum(P * log(P / Q))`, in nats.

    Read more in the :ref:`User Guide <faithfulness>`.

    Parameters
    ----------
    relevance_black_box : array-like of shape (n_samples, ...)
        Relevance of the input to the class score of the black box.

    relevance_sem : array-like of shape (n_samples, ...)
        Relevance of the input to the score of the same class in the
        self-explainable model, by the same rules.

    channel_axis : int, default=None
        Axis of the maps to sum over, not 0. None makes every value a position.

    per_sample : bool, default=False
        Whether to return the divergence of each sample rather than the mean.

    Returns
    -------
    float or ndarray of shape (n_samples,)
        Divergence in [0, log(1 + 1e8)], about 18.4; 0 is best.

    Raises
    ------
    ValueError
        If the maps differ in shape, have no position or hold values that are not
        finite, or if `channel_axis` leaves no axis of positions.

    See Also
    --------
    average_drop_loss : Faithfulness of one model's maps to that model.
    fidelity_score : Share of samples that both models give the same label.

    Notes
    -----
    The number has no scale of its own. Read it beside the loss between two black
    boxes that differ by the seed alone (as far as equally good maps are apart) and
    beside that between the black box and itself with its head drawn anew (what an
    unfaithful map gives).

    The maps may be multiplied by any number without a change. A map that is zero
    everywhere counts as uniform. It costs O(n_samples * n_values). The comparison
    of maps is that of [1]_; the term 1e-8, which bounds the loss, is ours.

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
    terms = rel_entr(
        distributions(black_box, channel_axis), distributions(sem, channel_axis)
    )
    return mean_of(np.maximum(terms.sum(axis=1), 0), per_sample)


@validate_params(_MASKING, prefer_skip_nested_validation=True)
def average_drop_loss(
    score: Callable[[NDArray], ArrayLike],
    X: ArrayLike,
    relevance: ArrayLike,
    *,
    target: ArrayLike | None = None,
    keep: float = 0.5,
    baseline: float | ArrayLike = 0.0,
    mask: str = "keep",
    channel_axis: int | None = None,
    per_sample: bool = False,
) -> float | NDArray[np.float64]:
    """Compute what share of its score a sample loses without the irrelevant.

    The mean over the samples of `max(0, f - f_masked) / f` [1]_, with f the score of
    the explained output for a sample and f_masked that for the sample when only its
    most relevant positions are left. Where f is 0 there is nothing to lose: 0.

    Read more in the :ref:`User Guide <faithfulness>`.

    Parameters
    ----------
    score : callable
        Takes an array like X and returns scores of shape (n_samples,) or
        (n_samples, n_outputs), those explained not negative: `psem.predict_proba`,
        or `psem.transform` with the log similarity.

    X : array-like of shape (n_samples, ...)
        Input of the model. May hold NaN where the model takes it.

    relevance : array-like of shape (n_samples, ...)
        Relevance of the input to the explained output, of the shape of X, or of X
        without its channels. The largest values are the most relevant: pass
        absolute values to rank by strength whatever the sign.

    target : array-like of shape (n_samples,), dtype=int, default=None
        Column of the scores that each map explains. None is the largest for X.

    keep : float in (0, 1], default=0.5
        Share of the positions of a sample that are its most relevant ones:
        `ceil(keep * n_positions)` of them, ties by their order in the map.

    baseline : float or array-like, default=0.0
        What replaces the other positions: a number, or an array that broadcasts to
        the shape of a sample, such as the mean of the training set.

    mask : {"keep", "remove"}, default="keep"
        "keep" leaves the most relevant positions and replaces the rest. "remove"
        replaces the most relevant ones and leaves the rest, as the code released
        with [2]_ does: for it, a larger drop is better.

    channel_axis : int, default=None
        Axis of X, not 0, whose values are one position, as the colors of a pixel.
        Relevance of the shape of X is summed over it. None: every value is one.

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
        match, `target` is no column of the scores, or X cannot hold `baseline`.

    See Also
    --------
    average_increase_score : Share of samples whose score rises instead.
    relevance_divergence_loss : How far maps are from those of the black box.

    Notes
    -----
    It costs two calls of `score` on all samples and a sort of each map. In [1]_ the
    input is multiplied by the map; a fixed share of the positions makes maps of
    different methods and scales comparable, and is ours, as is the rule for ties.

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
    whole, masked = _scores(
        score, X, target, relevance, keep, baseline, mask, channel_axis
    )
    drops = np.zeros_like(whole)
    np.divide(np.maximum(whole - masked, 0), whole, out=drops, where=whole > 0)
    return mean_of(drops, per_sample)


@validate_params(_MASKING, prefer_skip_nested_validation=True)
def average_increase_score(
    score: Callable[[NDArray], ArrayLike],
    X: ArrayLike,
    relevance: ArrayLike,
    *,
    target: ArrayLike | None = None,
    keep: float = 0.5,
    baseline: float | ArrayLike = 0.0,
    mask: str = "keep",
    channel_axis: int | None = None,
    per_sample: bool = False,
) -> float | NDArray[np.float64]:
    """Compute the share of samples whose score rises without the irrelevant.

    The mean over the samples of `f_masked > f` [1]_, with f the score of the explained
    output for a sample and f_masked that for the sample when only its most relevant
    positions are left.

    Read more in the :ref:`User Guide <faithfulness>`.

    Parameters
    ----------
    score : callable
        Takes an array like X and returns scores of shape (n_samples,) or
        (n_samples, n_outputs), those explained not negative: `psem.predict_proba`,
        or `psem.transform` with the log similarity.

    X : array-like of shape (n_samples, ...)
        Input of the model. May hold NaN where the model takes it.

    relevance : array-like of shape (n_samples, ...)
        Relevance of the input to the explained output, of the shape of X, or of X
        without its channels. The largest values are the most relevant: pass
        absolute values to rank by strength whatever the sign.

    target : array-like of shape (n_samples,), dtype=int, default=None
        Column of the scores that each map explains. None is the largest for X.

    keep : float in (0, 1], default=0.5
        Share of the positions of a sample that are its most relevant ones:
        `ceil(keep * n_positions)` of them, ties by their order in the map.

    baseline : float or array-like, default=0.0
        What replaces the other positions: a number, or an array that broadcasts to
        the shape of a sample, such as the mean of the training set.

    mask : {"keep", "remove"}, default="keep"
        "keep" leaves the most relevant positions and replaces the rest. "remove"
        replaces the most relevant ones: for it, fewer increases are better.

    channel_axis : int, default=None
        Axis of X, not 0, whose values are one position, as the colors of a pixel.
        Relevance of the shape of X is summed over it. None: every value is one.

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
        match, `target` is no column of the scores, or X cannot hold `baseline`.

    See Also
    --------
    average_drop_loss : How much of the score is lost, with the same masks.

    Notes
    -----
    A probability that rounds to 1 cannot rise: for sure predictions, and in float32,
    similarities tell more. The rest is as in :func:`average_drop_loss`.

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
    whole, masked = _scores(
        score, X, target, relevance, keep, baseline, mask, channel_axis
    )
    return mean_of((masked > whole).astype(np.float64), per_sample)


def _scores(
    score: Callable[[NDArray], ArrayLike],
    X: ArrayLike,
    target: ArrayLike | None,
    relevance: ArrayLike,
    *masking: Any,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Score of the explained output for each sample as it is, and masked."""
    inputs = check_array(X, allow_nd=True, ensure_all_finite=False, input_name="X")
    masked = masked_inputs(inputs, relevance, *masking)
    outputs = _outputs(score, inputs)
    columns = _columns(target, outputs)
    whole = _explained(outputs, columns, "X")
    return whole, _explained(_outputs(score, masked), columns, "the masked X")


def _outputs(score: Callable[[NDArray], ArrayLike], X: NDArray) -> NDArray[np.float64]:
    """Ask for the scores of all samples, (n_samples, n_outputs)."""
    outputs = np.asarray(score(X), dtype=np.float64)
    if outputs.ndim not in (1, 2) or len(outputs) != len(X) or outputs.size == 0:
        raise ValueError(
            "score must return an array of shape (n_samples,) or (n_samples, "
            f"n_outputs); got shape {outputs.shape} for {len(X)} samples."
        )
    return outputs.reshape(len(X), -1)


def _columns(
    target: ArrayLike | None, outputs: NDArray[np.float64]
) -> NDArray[np.intp]:
    """Column of the explained output of each sample."""
    n_samples, n_outputs = outputs.shape
    if target is None:
        return outputs.argmax(axis=1)
    columns = np.asarray(target)
    if columns.shape != (n_samples,) or columns.dtype.kind not in "iu":
        raise ValueError(
            f"target must be one column number for each of {n_samples} samples; got "
            f"an array of shape {columns.shape} and dtype {columns.dtype}. From "
            "labels, take np.searchsorted(psem.classes_, labels)."
        )
    if columns.min() < 0 or columns.max() >= n_outputs:
        raise ValueError(
            f"target must be columns of the {n_outputs} that score returns, from 0; "
            f"got {columns.min()} to {columns.max()}."
        )
    return columns


def _explained(
    outputs: NDArray[np.float64], columns: NDArray[np.intp], of: str
) -> NDArray[np.float64]:
    """Scores of the explained outputs, refused where a share of them says nothing."""
    values = np.take_along_axis(outputs, columns[:, np.newaxis], axis=1)[:, 0]
    rows = np.flatnonzero(~(np.isfinite(values) & (values >= 0)))
    if len(rows):
        more = ", ..." if len(rows) > 5 else ""
        raise ValueError(
            "score must be finite and not negative for what a map explains; got "
            f"{values[rows[0]]:.3g} for row {rows[0]} of {of} ({len(rows)} such rows: "
            f"{', '.join(map(str, rows[:5]))}{more}). Use probabilities "
            "(predict_proba) or log similarities (transform)."
        )
    return values
