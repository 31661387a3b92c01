"""make_kmex: a pipeline for each kind of model."""

import pickle
from functools import partial

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.ensemble import (
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LinearRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from sklearn_kmex import KMExClassifier, make_kmex
from sklearn_kmex._model.rule import rule_of
from sklearn_kmex.embedding import MLPEmbedder
from sklearn_kmex.metrics import fidelity_score, ghosting_rate


def test_a_fitted_transformer_is_frozen(digits):
    X, X_test, y, y_test = digits
    pca = PCA(20, random_state=0).fit(X[:200])
    components = pca.components_.copy()
    psem = make_kmex(pca, n_prototypes=3, random_state=0).fit(X, y)
    assert_array_equal(pca.components_, components)
    assert_allclose(psem[:-1].transform(X), pca.transform(X))
    assert psem.score(X_test, y_test) > 0.9
    assert clone(psem)["embed"].estimator is pca


def test_other_transformers_and_callables(digits):
    X, X_test, y, y_test = digits
    scaled = make_kmex(StandardScaler(), random_state=0).fit(X, y)
    assert_allclose(scaled["embed"].mean_, X.mean(axis=0))
    stateless = make_kmex(FunctionTransformer(np.sqrt), random_state=0)
    called = make_kmex(np.sqrt, random_state=0)
    for psem in (scaled, stateless.fit(X, y), called.fit(X, y)):
        assert psem.score(X_test, y_test) > 0.9
    assert_array_equal(stateless.predict(X_test), called.predict(X_test))


@pytest.mark.parametrize(
    ("function", "what"),
    [
        (lambda X: None, r"shape \(50, n_features\) .* <lambda> returned None"),
        (lambda X: X[1:], r"returned ndarray of shape \(49, 64\)"),
        (lambda X: X[:, 0], r"returned ndarray of shape \(50,\)"),
        (lambda X: X.tolist()[1:], r"returned list of shape \(49, 64\)"),
        (partial(np.sum, axis=1), r"the function partial returned ndarray"),
    ],
)
def test_what_a_callable_returns_is_checked(digits, function, what):
    X, y = digits[0][:50], digits[2][:50]
    with pytest.raises(ValueError, match=rf"model must return embeddings .*{what}"):
        make_kmex(function, n_prototypes=1).fit(X, y)


def test_a_callable_may_take_samples_of_any_kind_and_return_any_array():
    texts, y = ["a", "bb", "cccc", "ddddd"], [0, 0, 1, 1]
    for embed in (
        lambda texts: [[len(text)] for text in texts],
        lambda texts: sparse.csr_matrix([[len(text)] for text in texts]),
    ):
        psem = make_kmex(embed, n_prototypes=1).fit(texts, y)
        assert psem.predict(["eeeeeeee"]) == [1]
    batch = {"length": np.array([[1.0], [2.0], [4.0], [5.0]])}
    psem = make_kmex(lambda batch: batch["length"], n_prototypes=1).fit(batch, y)
    assert_array_equal(psem.predict(batch), y)


CHOSEN = ("n_prototypes", "metric", "similarity", "aggregation", "priors")
PAPER = {
    "n_prototypes": 5,
    "metric": "euclidean",
    "similarity": "log",
    "aggregation": "max",
    "priors": "uniform",
}


def test_parameters_reach_the_classifier():
    psem = make_kmex(np.sqrt, n_prototypes={0: 1}, similarity="gaussian", n_jobs=2)
    kmex = psem["kmex"]
    assert (kmex.n_prototypes, kmex.similarity, kmex.n_jobs) == ({0: 1}, "gaussian", 2)


def test_all_that_is_not_given_is_chosen(blobs):
    X, y = blobs
    psem = make_kmex(lambda X: X, random_state=0)["kmex"]
    assert all(getattr(psem, name) == "auto" for name in CHOSEN)
    compared = psem.fit(X, y).cv_results_["params"]
    assert all(len({one[name] for one in compared}) > 1 for name in CHOSEN)
    assert psem.best_params_ == {
        "n_prototypes": psem.n_prototypes_[0],
        **{name: getattr(psem, f"{name}_") for name in CHOSEN[1:]},
        "shrinkage": "auto",
    }


def test_what_is_given_stays_as_given(blobs):
    X, y = blobs
    psem = make_kmex(lambda X: X, n_prototypes=3, metric="cosine", random_state=0)
    compared = psem.fit(X, y)["kmex"].cv_results_["params"]
    assert {(one["n_prototypes"], one["metric"]) for one in compared} == {(3, "cosine")}
    assert len(compared) > 1
    assert_array_equal(psem["kmex"].n_prototypes_, [3, 3, 3])


def test_the_setting_of_the_paper(blobs):
    X, y = blobs
    psem = make_kmex(lambda X: X, **PAPER, random_state=0).fit(X, y)
    assert not hasattr(psem["kmex"], "cv_results_")
    alone = KMExClassifier(random_state=0).fit(X, y)
    assert_array_equal(psem["kmex"].prototypes_, alone.prototypes_)
    assert_array_equal(psem.predict_proba(X), alone.predict_proba(X))


@pytest.mark.parametrize(
    ("model", "layer", "message"),
    [
        (LinearRegression(), None, "torch.nn.Module, .* got LinearRegression"),
        (3, None, "got int"),
        (PCA, None, "must be an instance; got the class PCA"),
        (np.sqrt, "fc", "layer must be None .* got layer='fc' for ufunc"),
        (RandomForestClassifier(), "fc", "got layer='fc' for RandomForest"),
    ],
)
def test_unsupported_models(model, layer, message):
    with pytest.raises(TypeError, match=message):
        make_kmex(model, layer=layer)


@pytest.mark.parametrize(
    "model",
    [
        MLPClassifier((32,), max_iter=300, random_state=0),
        RandomForestClassifier(50, random_state=0),
        ExtraTreesClassifier(50, bootstrap=True, random_state=0),
        GradientBoostingClassifier(n_estimators=50, max_features=8, random_state=0),
        HistGradientBoostingClassifier(max_iter=30, random_state=0),
    ],
    ids=lambda model: type(model).__name__,
)
@pytest.mark.parametrize("scaled", [False, True])
def test_models_of_scikit_learn(digits, model, scaled):
    X, X_test, y, y_test = digits
    model = make_pipeline(StandardScaler(), model) if scaled else model
    black_box = clone(model).fit(X, y)
    before = pickle.dumps(black_box)
    psem = make_kmex(black_box, random_state=0).fit(X, y)
    assert psem.score(X_test, y_test) > black_box.score(X_test, y_test) - 0.04
    assert fidelity_score(black_box.predict(X_test), psem.predict(X_test)) > 0.93
    assert pickle.dumps(black_box) == before
    clone(psem).fit(X[:300], y[:300])
    assert pickle.dumps(black_box) == before


def test_a_pipeline_of_one_step(digits):
    X, X_test, y, _ = digits
    forest = RandomForestClassifier(20, random_state=0).fit(X, y)
    alone = make_kmex(make_pipeline(forest), random_state=0).fit(X, y)
    plain = make_kmex(forest, random_state=0).fit(X, y)
    assert_array_equal(alone.predict_proba(X_test), plain.predict_proba(X_test))


def test_an_embedder_is_used_as_it_is(digits):
    X, _, y, _ = digits
    mlp = MLPClassifier((16, 8), max_iter=50, random_state=0)
    with pytest.warns(ConvergenceWarning):
        mlp.fit(X, y)
    embedder = MLPEmbedder(mlp, layer=0)
    assert make_kmex(embedder)["embed"] is embedder
    assert make_kmex(mlp, layer=0).fit(X, y)["kmex"].n_features_in_ == 16
    assert make_kmex(mlp).fit(X, y)["kmex"].n_features_in_ == 8


def test_torch_and_skorch_end_to_end(digits):
    torch = pytest.importorskip("torch")
    skorch = pytest.importorskip("skorch")
    X, X_test, y, y_test = digits
    X, X_test = (X / 16).astype(np.float32), (X_test / 16).astype(np.float32)
    torch.manual_seed(0)
    module = torch.nn.Sequential(
        torch.nn.Linear(64, 32), torch.nn.ReLU(), torch.nn.Linear(32, 10)
    )
    net = skorch.NeuralNetClassifier(
        module,
        criterion=torch.nn.CrossEntropyLoss,
        optimizer=torch.optim.Adam,
        lr=0.01,
        max_epochs=40,
        batch_size=64,
        verbose=0,
        train_split=None,
    ).fit(X, y)
    psem = make_kmex(net, random_state=0).fit(X, y)
    same = make_kmex(net.module_, random_state=0).fit(X, y)
    assert_allclose(psem.predict_proba(X_test), same.predict_proba(X_test), atol=1e-4)
    named = make_kmex(net.module_, layer="1", **PAPER, random_state=0).fit(X, y)
    Z, Z_named = (some[:-1].transform(X_test) for some in (psem, named))
    assert_allclose(Z_named, Z, atol=1e-4)
    assert psem.score(X_test, y_test) > net.score(X_test, y_test) - 0.02
    assert fidelity_score(net.predict(X_test), psem.predict(X_test)) > 0.95
    kmex = psem["kmex"]
    winners = rule_of(kmex).weigh(psem.transform(X)).argmax(axis=1)
    assert ghosting_rate(winners, len(kmex.prototypes_)) == 0
    ours = log_loss(y_test, psem.predict_proba(X_test))
    assert ours < 1.5 * log_loss(y_test, net.predict_proba(X_test))

    search = GridSearchCV(psem, {"kmex__n_prototypes": [1, 3]}, cv=2, n_jobs=2)
    assert search.fit(X, y).best_score_ > 0.9
    assert search.best_estimator_["embed"].net is net


def test_chosen_uniform_priors_weigh_all_prototypes_equally(digits):
    X, y = digits[0][:150], digits[2][:150]
    keep = (y > 2) | (np.arange(150) % 4 == 0)  # classes of unequal size
    psem = make_kmex(lambda X: X, n_prototypes=2, random_state=0).fit(X[keep], y[keep])
    kmex = psem["kmex"]
    rows = [one["priors"] for one in kmex.cv_results_["params"]]
    assert {"uniform", "prototype"} == set(rows)
    assert kmex.priors_ == "uniform"
    assert np.ptp(kmex.prototype_weights_) == 0
