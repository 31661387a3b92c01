"""The trained models inside the wrappers that people put around them."""

from typing import Any

from sklearn.base import is_classifier
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import StackingClassifier, VotingClassifier
from sklearn.exceptions import NotFittedError
from sklearn.feature_selection import RFE
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import (
    FixedThresholdClassifier,
    TunedThresholdClassifierCV,
)
from sklearn.multiclass import (
    OneVsOneClassifier,
    OneVsRestClassifier,
    OutputCodeClassifier,
)
from sklearn.multioutput import (
    ClassifierChain,
    MultiOutputClassifier,
    MultiOutputRegressor,
    RegressorChain,
)
from sklearn.pipeline import Pipeline
from sklearn.semi_supervised import SelfTrainingClassifier

from sklearn_kmex._model.protocol import check_refitted

# Wrappers that change what one model predicts, or combine several.
OF_ONE = (FixedThresholdClassifier, TunedThresholdClassifierCV, SelfTrainingClassifier)
OF_SEVERAL = (
    OneVsOneClassifier,
    OneVsRestClassifier,
    OutputCodeClassifier,
    VotingClassifier,
)
OF_TARGETS = (
    ClassifierChain,
    MultiOutputClassifier,
    MultiOutputRegressor,
    RegressorChain,
)


def unwrapped(model: Any) -> Any:
    """Return the fitted model that predicts for a search or a `FrozenEstimator`."""
    while True:
        if isinstance(model, FrozenEstimator):
            model = model.estimator
        elif hasattr(model, "best_estimator_"):
            model = model.best_estimator_
        else:
            check_refitted(model)
            return model


def before_and_last(model: Any) -> tuple[Any, Any] | None:
    """Split a model that transforms rows and then predicts by a model inside it.

    The first part is None if there is nothing before. None is returned for a model that
    is not of two parts.
    """
    if isinstance(model, Pipeline):
        last = model.steps[-1][1]
        if hasattr(last, "transform") and not _predicts_classes(last):
            return None
        return (model[:-1] if len(model) > 1 else None), last
    if isinstance(model, RFE | StackingClassifier):
        name = "estimator_" if isinstance(model, RFE) else "final_estimator_"
        return model, _fitted(model, name)
    return None


def decided_by(model: Any) -> list[Any]:
    """List the fitted models by which a wrapper decides; none if it is no wrapper."""
    if isinstance(model, OF_TARGETS):
        raise TypeError(
            f"model must predict one target; got a {type(model).__name__}. Pass the "
            "model of one target, such as model.estimators_[0]."
        )
    if isinstance(model, OF_ONE):
        return [_fitted(model, "estimator_")]
    if isinstance(model, OF_SEVERAL):
        return list(_fitted(model, "estimators_"))
    if isinstance(model, CalibratedClassifierCV):
        calibrated = _fitted(model, "calibrated_classifiers_")
        return [one.estimator for one in calibrated]
    return []


def _fitted(model: Any, name: str) -> Any:
    """Return a fitted attribute of a wrapper."""
    if not hasattr(model, name):
        raise NotFittedError(
            f"model must be fitted; got a {type(model).__name__} that is not. Call its "
            "fit first."
        )
    return getattr(model, name)


def _predicts_classes(model: Any) -> bool:
    return hasattr(model, "predict") and is_classifier(model)
