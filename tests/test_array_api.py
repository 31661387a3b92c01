"""Tensors stay tensors on their device, and give what arrays give."""

import os
import subprocess
import sys
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn import config_context
from sklearn.base import clone
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import estimator_checks

torch = pytest.importorskip("torch")
pytest.importorskip("sklearn", minversion="1.9")

from sklearn.utils._array_api import (
    NamespaceAndDevice,
    get_namespace_and_device,
    move_estimator_to,
    yield_namespace_device_dtype_combinations,
)

from sklearn_kmex import KMExClassifier, KMExClassifierCV
from sklearn_kmex._data import arrays as placed
from sklearn_kmex.explain import explain

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn_kmex.exceptions.KMExWarning"),
    pytest.mark.filterwarnings("ignore:The least populated class"),
]

seeded = partial(KMExClassifier, random_state=0)
ESTIMATORS = [
    seeded(),
    seeded(3, aggregation="sum", priors="class"),
    seeded(3, similarity="gaussian", prototype="medoid"),
    seeded(3, priors=[0.3, 0.7], temperature=0.5, max_samples=0.8),
    seeded(2, clusterer=KMeans(n_init=1, random_state=0)),
    seeded(0.2, merge_threshold=0.3),
    seeded(2, metric="mahalanobis", similarity="gaussian", priors="prototype"),
    seeded(2, metric="cosine_mahalanobis", aggregation="sum", priors="class"),
    KMExClassifierCV([1, 3], per_class=True, cv=2, random_state=0),
]
METHODS = [
    "predict",
    "predict_proba",
    "predict_log_proba",
    "decision_function",
    "transform",
    "score_samples",
]


@pytest.fixture(autouse=True)
def allow_dispatch(monkeypatch):
    """scikit-learn asks for it; what scipy makes of it is tested in a process."""
    monkeypatch.setenv("SCIPY_ARRAY_API", "1")


@pytest.fixture
def dispatch():
    with config_context(array_api_dispatch=True):
        yield


@pytest.fixture(scope="module")
def rows(digits):
    """Real rows without ties, which rounding would decide."""
    X, X_test, y, y_test = digits
    pca = PCA(16, random_state=0).fit(X)
    return pca.transform(X), pca.transform(X_test), y, y_test


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=repr)
@pytest.mark.parametrize("where", yield_namespace_device_dtype_combinations(), ids=str)
def test_scikit_learn_checks(estimator, where):
    library, device, dtype = where
    if device == "cuda" and not torch.cuda.is_available():
        pytest.skip("there is no CUDA device")
    name = type(estimator).__name__
    check = partial(estimator_checks.check_array_api_input, check_sample_weight=True)
    check(name, estimator, library, device, dtype)


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=repr)
def test_scikit_learn_checks_of_other_places(estimator):
    name, tensors = type(estimator).__name__, NamespaceAndDevice("torch", "cpu")
    on_host = NamespaceAndDevice("numpy", None)
    mixed = estimator_checks.check_array_api_mixed_inputs
    mixed(name, estimator, tensors, on_host)
    mixed(name, estimator, on_host, tensors)
    estimator_checks.check_array_api_same_namespace(name, estimator, "torch", "cpu")


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"aggregation": "sum", "priors": "class"},
        {"similarity": "gaussian", "prototype": "medoid"},
        {"n_prototypes": dict.fromkeys(range(10), 2) | {4: 7, 9: 1}},
        {"clusterer": KMeans(n_init=1)},
        {"metric": "cosine", "priors": "prototype", "temperature": 0.1},
        {"metric": "mahalanobis"},
        {"metric": "cosine_mahalanobis", "priors": "class", "temperature": 0.1},
    ],
    ids=str,
)
def test_tensors_give_what_arrays_give(rows, dtype, asked):
    X, X_test, y = (*(a.astype(dtype) for a in rows[:2]), rows[2])
    expected = seeded(**asked).fit(X, y)
    with config_context(array_api_dispatch=True):
        found = seeded(**asked).fit(torch.asarray(X), torch.asarray(y))
        told = {name: getattr(found, name)(torch.asarray(X_test)) for name in METHODS}
        nearest = found.nearest_prototypes(torch.asarray(X_test), n=3)
    close = partial(assert_allclose, rtol=3e3 * np.finfo(dtype).eps, atol=1e-5)
    assert found.prototypes_.dtype == getattr(torch, np.dtype(dtype).name)
    close(found.prototypes_, expected.prototypes_)
    close(found.temperature_, expected.temperature_)
    for name, values in told.items():
        assert isinstance(values, torch.Tensor)
        close(values, getattr(expected, name)(X_test))
    wanted = expected.nearest_prototypes(X_test, n=3)
    for values, like in zip(nearest, wanted, strict=True):
        close(values, like)


GRID = arrays(np.float64, (8, 2), elements=st.integers(-3, 3).map(float))


@given(GRID, GRID, st.sampled_from([np.float64, np.float32]), st.integers(0, 2))
def test_ties_are_decided_alike(X, X_test, dtype, how):
    asked = [{}, {"aggregation": "sum"}, {"priors": [0.2, 0.3, 0.5]}][how]
    X, X_test = X.astype(dtype), X_test.astype(dtype)
    y = np.arange(8) % 3
    psem = seeded(2, temperature=1.0, **asked).fit(X, y)
    tensors = torch.asarray(X_test)
    with config_context(array_api_dispatch=True):
        moved = move_estimator_to(psem, *get_namespace_and_device(tensors)[::2])
        labels = moved.predict(tensors)
        for decisive in ("decision_function", "predict_proba", "predict_log_proba"):
            scores = getattr(moved, decisive)(tensors)
            assert_array_equal(torch.argmax(scores, dim=1), labels)
    sure = ~nearly_tied(X_test, psem.prototypes_)
    assert_array_equal(labels[sure], psem.predict(X_test)[sure])


def nearly_tied(X, prototypes):
    """Rows with two distances that differ by no more than rounding, but differ.

    Means of whole numbers may be off by a rounding error. Whether such distances have
    equal logarithms then depends on the library. Equal distances have, in each.
    """
    squared = ((X[:, np.newaxis].astype(float) - prototypes) ** 2).sum(axis=2)
    gaps = np.diff(np.sort(squared, axis=1), axis=1)
    few = 8 * np.finfo(X.dtype).eps * squared.max(axis=1, keepdims=True)
    return ((gaps > 0) & (gaps <= few)).any(axis=1)


def test_a_row_equal_to_a_prototype_is_at_distance_0(rows, dispatch):
    X, y = torch.asarray(rows[0] + 1e6), torch.asarray(rows[2])
    psem = seeded(prototype="medoid", similarity="gaussian").fit(X, y)
    own = psem.transform(X[psem.prototype_indices_])
    assert_array_equal(torch.diagonal(own), np.zeros(50))


def test_labels_of_any_kind(rows, dispatch):
    X, X_test, y = torch.asarray(rows[0]), torch.asarray(rows[1]), rows[2]
    numbers = seeded().fit(X, torch.asarray(y)).predict(X_test)
    names = np.array([f"digit {label}" for label in range(10)])
    for labels in (names[y], names[y].astype(object), names[y].tolist()):
        psem = seeded().fit(X, labels)
        assert_array_equal(psem.predict(X_test), names[numbers])
        assert isinstance(psem.prototypes_, torch.Tensor)
        assert psem.score(X_test, names[rows[3]]) > 0.9
        assert psem.get_feature_names_out()[0] == "digit 0_prototype_0"


def test_weights_are_copies(rows, dispatch):
    X, y = rows[0][:300], rows[2][:300]
    copies = np.random.RandomState(0).randint(0, 3, size=300)
    weighted = seeded(2, similarity="gaussian").fit(
        torch.asarray(X), torch.asarray(y), sample_weight=torch.asarray(copies)
    )
    repeated = seeded(2, similarity="gaussian").fit(
        torch.asarray(np.repeat(X, copies, axis=0)), np.repeat(y, copies)
    )
    assert_allclose(weighted.prototypes_, repeated.prototypes_, atol=1e-9)
    assert_array_equal(weighted.prototype_counts_, repeated.prototype_counts_)
    assert_allclose(weighted.temperature_, repeated.temperature_)


def test_equal_rows_are_one(dispatch):
    X = torch.asarray([[0.0, 1], [-0.0, 1], [2, 3], [5, 5], [5, 5], [9, 9]])
    with pytest.warns(match="0 .2 of 3., 1 .2 of 3."):
        psem = seeded(3).fit(X, [0, 0, 0, 1, 1, 1])
    assert_array_equal(psem.prototype_counts_, [2, 1, 2, 1])


def test_in_pipelines_and_searches(rows, dispatch):
    X, X_test, y, y_test = (torch.asarray(a) for a in rows)
    pipeline = make_pipeline(StandardScaler(), seeded(temperature=1.0))
    assert pipeline.fit(X, y).score(X_test, y_test) > 0.9
    assert isinstance(pipeline.predict_proba(X_test), torch.Tensor)
    asked = {"kmexclassifier__n_prototypes": [1, 5]}
    search = GridSearchCV(pipeline, asked, cv=3, error_score="raise").fit(X, y)
    assert search.best_params_ == {"kmexclassifier__n_prototypes": 5}
    assert isinstance(search.predict(X_test), torch.Tensor)


@pytest.mark.parametrize("backend", ["threading", "loky"])
def test_jobs_hear_of_the_dispatch(rows, dispatch, backend):
    import joblib

    X, y = torch.asarray(rows[0][:200]), rows[2][:200]
    expected = seeded(2).fit(X, y)
    with joblib.parallel_config(backend):
        found = seeded(2, n_jobs=2).fit(X, y)
    assert_array_equal(found.prototypes_, expected.prototypes_)


def test_streams(rows):
    X, y = rows[0], rows[2]
    batches = [slice(0, 500), slice(500, 900), slice(900, None)]
    arrays, tensors = seeded(3), seeded(3)
    for batch in batches:
        arrays.partial_fit(X[batch], y[batch], classes=range(10))
        with config_context(array_api_dispatch=True):
            tensors.partial_fit(
                torch.asarray(X[batch]),
                torch.asarray(y[batch]),
                classes=torch.arange(10),
            )
    assert_allclose(tensors.prototypes_, arrays.prototypes_, atol=1e-8)
    assert_array_equal(tensors.prototype_indices_, arrays.prototype_indices_)
    assert_allclose(tensors.inertia_, arrays.inertia_)
    with (
        config_context(array_api_dispatch=True),
        pytest.raises(ValueError, match=r"partial_fit\(\) must use the same namespace"),
    ):
        tensors.partial_fit(X, y)
    first = seeded(3)
    with config_context(array_api_dispatch=True):
        first.partial_fit(torch.asarray(X[y < 2]), y[y < 2], classes=range(4))
        scores = first.decision_function(torch.asarray(X))
    assert (scores[:, 2:] == -np.inf).all()


def test_without_the_dispatch_tensors_become_arrays(rows):
    X, y = rows[0], rows[2]
    found = seeded().fit(torch.asarray(X), torch.asarray(y), torch.ones(len(y)))
    expected = seeded().fit(X, y)
    assert isinstance(found.prototypes_, np.ndarray)
    assert_array_equal(found.prototypes_, expected.prototypes_)
    assert_array_equal(found.predict_proba(torch.asarray(X)), expected.predict_proba(X))


def test_arrays_frames_and_sparse_rows_as_ever(rows):
    pd = pytest.importorskip("pandas")
    X, y = rows[0], rows[2]
    for make in (np.asarray, np.ndarray.tolist, pd.DataFrame, sparse.csr_array):
        expected = seeded(2).fit(make(X), y)
        with config_context(array_api_dispatch=True):
            found = seeded(2).fit(make(X), pd.Series(y))
            told = found.predict_proba(make(X))
        assert_array_equal(told, expected.predict_proba(make(X)))


def test_whole_numbers_become_float64_and_integers_are_left_alone(dispatch):
    X = torch.arange(24).reshape(12, 2)
    before = X.clone()
    psem = seeded(2).fit(X, torch.arange(12) % 2)
    assert psem.prototypes_.dtype == torch.float64
    assert psem.predict(X).dtype == torch.int64
    assert_array_equal(X, before)


def test_what_is_refused(rows, dispatch):
    X, y = torch.asarray(rows[0]), torch.asarray(rows[2])
    with pytest.raises(NotFittedError):
        seeded().predict(X)
    psem = seeded().fit(X, y)
    for method in (*METHODS, "nearest_prototypes"):
        with pytest.raises(ValueError, match="must use the same namespace"):
            getattr(psem, method)(rows[0])
    bad = X.clone()
    bad[3, 1] = torch.inf
    for ask in (psem.predict, psem.transform, lambda X: psem.fit(X, y)):
        with pytest.raises(ValueError, match="infinity"):
            ask(bad)
    with pytest.raises(ValueError, match="Rescale X"):
        psem.decision_function(X * 1e200)
    with pytest.raises(ValueError, match="all weights are zero"):
        psem.fit(X, y, sample_weight=torch.zeros(len(y)))


def test_tools_ask_for_a_model_on_the_host(rows):
    X, y = rows[0], rows[2]
    with config_context(array_api_dispatch=True):
        psem = seeded().fit(torch.asarray(X), torch.asarray(y))
        moved = move_estimator_to(psem, np, "cpu")
    with pytest.raises(TypeError, match=r"torch.Tensor in prototypes_.*move_estimator"):
        explain(psem, X[:2])
    assert_array_equal(explain(moved, X[:2]).predictions, moved.predict(X[:2]))


@pytest.mark.parametrize("similarity", ["log", "gaussian"])
def test_where_there_is_no_float64(rows, dispatch, monkeypatch, similarity):
    monkeypatch.setattr(placed, "_max_precision_float_dtype", lambda xp, _: xp.float32)
    X, y = torch.asarray(rows[0]), torch.asarray(rows[2])
    psem = seeded(similarity=similarity).fit(torch.asarray(X, dtype=torch.float32), y)
    kept = [v for v in vars(psem).values() if isinstance(v, torch.Tensor)]
    assert len(kept) == 10
    assert not [v for v in kept if v.dtype == torch.float64]
    X_test = torch.asarray(rows[1], dtype=torch.float32)
    labels = psem.predict(X_test)
    assert_array_equal(torch.argmax(psem.decision_function(X_test), dim=1), labels)
    assert_array_equal(torch.argmax(psem.predict_proba(X_test), dim=1), labels)
    assert psem.score(X_test, torch.asarray(rows[3])) > 0.9


def test_blocks_are_larger_on_an_accelerator():
    class Elsewhere:
        device = "cuda:0"

    assert placed.block_size(np.zeros(1), 8) == placed.block_size(torch.ones(1), 8)
    assert placed.block_size(Elsewhere(), 8) == 64 * 8


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_all_of_it_on_a_gpu(rows, dispatch, dtype):
    X, X_test, y = (*(a.astype(dtype) for a in rows[:2]), rows[2])
    expected = seeded().fit(X, y)
    X, X_test, y = (torch.asarray(a, device="cuda") for a in (X, X_test, y))
    psem = seeded().fit(X, y)
    assert psem.prototypes_.is_cuda
    labels = psem.predict(X_test)
    assert labels.is_cuda
    for decisive in ("decision_function", "predict_proba"):
        scores = getattr(psem, decisive)(X_test)
        assert torch.equal(torch.argmax(scores, dim=1), labels)
    close = partial(assert_allclose, rtol=3e3 * np.finfo(dtype).eps, atol=1e-5)
    close(psem.prototypes_.cpu(), expected.prototypes_)
    close(psem.transform(X_test).cpu(), expected.transform(rows[1].astype(dtype)))


def test_in_a_process_whose_scipy_takes_tensors_too():
    code = """
import torch
from sklearn import set_config
from sklearn.datasets import load_iris
from sklearn_kmex import KMExClassifier
set_config(array_api_dispatch=True)
X, y = (torch.asarray(a) for a in load_iris(return_X_y=True))
psem = KMExClassifier("auto", random_state=0).fit(X, y, torch.ones(150))
print(type(psem.predict_proba(X)).__name__, psem.score(X, y) > 0.9)
"""
    told = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        env={**os.environ, "SCIPY_ARRAY_API": "1"},
        capture_output=True,
        text=True,
    )
    assert (told.stdout, told.stderr) == ("Tensor True\n", "")


def test_clones_and_defaults_are_untouched(rows, dispatch):
    X, y = torch.asarray(rows[0]), torch.asarray(rows[2])
    psem = seeded(priors=np.full(10, 0.1)).fit(X, y)
    assert isinstance(psem.priors, np.ndarray)
    assert not hasattr(clone(psem), "prototypes_")
