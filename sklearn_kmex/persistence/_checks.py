"""Checks that a loaded model has the properties of a fitted one."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_kmex._classifier import KMExClassifier
from sklearn_kmex._model.metric import METRICS
from sklearn_kmex._model.protocol import find_sem, levels
from sklearn_kmex._model.rule import metric_of
from sklearn_kmex._rejecting import RejectingClassifier, threshold
from sklearn_kmex.persistence._refusal import Refusal

# Fitted attributes of how prototypes decide, and their values; priors may be an array.
CHOICES = {
    "metric_": METRICS,
    "similarity_": ("log", "gaussian"),
    "aggregation_": ("max", "sum"),
    "priors_": ("uniform", "class", "prototype"),
}


def check_loaded(psem: Any) -> None:
    """Refuse a model that `fit` cannot have produced."""
    kmex = find_sem(psem)
    if not isinstance(kmex, KMExClassifier):
        kind = type(kmex).__name__
        raise Refusal(f"it ends in {kind}, which is not a KMExClassifier")
    _check_fitted(kmex, _check_attributes(kmex))
    _check_fitted(kmex, _check_rule(kmex))
    if hasattr(kmex, "cv_results_"):
        _check_fitted(kmex, _check_search(kmex))
    for model in levels(psem):
        if isinstance(model, RejectingClassifier):
            _check_fitted(model, _check_thresholds(model))


def _check_fitted(model: Any, valid: dict[str, bool]) -> None:
    model._validate_params()
    wrong = [name for name, is_valid in valid.items() if not is_valid]
    if wrong:
        raise Refusal(f"its {', '.join(wrong)} cannot belong to a fitted classifier")


def _check_thresholds(rejecting: RejectingClassifier) -> dict[str, bool]:
    """Return which attributes that rejections depend on are valid."""
    classes, scores = rejecting.classes_, rejecting.calibration_scores_
    known = list(zip(scores, rejecting.calibration_weights_, strict=True))
    thresholds = [threshold(*one, rejecting.quantile) for one in known]
    return {
        "classes_": np.array_equal(classes, find_sem(rejecting).classes_),
        "calibration_scores_": len(scores) == len(classes)
        and all(bool((np.diff(one) >= 0).all()) for one in scores),
        "calibration_weights_": all(
            _is_finite(w, s.shape) and bool((w >= 0).all()) for s, w in known
        ),
        "thresholds_": np.array_equal(rejecting.thresholds_, thresholds),
    }


def _check_attributes(kmex: KMExClassifier) -> dict[str, bool]:
    """Return which attributes that predictions depend on are valid."""
    n_classes, n_total = len(kmex.classes_), len(kmex.prototypes_)
    counts, of_class = kmex.n_prototypes_, (n_classes,)
    rows = (n_total, kmex.n_features_in_)
    ascending = kmex.classes_.ndim == 1 and bool(
        (kmex.classes_[:-1] < kmex.classes_[1:]).all()
    )
    counted = counts.dtype.kind == "i" and counts.shape == of_class
    counted = counted and bool((counts >= 0).all()) and counts.sum() == n_total
    return {
        "prototypes_": _is_finite(kmex.prototypes_, rows),
        "_member_means": _is_finite(kmex._member_means, rows),
        "_nearest_rows": _is_finite(kmex._nearest_rows, rows),
        "inertia_": _is_finite(kmex.inertia_, of_class)
        and bool((kmex.inertia_ >= 0).all()),
        "classes_": n_classes > 1 and ascending,
        "n_prototypes_": counted,
        "prototype_classes_": counted
        and np.array_equal(kmex.prototype_classes_, np.repeat(kmex.classes_, counts)),
        "prototype_counts_": _is_finite(kmex.prototype_counts_, (n_total,))
        and bool((kmex.prototype_counts_ > 0).all()),
        "prototype_indices_": kmex.prototype_indices_.shape == (n_total,)
        and kmex.prototype_indices_.dtype.kind == "i"
        and bool((kmex.prototype_indices_ >= -1).all()),
        "class_prior_": counted
        and _are_priors(kmex.class_prior_, of_class, counts > 0),
        "temperature_": isinstance(kmex.temperature_, float)
        and 0 < kmex.temperature_ < np.inf,
    }


def _check_rule(kmex: KMExClassifier) -> dict[str, bool]:
    """Return which attributes of how prototypes decide are valid."""
    given = {name: getattr(kmex, name) for name in CHOICES}
    valid = {
        name: isinstance(value, str) and value in CHOICES[name]
        for name, value in given.items()
    }
    if not isinstance(kmex.priors_, str):
        numbers = np.asarray(kmex.priors_, dtype=np.float64)
        valid["priors_"] = _are_priors(numbers, kmex.class_prior_.shape)
    square = (kmex.n_features_in_, kmex.n_features_in_)
    if valid["metric_"] and metric_of(kmex).mapped:
        products, fourth = kmex._scatter
        valid["metric_map_"] = _is_finite(np.asarray(kmex.metric_map_), square)
        valid["_scatter"] = _is_finite(products, square) and 0 <= fourth < np.inf
        share = kmex.shrinkage_
        valid["shrinkage_"] = isinstance(share, float) and 0 <= share <= 1
    else:
        valid["metric_map_"] = kmex.metric_map_ is None
        valid["shrinkage_"] = kmex.shrinkage_ is None
    return valid


def _check_search(kmex: KMExClassifier) -> dict[str, bool]:
    """Return which results of a search are valid."""
    results, index = dict(kmex.cv_results_), kmex.best_index_
    params = results.pop("params")
    names = ["n_prototypes", *(name[:-1] for name in CHOICES), "shrinkage"]
    columns = {f"param_{name}" for name in names} | {"mean_test_score", "accepted"}
    return {
        "cv_results_": columns <= set(results)
        and all(list(one) == names for one in params)
        and all(column.shape == (len(params),) for column in results.values()),
        "best_index_": isinstance(index, int) and 0 <= index < len(params),
        "best_params_": repr(kmex.best_params_) == repr(params[index]),
    }


def _are_priors(
    values: NDArray, shape: tuple[int, ...], used: NDArray | bool = True
) -> bool:
    """Whether values are probabilities, and positive where they are used."""
    finite = _is_finite(values, shape) and bool((values >= 0).all())
    positive = finite and bool((values > 0)[used].all())
    return positive and bool(np.isclose(values.sum(), 1))


def _is_finite(values: NDArray, shape: tuple[int, ...]) -> bool:
    floats = values.dtype in (np.float32, np.float64)
    return floats and values.shape == shape and bool(np.isfinite(values).all())
