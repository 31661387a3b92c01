"""Contributions of columns behind trees: their sum, their definition, their zeros."""

from itertools import combinations
from math import factorial

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    BaggingRegressor,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.tree import DecisionTreeClassifier

from sklearn_kmex.embedding import TreeEmbedder

METHODS = ["tree_shap", "path"]
OTHERS = [
    ("lightgbm", "LGBMClassifier", {"verbose": -1, "min_child_samples": 5}),
    ("lightgbm", "LGBMRegressor", {"verbose": -1, "min_child_samples": 500}),
    ("xgboost", "XGBClassifier", {"enable_categorical": True, "max_cat_to_onehot": 2}),
    ("xgboost", "XGBRegressor", {"booster": "dart", "enable_categorical": True}),
    ("xgboost", "XGBRFClassifier", {"enable_categorical": True}),
]


@pytest.fixture(scope="module")
def table():
    """Numbers with gaps, a constant column and categories; and three classes."""
    rng = np.random.RandomState(0)
    n = 300
    X = pd.DataFrame(
        {
            "age": np.where(rng.random(n) < 0.1, np.nan, rng.normal(40, 9, n)),
            "job": pd.Categorical(rng.choice(list("abcdefgh"), n)),
            "one": 1.0,
            "pay": rng.normal(size=n),
        }
    )
    X.loc[::9, "job"] = None
    return X, (X["pay"] > 0).astype(int) + X["job"].isin(["a", "d"])


def numbers(X):
    """The same with codes in place of categories."""
    return X.assign(job=X["job"].cat.codes.astype(float))


def check(model, X, method, leaves):
    embedder = TreeEmbedder(model, leaves=leaves).fit(X)
    Z = embedder.transform(X)
    Z = Z if leaves == "value" else Z.toarray()
    slope = np.random.RandomState(1).normal(size=Z.shape)
    found = embedder._attribute(X, slope, method=method)
    wanted = (slope * Z).sum(axis=1)
    assert found.method == method
    assert_allclose(found.parts.sum(axis=1) + found.base, wanted, atol=1e-10)
    assert found.error.max() < 1e-10
    assert_array_equal(found.parts[:, 2], 0)  # never split on
    return found


@pytest.mark.parametrize("leaves", ["value", "identity"])
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    "model",
    [
        RandomForestClassifier(5, random_state=0),
        ExtraTreesRegressor(5, max_depth=5, random_state=0),
        DecisionTreeClassifier(max_depth=4),
        GradientBoostingClassifier(n_estimators=4),
        BaggingClassifier(n_estimators=4, random_state=0),
        BaggingRegressor(n_estimators=4, max_features=3, random_state=0),
        AdaBoostClassifier(DecisionTreeClassifier(max_depth=2), n_estimators=4),
    ],
    ids=lambda model: type(model).__name__,
)
def test_parts_of_scikit_learn_sum_to_the_function(table, model, method, leaves):
    X, y = numbers(table[0]), table[1]
    if isinstance(model, GradientBoostingClassifier | AdaBoostClassifier):
        X = X.fillna(0)
    check(clone(model).fit(X, y), X, method, leaves)


@pytest.mark.parametrize("leaves", ["value", "identity"])
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("package", "name", "params"), OTHERS)
def test_parts_of_boosting_sum_to_the_function(
    table, package, name, params, method, leaves
):
    kind = getattr(pytest.importorskip(package), name)
    model = kind(n_estimators=4, n_jobs=1, **params).fit(*table)
    found = check(model, table[0], method, leaves)
    assert name == "LGBMRegressor" or found.parts[:, 1].any()  # the categories


@pytest.mark.parametrize("method", METHODS)
def test_columns_of_histogram_boosting_are_those_of_X(table, method):
    model = HistGradientBoostingClassifier(
        max_iter=8, categorical_features="from_dtype"
    ).fit(*table)
    found = check(model, table[0], method, "value")
    assert_array_equal(np.argsort(-np.abs(found.parts).mean(axis=0))[:2], [3, 1])


def catboost_model(name, X, y, **params):
    kind = getattr(pytest.importorskip("catboost"), name)
    model = kind(iterations=6, depth=4, verbose=0, allow_writing_files=False, **params)
    return model.fit(X, y)


@pytest.mark.parametrize("leaves", ["value", "identity"])
@pytest.mark.parametrize("method", METHODS)
def test_parts_of_catboost_sum_to_the_function(table, method, leaves):
    X, y = numbers(table[0]), table[1]
    check(catboost_model("CatBoostClassifier", X, y), X, method, leaves)


def test_tree_shap_of_catboost_is_its_own(table):
    catboost = pytest.importorskip("catboost")
    X, y = numbers(table[0]), table[1]
    model = catboost_model("CatBoostRegressor", X, y)
    Z = TreeEmbedder(model).transform(X)
    assert_allclose(Z.sum(axis=1) + model.get_scale_and_bias()[1], model.predict(X))
    own = model.get_feature_importance(catboost.Pool(X), type="ShapValues")
    found = TreeEmbedder(model)._attribute(X, np.ones(Z.shape))
    assert_allclose(found.parts, own[:, :-1], atol=1e-12)


def test_categories_of_catboost_are_split_along_the_path(table):
    X, y = table[0].assign(job=table[0]["job"].astype(object).fillna("")), table[1]
    settings = {"cat_features": ["job"], "max_ctr_complexity": 1}
    model = catboost_model("CatBoostClassifier", X, y, **settings)
    found = check(model, X, "path", "value")
    assert found.parts[:, 1].any()
    slope = np.ones((len(X), TreeEmbedder(model).transform(X).shape[1]))
    assert TreeEmbedder(model)._attribute(X, slope).method == "path"


def test_other_trees_of_catboost_are_refused(table):
    X, y = numbers(table[0]), table[1]
    model = catboost_model("CatBoostClassifier", X, y, grow_policy="Lossguide")
    with pytest.raises(ValueError, match="grow_policy='SymmetricTree'"):
        TreeEmbedder(model).transform(X)


def expected_value(tree, x, known, values, node=0):
    """Mean of the leaves; splits on columns that are not known go both ways."""
    left, right = tree.children_left[node], tree.children_right[node]
    if left < 0:
        return values[node]
    column = tree.feature[node]
    sides = [expected_value(tree, x, known, values, n) for n in (left, right)]
    if column in known:
        return sides[int(x[column] > tree.threshold[node])]
    weights = tree.weighted_n_node_samples[[left, right]]
    return np.average(sides, weights=weights)


def test_tree_shap_is_the_shapley_value_of_expected_values():
    rng = np.random.RandomState(0)
    X = rng.normal(size=(200, 4)).astype(np.float32)
    y = (X[:, 0] + X[:, 1] * X[:, 2] > 0).astype(int)
    model = DecisionTreeClassifier(max_depth=6, random_state=0).fit(
        X, y, sample_weight=rng.random(200)
    )
    slope = np.tile([2.0, -1.0], (200, 1))
    found = TreeEmbedder(model)._attribute(X, slope, method="tree_shap")
    values = model.tree_.value[:, 0] @ [2.0, -1.0]
    for row in range(5):
        v = {
            known: expected_value(model.tree_, X[row], known, values)
            for size in range(5)
            for known in combinations(range(4), size)
        }
        for j in range(4):
            wanted = sum(
                factorial(len(s))
                * factorial(3 - len(s))
                / 24
                * (v[tuple(sorted((*s, j)))] - v[s])
                for s in v
                if j not in s
            )
            assert found.parts[row, j] == pytest.approx(wanted, abs=1e-12)
        assert found.base[row] == pytest.approx(v[()])


def test_tree_shap_is_that_of_shap_for_trees_with_these_leaf_values():
    shap = pytest.importorskip("shap")
    rng = np.random.RandomState(0)
    X = rng.normal(size=(300, 5))
    forest = RandomForestClassifier(10, max_depth=7, random_state=0)
    forest.fit(X, X[:, 0] * X[:, 1] > 0)
    slope = rng.normal(size=(1, 20))
    trees = [
        {
            "children_left": one.tree_.children_left,
            "children_right": one.tree_.children_right,
            "children_default": one.tree_.children_right,
            "features": one.tree_.feature,
            "thresholds": one.tree_.threshold,
            "values": one.tree_.value[:, 0] @ slope[:, [2 * k, 2 * k + 1]].T,
            "node_sample_weight": one.tree_.weighted_n_node_samples,
        }
        for k, one in enumerate(forest.estimators_)
    ]
    wanted = shap.TreeExplainer({"trees": trees}).shap_values(X)
    found = TreeEmbedder(forest)._attribute(X, np.repeat(slope, 300, axis=0))
    assert_allclose(found.parts, np.squeeze(wanted), atol=1e-10)


def test_splits_that_cannot_be_followed_are_refused(table):
    lightgbm = pytest.importorskip("lightgbm")
    X, y = numbers(table[0]).fillna(0), table[1]
    X["pay"] = X["pay"].round()
    model = lightgbm.LGBMClassifier(
        n_estimators=2, verbose=-1, zero_as_missing=True, min_child_samples=5
    ).fit(X, y)
    embedder = TreeEmbedder(model)
    slope = np.ones((len(X), embedder.transform(X).shape[1]))
    with pytest.raises(ValueError, match="Set method='path'"):
        embedder._attribute(X, slope, method="tree_shap")
    found = embedder._attribute(X, slope)
    assert found.method == "path"
    assert found.error.max() < 1e-10


def test_an_unknown_method_is_refused():
    X = np.random.RandomState(0).normal(size=(20, 2))
    embedder = TreeEmbedder(DecisionTreeClassifier().fit(X, X[:, 0] > 0))
    with pytest.raises(ValueError, match=r"one of \['tree_shap', 'path'\].*'lrp'"):
        embedder._attribute(X, np.ones((20, 2)), method="lrp")
