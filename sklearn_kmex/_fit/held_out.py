"""Predictions and scores of held-out rows, for the RejectingClassifier."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import check_cv
from sklearn.utils import assert_all_finite, indexable
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import has_fit_parameter

from sklearn_kmex._compat import _safe_indexing
from sklearn_kmex._fit.validation import check_classes, check_labels, check_weights
from sklearn_kmex._model.protocol import innermost
from sklearn_kmex._model.steps import embed, last_step


def hold_out(
    estimator: Any, X: Any, y: NDArray, weights: NDArray | None, cv: Any, method: str
) -> tuple[Any, NDArray, NDArray, NDArray]:
    """Fit an estimator; return it with labels, scores and weights of held-out rows.

    A frozen estimator is not fitted, and all rows are held out. Any other estimator is
    fitted to all rows, and once more for each fold.
    """
    known = np.ones(len(y)) if weights is None else weights
    if isinstance(estimator, FrozenEstimator):
        _check_known(y, estimator.classes_)
        return estimator, *predict_and_score(estimator, X, method), known
    check_classes(y)
    parts = []
    for train, test in check_cv(cv, y, classifier=True).split(X, y):
        weighed = None if weights is None else weights[train]
        model = _fit_weighted(estimator, _safe_indexing(X, train), y[train], weighed)
        judged = predict_and_score(model, _safe_indexing(X, test), method)
        parts.append((*judged, known[test]))
    predicted, scores, known = map(np.concatenate, zip(*parts, strict=True))
    return _fit_weighted(estimator, X, y, weights), predicted, scores, known


def check_targets(
    estimator: Any, X: Any, y: Any, sample_weight: Any
) -> tuple[Any, NDArray, NDArray | None]:
    """Validate labels and weights, and make the rows indexable."""
    (X,) = indexable(X)
    labels = check_labels(estimator, X, y)
    assert_all_finite(labels, input_name="y")
    check_classification_targets(labels)
    weights = None if sample_weight is None else check_weights(sample_weight, labels)
    return X, labels, weights


def _fit_weighted(estimator: Any, X: Any, y: NDArray, weights: NDArray | None) -> Any:
    """Fit a clone, with weights passed to the last step of a `Pipeline`."""
    if weights is None:
        return clone(estimator).fit(X, y)
    prefix, last = last_step(estimator)
    if not has_fit_parameter(last, "sample_weight"):
        raise TypeError(
            "estimator must accept sample_weight in fit when rows are weighted; "
            f"{type(last).__name__} does not. Leave sample_weight out, or use another "
            "estimator."
        )
    return clone(estimator).fit(X, y, **{f"{prefix}sample_weight": weights})


def _check_known(y: NDArray, classes: NDArray) -> None:
    """Raise an error for labels that a frozen classifier does not know."""
    unknown = np.setdiff1d(y, classes).tolist()
    if unknown:
        raise ValueError(
            "y must contain only classes of the frozen estimator, "
            f"{np.asarray(classes).tolist()}; got also {unknown}. Leave rows of other "
            "classes out."
        )


def predict_and_score(estimator: Any, X: Any, method: str) -> tuple[NDArray, NDArray]:
    """Return labels and scores; the steps before the classifier run once."""
    model, Z = innermost(estimator), embed(estimator, X)
    name = "score_samples" if method == "similarity" else "predict_proba"
    if not hasattr(model, name):
        other = "similarity" if method == "probability" else "probability"
        raise TypeError(
            f"estimator must have {name} for method={method!r}; "
            f"{type(model).__name__} has none. Use method={other!r}, or another "
            "estimator."
        )
    labels = np.asarray(model.predict(Z))
    scores = np.asarray(getattr(model, name)(Z))
    return labels, scores if scores.ndim == 1 else scores.max(axis=1)
