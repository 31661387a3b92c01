"""Trustworthiness: the model performs like its black box."""

from __future__ import annotations

from numpy.typing import ArrayLike
from sklearn.metrics import accuracy_score

from sklearn_kmex._compat import validate_params

_LABELS = ["array-like", "sparse matrix"]
_TWO_MODELS = {
    "y_black_box": _LABELS,
    "y_sem": _LABELS,
    "sample_weight": ["array-like", None],
}


@validate_params({"y_true": _LABELS, **_TWO_MODELS}, prefer_skip_nested_validation=True)
def accuracy_gap(
    y_true: ArrayLike,
    y_black_box: ArrayLike,
    y_sem: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
) -> float:
    """Compute the accuracy of a self-explainable model minus that of the black box.

    It should be computed on samples that neither model was fitted to.

    Read more in the :ref:`User Guide <trustworthiness>`.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        True labels.

    y_black_box : array-like of shape (n_samples,)
        Labels predicted by the black box.

    y_sem : array-like of shape (n_samples,)
        Labels predicted by the self-explainable model.

    sample_weight : array-like of shape (n_samples,), default=None
        Weight of each sample. None means equal weights.

    Returns
    -------
    float
        Difference in [-1, 1]; positive if the model is more accurate than the black
        box.

    See Also
    --------
    fidelity_score : Share of samples with the same label by both models.

    Examples
    --------
    >>> from sklearn_kmex.metrics import accuracy_gap
    >>> accuracy_gap([0, 1, 1, 0], [0, 1, 1, 1], [0, 1, 0, 1])
    -0.25
    """
    sem = accuracy_score(y_true, y_sem, sample_weight=sample_weight)
    black_box = accuracy_score(y_true, y_black_box, sample_weight=sample_weight)
    return float(sem - black_box)


@validate_params(_TWO_MODELS, prefer_skip_nested_validation=True)
def fidelity_score(
    y_black_box: ArrayLike,
    y_sem: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
) -> float:
    """Compute the share of samples for which two models predict the same label.

    Read more in the :ref:`User Guide <trustworthiness>`.

    Parameters
    ----------
    y_black_box : array-like of shape (n_samples,)
        Labels predicted by the black box.

    y_sem : array-like of shape (n_samples,)
        Labels predicted by the self-explainable model.

    sample_weight : array-like of shape (n_samples,), default=None
        Weight of each sample. None means equal weights.

    Returns
    -------
    float
        Share in [0, 1]; 1 is best.

    See Also
    --------
    accuracy_gap : Difference in accuracy.

    Examples
    --------
    >>> from sklearn_kmex.metrics import fidelity_score
    >>> fidelity_score([0, 1, 1, 1], [0, 1, 0, 1])
    0.75
    """
    return float(accuracy_score(y_black_box, y_sem, sample_weight=sample_weight))
