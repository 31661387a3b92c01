"""Boosters that are no estimators: what they predict, and by which trees."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.base import is_classifier
from sklearn.datasets import load_iris

from sklearn_kmex import make_kmex
from sklearn_kmex.embedding._boosters import as_estimator
from sklearn_kmex.metrics import fidelity_scorer

X, CODES = load_iris(return_X_y=True)
NAMES = np.array(["a", "b", "c"])


def xgboost_of(objective, y, n_classes=None):
    xgboost = pytest.importorskip("xgboost")
    params = {"objective": objective, "max_depth": 3}
    if n_classes:
        params["num_class"] = n_classes
    rows = xgboost.DMatrix(X[: len(y)], y)
    booster = xgboost.train(params, rows, 5)
    return booster, booster.predict(rows)


def lightgbm_of(objective, y, n_classes=1):
    lightgbm = pytest.importorskip("lightgbm")
    params = {"objective": objective, "num_class": n_classes, "verbose": -1}
    rows = X[: len(y)]
    booster = lightgbm.train(params, lightgbm.Dataset(rows, y), 5)
    return booster, booster.predict(rows)


def catboost_of(objective, y, n_classes=None):
    catboost = pytest.importorskip("catboost")
    model = catboost.CatBoost(
        {
            "loss_function": objective,
            "iterations": 5,
            "verbose": 0,
            "allow_writing_files": False,
        }
    ).fit(X[: len(y)], y)
    kind = "RawFormulaVal" if objective == "RMSE" else "Probability"
    return model, model.predict(X[: len(y)], prediction_type=kind)


@pytest.mark.parametrize(
    ("make", "of_two", "of_three", "regression"),
    [
        (xgboost_of, "binary:logistic", "multi:softprob", "reg:squarederror"),
        (lightgbm_of, "binary", "multiclass", "regression"),
        (catboost_of, "Logloss", "MultiClass", "RMSE"),
    ],
    ids=["xgboost", "lightgbm", "catboost"],
)
def test_an_estimator_predicts_as_the_booster(make, of_two, of_three, regression):
    booster, chances = make(of_three, CODES, 3)
    model = as_estimator(booster)
    assert_allclose(model.predict_proba(X), chances, rtol=1e-5)
    assert np.array_equal(model.classes_, [0, 1, 2])
    booster, chances = make(of_two, CODES[:100])
    model = as_estimator(booster)
    chances = chances if chances.ndim == 1 else chances[:, 1]
    assert_allclose(model.predict_proba(X[:100])[:, 1], chances, rtol=1e-5)
    booster, values = make(regression, CODES.astype(float))
    model = as_estimator(booster)
    assert not is_classifier(model)
    assert_allclose(model.predict(X), values, rtol=1e-5)


@pytest.mark.parametrize(
    ("make", "objective"),
    [(xgboost_of, "multi:softmax"), (lightgbm_of, "multiclassova")],
    ids=["xgboost", "lightgbm"],
)
def test_boosters_become_self_explainable(make, objective):
    booster, _ = make(objective, CODES, 3)
    y = NAMES[CODES]
    psem = make_kmex(booster, n_prototypes=2, random_state=0).fit(X, y)
    assert psem.score(X, y) > 0.9
    assert fidelity_scorer(psem, X) > 0.9
