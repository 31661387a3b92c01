"""to_onnx with boosted trees: each row gets the same leaves, and the same values."""

import json

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from served import assert_same, run_graph
from sklearn.ensemble import (
    BaggingClassifier,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
)
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import make_pipeline

from sklearn_kmex import make_kmex
from sklearn_kmex.embedding import TreeEmbedder
from sklearn_kmex.exceptions import KMExWarning
from sklearn_kmex.export import to_onnx

pytest.importorskip("skl2onnx")
onnxruntime = pytest.importorskip("onnxruntime")
pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning",  # of skl2onnx
    # of LightGBM, which gets arrays here like the others
    "ignore:X does not have valid feature names",
)


def serve(psem, X):
    session = onnxruntime.InferenceSession(to_onnx(psem, X).SerializeToString())
    return session.run(None, {"X": X})


def leaves_of(ensemble, leaves):
    """An unfitted model on the values or the identity of leaves."""
    embedder = TreeEmbedder(ensemble, leaves=leaves)
    return make_kmex(embedder, n_prototypes=2, n_init=1, random_state=0)


def boosted(kind, **settings):
    if kind == "sklearn":
        return HistGradientBoostingClassifier(max_iter=12, random_state=0, **settings)
    if kind == "lightgbm":
        lightgbm = pytest.importorskip("lightgbm")
        return lightgbm.LGBMClassifier(
            n_estimators=12, n_jobs=1, verbose=-1, **settings
        )
    xgboost = pytest.importorskip("xgboost")
    return xgboost.XGBClassifier(n_estimators=12, n_jobs=1, max_depth=5, **settings)


@pytest.fixture(scope="module")
def tables(load_data):
    """X, y and X_test of numbers and codes, with a twentieth of the cells missing."""

    def load(name):
        data, rng = load_data(f"tab_{name}.npz"), np.random.RandomState(0)
        ends = ("_train", "_test") if name == "adult" else ("", "")
        X, X_test = (
            np.hstack([data[f"num{end}"], data[f"cat{end}"]]).astype(np.float64)
            for end in ends
        )
        for rows in (X, X_test):
            rows[rng.uniform(size=rows.shape) < 0.05] = np.nan
        return X[:4000], data[f"y{ends[0]}"][:4000], X_test[-12_000:]

    return load


@pytest.mark.parametrize("kind", ["sklearn", "lightgbm", "xgboost"])
@pytest.mark.parametrize(
    ("name", "leaves"), [("adult", "value"), ("bank_marketing", "identity")]
)
def test_tables_with_missing_values(kind, name, leaves, tables):
    X, y, X_test = tables(name)
    psem = leaves_of(boosted(kind).fit(X, y), leaves).fit(X, y)
    assert_same(serve(psem, X_test), psem, X_test, atol=1e-9)


@pytest.mark.parametrize("kind", ["sklearn", "lightgbm", "xgboost"])
@pytest.mark.parametrize("leaves", ["value", "identity"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_values_on_a_threshold_go_to_the_same_side(kind, dtype, leaves, digits):
    X, X_test, y, _ = digits
    X, X_test = (x.astype(dtype) / 3 for x in (X, X_test))  # not exact in binary
    psem = leaves_of(boosted(kind).fit(X, y), leaves).fit(X, y)
    both = np.concatenate([X, X_test])
    assert_same(serve(psem, both), psem, both, atol=1e-6)
    if dtype == np.float64:
        nearly = np.nextafter(both, np.inf)
        assert_same(serve(psem, nearly), psem, nearly, atol=1e-6)


@pytest.mark.parametrize("leaves", ["value", "identity"])
def test_trees_of_early_stopping_of_one_leaf_and_pruned(leaves, digits):
    X, _, y, _ = digits
    xgboost = pytest.importorskip("xgboost")
    stopped = xgboost.XGBClassifier(
        n_estimators=30, early_stopping_rounds=1, learning_rate=1.0, max_depth=3
    )
    stopped.fit(X[:600], y[:600], eval_set=[(X[600:], y[600:])], verbose=False)
    n_rounds = len(stopped.evals_result()["validation_0"]["mlogloss"])
    assert stopped.best_iteration < n_rounds - 1
    pruned = boosted("xgboost", gamma=8.0).fit(X, y)
    stumps = boosted("lightgbm", min_child_samples=400).fit(X, y > 4)
    regressor = HistGradientBoostingRegressor(max_iter=5).fit(X, y)
    vectors = boosted("xgboost", multi_strategy="multi_output_tree").fit(X, y)
    for ensemble in (stopped, pruned, stumps, regressor, vectors):
        psem = leaves_of(ensemble, leaves).fit(X, y)
        assert_same(serve(psem, X), psem, X, atol=1e-6)


def test_numbers_that_lightgbm_treats_as_missing(digits):
    X, _, y, _ = digits
    X = X - 8
    trained = boosted("lightgbm", use_missing=False).fit(X, y)
    psem = make_kmex(trained, n_prototypes=2, random_state=0).fit(X, y)
    some = X.copy()
    some[::3, ::2] = np.nan  # which it treats as 0
    assert_array_equal(serve(psem, some)[0], psem.predict(some))


def test_error_names_what_has_no_converter():
    rng = np.random.RandomState(0)
    X = np.column_stack([rng.randint(6, size=400), rng.normal(size=400)])
    y = ((X[:, 0] % 2) + (X[:, 1] > 1) > 0).astype(int)
    lightgbm = pytest.importorskip("lightgbm")
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame({"kind": pd.Categorical(X[:, 0].astype(int)), "size": X[:, 1]})
    by_kind = lightgbm.LGBMClassifier(
        n_estimators=3, n_jobs=1, verbose=-1, min_data_per_group=1, cat_smooth=0
    )
    for ensemble, rows, words in (
        (boosted("sklearn", categorical_features=[0]), X, "categorical_features"),
        (by_kind, frame, "splits of categories"),
        (boosted("lightgbm", zero_as_missing=True), X, "zero_as_missing"),
        (boosted("xgboost", missing=0.0), X, r"missing=0\.0"),
        (boosted("xgboost", enable_categorical=True), frame, "splits of categories"),
    ):
        psem = make_kmex(ensemble.fit(rows, y), n_prototypes=1).fit(rows, y)
        with pytest.raises(TypeError, match=f"by numbers and NaN .*with {words}. Save"):
            to_onnx(psem, X)


@pytest.mark.parametrize("kind", ["sklearn", "lightgbm", "xgboost"])
def test_ensembles_of_frames_have_an_input_for_each_column(kind):
    pd = pytest.importorskip("pandas")
    rng = np.random.RandomState(0)
    frame = pd.DataFrame(rng.normal(size=(200, 3)), columns=["age", "b c", "d"])
    y = (frame["age"] + frame["d"] > 0).astype(int).to_numpy()
    frame["d"] = (10 * frame["d"]).round().astype(int)
    frame.loc[::9, "age"] = np.nan
    psem = make_kmex(boosted(kind).fit(frame, y), n_prototypes=2, random_state=0)
    psem.fit(frame, y)
    with pytest.warns(KMExWarning, match="'b_c' for 'b c'"):
        graph = to_onnx(psem, frame)
    columns = json.loads({p.key: p.value for p in graph.metadata_props}["inputs"])
    assert list(columns.values()) == list(frame.columns)
    rows = {name: frame[[of]].to_numpy() for name, of in columns.items()}
    label, chances, *_ = run_graph(graph, **rows)
    assert_array_equal(label, psem.predict(frame))
    assert_allclose(chances, psem.predict_proba(frame), rtol=0, atol=1e-9)


@pytest.mark.parametrize("stopped", [False, True])
def test_zeros_of_sparse_rows_are_missing_for_xgboost(stopped):
    settings = {"early_stopping_rounds": 1} if stopped else {}
    rng = np.random.RandomState(0)
    y = rng.choice(2, 200)
    words = np.array([["bad", "film", "poor"], ["good", "film", "fine"]])
    texts = np.array([" ".join(rng.choice(words[label], 2)) for label in y])
    vectorizer = TfidfVectorizer().fit(texts)
    rows = vectorizer.transform(texts)
    fit = {"eval_set": [(rows, y)], "verbose": False} if stopped else {}
    model = boosted("xgboost", **settings).fit(rows, y, **fit)
    psem = make_kmex(make_pipeline(vectorizer, model), n_prototypes=2, random_state=0)
    psem.fit(texts, y)
    label, chances, *_ = run_graph(to_onnx(psem, texts), X=texts.astype(object))
    assert_array_equal(label, psem.predict(texts))
    assert_allclose(chances, psem.predict_proba(texts), rtol=0, atol=1e-9)


def check_ensemble(ensemble, X):
    y = (X[:, 0] > 0).astype(int) + (X[:, 1] > 0)
    X = np.where(np.random.RandomState(1).rand(*X.shape) < 0.1, np.nan, X)
    psem = make_kmex(ensemble.fit(X, y), n_prototypes=2, random_state=0).fit(X, y)
    label, chances, *_ = run_graph(to_onnx(psem, X), X=X)
    assert_array_equal(label, psem.predict(X))
    assert_allclose(chances, psem.predict_proba(X), rtol=0, atol=1e-9)


@pytest.mark.parametrize("nan_mode", ["Min", "Max"])
def test_trees_of_catboost(nan_mode):
    catboost = pytest.importorskip("catboost")
    settings = {"iterations": 6, "depth": 4, "verbose": False, "random_seed": 0}
    model = catboost.CatBoostClassifier(
        allow_writing_files=False, nan_mode=nan_mode, **settings
    )
    check_ensemble(model, np.random.RandomState(0).normal(size=(200, 4)))


@pytest.mark.parametrize(
    "ensemble",
    [
        BaggingClassifier(max_features=0.5, random_state=0),
        BaggingClassifier(max_features=0.75, bootstrap_features=True, random_state=0),
    ],
    ids=["columns of each", "columns drawn twice"],
)
def test_trees_that_know_some_columns(ensemble):
    check_ensemble(ensemble, np.random.RandomState(0).normal(size=(200, 4)))
