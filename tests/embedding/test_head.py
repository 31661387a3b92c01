"""The probabilities of a black box from its embeddings, as targets of the choice."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.ensemble import (
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.metrics import log_loss
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from sklearn_kmex import KMExClassifier, make_kmex
from sklearn_kmex.embedding import CachedEmbedder, MLPEmbedder, TreeEmbedder
from sklearn_kmex.embedding._head import EmbeddingHead

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
MODELS = {
    "tree": DecisionTreeClassifier(max_depth=4, random_state=0),
    "forest": RandomForestClassifier(8, max_depth=5, random_state=0),
    "extra trees": ExtraTreesClassifier(8, max_depth=5, random_state=0),
    "boosting": GradientBoostingClassifier(n_estimators=5, random_state=0),
    "histograms": HistGradientBoostingClassifier(max_iter=5, random_state=0),
    "mlp": MLPClassifier((12,), solver="lbfgs", max_iter=60, random_state=0),
}


def boosters():
    """Models of other libraries, if they are installed."""
    found = {}
    try:
        from xgboost import XGBClassifier

        found["xgboost"] = XGBClassifier(n_estimators=4)
    except ImportError:
        pass
    try:
        from lightgbm import LGBMClassifier

        found["lightgbm"] = LGBMClassifier(n_estimators=4, verbose=-1)
    except ImportError:
        pass
    return found


@pytest.mark.parametrize("n_classes", [2, 4])
@pytest.mark.parametrize("name", [*MODELS, "xgboost", "lightgbm"])
def test_probabilities_are_those_of_the_model(digits, name, n_classes):
    X, X_test, y, _ = digits
    models = MODELS | boosters()
    if name not in models:
        pytest.skip(f"{name} is not installed")
    model = clone(models[name]).fit(X, y % n_classes)
    embedder = make_kmex(model)["embed"]
    head = EmbeddingHead(embedder)
    found = head.predict_proba(embedder.transform(X_test))
    assert_allclose(found, model.predict_proba(X_test), atol=1e-5)
    assert list(head.classes_) == list(range(n_classes))
    assert clone(head) is head


def test_steps_and_caches_are_looked_through(digits, tmp_path):
    X, X_test, y, _ = digits
    model = make_pipeline(StandardScaler(), clone(MODELS["mlp"])).fit(X, y)
    embedder = make_kmex(model)["embed"]
    found = EmbeddingHead(embedder).predict_proba(embedder.transform(X_test))
    assert_allclose(found, model.predict_proba(X_test))
    cached = CachedEmbedder(MLPEmbedder(model[-1]), tmp_path)
    found = EmbeddingHead(cached).predict_proba(embedder.transform(X_test))
    assert_allclose(found, model.predict_proba(X_test))


def test_embeddings_that_do_not_determine_the_output_have_none(digits):
    X, _, y, _ = digits
    deep = MLPClassifier((8, 6), solver="lbfgs", max_iter=20, random_state=0).fit(X, y)
    forest = clone(MODELS["forest"]).fit(X, y)
    for embedder in (
        MLPEmbedder(deep, layer=0),
        MLPEmbedder(MLPRegressor(hidden_layer_sizes=(4,), max_iter=20).fit(X, y)),
        TreeEmbedder(forest, leaves="identity"),
        TreeEmbedder(RandomForestRegressor(3).fit(X, y)),
    ):
        Z = embedder.transform(X[:5])
        Z = Z.toarray() if hasattr(Z, "toarray") else Z
        assert EmbeddingHead(embedder).predict_proba(Z) is None
    assert EmbeddingHead(PCA(2).fit(X)).predict_proba(X[:5]) is None
    assert not hasattr(EmbeddingHead(PCA(2).fit(X)), "classes_")


def test_named_columns_of_a_booster(digits):
    pd = pytest.importorskip("pandas")
    X, _, y, _ = digits
    frame = pd.DataFrame(X, columns=[f"pixel {j}" for j in range(64)])
    model = clone(MODELS["histograms"]).fit(frame, y)
    embedder = TreeEmbedder(model)
    found = EmbeddingHead(embedder).predict_proba(embedder.transform(frame[:50]))
    assert_allclose(found, model.predict_proba(frame[:50]), atol=1e-5)


@pytest.mark.parametrize("n_outputs", [1, 3])
def test_networks(n_outputs):
    torch = pytest.importorskip("torch")
    from sklearn_kmex.embedding import TorchEmbedder

    torch.manual_seed(0)
    module = torch.nn.Sequential(
        torch.nn.Linear(4, 6), torch.nn.ReLU(), torch.nn.Linear(6, n_outputs)
    )
    X = np.random.RandomState(0).normal(size=(20, 4)).astype(np.float32)
    with torch.no_grad():
        scores = module(torch.tensor(X)).numpy().astype(float)
    if n_outputs == 1:
        scores = np.hstack([0 * scores, scores])
    expected = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    embedder = TorchEmbedder(module)
    found = EmbeddingHead(embedder).predict_proba(embedder.transform(X))
    assert_allclose(found, expected, atol=1e-6)
    hidden = TorchEmbedder(module, layer="0")
    assert EmbeddingHead(hidden).predict_proba(hidden.transform(X)) is None
    twice = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.Linear(4, 2))
    embedder = TorchEmbedder(twice)  # which of the two is last is not known
    assert EmbeddingHead(embedder).predict_proba(embedder.transform(X)) is None


def test_a_network_of_other_outputs_than_classes_leaves_the_labels(digits):
    X, _, y, _ = digits
    mlp = clone(MODELS["mlp"]).fit(X, y % 2)
    psem = make_kmex(mlp, n_prototypes=2, random_state=0).fit(X, y)  # ten classes
    alone = make_kmex(mlp, n_prototypes=2, teacher=None, random_state=0).fit(X, y)
    assert psem["kmex"].best_params_ == alone["kmex"].best_params_
    assert psem["kmex"].temperature_ == alone["kmex"].temperature_


def test_rows_that_a_model_knows_by_heart_keep_honest_probabilities(load_data):
    """Boosting is sure of the rows it was fitted on, and so would prototypes be."""
    data = load_data("tab_annthyroid.npz")
    X, y = data["X"], data["y"]
    X, y, X_test, y_test = X[:3000], y[:3000], X[3000:], y[3000:]
    model = HistGradientBoostingClassifier(random_state=0).fit(X, y)
    theirs = log_loss(y_test, model.predict_proba(X_test))
    ours = {
        teacher: make_kmex(model, n_prototypes=5, random_state=0, **settings).fit(X, y)
        for teacher, settings in {"model": {}, "labels": {"teacher": None}}.items()
    }
    losses = {k: log_loss(y_test, m.predict_proba(X_test)) for k, m in ours.items()}
    assert losses["model"] < 1.1 * theirs
    assert losses["model"] < losses["labels"]
    assert ours["model"].score(X_test, y_test) > model.score(X_test, y_test) - 0.01


def test_a_teacher_of_the_wrong_shape_is_refused(digits):
    X, _, y, _ = digits

    class Wrong:
        def predict_proba(self, Z):
            return np.ones((len(Z), 3))

    with pytest.raises(ValueError, match=r"teacher must give .* 10 classes; got .*, 3"):
        KMExClassifier(teacher=Wrong()).fit(X, y)
