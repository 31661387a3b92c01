"""Predictions and scores of held-out rows, for the RejectingClassifier."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn import config_context
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline
from sklearn.utils import assert_all_finite, indexable
from sklearn.utils.metadata_routing import get_routing_for_object
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import has_fit_parameter

from sklearn_kmex._compat import (
    BaseSearchCV,
    _check_method_params,
    _safe_indexing,
    fit_request,
)
from sklearn_kmex._data.brief import brief
from sklearn_kmex._fit.folds import split_rows, usable_folds
from sklearn_kmex._fit.metadata import is_routed
from sklearn_kmex._fit.validation import check_classes, check_labels, check_weights
from sklearn_kmex._model.protocol import innermost
from sklearn_kmex._model.steps import embed


def hold_out(
    estimator: Any,
    X: Any,
    y: NDArray,
    weights: NDArray | None,
    cv: Any,
    method: str,
    metadata: tuple[dict[str, Any], dict[str, Any]],
) -> tuple[Any, NDArray, NDArray, NDArray]:
    """Fit an estimator; return it with labels, scores and weights of held-out rows.

    A frozen estimator is not fitted, and all rows are held out. Any other estimator is
    fitted to all rows, and once more for each fold. `metadata` are arguments of the
    splitter, and of the `fit` of the estimator.
    """
    known = np.ones(len(y)) if weights is None else weights
    if isinstance(estimator, FrozenEstimator):
        _check_known(y[known > 0], estimator.classes_)
        return estimator, *predict_and_score(estimator, X, method), known
    check_classes(y)
    of_split, of_fit = metadata
    folds = split_rows(cv, X, y, known, of_split)
    parts = []
    for train, test in usable_folds(folds, y, known, n_classes=2):
        weighed = None if weights is None else weights[train]
        params = _check_method_params(X, of_fit, train)
        model = _fit(estimator, _safe_indexing(X, train), y[train], weighed, params)
        judged = predict_and_score(model, _safe_indexing(X, test), method)
        parts.append((*judged, known[test]))
    predicted, scores, known = map(np.concatenate, zip(*parts, strict=True))
    return _fit(estimator, X, y, weights, of_fit), predicted, scores, known


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


def _fit(
    estimator: Any, X: Any, y: NDArray, weights: NDArray | None, params: dict[str, Any]
) -> Any:
    """Fit a clone, with the weights that its classifier takes.

    With metadata routing, they are routed if a part of the estimator requests them.
    If no part requests or refuses them, they are passed as without routing.
    """
    model = clone(estimator)
    if weights is None:
        return model.fit(X, y, **params)
    prefix, last = _classifier_of(estimator)
    if is_routed():
        router = get_routing_for_object(estimator)
        if params or router.consumes("fit", ["sample_weight"]):
            return model.fit(X, y, sample_weight=weights, **params)
        if fit_request(last, "sample_weight") is not None:
            return model.fit(X, y)
    if not has_fit_parameter(last, "sample_weight"):
        raise TypeError(
            "estimator must accept sample_weight in fit when rows are weighted; "
            f"{type(last).__name__} does not. Leave sample_weight out, or use another "
            "estimator."
        )
    with config_context(enable_metadata_routing=False):
        return model.fit(X, y, **{f"{prefix}sample_weight": weights}, **params)


def _classifier_of(estimator: Any) -> tuple[str, Any]:
    """Return the classifier in Pipelines and searches, and the prefix of its metadata.

    A search passes all metadata on to its estimator.
    """
    prefix = ""
    while not has_fit_parameter(estimator, "sample_weight"):
        if isinstance(estimator, Pipeline):
            name, estimator = estimator.steps[-1]
            prefix += f"{name}__"
        elif isinstance(estimator, BaseSearchCV):
            estimator = estimator.estimator
        else:
            break
    return prefix, estimator


def _check_known(y: NDArray, classes: NDArray) -> None:
    """Raise an error for labels that a frozen classifier does not know."""
    unknown = np.setdiff1d(y, classes).tolist()
    if unknown:
        raise ValueError(
            "y must contain only classes of the frozen estimator, "
            f"{brief(np.asarray(classes))}; got also {brief(unknown)}. Leave rows "
            "of other classes out."
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
