"""Accuracy as a function of coverage, the share of samples that are answered."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_array, column_or_1d
from sklearn.utils.validation import check_consistent_length


def coverage_curve(
    y_true: ArrayLike, y_pred: ArrayLike, y_score: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray]:
    """Compute the accuracy on the samples answered, for each possible share of them.

    Samples with the highest scores are answered first. If accuracy decreases with
    coverage, errors have low scores; if it is constant, rejecting samples by this score
    does not increase accuracy.

    Read more in the :ref:`User Guide <refuse>`.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        True labels.

    y_pred : array-like of shape (n_samples,)
        Predicted labels.

    y_score : array-like of shape (n_samples,)
        Scores; samples with higher scores are answered first. For example
        `score_samples`, or the maximum of `predict_proba`.

    Returns
    -------
    coverage : ndarray of shape (n_thresholds,), dtype=float64
        Shares of samples answered, in (0, 1], in ascending order; the last one is 1.

    accuracy : ndarray of shape (n_thresholds,), dtype=float64
        Shares of these that are correctly classified, in [0, 1].

    thresholds : ndarray of shape (n_thresholds,)
        Lowest scores answered, in descending order; samples with equal scores are
        answered together.

    See Also
    --------
    sklearn_kmex.inspection.CoverageDisplay : Plot of the curve.
    sklearn_kmex.RejectingClassifier : Rejects samples below a threshold.

    Notes
    -----
    One minus the accuracy is the risk of the risk-coverage curve of R. El-Yaniv and
    Y. Wiener, "On the Foundations of Noise-free Selective Classification", JMLR 11,
    2010.

    Examples
    --------
    >>> from sklearn_kmex.metrics import coverage_curve
    >>> coverage, accuracy, thresholds = coverage_curve(
    ...     [0, 1, 1, 0], [0, 1, 0, 1], [0.9, 0.8, 0.6, 0.6]
    ... )
    >>> coverage.tolist(), accuracy.tolist(), thresholds.tolist()
    ([0.25, 0.5, 1.0], [1.0, 1.0, 0.5], [0.9, 0.8, 0.6])
    """
    y_true, y_pred = column_or_1d(y_true), column_or_1d(y_pred)
    scores = check_array(y_score, ensure_2d=False, dtype=[np.float64, np.float32])
    scores = column_or_1d(scores)
    check_consistent_length(y_true, y_pred, scores)
    order = np.argsort(-scores, kind="stable")
    last = np.append(np.flatnonzero(np.diff(scores[order])), len(order) - 1)
    n_correct = np.cumsum(np.equal(y_true, y_pred)[order])[last]
    return (last + 1) / len(order), n_correct / (last + 1), scores[order][last]
