"""Trustworthiness: the model performs like the black box it explains."""

from numpy.typing import ArrayLike
from sklearn.metrics import accuracy_score


def accuracy_gap(
    y: ArrayLike,
    y_black_box: ArrayLike,
    y_sem: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
) -> float:
    """Compute the accuracy of a self-explainable model minus that of the black box.

    Plain accuracies, on data that neither was fitted on.

    Read more in the :ref:`User Guide <trustworthiness>`.

    Parameters
    ----------
    y : array-like of shape (n_samples,)
        True labels.

    y_black_box : array-like of shape (n_samples,)
        Labels predicted by the black box.

    y_sem : array-like of shape (n_samples,)
        Labels predicted by the self-explainable model.

    sample_weight : array-like of shape (n_samples,), default=None
        Weight of each sample. None is 1 for all.

    Returns
    -------
    float
        Difference in [-1, 1]; 0 is parity, more is better than the black box.

    See Also
    --------
    fidelity_score : Share of samples on which the two agree.

    Examples
    --------
    >>> from sklearn_kmex.metrics import accuracy_gap
    >>> accuracy_gap([0, 1, 1, 0], [0, 1, 1, 1], [0, 1, 0, 1])
    -0.25
    """
    sem = accuracy_score(y, y_sem, sample_weight=sample_weight)
    black_box = accuracy_score(y, y_black_box, sample_weight=sample_weight)
    return float(sem - black_box)


def fidelity_score(
    y_black_box: ArrayLike,
    y_sem: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
) -> float:
    """Compute the share of samples that two models give the same label.

    Read more in the :ref:`User Guide <trustworthiness>`.

    Parameters
    ----------
    y_black_box : array-like of shape (n_samples,)
        Labels predicted by the black box.

    y_sem : array-like of shape (n_samples,)
        Labels predicted by the self-explainable model.

    sample_weight : array-like of shape (n_samples,), default=None
        Weight of each sample. None is 1 for all.

    Returns
    -------
    float
        Share in [0, 1]; 1 is best.

    See Also
    --------
    accuracy_gap : Whether the labels on which they differ are the right ones.

    Examples
    --------
    >>> from sklearn_kmex.metrics import fidelity_score
    >>> fidelity_score([0, 1, 1, 1], [0, 1, 0, 1])
    0.75
    """
    return float(accuracy_score(y_black_box, y_sem, sample_weight=sample_weight))
