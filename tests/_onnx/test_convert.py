"""Merged graphs: names, and rows that `predict` refuses."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from served import run_graph
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from sklearn_kmex import KMExClassifier, make_kmex
from sklearn_kmex._model.metric import METRICS
from sklearn_kmex.embedding import TreeEmbedder
from sklearn_kmex.export import to_onnx

pytest.importorskip("skl2onnx")
pytest.importorskip("onnxruntime")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

REFUSED = (np.inf, -np.inf, 1e200, -1e200, np.nan)


def check_refused(psem, X, values=REFUSED, **limits):
    """Check that the graph returns NaN where `predict` raises, and only there."""
    rows = np.repeat(X[:1], 2 * len(values) + 1, axis=0).astype(X.dtype)
    with np.errstate(over="ignore"):
        for n, value in enumerate(values):
            rows[2 * n, 1], rows[2 * n + 1] = value, value
    _, chances, _, similarities = run_graph(to_onnx(psem, X), X=rows)
    n_refused = 0
    for row, chance, similar in zip(rows, chances, similarities, strict=True):
        try:
            expected = psem.predict_proba(row[np.newaxis])[0]
        except ValueError:
            n_refused += 1
            assert np.isnan(chance).all()
            assert np.isnan(similar).all()
        else:
            assert_allclose(chance, expected, atol=1e-4)
    assert n_refused >= 4


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("metric", METRICS)
def test_rows_that_predict_refuses(metric, dtype, blobs):
    X, y = blobs
    X = X.astype(dtype)
    for settings in ({}, {"similarity": "gaussian", "aggregation": "sum"}):
        check_refused(KMExClassifier(1, metric=metric, **settings).fit(X, y), X)


@pytest.mark.parametrize("activation", ["relu", "tanh", "logistic"])
def test_rows_that_networks_refuse(activation, blobs):
    X, y = blobs
    mlp = MLPClassifier((6,), activation=activation, max_iter=3000, random_state=0)
    check_refused(make_kmex(mlp.fit(X, y), n_prototypes=1).fit(X, y), X)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "kind", [RandomForestClassifier, HistGradientBoostingClassifier]
)
@pytest.mark.filterwarnings("ignore:overflow encountered in cast")
def test_rows_that_trees_refuse(kind, dtype, blobs):
    X, y = blobs
    X = X.astype(dtype)
    embedder = TreeEmbedder(kind(random_state=0).fit(X, y), leaves="identity")
    psem = make_kmex(embedder, n_prototypes=1).fit(X, y)
    values = REFUSED[:4] if kind is RandomForestClassifier else REFUSED
    check_refused(psem, X, values)


def test_rows_that_scalers_clip(blobs):
    X, y = blobs
    psem = make_pipeline(MinMaxScaler(clip=True), KMExClassifier(1)).fit(X, y)
    check_refused(psem, X)


@pytest.fixture
def torch():
    pytest.importorskip("onnxscript")
    return pytest.importorskip("torch")


@pytest.mark.parametrize("activation", ["ReLU", "Tanh"])
def test_rows_that_encoders_refuse(activation, blobs, torch):
    X, y = blobs
    X = X.astype(np.float32)
    torch.manual_seed(0)
    layers = (
        torch.nn.Linear(4, 6),
        getattr(torch.nn, activation)(),
        torch.nn.Linear(6, 3),
    )
    psem = make_kmex(torch.nn.Sequential(*layers), n_prototypes=1).fit(X, y)
    check_refused(psem, X)


def test_names_of_embedding_layers_do_not_collide(torch):
    X, y = (np.arange(120).reshape(30, 4) % 20).astype(np.float32), np.arange(30) % 3
    names = ["embedding", "X", "label", "input", "part1_label"]

    class Network(torch.nn.Module):
        def __init__(self):
            super().__init__()
            for name in names:
                setattr(self, name, torch.nn.Embedding(20, 3))
            self.bag = torch.nn.EmbeddingBag(20, 3, mode="mean")  # a loop in the graph
            self.head = torch.nn.Linear(18, 3)

        def forward(self, embedding):
            ids = embedding.long()
            parts = [getattr(self, name)(ids).mean(1) for name in names]
            return self.head(torch.cat([*parts, self.bag(ids)], 1))

    torch.manual_seed(0)
    psem = make_kmex(Network(), n_prototypes=2, random_state=0).fit(X, y)
    graph = to_onnx(psem, X)
    assert [part.name for part in graph.graph.input] == ["X"]
    label, chances, *_ = run_graph(graph, X=X)
    assert_array_equal(label, psem.predict(X))
    assert_allclose(chances, psem.predict_proba(X), rtol=0, atol=1e-4)


def test_integers_of_a_preprocessing_for_an_embedding_layer(torch):
    from sklearn_kmex.embedding import TorchEmbedder

    X, y = np.arange(120).reshape(30, 4) % 20, np.arange(30) % 3
    torch.manual_seed(0)
    layers = torch.nn.Embedding(20, 8), torch.nn.Flatten(), torch.nn.Linear(32, 3)
    embed = TorchEmbedder(torch.nn.Sequential(*layers), preprocess=torch.as_tensor)
    psem = make_pipeline(embed, KMExClassifier(2, random_state=0)).fit(X, y)
    label, chances, *_ = run_graph(to_onnx(psem, X), X=X)
    assert_array_equal(label, psem.predict(X))
    assert_allclose(chances, psem.predict_proba(X), rtol=0, atol=1e-4)


def test_names_of_parameters_are_those_of_outputs(blobs, torch):
    X, y = (part.astype(np.float32) for part in blobs)
    names = ["label", "probabilities", "prototypes", "similarities", "X", "n_samples"]

    class Network(torch.nn.Module):
        def __init__(self):
            super().__init__()
            for name in names:
                setattr(self, name, torch.nn.Parameter(torch.eye(4)))
            self.head = torch.nn.Linear(4, 3)

        def forward(self, label):
            for name in names:
                label = label @ getattr(self, name)
            return self.head(label)

    embed = make_kmex(Network())["embed"]
    psem = make_pipeline(StandardScaler(), embed, StandardScaler(), KMExClassifier(1))
    graph = to_onnx(psem.fit(X, y), X)
    defined = [name for node in graph.graph.node for name in node.output]
    defined += [part.name for part in (*graph.graph.input, *graph.graph.initializer)]
    assert len(defined) == len(set(defined))
    label, *_ = run_graph(graph, X=X)
    assert_array_equal(label, psem.predict(X))
