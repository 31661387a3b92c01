"""The margin, split over columns: by hand, by the formula, and through pipelines."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sems import Prototypes
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.datasets import load_iris, load_wine
from sklearn.decomposition import NMF, PCA, FactorAnalysis, FastICA, TruncatedSVD
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.feature_selection import SelectKBest, VarianceThreshold
from sklearn.frozen import FrozenEstimator
from sklearn.impute import KNNImputer, SimpleImputer
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    KBinsDiscretizer,
    MaxAbsScaler,
    MinMaxScaler,
    Normalizer,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    PowerTransformer,
    QuantileTransformer,
    RobustScaler,
    SplineTransformer,
    StandardScaler,
)
from sklearn.random_projection import GaussianRandomProjection

from sklearn_kmex import KMExClassifier, make_kmex
from sklearn_kmex._model.steps import embed
from sklearn_kmex.explain import Contrast, contrast

pd = pytest.importorskip("pandas")


@pytest.fixture(scope="module")
def wine():
    return load_wine(return_X_y=True, as_frame=True)


def kmex(**params):
    return KMExClassifier(2, random_state=0, temperature=1.0, n_init=1, **params)


def margins(psem, X, found):
    """Squared distances to both prototypes, by the formula."""
    sem = psem[-1] if isinstance(psem, Pipeline) else psem
    Z = embed(psem, X)
    Z = np.asarray(Z.toarray() if sparse.issparse(Z) else Z, dtype=float)
    metric = getattr(sem, "metric_", "euclidean")
    if metric.startswith("cosine"):
        Z = Z / np.linalg.norm(Z, axis=1, keepdims=True)
    a, b = sem.prototypes_[found.prototypes], sem.prototypes_[found.against_prototypes]
    if metric.endswith("mahalanobis"):
        return ((Z - b) @ sem.metric_map_) ** 2 - ((Z - a) @ sem.metric_map_) ** 2
    return (Z - b) ** 2 - (Z - a) ** 2


def check_sum(psem, X, found):
    wanted = margins(psem, X, found).sum(axis=1)
    # Prototypes that coincide differ by rounding errors, whose squares are below 1e-30.
    scale = np.abs(found.contributions).sum(axis=1)
    assert_allclose(found.margin, wanted, atol=1e-9 * scale.max() + 1e-30)
    assert (abs(found.contributions.sum(axis=1) - wanted) <= 1e-9 * scale + 1e-30).all()


def test_by_hand():
    model = Prototypes([[0, 0], [4, 1], [9, 9]], ["a", "b", "c"])
    found = contrast(model, [[1, 1]])
    # To b: 3^2 + 0^2, to a: 1^2 + 1^2.
    assert_array_equal(found.contributions, [[8, -1]])
    assert found.margin.tolist() == [7]
    assert found.labels.tolist() == ["a"]
    assert found.against.tolist() == ["b"]
    assert found.feature_names.tolist() == ["x0", "x1"]
    assert found.space == "input"
    assert_array_equal(found.values, [[1, 1]])
    assert_array_equal(found.prototype_values, [[0, 0]])
    assert_array_equal(found.against_values, [[4, 1]])
    other = contrast(model, [[1, 1]], labels="c", against="a")
    assert_array_equal(other.contributions, [[1 - 64, 1 - 64]])


def test_a_scaled_column_counts_in_units_of_its_scale():
    X = pd.DataFrame({"cm": [0.0, 2.0, 10.0, 12.0], "g": [0.0, 0.0, 100.0, 100.0]})
    y = [0, 0, 1, 1]
    psem = make_pipeline(StandardScaler(), KMExClassifier(1, temperature=1.0))
    found = contrast(psem.fit(X, y), X.iloc[:1])
    # Prototypes at (1, 0) and (11, 100); standard deviations sqrt(26) and 50.
    assert_allclose(found.contributions, [[(11**2 - 1) / 26, 4]])
    assert found.feature_names.tolist() == ["cm", "g"]
    assert_allclose(found.prototype_values.astype(float), [[1, 0]], atol=1e-12)
    assert_allclose(found.against_values.astype(float), [[11, 100]])


def test_a_category_gets_the_sum_of_its_columns():
    X = pd.DataFrame({"size": ["s", "s", "m", "l"], "hue": ["r", "g", "g", "g"]})
    psem = make_pipeline(OneHotEncoder(), KMExClassifier(1, temperature=1.0))
    found = contrast(psem.fit(X, [0, 0, 0, 1]), X.iloc[:1])
    # Shares of l, m, s: (0, 1/3, 2/3) against (1, 0, 0); of g, r: (2/3, 1/3), (1, 0).
    assert_allclose(found.contributions, [[2 - 2 / 9, 2 - 8 / 9]])
    assert found.feature_names.tolist() == ["size", "hue"]
    assert found.values.tolist() == [["s", "r"]]
    assert found.prototype_values.tolist() == [["s", "g"]]
    assert found.against_values.tolist() == [["l", "g"]]


def test_a_rotation_is_turned_back():
    """Squared distance does not change, so the split is that of no rotation."""
    X, y = load_iris(return_X_y=True)
    psem = make_pipeline(PCA(), kmex()).fit(X, y)
    found = contrast(psem, X)
    own, rivals = (
        psem[0].inverse_transform(psem[1].prototypes_[ids])
        for ids in (found.prototypes, found.against_prototypes)
    )
    assert_allclose(found.contributions, (X - rivals) ** 2 - (X - own) ** 2, atol=1e-9)
    assert_allclose(found.prototype_values.astype(float), own)


def test_a_whitened_axis_is_shared_by_the_least_change():
    rng = np.random.RandomState(0)
    X = rng.normal(size=(40, 1)) @ [[3.0, 4.0]]  # on a line: one axis says it all
    y = (X[:, 0] > 0).astype(int)
    psem = make_pipeline(PCA(1, whiten=True), kmex()).fit(X, y)
    found = contrast(psem, X)
    assert found.space == "input"
    # Along (3, 4) / 5: slope and least change share as 9 to 16.
    shares = found.contributions / found.margin[:, np.newaxis]
    assert_allclose(shares, np.tile([9 / 25, 16 / 25], (40, 1)))


ONE_COLUMN_EACH = {
    "scaler": StandardScaler(),
    "minmax": MinMaxScaler(clip=True),
    "robust": RobustScaler(),
    "power": PowerTransformer(),
    "quantile": QuantileTransformer(n_quantiles=20),
    "bins": KBinsDiscretizer(4, strategy="uniform"),
    "bin codes": KBinsDiscretizer(4, strategy="uniform", encode="ordinal"),
    "spline": SplineTransformer(4),
    "imputer": SimpleImputer(),
    "best": SelectKBest(k=4),
    "variance": VarianceThreshold(0.05),
    "nothing": "passthrough",
    "identity": FunctionTransformer(),
    "log": FunctionTransformer(np.log1p, feature_names_out="one-to-one"),
    "linear": PolynomialFeatures(1, include_bias=False),
    "frozen": FrozenEstimator(StandardScaler()),
    "nested": make_pipeline(MinMaxScaler(), make_pipeline(PowerTransformer())),
    "columns": ColumnTransformer(
        [
            ("a", StandardScaler(), ["ash", "hue"]),
            ("b", SplineTransformer(4), make_column_selector("al")),
            ("gone", "drop", ["proline"]),
            ("none", StandardScaler(), []),
        ],
        remainder=make_pipeline(SimpleImputer(), MinMaxScaler()),
    ),
    "some columns": ColumnTransformer([("one", "passthrough", [3])]),
    "rest as it is": ColumnTransformer(
        [("a", StandardScaler(), slice(0, 2))], remainder="passthrough"
    ),
    "twice": FeatureUnion(
        [
            ("a", StandardScaler()),
            ("b", SplineTransformer(4)),
            ("c", "passthrough"),
            ("d", "drop"),
        ],
        transformer_weights={"a": 3.0},
    ),
}


@pytest.mark.parametrize("name", ONE_COLUMN_EACH)
def test_columns_that_stay_apart(wine, name):
    X, y = wine
    step = ONE_COLUMN_EACH[name]
    if name == "frozen":
        step.estimator.fit(X)
    psem = Pipeline([("step", step), ("kmex", kmex())]).fit(X, y)
    found = contrast(psem, X)
    assert found.space == "input"
    assert found.feature_names.tolist() == list(X.columns)
    check_sum(psem, X, found)
    alone = contrast(psem, X.iloc[7:8])
    assert_allclose(alone.contributions, found[7].contributions, atol=1e-9)


def test_each_column_gets_what_its_output_got(wine):
    X, y = wine
    X = X[["ash", "hue", "proline"]]
    psem = make_pipeline(SplineTransformer(3), kmex()).fit(X, y)
    found = contrast(psem, X)
    outputs = margins(psem, X, found).reshape(len(X), 3, -1)
    assert_allclose(found.contributions, outputs.sum(axis=2), atol=1e-9)


def test_what_a_selector_drops_has_no_part(wine):
    X, y = wine
    psem = make_pipeline(StandardScaler(), SelectKBest(k=4), kmex()).fit(X, y)
    found = contrast(psem, X)
    dropped = ~psem[1].get_support()
    assert_array_equal(found.contributions[:, dropped], 0)
    assert np.isnan(found.prototype_values[:, dropped]).all()
    assert not np.isnan(found.prototype_values[:, ~dropped]).any()
    assert_allclose(found.contributions[:, ~dropped], margins(psem, X, found))


AFFINE = {
    "pca": PCA(4),
    "white": PCA(4, whiten=True),
    "svd": TruncatedSVD(4),
    "lda": LinearDiscriminantAnalysis(),
    "projection": GaussianRandomProjection(5, random_state=0),
    "ica": FastICA(4, random_state=0, max_iter=1000, tol=0.1),
    "factors": FactorAnalysis(3),
    "sums": FunctionTransformer(lambda X: np.asarray(X) @ np.ones((13, 2))),
    "union": FeatureUnion([("a", PCA(2)), ("b", StandardScaler())]),
    "columns": ColumnTransformer(
        [("a", PCA(2), ["ash", "hue", "proline"])], remainder="passthrough"
    ),
    "then selected": make_pipeline(PCA(6), SelectKBest(k=3)),
    "then scaled": make_pipeline(PCA(6), StandardScaler(), PCA(3)),
}


@pytest.mark.parametrize("name", AFFINE)
@pytest.mark.parametrize("scaled", [True, False])
def test_affine_maps_are_walked_through(wine, name, scaled):
    X, y = wine
    first = MaxAbsScaler().set_output(transform="pandas") if scaled else "passthrough"
    psem = make_pipeline(first, AFFINE[name], kmex()).fit(X, y)
    found = contrast(psem, X)
    assert found.space == "input"
    assert found.feature_names.tolist() == list(X.columns)
    check_sum(psem, X, found)
    alone = contrast(psem, X.iloc[7:8])
    assert_allclose(alone.contributions, found[7].contributions, atol=1e-7)


def test_prototypes_in_the_columns_before_a_rotation_are_embedded_where_they_are(wine):
    X, y = wine
    psem = make_pipeline(StandardScaler(), PCA(3), kmex()).fit(X, y)
    found = contrast(psem, X)
    rows = pd.DataFrame(found.against_values.astype(float), columns=X.columns)
    there = psem[1].transform(psem[0].transform(rows))
    assert_allclose(there, psem[2].prototypes_[found.against_prototypes], atol=1e-9)


@pytest.mark.parametrize("norm", ["l1", "l2", "max"])
def test_rows_that_are_divided_by_their_length(wine, norm):
    """A column gets what its share of the row got; prototypes have that length."""
    X, y = wine
    psem = make_pipeline(Normalizer(norm), kmex()).fit(X, y)
    found = contrast(psem, X)
    assert found.space == "input"
    assert found.feature_names.tolist() == list(X.columns)
    assert_allclose(found.contributions, margins(psem, X, found), atol=1e-9)
    lengths = (X.to_numpy() / psem[0].transform(X))[:, :1]
    own = lengths * psem[1].prototypes_[found.prototypes]
    assert_allclose(found.prototype_values, own)


NORMALIZING = {
    "side by side": FeatureUnion([("a", StandardScaler()), ("b", Normalizer())]),
    "inside": make_pipeline(StandardScaler(), Normalizer(), StandardScaler()),
    "rotated": make_pipeline(PCA(5), Normalizer()),
    "then rotated": make_pipeline(Normalizer(), PCA(5)),
    "some columns": ColumnTransformer(
        [("a", Normalizer(), ["ash", "hue"])], remainder="passthrough"
    ),
}


@pytest.mark.parametrize("name", NORMALIZING)
def test_steps_around_a_division_are_walked_through(wine, name):
    X, y = wine
    steps = [("first", MinMaxScaler()), ("mix", NORMALIZING[name])]
    steps[0][1].set_output(transform="pandas")
    psem = Pipeline([*steps, ("last", StandardScaler()), ("kmex", kmex())]).fit(X, y)
    for rows in (X, X.iloc[:1]):
        found = contrast(psem, rows)
        assert found.space == "input"
        check_sum(psem, rows, found)


MIXING = {
    "shares": FunctionTransformer(
        lambda X: X / np.sum(np.asarray(X), axis=1, keepdims=True),
        feature_names_out="one-to-one",
    ),
    "products": PolynomialFeatures(2, include_bias=False),
    "parts": NMF(3, max_iter=5000, tol=1e-2, init="nndsvda"),
    "side by side": FeatureUnion([("a", StandardScaler()), ("b", NMF(2))]),
    "inside": make_pipeline(MinMaxScaler(), PolynomialFeatures(2), StandardScaler()),
}


@pytest.mark.parametrize("name", MIXING)
def test_what_mixes_columns_is_where_it_stops(wine, name):
    X, y = wine
    psem = Pipeline(
        [("first", MinMaxScaler()), ("mix", MIXING[name]), ("last", StandardScaler()),
         ("kmex", kmex())]
    ).fit(X, y)  # fmt: skip
    for rows in (X, X.iloc[:1]):
        found = contrast(psem, rows)
        assert found.space == ("mix__polynomialfeatures" if name == "inside" else "mix")
        check_sum(psem, rows, found)
    assert len(found.feature_names) == found.contributions.shape[1]
    if name == "products":
        assert found.feature_names[13] == "alcohol^2"


def test_a_transformer_that_fills_in_from_other_columns(wine):
    X, y = wine
    holes = X.mask(np.random.RandomState(0).rand(*X.shape) < 0.1)
    psem = make_pipeline(KNNImputer(), StandardScaler(), kmex()).fit(holes, y)
    assert contrast(psem, holes).space == "knnimputer"
    assert contrast(psem, X).space == "input"  # nothing to fill in
    psem = make_pipeline(SimpleImputer(add_indicator=True), kmex()).fit(holes, y)
    found = contrast(psem, holes)
    assert found.space == "input"
    check_sum(psem, holes, found)


def test_a_function_is_where_it_stops():
    X, y = load_iris(return_X_y=True)
    psem = make_kmex(lambda X: np.tanh(X[:, :3] - 4), n_prototypes=2)
    found = contrast(psem.fit(X, y), X)
    assert found.space == "embed"
    assert found.contributions.shape == (150, 3)
    check_sum(psem, X, found)


def table_of_six(n_rows=1500):
    """The class depends on two of six columns."""
    X = np.random.default_rng(0).normal(size=(n_rows, 6))
    return X, X[:, 0] + X[:, 1] > 0


def trained_torch(X, y):
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    network = torch.nn.Sequential(
        torch.nn.Linear(6, 32), torch.nn.Tanh(), torch.nn.Linear(32, 2)
    )
    optimizer = torch.optim.Adam(network.parameters(), 0.02, weight_decay=1e-3)
    rows, labels = torch.as_tensor(X).float(), torch.as_tensor(y).long()
    for _ in range(200):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(network(rows), labels).backward()
        optimizer.step()
    return network


def trained_mlp(X, y):
    how = {"alpha": 0.01, "max_iter": 300, "random_state": 0}
    return MLPClassifier((16, 8), **how).fit(X, y)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("train", [trained_mlp, trained_torch])
def test_the_columns_that_a_network_reads_lead(train):
    X, y = table_of_six()
    psem = make_kmex(train(X, y), n_prototypes=2, random_state=0).fit(X, y)
    found = contrast(psem, X[:300])
    assert (found.space, found.method) == ("input", "integrated_gradients")
    leading = np.argsort(-np.abs(found.contributions), axis=1)[:, :2]
    assert (np.sort(leading, axis=1) == [0, 1]).all(axis=1).mean() >= 0.95
    total = found.contributions.sum(axis=1) + found.base
    scale = np.abs(found.contributions).sum(axis=1)
    assert (np.abs(total - found.margin) <= 2e-3 * scale).all()
    assert_allclose(found.error, np.abs(total - found.margin), atol=1e-4)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("sparse_output", [False, True])
def test_a_network_behind_steps_is_explained_in_columns(sparse_output, tmp_path):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {"age": rng.normal(40, 9, 200), "job": rng.choice(["a", "b", "c"], 200)}
    )
    y = (frame["age"] > 40) ^ (frame["job"] == "a")
    before = ColumnTransformer(
        [
            ("number", StandardScaler(), ["age"]),
            ("text", OneHotEncoder(sparse_output=sparse_output), ["job"]),
        ],
        sparse_threshold=float(sparse_output),
    )
    mlp = MLPClassifier((9, 6), alpha=0.1, max_iter=900, random_state=0)
    model = make_pipeline(before, mlp).fit(frame, y)
    psem = make_kmex(model, n_prototypes=2, random_state=0).fit(frame, y)
    found = contrast(psem, frame)
    assert found.feature_names.tolist() == ["age", "job"]
    total = found.contributions.sum(axis=1) + found.base
    assert_allclose(total, found.margin, rtol=1e-6, atol=1e-6)
    assert found.values[0, 1] == frame["job"][0]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_network_on_words():
    texts, y = ["good film", "bad film", "good plot", "bad plot"] * 9, [1, 0] * 18
    mlp = MLPClassifier((8,), alpha=0.1, max_iter=500, random_state=0)
    model = make_pipeline(TfidfVectorizer(), mlp).fit(texts, y)
    psem = make_kmex(model, n_prototypes=1, random_state=0).fit(texts, y)
    assert (psem.predict(texts) == y).all()
    X = model[0].transform(texts)
    of_words = make_kmex(mlp, n_prototypes=1, random_state=0).fit(X, y)
    assert_array_equal(of_words.predict(X), y)
    found = contrast(of_words, X)
    words = model[0].get_feature_names_out()
    leading = np.argsort(-np.abs(found.contributions), axis=1)[:, :2]
    assert all(set(words[two]) == {"good", "bad"} for two in leading)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_cached_network_has_its_reference(tmp_path):
    X, y = table_of_six(100)
    mlp = trained_mlp(X, y)
    how = {"n_prototypes": 2, "random_state": 0}
    cached = make_kmex(mlp, memory=str(tmp_path), **how).fit(X, y)
    plain = make_kmex(mlp, **how).fit(X, y)
    expected = contrast(plain, X)
    assert_allclose(contrast(cached, X).contributions, expected.contributions)
    assert_array_equal(plain[0].reference_, cached[0].embedder_.reference_)


def test_a_linear_encoder_behind_a_cache_is_walked_through(tmp_path):
    X, y = load_iris(return_X_y=True)
    psem = make_kmex(PCA(2).fit(X), n_prototypes=2, memory=str(tmp_path)).fit(X, y)
    found = contrast(psem, X)
    assert found.space == "input"
    check_sum(psem, X, found)


def test_words_of_texts_stay_sparse():
    texts = ["red apple pie", "red cherry pie", "old blue car", "fast blue car"]
    psem = make_pipeline(TfidfVectorizer(), KMExClassifier(1, temperature=1.0))
    found = contrast(psem.fit(texts, ["food", "food", "car", "car"]), texts)
    assert found.space == "tfidfvectorizer"
    check_sum(psem, texts, found)
    words = {"red", "apple", "pie", "cherry", "old", "blue", "car", "fast"}
    assert set(found.feature_names) == words
    assert found[0].frame()["feature"][0] in {"red", "apple", "pie"}


def test_sparse_rows_are_walked_through():
    rng = np.random.RandomState(0)
    X = sparse.random(60, 300, density=0.05, format="csr", random_state=rng)
    y = np.arange(60) % 3
    for steps in (
        (MaxAbsScaler(),),
        (TruncatedSVD(4),),
        (MaxAbsScaler(), VarianceThreshold(0.02)),
        (Normalizer(),),
    ):
        psem = make_pipeline(*steps, kmex()).fit(X, y)
        found = contrast(psem, X[:4])
        assert found.space == "input"
        assert found.contributions.shape == (4, 300)
        check_sum(psem, X[:4], found)
    psem = kmex(metric="cosine").fit(X, y)
    found = contrast(psem, X[:4])
    assert found.space == "input"
    assert_allclose(found.contributions, margins(psem, X[:4], found), atol=1e-9)


def test_text_in_a_column_of_its_own():
    X = pd.DataFrame({"t": ["a b", "b c", "x y", "y z"], "n": [1.0, 2, 8, 9]})
    word = TfidfVectorizer(token_pattern=r"\w")
    columns = ColumnTransformer([("t", word, "t"), ("n", StandardScaler(), ["n"])])
    psem = make_pipeline(columns, KMExClassifier(1, temperature=1.0))
    found = contrast(psem.fit(X, [0, 0, 1, 1]), X)
    assert found.space == "input"
    assert found.feature_names.tolist() == ["t", "n"]
    check_sum(psem, X, found)


ENCODERS = {
    "plain": OneHotEncoder(),
    "dense": OneHotEncoder(sparse_output=False, handle_unknown="ignore"),
    "dropped": OneHotEncoder(drop="first"),
    "binary": OneHotEncoder(drop="if_binary"),
    "infrequent": OneHotEncoder(
        min_frequency=100, handle_unknown="infrequent_if_exist"
    ),
    "imputed": make_pipeline(
        SimpleImputer(strategy="most_frequent"), OneHotEncoder(handle_unknown="ignore")
    ),
    "codes": OrdinalEncoder(),
}


@pytest.mark.parametrize("name", ENCODERS)
def test_census_comes_back_in_its_own_columns(load_data, name):
    data = load_data("tab_adult.npz")
    numeric, named = data["num_names"].tolist(), data["cat_names"].tolist()
    columns = {n: data["num_train"][:2000, j] for j, n in enumerate(numeric)}
    for j, n in enumerate(named):
        columns[n] = data[f"levels_{n}"][data["cat_train"][:2000, j]].astype(object)
    X, y = pd.DataFrame(columns), data["y_train"][:2000]
    both = ColumnTransformer(
        [("numbers", StandardScaler(), numeric), ("text", ENCODERS[name], named)]
    )
    psem = make_pipeline(both, KMExClassifier(5, random_state=0)).fit(X, y)
    found = contrast(psem, X.iloc[:30])
    assert found.space == "input"
    assert found.feature_names.tolist() == numeric + named
    check_sum(psem, X.iloc[:30], found)
    assert_array_equal(found.values, X.iloc[:30].to_numpy())
    alone = contrast(psem, X.iloc[5:6])
    assert_allclose(alone.contributions, found[5].contributions, rtol=1e-6, atol=1e-9)
    if name in ("plain", "imputed"):
        sex = found.prototype_values[:, found.feature_names.tolist().index("sex")]
        assert set(sex) <= {"Male", "Female"}
    again = Contrast.from_json(found.to_json())
    assert_array_equal(again.contributions, found.contributions, strict=True)
    assert json.loads(found.to_json())["fields"]["space"] == "input"


def test_polars_frames(wine):
    pl = pytest.importorskip("polars")
    X, y = wine
    X = pl.DataFrame({name: X[name].to_numpy() for name in X.columns})
    X = X.with_columns(kind=pl.Series(["a", "b"] * 89), size=pl.Series(["s", "l"] * 89))
    both = ColumnTransformer(
        [
            ("k", OneHotEncoder(), ["kind", "size"]),
            ("n", StandardScaler(), ["ash", "hue"]),
        ]
    )
    psem = make_pipeline(both, kmex()).fit(X, y)
    found = contrast(psem, X[:5])
    assert found.space == "input"
    assert found.feature_names.tolist() == X.columns
    check_sum(psem, X[:5], found)


METRICS = ["euclidean", "cosine", "mahalanobis", "cosine_mahalanobis"]


def test_mahalanobis_by_hand():
    psem = kmex(metric="mahalanobis").fit(
        [[0, 0], [1, 0], [4, 4], [5, 4]], [0, 0, 1, 1]
    )
    psem.prototypes_ = np.array([[0.0, 0.0], [9.0, 0.0], [2.0, 0.0], [0.0, 9.0]])
    psem.metric_map_ = np.array([[1.0, 0.0], [1.0, 1.0]])  # M is [[1, 1], [1, 2]]
    found = contrast(psem, [[0.0, 1.0]])
    # Slope 2 M (-2, 0), shift (0, 1) - (1, 0); distances 1 + 1, and (-1)^2 + 1.
    assert_allclose(found.contributions, [[4, -4]])
    assert_allclose(found.margin, 0, atol=1e-12)


def test_mahalanobis_is_one_more_affine_step(wine):
    X, y = wine
    psem = make_pipeline(StandardScaler(), kmex(metric="mahalanobis")).fit(X, y)
    found = contrast(psem, X)
    of_map = psem[1].metric_map_
    mapped = FunctionTransformer(lambda Z: np.asarray(Z) @ of_map)
    other = make_pipeline(StandardScaler(), mapped, kmex()).fit(X, y)
    other[-1].prototypes_ = psem[1].prototypes_ @ of_map
    wanted = contrast(other, X)
    assert_array_equal(wanted.prototypes, found.prototypes)
    assert_allclose(found.contributions, wanted.contributions, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("metric", ["cosine", "cosine_mahalanobis"])
def test_cosine_is_a_division_before(wine, metric):
    X, y = wine
    euclidean = {"cosine": "euclidean", "cosine_mahalanobis": "mahalanobis"}[metric]
    found = contrast(make_pipeline(StandardScaler(), kmex(metric=metric)).fit(X, y), X)
    steps = StandardScaler(), Normalizer(), kmex(metric=euclidean)
    wanted = contrast(make_pipeline(*steps).fit(X, y), X)
    assert found.space == "input"
    assert_allclose(found.contributions, wanted.contributions, rtol=1e-6, atol=1e-8)
    assert_allclose(
        found.prototype_values.astype(float), wanted.prototype_values.astype(float)
    )


BEFORE = {
    "nothing": lambda: "passthrough",
    "scaler": StandardScaler,
    "pca": lambda: PCA(3),
    "both": lambda: make_pipeline(StandardScaler(), PCA(2)),
    "rows": lambda: make_pipeline(StandardScaler(), Normalizer()),
    "one-hot": lambda: ColumnTransformer(
        [("k", OneHotEncoder(), ["kind"])], remainder=StandardScaler()
    ),
}


@pytest.mark.parametrize("before", BEFORE)
@pytest.mark.parametrize("metric", METRICS)
@given(seed=st.integers(0, 1000), similarity=st.sampled_from(["log", "gaussian"]),
       priors=st.sampled_from(["uniform", "class", "prototype"]),
       dtype=st.sampled_from([np.float32, np.float64]))  # fmt: skip
def test_parts_sum_to_the_margin_in_each_metric(
    before, metric, seed, similarity, priors, dtype
):
    rng = np.random.RandomState(seed)
    y = rng.permutation(np.repeat([0, 1], [40, 20]))
    X = rng.gamma(2, size=(60, 4)) + y[:, np.newaxis] * rng.normal(size=4)
    X = pd.DataFrame(X.astype(dtype), columns=list("abcd"))
    if before == "one-hot":
        X["kind"] = rng.choice(["x", "y", "z"], 60)
    sem = kmex(metric=metric, similarity=similarity, priors=priors)
    psem = make_pipeline(BEFORE[before](), sem).fit(X, y)
    found = contrast(psem, X)
    assert found.space == "input"
    wanted = margins(psem, X, found).sum(axis=1)
    scale = np.abs(found.contributions).sum(axis=1)
    precision = 1e-9 if dtype == np.float64 else 1e-4
    for total in (found.margin, found.contributions.sum(axis=1)):
        assert (np.abs(total - wanted) <= precision * scale).all()
    clear = np.abs(wanted) > precision * scale
    assert (found.similarity_margin * wanted >= 0)[clear].all()
    scores = psem.decision_function(X)
    weighted = found.similarity_margin + found.weight_margin
    assert_allclose(weighted, np.abs(scores), rtol=1e-4, atol=1e-4)
    if similarity == "gaussian":
        total = found.margin + found.weight_contribution
        assert_allclose(total, 2 * np.abs(scores), rtol=1e-3, atol=1e-3)
    else:
        differ = found.weight_margin != 0
        assert_array_equal(np.isnan(found.weight_contribution), differ)


@pytest.mark.parametrize("similarity", ["log", "gaussian"])
def test_weights_that_decide_are_named(similarity):
    X, y = np.array([[0.0]] * 99 + [[2.0]]), ["often"] * 99 + ["rarely"]
    psem = KMExClassifier(1, priors="class", similarity=similarity, temperature=1.0)
    found = contrast(psem.fit(X, y), [[0.0], [1.001], [2.0]])
    assert found.decided_by_weights.tolist()[:2] == [False, True]
    assert_allclose(found.margin[1], 0.999**2 - 1.001**2)
    assert_allclose(np.abs(found.weight_margin), np.log(99))
    usual = contrast(psem.set_params(priors="uniform").fit(X, y), [[0.0], [1.001]])
    assert_array_equal(usual.weight_margin, 0)
    assert_array_equal(usual.weight_contribution, 0)
    assert not usual.decided_by_weights.any()
    again = Contrast.from_json(found.to_json())
    assert_array_equal(again.weight_contribution, found.weight_contribution)
    table = found.frame()
    assert_allclose(table["weight_margin"], found.weight_margin)
    assert "weights decide" in found.to_markdown()
    assert "weights" not in usual.to_markdown()


STEPS = [
    StandardScaler, MinMaxScaler, RobustScaler, PowerTransformer,
    lambda: PCA(2), lambda: PCA(2, whiten=True), lambda: TruncatedSVD(2),
    lambda: SplineTransformer(3, degree=2), Normalizer, lambda: PolynomialFeatures(2),
    lambda: FeatureUnion([("a", PCA(2)), ("b", MinMaxScaler())]),
    lambda: ColumnTransformer(
        [("a", StandardScaler(), [0]), ("b", PCA(1), [0, 1])], remainder="passthrough"
    ),
    VarianceThreshold,
]  # fmt: skip


@pytest.mark.filterwarnings("ignore")  # of steps that meet constant columns
@given(
    steps=st.lists(st.sampled_from(STEPS), max_size=4, unique=True),
    seed=st.integers(0, 1000),
    n_samples=st.integers(1, 5),
)
def test_any_pipeline_keeps_the_sum(steps, seed, n_samples):
    rng = np.random.RandomState(seed)
    X = rng.gamma(2, size=(60, 4)) + rng.normal(size=4)
    y = np.arange(60) % 2
    psem = make_pipeline(*(step() for step in steps), kmex())
    psem.fit(X, y)
    found = contrast(psem, X[:n_samples])
    check_sum(psem, X[:n_samples], found)
    if set(steps) <= {*STEPS[:3], *STEPS[4:7], Normalizer, VarianceThreshold}:
        assert found.space == "input"


def test_a_step_that_knows_no_names_and_a_frozen_one_inside(wine):
    X, y = wine
    frozen = FrozenEstimator(StandardScaler().fit(X[["ash", "hue"]]))
    both = ColumnTransformer([("f", frozen, ["ash", "hue"])], remainder="passthrough")
    psem = make_pipeline(both, kmex()).fit(X, y)
    found = contrast(psem, X)
    assert found.space == "input"
    check_sum(psem, X, found)
    psem = make_pipeline(FunctionTransformer(np.square), kmex()).fit(X.to_numpy(), y)
    found = contrast(psem, X.to_numpy())
    assert found.space == "functiontransformer"
    assert found.feature_names[12] == "x12"


@pytest.mark.parametrize("name", ["labels", "against"])
def test_labels_of_another_number_than_the_samples(wine, name):
    X, y = wine
    psem = kmex().fit(X, y)
    words = rf"{name} must be one label, or .* {len(X)} samples; .* shape \(2,\)"
    with pytest.raises(ValueError, match=words):
        contrast(psem, X, **{name: [1, 2]})


def test_labels_to_speak_for_and_against(wine):
    X, y = wine
    psem = make_pipeline(StandardScaler(), kmex()).fit(X, y)
    usual = contrast(psem, X)
    assert_array_equal(usual.labels, psem.predict(X))
    assert (usual.margin > 0).all()
    turned = contrast(psem, X, labels=usual.against, against=usual.labels)
    assert_allclose(turned.contributions, -usual.contributions, atol=1e-9)
    assert (contrast(psem, X, labels=1).labels == 1).all()
    with pytest.raises(
        ValueError, match=r"another class .*; got 1 for both at sample 2"
    ):
        contrast(psem, X, labels=[0, 0, 1] + [0] * (len(X) - 3), against=1)
    with pytest.raises(ValueError, match=r"among the classes of psem.*unknown: \[9\]"):
        contrast(psem, X, against=9)


def test_frame(wine):
    X, y = wine
    found = contrast(make_pipeline(StandardScaler(), kmex()).fit(X, y), X)[[3, 8]]
    table = found.frame()
    assert len(table) == 26
    assert table["sample"].tolist() == [3] * 13 + [8] * 13
    for sample, rows in table.groupby("sample"):
        assert (rows["contribution"].abs().diff().dropna() <= 0).all()
        assert set(rows["feature"]) == set(X.columns)
        first = rows.iloc[0]
        assert first["value"] == X.loc[sample, first["feature"]]
    sums = table.groupby("sample")["contribution"].sum()
    assert_allclose(sums, found.margin)
    assert len(found[[]].frame()) == 0


def test_html(wine):
    X, y = wine
    X = X.rename(columns={"hue": "<b>hue"})
    found = contrast(kmex().fit(X, y), X)
    assert "<b>" not in found._repr_html_()
    assert "158 more samples" in found._repr_html_()
    assert "<bdi>proline</bdi> = <bdi>1065</bdi>: +" in found._repr_html_()
