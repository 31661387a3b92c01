"""TreeEmbedder: leaf identity, whose squared distance is the share of parting trees."""

import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import clone
from sklearn.ensemble import (
    AdaBoostClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.exceptions import NotFittedError
from sklearn.metrics import euclidean_distances
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeRegressor
from sklearn.utils import get_tags

from sklearn_kmex import make_kmex
from sklearn_kmex.embedding import TreeEmbedder
from sklearn_kmex.explain import contrast
from sklearn_kmex.metrics import fidelity_score

ENSEMBLES = [
    RandomForestClassifier(20, max_depth=6, random_state=0),
    ExtraTreesRegressor(20, min_samples_leaf=5, random_state=0),
    GradientBoostingClassifier(n_estimators=6, random_state=0),
    DecisionTreeRegressor(max_depth=6, random_state=0),
]
BOOSTED = [
    ("xgboost", "XGBClassifier", {}),
    ("xgboost", "XGBClassifier", {"num_parallel_tree": 3, "subsample": 0.5}),
    ("xgboost", "XGBRegressor", {"booster": "dart", "rate_drop": 0.5}),
    ("xgboost", "XGBRegressor", {"tree_method": "exact", "gamma": 20}),  # prunes
    ("xgboost", "XGBRFClassifier", {}),
    ("xgboost", "XGBRFRegressor", {}),
    ("lightgbm", "LGBMClassifier", {}),
    ("lightgbm", "LGBMRegressor", {"boosting_type": "dart"}),
    ("lightgbm", "LGBMRegressor", {"n_estimators": 1}),
]
# Models of a kind that newer libraries call deprecated are still around.
of_any_age = pytest.mark.filterwarnings("default:.*is deprecated")
CLASSIFIERS = [("xgboost", "XGBClassifier"), ("lightgbm", "LGBMClassifier")]


def boosted(package, name, **params):
    """A small model of a library, if that is installed; LightGBM's is told to hush."""
    quiet = {"verbose": -1} if package == "lightgbm" else {}
    kind = getattr(pytest.importorskip(package), name)
    return kind(**{"n_estimators": 6, "n_jobs": 1, **quiet, **params})


def identity(ensemble):
    """An embedder of which leaf each row is in."""
    return TreeEmbedder(ensemble, leaves="identity")


def own_leaves(model, X):
    """What the library itself says of the leaves of each row."""
    leaves = (
        model.apply(X) if hasattr(model, "apply") else model.predict(X, pred_leaf=1)
    )
    return leaves.reshape(len(leaves), -1)


def assert_parted_as(leaves, out):
    parted = (leaves[:, None] != leaves[None]).mean(axis=2)
    assert sparse.issparse(out)
    assert out.nnz == leaves.size
    assert_allclose(euclidean_distances(out, squared=True), parted, atol=1e-12)


@pytest.mark.parametrize("ensemble", ENSEMBLES, ids=lambda e: type(e).__name__)
def test_squared_distance_is_the_share_of_trees_that_part(digits, ensemble):
    X, X_test, y, _ = digits
    ensemble = clone(ensemble).fit(X, y)
    out = identity(ensemble).transform(X_test[:80])
    assert_parted_as(own_leaves(ensemble, X_test[:80]), out)


@of_any_age
@pytest.mark.parametrize(("package", "name", "params"), BOOSTED)
def test_boosted_trees_part_rows_as_their_library_says(digits, package, name, params):
    X, X_test, y, _ = digits
    model = boosted(package, name, **params).fit(X, y)
    out = identity(model).transform(X_test[:80])
    assert_parted_as(own_leaves(model, X_test[:80]), out)
    # Each leaf has a column, whether or not these rows come there.
    every = identity(model).fit(X[:1]).transform(X)
    assert_array_equal(np.unique(every.indices), np.arange(every.shape[1]))
    assert out.shape[1] == every.shape[1]


def leaf_values(model, X):
    """What each tree adds, by the staged predictions: differs only between leaves."""
    staged = np.stack(list(model.staged_decision_function(X)), axis=1)
    return np.diff(staged, axis=1, prepend=model._baseline_prediction[0, 0])


def assert_leaves_have_values(leaves, values):
    for leaves_of_tree, of_tree in zip(leaves.T, values.T, strict=True):
        found = np.unique(leaves_of_tree)
        for leaf in found:
            assert np.ptp(of_tree[leaves_of_tree == leaf]) < 1e-9
        assert len(found) >= len(np.unique(np.round(of_tree, 9)))


def test_histogram_gradient_boosting_with_categories_and_missing_values():
    rng = np.random.RandomState(0)
    X = rng.normal(size=(600, 3))
    X[:, 2] = rng.randint(6, size=600)
    y = (X[:, 0] > 0) ^ np.isin(X[:, 2], [1, 4])
    X[rng.random(X.shape) < 0.1] = np.nan
    model = HistGradientBoostingClassifier(
        max_iter=10, categorical_features=[2], random_state=0
    ).fit(X, y)
    embedder = identity(model).fit(X)
    leaves = embedder.transform(X).indices.reshape(600, 10)
    assert_leaves_have_values(leaves, leaf_values(model, X))
    assert len(np.unique(leaves)) > 30
    assert len(embedder.get_feature_names_out()) == embedder.transform(X).shape[1]


def test_black_box_output(digits):
    X, X_test, y, _ = digits
    forest, trees = (clone(model).fit(X, y) for model in ENSEMBLES[:2])
    out = TreeEmbedder(forest).black_box_output(X_test)
    assert_array_equal(out, forest.predict_proba(X_test))
    out = TreeEmbedder(trees).black_box_output(X_test)
    assert_array_equal(out, trees.predict(X_test))


def test_refusals_and_sharing(digits):
    X, _, y, _ = digits
    forest = clone(ENSEMBLES[0]).fit(X, y)
    assert clone(TreeEmbedder(forest)).ensemble is forest
    with pytest.raises(NotFittedError):
        TreeEmbedder(RandomForestClassifier()).transform(X)
    with pytest.raises(NotFittedError):
        TreeEmbedder(RandomForestClassifier()).black_box_output(X)
    with pytest.raises(ValueError, match="X has 3 features"):
        TreeEmbedder(forest).transform(X[:, :3])
    boosted = AdaBoostClassifier(GaussianNB(), n_estimators=2).fit(X, y)
    with pytest.raises(
        TypeError, match=r"AdaBoost of decision trees.* got AdaBoostClassifier"
    ):
        TreeEmbedder(boosted).transform(X)


@pytest.mark.parametrize(("package", "name"), CLASSIFIERS)
def test_early_stopping_leaves_out_the_trees_that_predict_does(digits, package, name):
    X, X_test, y, y_test = digits
    model = boosted(package, name, n_estimators=99, learning_rate=0.7, max_depth=2)
    if package == "xgboost":
        model.set_params(early_stopping_rounds=3)
        model.fit(X, y, eval_set=[(X_test, y_test)], verbose=False)
        used, n_rounds = (
            model.best_iteration + 1,
            model.get_booster().num_boosted_rounds(),
        )
    else:
        stop = pytest.importorskip("lightgbm").early_stopping(3, verbose=False)
        model.fit(X, y, eval_X=X_test, eval_y=y_test, callbacks=[stop])
        n_rounds = model.booster_.current_iteration()  # it has dropped the rest itself
        model.booster_.best_iteration = used = n_rounds - 1
    assert 1 < used < n_rounds < 99
    out = identity(model).transform(X_test[:80])
    assert out.nnz == 80 * 10 * used
    assert_parted_as(own_leaves(model, X_test[:80]), out)
    every = identity(model).transform(X)
    assert_array_equal(np.unique(every.indices), np.arange(every.shape[1]))


@pytest.mark.parametrize("name", ["xgboost XGBRegressor", "lightgbm LGBMRegressor"])
def test_trees_of_one_leaf_part_no_rows(name):
    X = np.ones((50, 2))
    model = boosted(*name.split()).fit(X, np.arange(50))
    out = identity(model).transform(X)
    assert out.shape[1] * 50 == out.nnz
    assert euclidean_distances(out).max() == 0


@pytest.fixture
def passengers():
    """A frame with missing numbers and categories of both kinds, and labels."""
    rng = np.random.RandomState(0)
    port = rng.choice(["Cherbourg", "Queenstown", "Southampton", "Oban"], 400)
    X = pd.DataFrame({"age": rng.normal(size=400), "port": pd.Categorical(port)})
    X["deck"] = pd.Categorical(rng.choice([9, 3, 5], 400))
    y = (X["age"] > 0) ^ X["port"].isin(["Cherbourg", "Oban"]) ^ (X["deck"] == 3)
    X.loc[::7, "age"] = np.nan
    return X, y.to_numpy().astype(int)


@pytest.mark.parametrize(("package", "name"), CLASSIFIERS)
def test_frames_reach_boosted_trees_with_their_categories(passengers, package, name):
    X, y = passengers
    params = {"enable_categorical": True} if package == "xgboost" else {}
    model = boosted(package, name, max_depth=4, **params).fit(X, y)
    embedder = identity(model).fit(X)
    out = embedder.transform(X)
    assert_parted_as(own_leaves(model, X), out)
    assert_array_equal(embedder.black_box_output(X), model.predict_proba(X))
    assert list(embedder.feature_names_in_) == ["age", "port", "deck"]
    assert (embedder.transform(X[30:40]) != out[30:40]).nnz == 0
    # The codes of the categories are others in this frame, the categories are not.
    port = X["port"].cat.reorder_categories(X["port"].cat.categories[::-1])
    assert (identity(model).transform(X.assign(port=port)) != out).nnz == 0
    with pytest.raises(ValueError, match="names"):
        embedder.transform(X.rename(columns={"port": "gate"}))


@pytest.mark.parametrize("kind", ["pandas", "polars"])
def test_frames_reach_histogram_gradient_boosting(passengers, kind):
    X, y = passengers
    if kind == "polars":
        ports = pl.Series(
            X["port"].astype(str), dtype=pl.Enum(X["port"].cat.categories)
        )
        X = pl.DataFrame({"age": X["age"].to_numpy(), "port": ports})
    model = HistGradientBoostingClassifier(
        max_iter=6, max_leaf_nodes=6, categorical_features="from_dtype", random_state=0
    ).fit(X, y)
    out = identity(model).transform(X)
    assert_leaves_have_values(out.indices.reshape(400, 6), leaf_values(model, X))
    assert np.unique(out.indices).size == out.shape[1] > 6 * 3
    assert_array_equal(TreeEmbedder(model).black_box_output(X), model.predict_proba(X))


def test_arrays_of_objects_reach_ensembles_that_encode_categories(passengers):
    X, y = passengers
    X = X.astype({"port": object, "deck": int}).to_numpy(dtype=object)
    histogram = HistGradientBoostingClassifier(
        max_iter=6, categorical_features=[1, 2], random_state=0
    ).fit(X, y)
    psem = make_kmex(histogram, n_prototypes=2, random_state=0).fit(X, y)
    assert psem.score(X, y) > histogram.score(X, y) - 0.05
    why = contrast(psem, X)
    assert (why.space, why.method) == ("input", "tree_shap")
    assert why.error.max() < 1e-9 * np.abs(why.margin).max()


def test_polars_frames_reach_xgboost(passengers):
    X, y = passengers
    X = pl.DataFrame({"age": X["age"].to_numpy(), "deck": X["deck"].astype(int)})
    model = boosted("xgboost", "XGBClassifier").fit(X, y)
    assert_parted_as(own_leaves(model, X), identity(model).fit(X).transform(X))


def test_a_forest_takes_frames_and_arrays_without_a_word_about_names(digits):
    X, _, y, _ = digits
    frame = pd.DataFrame(X).add_prefix("pixel_")
    named, plain = (clone(ENSEMBLES[0]).fit(rows, y) for rows in (frame, X))
    assert_parted_as(named.apply(frame[:80]), identity(named).transform(frame[:80]))
    embedder = identity(plain).fit(frame)
    assert_parted_as(plain.apply(X[:80]), embedder.transform(frame[:80]))
    with pytest.raises(ValueError, match="feature names should match"):
        embedder.transform(frame[frame.columns[::-1]])


@pytest.mark.parametrize("container", [sparse.csr_matrix, sparse.csc_array])
@pytest.mark.parametrize("index", range(4))
def test_sparse_rows_where_the_ensemble_takes_them(digits, container, index):
    X, X_test, y, _ = digits
    model = [*ENSEMBLES[::2], *(boosted(*c) for c in CLASSIFIERS)][index]
    model = clone(model).fit(sparse.csr_matrix(X), y)
    embedder = identity(model).fit(container(X))
    assert get_tags(embedder).input_tags.sparse
    leaves = own_leaves(model, sparse.csr_matrix(X_test[:80]))
    assert_parted_as(leaves, embedder.transform(container(X_test[:80])))
    out = embedder.black_box_output(container(X_test))
    assert_array_equal(out, model.predict_proba(sparse.csr_matrix(X_test)))


def test_sparse_rows_where_the_ensemble_does_not(digits):
    X, _, y, _ = digits
    model = HistGradientBoostingClassifier(max_iter=2).fit(X, y)
    assert not get_tags(TreeEmbedder(model)).input_tags.sparse
    with pytest.raises(TypeError, match="dense data is required"):
        TreeEmbedder(model).fit(sparse.csr_matrix(X))


@pytest.mark.parametrize(("package", "name"), CLASSIFIERS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_missing_values_and_precision_are_the_librarys(package, name, dtype):
    rng = np.random.RandomState(0)
    X = (1e3 + 1e-3 * rng.normal(size=(500, 4))).astype(dtype)
    y = X[:, 0] > X[:, 1]
    X[rng.random(X.shape) < 0.1] = np.nan
    model = boosted(package, name).fit(X, y)
    assert_parted_as(own_leaves(model, X), identity(model).transform(X))


@pytest.mark.parametrize(("package", "name"), CLASSIFIERS)
@pytest.mark.parametrize("scaled", [False, True])
def test_make_kmex_of_boosted_trees(digits, package, name, scaled):
    X, X_test, y, y_test = digits
    model = boosted(package, name, n_estimators=20).fit(X, y)
    if scaled:
        model = make_pipeline(StandardScaler(), model).fit(X, y)
    before = pickle.dumps(model)
    psem = make_kmex(model, random_state=0).fit(X, y)
    assert psem.score(X_test, y_test) > model.score(X_test, y_test) - 0.04
    assert fidelity_score(model.predict(X_test), psem.predict(X_test)) > 0.93
    out = psem["embed"].black_box_output(X_test)
    assert_array_equal(out, model.predict_proba(X_test))
    assert pickle.dumps(model) == before


@pytest.mark.parametrize(("package", "name"), CLASSIFIERS)
def test_threads_share_a_model_that_stays_as_it_is(digits, package, name):
    X, X_test, y, _ = digits
    model = boosted(package, name).fit(X, y)
    before, params = pickle.dumps(model), model.get_params()
    embedder = identity(model)
    alone = embedder.transform(X_test)
    with ThreadPoolExecutor(2) as threads:
        for out in threads.map(embedder.transform, [X_test] * 8):
            assert (out != alone).nnz == 0
    assert pickle.dumps(model) == before
    assert model.get_params() == params


@pytest.mark.parametrize("name", ["xgboost XGBRanker", "lightgbm LGBMRanker"])
def test_rankers_and_subclasses(digits, name):
    X, X_test, y, _ = digits
    kind = type(boosted(*name.split()))
    model = type("Own", (kind,), {})(**boosted(*name.split()).get_params())
    groups = {"group": [len(X)]} if "LGBM" in name else {"qid": np.zeros(len(X))}
    model.fit(X, y, **groups)
    out = identity(make_kmex(model)["embed"].ensemble).transform(X_test[:80])
    assert_parted_as(own_leaves(model, X_test[:80]), out)
    out = TreeEmbedder(model).black_box_output(X_test)
    assert_array_equal(out, model.predict(X_test))


@of_any_age
def test_boosters_that_it_refuses(digits):
    X, _, y, _ = digits
    linear = boosted("xgboost", "XGBClassifier", booster="gblinear").fit(X, y)
    with pytest.raises(ValueError, match="XGBClassifier with a booster 'gblinear' has"):
        TreeEmbedder(linear).transform(X)
    model = boosted("xgboost", "XGBClassifier").fit(X, y)
    with pytest.raises(ValueError, match=r"X has 63 features, .* fitted on 64"):
        TreeEmbedder(model).transform(X[:, :63])
    with pytest.raises(TypeError, match="LightGBM or CatBoost; got Booster"):
        TreeEmbedder(model.get_booster()).transform(X)
    for package, name in CLASSIFIERS:
        with pytest.raises(NotFittedError):
            make_kmex(boosted(package, name)).fit(X, y)
