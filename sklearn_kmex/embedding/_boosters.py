"""Boosters of libraries that are no estimators, as estimators."""

import sys
from typing import Any

import numpy as np
from sklearn.preprocessing import LabelEncoder

OF_CLASSES = ("binary", "multiclass", "multiclassova", "softmax", "cross_entropy")


def as_estimator(model: Any) -> Any:
    """Return a booster of XGBoost, LightGBM or CatBoost as an estimator.

    The classes of a classifier are numbers from 0. Other models are returned as given.
    """
    name = f"{type(model).__module__}.{type(model).__name__}"
    make = {
        "xgboost.core.Booster": _of_xgboost,
        "lightgbm.basic.Booster": _of_lightgbm,
        "catboost.core.CatBoost": _of_catboost,
    }.get(name)
    return model if make is None else make(model)


def _of_xgboost(booster: Any) -> Any:
    import json

    package: Any = sys.modules["xgboost"]
    config = json.loads(booster.save_config())["learner"]
    objective = config["objective"]["name"]
    is_classifier = objective.startswith(("binary:", "multi:"))
    kind = package.XGBClassifier if is_classifier else package.XGBRegressor
    model = kind(objective=objective)
    model.load_model(booster.save_raw("ubj"))
    return model


def _of_lightgbm(booster: Any) -> Any:
    package: Any = sys.modules["lightgbm"]
    text = booster.model_to_string(num_iteration=1)
    objective = next(
        (one.split("=")[1] for one in text.split("\n") if one.startswith("objective=")),
        "custom",
    ).split(" ")[0]
    is_classifier = objective in OF_CLASSES
    model = (package.LGBMClassifier if is_classifier else package.LGBMRegressor)()
    model._Booster = booster
    model._n_features = model._n_features_in = booster.num_feature()
    model._objective, model.fitted_ = objective, True
    model._best_iteration = max(booster.best_iteration, 0)
    if is_classifier:
        n_classes = max(booster.num_model_per_iteration(), 2)
        model._classes, model._n_classes = np.arange(n_classes), n_classes
        model._le = LabelEncoder().fit(model._classes)
    return model


def _of_catboost(model: Any) -> Any:
    package: Any = sys.modules["catboost"]
    try:
        return package.to_classifier(model)
    except package.CatBoostError:  # it was not trained on classes
        return package.to_regressor(model)
