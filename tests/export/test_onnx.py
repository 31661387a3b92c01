"""to_onnx: onnxruntime returns labels, probabilities and nearest prototypes."""

import json
import subprocess
import sys

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from saved import make_models
from scipy import sparse
from served import RULES, SETTINGS, assert_same, embed, fit_rule, four_digits
from sklearn.base import clone
from sklearn.cluster import AgglomerativeClustering, BisectingKMeans
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_iris
from sklearn.decomposition import PCA
from sklearn.ensemble import (
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import NearestCentroid
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier

from sklearn_kmex import KMExClassifier, RejectingClassifier, make_kmex
from sklearn_kmex.embedding import TreeEmbedder
from sklearn_kmex.export import to_onnx

pytest.importorskip("skl2onnx")
onnxruntime = pytest.importorskip("onnxruntime")

# What skl2onnx and torch deprecate in themselves.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def serve(graph, X):
    session = onnxruntime.InferenceSession(graph.SerializeToString())
    rows = {"X": X} if not hasattr(X, "columns") else columns(X)
    return session.run(None, rows)


def columns(frame):
    return {name: frame[[name]].to_numpy() for name in frame}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", SETTINGS)
def test_the_classifier(name, dtype, digits):
    X, X_test, y, _ = digits
    X, X_test = X.astype(dtype), X_test.astype(dtype)
    psem = KMExClassifier(**{"n_prototypes": 3, "random_state": 0, **SETTINGS[name]})
    psem.fit(X, y)
    answers = serve(to_onnx(psem, X, n_prototypes=4), X_test)
    assert answers[1].dtype == answers[3].dtype == dtype
    assert_same(answers, psem, X_test)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("rule", RULES, ids="-".join)
def test_every_rule(rule, dtype, digits):
    X, y, X_test = four_digits(digits, dtype)
    psem = fit_rule(rule, X, y)
    answers = serve(to_onnx(psem, X, n_prototypes=4), X_test)
    assert answers[1].dtype == answers[3].dtype == dtype
    assert_same(answers, psem, X_test)
    assert_array_equal(answers[1].argmax(axis=1), answers[0])


@pytest.mark.parametrize("temperature", [1e4, 1e12])
@pytest.mark.parametrize("aggregation", ["max", "sum"])
def test_scores_decide_before_they_are_rounded(aggregation, temperature):
    """In float32, all scores of these rows are equal."""
    X = np.array([[0.0, 1], [0, 3], [0, -1], [0, -3]], dtype=np.float32)
    psem = KMExClassifier(
        2, similarity="gaussian", aggregation=aggregation, temperature=temperature
    ).fit(X, [1, 1, 0, 0])
    beside = np.linspace(-0.5, 0.5, 20, dtype=np.float32)
    rows = np.stack([np.full(20, 1e6, dtype=np.float32), beside], axis=1)
    label, chances, *_ = serve(to_onnx(psem, X), rows)
    assert_array_equal(label, beside > 0)
    assert_array_equal(chances.argmax(axis=1), label)
    assert_array_equal(psem.predict(rows), label)
    assert_allclose(chances, psem.predict_proba(rows), rtol=1e-4)


def test_parameters_that_were_chosen(digits):
    X, y, X_test = four_digits(digits)
    names = ("metric", "similarity", "aggregation", "priors")
    chosen = dict.fromkeys(names, "auto")
    psem = KMExClassifier(2, **chosen, n_init=1, random_state=0).fit(X, y)
    graph = to_onnx(psem, X)
    assert_same(serve(graph, X_test), psem, X_test)
    session = onnxruntime.InferenceSession(graph.SerializeToString())
    rule = json.loads(session.get_modelmeta().custom_metadata_map["rule"])
    assert rule == {name: getattr(psem, f"{name}_") for name in names}


@pytest.mark.parametrize("metric", ["cosine", "cosine_mahalanobis"])
@pytest.mark.filterwarnings("ignore:X has rows of zeros")
def test_rows_of_zeros_are_compared_as_they_are(metric, digits):
    X, y, X_test = four_digits(digits)
    psem = fit_rule((metric, "class", "log", "max"), X, y)
    rows = np.concatenate([X_test[:3], np.zeros((2, 64)), X_test[3:] * 1e-200])
    assert_same(serve(to_onnx(psem, X), rows), psem, rows)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("aggregation", ["max", "sum"])
def test_classes_with_different_numbers_of_prototypes(aggregation, dtype, digits):
    X, X_test, y, _ = digits
    X, X_test = X.astype(dtype), X_test.astype(dtype)
    kept = (y < 5) | (np.arange(len(y)) % 3 == 0)
    psem = KMExClassifier(0.05, aggregation=aggregation, random_state=0)
    psem.fit(X[kept], y[kept])
    assert len(set(psem.n_prototypes_.tolist())) > 1
    assert_same(serve(to_onnx(psem, X), X_test), psem, X_test)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("offset", [1e4, -1e4])
def test_a_large_common_offset_costs_no_digits(offset, dtype, digits):
    X, X_test, y, _ = ((x + offset).astype(dtype) if x.ndim > 1 else x for x in digits)
    psem = KMExClassifier(3, random_state=0).fit(X, y)
    graph = to_onnx(psem, X)
    assert_same(serve(graph, X_test), psem, X_test)
    assert_same(serve(graph, X), psem, X)


def test_a_row_that_is_a_prototype_is_at_no_distance(digits):
    X, _, y, _ = digits
    X = X.astype(np.float32) + 1000
    psem = KMExClassifier(2, prototype="medoid", epsilon=1e-8, random_state=0)
    psem.fit(X, y)
    own = X[psem.prototype_indices_]
    _, _, prototypes, similarities = serve(to_onnx(psem, X, n_prototypes=1), own)
    assert_array_equal(prototypes[:, 0], np.arange(len(own)))
    assert_allclose(similarities, -np.log(1e-8), rtol=1e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("aggregation", ["max", "sum"])
def test_rows_between_two_prototypes_fall_to_the_same_side(dtype, aggregation, digits):
    X, _, y, _ = digits
    X = X.astype(dtype)
    psem = KMExClassifier(
        2, prototype="medoid", aggregation=aggregation, temperature=9.0, random_state=0
    ).fit(X, y)
    P = psem.prototypes_  # whole numbers: the rows between are as near to both
    between = ((P[:, np.newaxis] + P) / 2).reshape(-1, P.shape[1])
    beside = between + 1e-4 * np.random.RandomState(0).normal(size=between.shape)
    rows = np.concatenate([between, beside.astype(dtype)])
    answers = serve(to_onnx(psem, X, n_prototypes=1), rows)
    assert_array_equal(answers[0], psem.predict(rows))
    assert_allclose(answers[1], psem.predict_proba(rows), rtol=0, atol=1e-5)
    assert_allclose(answers[3][:, 0], psem.score_samples(rows), rtol=1e-4)


def test_probabilities_are_right_however_sharp(digits):
    """A temperature so low that the rounding of one product would show."""
    X, X_test, y, _ = (x.astype(np.float32) for x in digits)
    for temperature in (1e-3, 1e-5, 1e-7):
        psem = KMExClassifier(5, temperature=temperature, random_state=0).fit(X, y)
        answers = serve(to_onnx(psem, X), X_test)
        assert_array_equal(answers[0], psem.predict(X_test))
        assert_allclose(answers[1], psem.predict_proba(X_test), rtol=0, atol=1e-4)


@pytest.mark.parametrize("n_features", [1, 2, 4, 16])
def test_probabilities_are_right_in_few_features(n_features):
    """There rounding comes nearer to its bound than in sums of many terms."""
    rng = np.random.RandomState(0)
    modes = 10 * rng.normal(size=(8, n_features))
    X = modes[rng.randint(8, size=4000)] + 0.5 * rng.normal(size=(4000, n_features))
    X, y = X.astype(np.float32), rng.randint(3, size=4000)
    psem = KMExClassifier(10, temperature=0.1, random_state=0).fit(X, y)
    answers = serve(to_onnx(psem, X), X)
    assert_array_equal(answers[0], psem.predict(X))
    assert_allclose(answers[1], psem.predict_proba(X), rtol=0, atol=1e-4)


def test_rows_far_away_and_of_no_difference(digits):
    X, _, y, _ = digits
    X = X.astype(np.float32)
    psem = KMExClassifier(2, random_state=0, temperature=1.0).fit(X, y)
    far = X[:50] * np.logspace(0, 8, 50, dtype=np.float32)[:, np.newaxis]
    _, chances, _, similarities = serve(to_onnx(psem, X, n_prototypes=1), far)
    assert_allclose(chances, psem.predict_proba(far), atol=1e-6)
    assert_allclose(similarities[:, 0], psem.score_samples(far), rtol=1e-5)


@pytest.mark.parametrize("kind", ["int8", "bool", "text", "object", "float"])
def test_labels_are_of_their_kind(kind, digits):
    X, X_test, y, _ = digits
    made = {
        "int8": (y.astype(np.int8), np.int64),
        "bool": (y > 4, np.bool_),
        "text": (np.char.add("größe ", y.astype(str)), np.object_),
        "object": (y.astype(str).astype(object), np.object_),
        "float": (y.astype(np.float32), np.float64),
    }
    labels, dtype = made[kind]
    psem = KMExClassifier(2, random_state=0).fit(X, labels)
    graph = to_onnx(psem, X)
    answers = serve(graph, X_test)
    assert answers[0].dtype == dtype
    assert_same(answers, psem, X_test)
    told = {part.key: json.loads(part.value) for part in graph.metadata_props}
    assert told["classes"] == psem.classes_.tolist()


def test_labels_without_a_type_in_onnx_are_refused(digits):
    X, _, y, _ = digits
    psem = KMExClassifier(1).fit(X, y.astype("datetime64[D]"))
    with pytest.raises(TypeError, match=r"classes_ must be .* got datetime64\[D\]"):
        to_onnx(psem, X)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("aggregation", ["max", "sum"])
@pytest.mark.parametrize("priors", ["uniform", "prototype"])
def test_a_stream_that_waits_for_a_class(priors, aggregation, dtype, digits):
    X, X_test, y, _ = digits
    X, X_test, seen = X.astype(dtype), X_test.astype(dtype), y < 8
    psem = KMExClassifier(2, aggregation=aggregation, priors=priors, random_state=0)
    psem.partial_fit(X[seen], y[seen], classes=np.arange(10))
    answers = serve(to_onnx(psem, X), X_test)
    assert_same(answers, psem, X_test)
    assert not answers[1][:, 8:].any()


@pytest.mark.parametrize("name", ["kmex", "scaled", "mlp", "behind", "forest"])
def test_whole_pipelines(name, digits):
    X, X_test, y, _ = digits
    psem = make_models(X, y)[name][0].fit(X, y)
    assert_same(serve(to_onnx(psem, X), X_test), psem, X_test)


@pytest.mark.parametrize("activation", ["identity", "logistic", "tanh", "relu"])
def test_networks_of_float32_stay_float32(activation):
    X, y = load_iris(return_X_y=True)
    X = X.astype(np.float32)
    mlp = MLPClassifier(
        (8, 6), activation=activation, max_iter=4000, tol=1e-2, random_state=0
    )
    psem = make_kmex(mlp.fit(X, y), layer=0, n_prototypes=2, random_state=0).fit(X, y)
    answers = serve(to_onnx(psem, X), X)
    assert answers[1].dtype == np.float32
    assert_same(answers, psem, X)


@pytest.mark.parametrize(
    "kind", [ExtraTreesClassifier, GradientBoostingClassifier, RandomForestRegressor]
)
@pytest.mark.parametrize("leaves", ["value", "identity"])
def test_ensembles_of_trees(kind, leaves, digits):
    X, X_test, y, _ = digits
    # Halves of float32 are where thresholds lie: the sides must be the same.
    X, X_test = (x.astype(np.float32) / 3 for x in (X, X_test))
    ensemble = kind(n_estimators=8, max_depth=5, random_state=0).fit(X, y)
    embedder = TreeEmbedder(ensemble, leaves=leaves)
    psem = make_kmex(embedder, n_prototypes=2, random_state=0).fit(X, y)
    both = np.concatenate([X, X_test])
    assert_same(serve(to_onnx(psem, X), both), psem, both, atol=1e-6)


def test_a_tree_and_missing_values():
    X, y = load_iris(return_X_y=True)
    X[::7, 2] = np.nan
    tree = DecisionTreeClassifier(min_samples_leaf=5, random_state=0).fit(X, y)
    psem = make_kmex(tree, n_prototypes=1, random_state=0).fit(X, y)
    assert_same(serve(to_onnx(psem, X), X), psem, X)


def test_frames_have_an_input_for_each_column():
    pd = pytest.importorskip("pandas")
    rng = np.random.RandomState(0)
    frame = pd.DataFrame(
        {
            "age": rng.normal(50, 9, 300),
            "size": rng.normal(0, 1, 300).astype(np.float32),
            "kind": rng.choice(["a", "b", "c"], 300).astype(object),
        }
    )
    y = (frame["age"] + 9 * (frame["kind"] == "a") > 52).to_numpy()
    encode = make_column_transformer(
        (StandardScaler(), ["age", "size"]),
        (OneHotEncoder(sparse_output=False), ["kind"]),
    )
    psem = make_pipeline(encode, KMExClassifier(4, random_state=0)).fit(frame, y)
    graph = to_onnx(psem, frame)
    assert [part.name for part in graph.graph.input] == ["age", "size", "kind"]
    assert_same(serve(graph, frame), psem, frame)
    alone = KMExClassifier(4, random_state=0).fit(frame[["age", "size"]], y)
    numbers = frame[["age", "size"]]
    assert_same(serve(to_onnx(alone, numbers), numbers), alone, numbers)


def test_a_table_with_categories_as_users_have_it(load_data):
    adult = load_data("tab_adult.npz")
    X, X_test = (
        np.hstack([adult[f"num_{part}"], adult[f"cat_{part}"]]).astype(np.float64)
        for part in ("train", "test")
    )
    encode = make_column_transformer(
        (StandardScaler(), slice(0, 6)),
        (OneHotEncoder(handle_unknown="ignore", sparse_output=False), slice(6, 14)),
    )
    kmex = KMExClassifier(5, n_init=1, priors="class", random_state=0)
    psem = make_pipeline(encode, kmex).fit(X[:8000], adult["y_train"][:8000])
    assert_same(serve(to_onnx(psem, X), X_test), psem, X_test, atol=1e-9)


def test_batches_of_any_size_and_a_stated_opset(digits):
    X, X_test, y, _ = digits
    psem = make_pipeline(StandardScaler(), KMExClassifier(2)).fit(X, y)
    graph = to_onnx(psem, X)
    assert {part.domain: part.version for part in graph.opset_import} == {
        "": 18,
        "ai.onnx.ml": 3,
    }
    assert graph.graph.input[0].type.tensor_type.shape.dim[0].dim_param == "n_samples"
    assert graph.ir_version == 8
    whole = serve(graph, X_test)
    for rows in (slice(0, 0), slice(0, 1), slice(7, 300)):
        for part, all_rows in zip(serve(graph, X_test[rows]), whole, strict=True):
            assert_allclose(part, all_rows[rows], rtol=1e-12)


def test_metadata_describe_the_classes_and_prototypes(digits):
    X, _, y, _ = digits
    psem = KMExClassifier(2, random_state=0).fit(X, y)
    session = onnxruntime.InferenceSession(to_onnx(psem, X).SerializeToString())
    told = session.get_modelmeta().custom_metadata_map
    told = {name: json.loads(text) for name, text in told.items()}
    assert told["prototype_indices"] == psem.prototype_indices_.tolist()
    assert told["prototype_classes"] == psem.prototype_classes_.tolist()
    assert told["prototype_counts"] == psem.prototype_counts_.tolist()
    assert told["parameters"]["n_prototypes"] == "2"
    assert told["versions"]["numpy"] == np.__version__


SERVE = """
import json, sys
class Only:
    def find_spec(name, path=None, target=None):
        if name.partition(".")[0] in {"sklearn", "torch", "sklearn_kmex", "scipy"}:
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Only)
import numpy as np, onnxruntime
answers = []
X = np.load(sys.argv[1])
for path in sys.argv[2:]:
    session = onnxruntime.InferenceSession(path)
    rows = json.loads(session.get_modelmeta().custom_metadata_map["prototype_indices"])
    label, chances, prototypes, _ = session.run(None, {"X": X})
    looks_like = [rows[i] for i in prototypes[:, 0]]
    answers.append([label.tolist(), looks_like, chances.tolist()])
print(json.dumps(answers))
"""


def serve_elsewhere(psems, X, folder):
    """Serve models in a process that has only onnxruntime and numpy."""
    np.save(folder / "rows.npy", X)
    for name, psem in psems.items():
        (folder / name).write_bytes(to_onnx(psem, X).SerializeToString())
    paths = [folder / "rows.npy", *(folder / name for name in psems)]
    command = [sys.executable, "-W", "error", "-c", SERVE, *paths]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return dict(zip(psems, json.loads(printed), strict=True))


def test_onnxruntime_alone_names_the_training_row(digits, tmp_path):
    X, X_test, y, _ = digits
    psems = {
        name: model.fit(X, y)
        for name, (model, _) in make_models(X, y).items()
        if name != "careful"  # which has no converter
    }
    answers = serve_elsewhere(psems, X_test, tmp_path)
    for name, (labels, looks_like, chances) in answers.items():
        psem = psems[name]
        assert labels == psem.predict(X_test).tolist()
        assert_allclose(chances, psem.predict_proba(X_test), rtol=0, atol=1e-6)
        kmex, Z = embed(psem, X_test)
        nearest = kmex.nearest_prototypes(Z)[1][:, 0]
        assert looks_like == kmex.prototype_indices_[nearest].tolist()


def test_tables_are_exported_without_torch():
    code = """
import sys
class No:
    def find_spec(name, path=None, target=None):
        if name.partition(".")[0] in {"torch", "onnxscript"}:
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, No)
from sklearn.datasets import load_iris
from sklearn_kmex import KMExClassifier
from sklearn_kmex.export import to_onnx, to_torch
X, y = load_iris(return_X_y=True)
psem = KMExClassifier(2).fit(X, y)
print(len(to_onnx(psem, X).graph.output))
try:
    to_torch(psem)
except ImportError as error:
    print(error)
"""
    command = [sys.executable, "-c", code]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert printed.splitlines() == [
        "4",
        "to_torch requires torch. Install it with `pip install sklearn-kmex[torch]`.",
    ]


def test_a_cache_is_left_out(digits, tmp_path):
    X, X_test, y, _ = digits
    psem = make_kmex(PCA(8).fit(X), memory=tmp_path, n_prototypes=2).fit(X, y)
    assert_same(serve(to_onnx(psem, X), X_test), psem, X_test)


def test_any_clusterer_is_supported(digits):
    X, X_test, y, _ = digits
    psem = KMExClassifier(2, clusterer=BisectingKMeans(random_state=0)).fit(X, y)
    assert_same(serve(to_onnx(psem, X), X_test), psem, X_test)
    with pytest.raises(ValueError, match="clusterer must have cluster_centers_"):
        KMExClassifier(2, clusterer=AgglomerativeClustering()).fit(X, y)


def test_error_names_a_step_without_a_converter(digits):
    X, _, y, _ = digits
    psem = make_kmex(FunctionTransformer(np.sqrt), n_prototypes=1).fit(X, y)
    before = vars(psem["kmex"]).copy()
    with pytest.raises(TypeError, match="that skl2onnx converts; of FunctionTransf"):
        to_onnx(psem, X)
    assert vars(psem["kmex"]) == before


def test_a_search_is_its_best_estimator_and_a_rejecting_classifier_is_refused(digits):
    X, X_test, y, _ = digits
    psem = make_pipeline(StandardScaler(), KMExClassifier(random_state=0))
    grid = {"kmexclassifier__n_prototypes": [1, 2]}
    search = GridSearchCV(psem, grid, cv=2).fit(X, y)
    assert_same(serve(to_onnx(search, X), X_test), search.best_estimator_, X_test)
    rejecting = RejectingClassifier(search.best_estimator_, cv=2).fit(X, y)
    with pytest.raises(TypeError, match=r"RejectingClassifier.* Export its estimator_"):
        to_onnx(rejecting, X)
    graph = to_onnx(rejecting.estimator_, X)
    assert_same(serve(graph, X_test), rejecting.estimator_, X_test)


def test_other_models_and_rows_are_refused(blobs):
    X, y = blobs
    other = NearestCentroid().fit(X, y)
    other.prototypes_, other.prototype_classes_ = other.centroids_, other.classes_
    other.transform = lambda X: X
    with pytest.raises(TypeError, match=r"a fitted KMExClassifier, .* got Nearest"):
        to_onnx(other, X)
    with pytest.raises(TypeError, match="must decide by prototypes"):
        to_onnx(LogisticRegression(), X)
    psem = KMExClassifier(1).fit(X, y)
    for wrong in (0, 1.5, "all"):
        with pytest.raises(ValueError, match=f"n_prototypes must .* got {wrong!r}"):
            to_onnx(psem, X, n_prototypes=wrong)
    with pytest.raises(ValueError, match=r"got ndarray of shape \(4,\)"):
        to_onnx(psem, X[0])
    with pytest.raises(ValueError, match=r"the 4 columns that KMExClassifier .* got 3"):
        to_onnx(psem, X[:, :3])
    with pytest.raises(ValueError, match=r"got csr_matrix of shape .* no sparse rows"):
        to_onnx(psem, sparse.csr_matrix(X))
    assert serve(to_onnx(psem, X, n_prototypes=99), X)[2].shape == (len(X), 3)


class TestTorch:
    """Models with a torch encoder."""

    @pytest.fixture
    def torch(self):
        pytest.importorskip("onnxscript")
        return pytest.importorskip("torch")

    def test_resnet20(self, load_data, torch):
        resnet20 = pytest.importorskip("resnet20")
        weights = load_data("resnet20_cifar10_weights.npz")
        train = load_data("cifar10_jpeg_train12k.npz")
        test = load_data("cifar10_jpeg_test10k.npz")
        X, y = resnet20.standardize(train["x"][:800]), train["y"][:800]
        X_test = resnet20.standardize(test["x"][:1000])
        psem = make_kmex(resnet20.load(weights), n_prototypes=3, random_state=0)
        psem.fit(X, train["class_names"][y])
        graph = to_onnx(psem, X)
        assert graph.graph.input[0].type.tensor_type.shape.dim[3].dim_value == 32
        assert_same(serve(graph, X_test), psem, X_test)

    def test_resnet20_in_a_process_without_torch(self, load_data, torch, tmp_path):
        resnet20 = pytest.importorskip("resnet20")
        weights = load_data("resnet20_cifar10_weights.npz")
        train = load_data("cifar10_jpeg_train12k.npz")
        X, y = resnet20.standardize(train["x"][:300]), train["y"][:300]
        psem = make_kmex(resnet20.load(weights), n_prototypes=2, random_state=0)
        answers = serve_elsewhere({"resnet20": psem.fit(X, y)}, X, tmp_path)
        labels, _, chances = answers["resnet20"]
        assert labels == psem.predict(X).tolist()
        assert_allclose(chances, psem.predict_proba(X), rtol=0, atol=1e-4)

    def test_steps_around_the_encoder(self, digits, torch):
        X, X_test, y, _ = (x.astype(np.float32) for x in digits)
        torch.manual_seed(0)
        layers = torch.nn.Linear(64, 32), torch.nn.ReLU(), torch.nn.Linear(32, 10)
        encoder = make_kmex(torch.nn.Sequential(*layers))["embed"]
        steps = StandardScaler(), encoder, PCA(8), KMExClassifier(3, random_state=0)
        psem = make_pipeline(*steps).fit(X, y)
        graph = to_onnx(psem, X)
        assert graph.ir_version == 8
        assert_same(serve(graph, X_test), psem, X_test)
        for rows in (X_test[:0], X_test[:1]):
            assert len(serve(graph, rows)[0]) == len(rows)

    def test_rows_that_are_images_and_a_preprocessing(self, digits, torch):
        from sklearn_kmex.embedding import TorchEmbedder

        X, X_test, y, _ = (x.astype(np.float32) for x in digits)
        torch.manual_seed(0)
        module = torch.nn.Sequential(
            torch.nn.Conv2d(1, 4, 3), torch.nn.Flatten(), torch.nn.Linear(144, 10)
        )
        psem = make_kmex(TorchEmbedder(module, "0", input_shape=(1, 8, 8)))
        psem.fit(X, y)
        assert_same(serve(to_onnx(psem, X), X_test), psem, X_test)

        def prepare(row):
            return torch.tensor(row / 16).reshape(1, 8, 8)

        psem = make_kmex(TorchEmbedder(module, preprocess=prepare)).fit(X, y)
        images = (X_test / 16).reshape(-1, 1, 8, 8)
        labels = serve(to_onnx(psem, X), images)[0]
        assert_array_equal(labels, psem.predict(X_test))

    def test_a_skorch_net(self, digits, torch):
        skorch = pytest.importorskip("skorch")
        X, X_test, y, _ = (x.astype(np.float32) for x in digits)
        net = skorch.NeuralNetClassifier(
            torch.nn.Sequential(torch.nn.Linear(64, 10)), max_epochs=1, verbose=0
        )
        net.fit(X, y.astype(np.int64))
        psem = make_kmex(net, layer="0", n_prototypes=2).fit(X, y)
        assert_same(serve(to_onnx(psem, X), X_test), psem, X_test)

    def test_errors_name_what_cannot_be_exported(self, digits, torch):
        from sklearn_kmex.embedding import TorchEmbedder

        X, _, y, _ = (x.astype(np.float32) for x in digits)

        class Named(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.head = torch.nn.Linear(64, 8)

            def forward(self, rows):
                return self.head(rows)

        def as_dict(row):
            return {"rows": torch.tensor(row)}

        first = TorchEmbedder(torch.nn.Sequential(torch.nn.Linear(64, 64)), "0")
        twice = make_pipeline(first, clone(first), KMExClassifier(1)).fit(X, y)
        named = TorchEmbedder(Named(), preprocess=as_dict)
        with pytest.raises(TypeError, match=r"at most one torch encoder .* got 2"):
            to_onnx(twice, X)
        psem = make_kmex(named, n_prototypes=1).fit(list(X), y)
        with pytest.raises(TypeError, match=r"samples of one array each .* got dict"):
            to_onnx(psem, list(X))

    def test_a_network_that_torch_cannot_export(self, digits, torch):
        X, _, y, _ = digits

        class Loop(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.head = torch.nn.Linear(64, 8)

            def forward(self, rows):
                return self.head(torch.stack([row * 2 for row in rows]))

        psem = make_kmex(Loop(), n_prototypes=1).fit(X, y)
        message = r"^Loop must be supported by torch.onnx.export .* Use to_torch"
        with pytest.raises(ValueError, match=message):
            to_onnx(psem, X)
