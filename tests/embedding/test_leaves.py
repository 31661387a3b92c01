"""Leaf values: they add up, or average, to what the ensemble itself says."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import clone, is_classifier
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from sklearn_kmex import make_kmex
from sklearn_kmex.embedding import TreeEmbedder
from sklearn_kmex.metrics import fidelity_score

FORESTS = [
    RandomForestClassifier,
    ExtraTreesClassifier,
    RandomForestRegressor,
    ExtraTreesRegressor,
]
TREES = [DecisionTreeClassifier, DecisionTreeRegressor]
GRADIENT = [GradientBoostingClassifier, GradientBoostingRegressor]
HISTOGRAM = [HistGradientBoostingClassifier, HistGradientBoostingRegressor]
BAGGED = {"boosting_type": "rf", "subsample": 0.5, "subsample_freq": 1}
OTHERS = [
    ("xgboost", "XGBClassifier", {}),
    ("xgboost", "XGBClassifier", {"num_parallel_tree": 3, "subsample": 0.5}),
    ("xgboost", "XGBClassifier", {"multi_strategy": "multi_output_tree"}),
    ("xgboost", "XGBClassifier", {"booster": "dart", "rate_drop": 0.5}),
    ("xgboost", "XGBRegressor", {"tree_method": "exact", "gamma": 2}),  # prunes
    ("xgboost", "XGBRFClassifier", {}),
    ("lightgbm", "LGBMClassifier", {}),
    ("lightgbm", "LGBMClassifier", {"boosting_type": "dart", "drop_rate": 0.5}),
    ("lightgbm", "LGBMRegressor", BAGGED),
]


@st.composite
def tables(draw):
    """Rows with numbers of few digits, and labels of two to four classes."""
    rng = np.random.RandomState(draw(st.integers(0, 999)))
    n_rows, n_columns = draw(st.integers(40, 90)), draw(st.integers(1, 4))
    X = rng.normal(size=(n_rows, n_columns)).round(draw(st.integers(0, 3)))
    n_classes = draw(st.integers(2, 4))
    y = (X[:, 0] * 2 + rng.randint(n_classes, size=n_rows)).astype(int) % n_classes
    y[:n_classes] = range(n_classes)
    return X, y, rng.normal(size=(30, n_columns))


def by_class(values, n_trees, n_classes):
    """Values of boosting, (rows, trees, classes); one column for two classes."""
    return values.reshape(len(values), n_trees, 1 if n_classes == 2 else n_classes)


def margins(raw):
    """Scores with one column for each class, and one for two classes."""
    return np.reshape(raw, (len(raw), -1))


def assert_constant(gaps):
    """Check that scores differ from sums only by the initial score of each class."""
    assert_allclose(gaps, np.broadcast_to(gaps[0], gaps.shape), atol=1e-5)


@settings(deadline=None)
@given(tables(), st.sampled_from(FORESTS), st.integers(1, 5), st.integers(1, 6))
def test_mean_over_a_forest_is_its_prediction(table, kind, n_trees, depth):
    X, y, X_test = table
    forest = kind(n_trees, max_depth=depth, random_state=0).fit(X, y)
    values = TreeEmbedder(forest).transform(X_test)
    assert values.dtype == np.float64
    if not is_classifier(forest):
        assert_allclose(values.mean(axis=1), forest.predict(X_test))
        return
    chances = forest.predict_proba(X_test)
    means = values.reshape(len(values), n_trees, chances.shape[1]).mean(axis=1)
    assert_allclose(means, chances)


@settings(deadline=None)
@given(tables(), st.sampled_from(TREES))
def test_values_of_a_tree_are_its_prediction(table, kind):
    X, y, X_test = table
    tree = kind(max_depth=4, random_state=0).fit(X, y)
    values = TreeEmbedder(tree).transform(X_test)
    if is_classifier(tree):
        assert_allclose(values, tree.predict_proba(X_test)[:, -values.shape[1] :])
    else:
        assert_allclose(values[:, 0], tree.predict(X_test))


@settings(deadline=None)
@given(tables(), st.sampled_from(GRADIENT + HISTOGRAM), st.floats(0.05, 1))
def test_sum_over_boosting_of_scikit_learn_is_its_raw_score(table, kind, rate):
    X, y, X_test = table
    rounds = {("max_iter" if kind in HISTOGRAM else "n_estimators"): 4}
    model = kind(max_depth=3, learning_rate=rate, random_state=0, **rounds).fit(X, y)
    values = TreeEmbedder(model).transform(X_test)
    is_boosted = is_classifier(model)
    raw = margins((model.decision_function if is_boosted else model.predict)(X_test))
    sums = values.reshape(len(values), 4, raw.shape[1]).sum(axis=1)
    assert_constant(raw - sums)
    staged = "staged_decision_function" if is_boosted else "staged_predict"
    first = margins(next(iter(getattr(model, staged)(X_test))))
    start = first - values[:, : raw.shape[1]]
    assert_allclose(start, np.broadcast_to(start[0], start.shape), atol=1e-9)
    assert_allclose(sums + start, raw, atol=1e-9)


def other(package, name, **params):
    quiet = {"verbose": -1} if package == "lightgbm" else {}
    kind = getattr(pytest.importorskip(package), name)
    return kind(**{"n_estimators": 4, "max_depth": 3, "n_jobs": 1, **quiet, **params})


def raw_scores(model, X):
    if "xgboost" in type(model).__module__:
        return margins(model.predict(X, output_margin=True))
    return margins(model.predict(X, raw_score=True))


@pytest.mark.filterwarnings("default:.*is deprecated")
@pytest.mark.parametrize(("package", "name", "params"), OTHERS)
@pytest.mark.parametrize("n_classes", [2, 4])
def test_sum_over_other_libraries_is_their_raw_score(package, name, params, n_classes):
    rng = np.random.RandomState(0)
    X = rng.normal(size=(300, 5))
    X[rng.random(X.shape) < 0.1] = np.nan
    y = (np.nan_to_num(X[:, 0]) > 0) + 2 * (X[:, 1] > 0) * (n_classes > 2)
    model = other(package, name, **params).fit(X, y)
    values, raw = TreeEmbedder(model).transform(X), raw_scores(model, X)
    parallel = model.get_params().get("num_parallel_tree") or 1
    parallel = 4 if name == "XGBRFClassifier" else parallel
    shape = (len(X), -1, raw.shape[1], parallel)  # parallel trees of a class adjoin
    sums = values.reshape(shape).sum(axis=(1, 3))
    assert np.ptp(raw, axis=0).min() > 0.01
    assert_constant(raw - sums)
    if package == "lightgbm":
        assert_allclose(sums, raw)


def test_values_of_early_stopping_and_of_several_outputs():
    rng = np.random.RandomState(0)
    X = rng.normal(size=(200, 3))
    pairs = np.column_stack([X[:, 0] > 0, (X[:, 1] * 2).astype(int) % 3])
    forest = RandomForestRegressor(3, max_depth=4, random_state=0).fit(X, pairs)
    values = TreeEmbedder(forest).transform(X)
    assert_allclose(values.reshape(200, 3, 2).mean(axis=1), forest.predict(X))
    model = other("xgboost", "XGBClassifier", n_estimators=60, learning_rate=1.0)
    model.set_params(early_stopping_rounds=2)
    y = (X[:, 0] + rng.normal(size=200) > 0).astype(int)
    model.fit(X, y, eval_set=[(X[::2], y[1::2])], verbose=False)
    values = TreeEmbedder(model).transform(X)
    assert values.shape == (200, model.best_iteration + 1)
    assert model.best_iteration + 1 < model.get_booster().num_boosted_rounds()
    assert_constant(raw_scores(model, X) - values.sum(axis=1, keepdims=True))


@pytest.mark.parametrize("kind", ["sklearn", "xgboost", "lightgbm"])
def test_frames_with_categories(kind):
    rng = np.random.RandomState(0)
    X = pd.DataFrame({"age": rng.normal(size=300)})
    X["port"] = pd.Categorical(rng.choice(["Oban", "Leith", "Wick"], 300))
    y = ((X["age"] > 0) ^ (X["port"] == "Oban")).to_numpy().astype(int)
    X.loc[::7, "age"] = np.nan
    model = {
        "sklearn": lambda: HistGradientBoostingClassifier(
            max_iter=4, categorical_features="from_dtype"
        ),
        "xgboost": lambda: other("xgboost", "XGBClassifier", enable_categorical=True),
        "lightgbm": lambda: other("lightgbm", "LGBMClassifier"),
    }[kind]().fit(X, y)
    embedder = TreeEmbedder(model).fit(X)
    values = embedder.transform(X)
    raw = model.decision_function(X) if kind == "sklearn" else raw_scores(model, X)
    assert_constant(margins(raw) - values.sum(axis=1, keepdims=True))
    assert_array_equal(embedder.transform(X[40:50]), values[40:50])
    assert len(embedder.get_feature_names_out()) == values.shape[1] == 4


@pytest.mark.parametrize("index", range(4))
def test_sparse_rows_get_the_values_of_dense_ones(digits, index):
    X, X_test, y, _ = digits
    model = [
        RandomForestClassifier(3, random_state=0),
        GradientBoostingClassifier(n_estimators=2, random_state=0),
        other("xgboost", "XGBClassifier", missing=0.0),  # what is not stored
        other("lightgbm", "LGBMClassifier"),
    ][index].fit(X, y)
    found = TreeEmbedder(model).transform(sparse.csr_array(X_test))
    assert_array_equal(found, TreeEmbedder(model).transform(X_test))


def test_linear_leaves_have_no_value(digits):
    X, X_test, y, _ = digits
    model = other("lightgbm", "LGBMRegressor", linear_tree=True).fit(X, y)
    with pytest.raises(ValueError, match="LGBMRegressor was fitted with linear_tree"):
        TreeEmbedder(model).transform(X_test)
    assert TreeEmbedder(model, leaves="identity").transform(X_test).nnz == 4 * len(
        X_test
    )


def test_settings_are_checked_and_kept(digits):
    X, _, y, _ = digits
    forest = RandomForestClassifier(2, random_state=0).fit(X, y)
    twin = clone(TreeEmbedder(forest, leaves="identity", out_of_bag=False))
    assert (twin.ensemble, twin.leaves, twin.out_of_bag) == (forest, "identity", False)
    for wrong in ({"leaves": "index"}, {"out_of_bag": "yes"}):
        with pytest.raises(ValueError, match=f"The {next(iter(wrong))!r} parameter"):
            TreeEmbedder(forest, **wrong).fit(X)


@pytest.mark.parametrize("leaves", ["value", "identity"])
def test_accuracy_of_either(digits, leaves):
    X, X_test, y, y_test = digits
    forest = RandomForestClassifier(50, random_state=0).fit(X, y)
    embedder = TreeEmbedder(forest, leaves=leaves)
    psem = make_kmex(embedder, random_state=0).fit(X, y)
    assert psem.score(X_test, y_test) > forest.score(X_test, y_test) - 0.03
    assert fidelity_score(forest.predict(X_test), psem.predict(X_test)) > 0.93
