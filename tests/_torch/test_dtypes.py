"""Networks of half precision and of float64: the same maps, graphs and decisions."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

torch = pytest.importorskip("torch")
pytest.importorskip("skorch")
pytest.importorskip("zennit")
from skorch import NeuralNetClassifier
from torch import nn

from sklearn_kmex import make_kmex
from sklearn_kmex.embedding import SkorchEmbedder, TorchEmbedder
from sklearn_kmex.explain import (
    black_box_relevance,
    concept_maps,
    counterfactuals,
    faithfulness,
    relevance,
)
from sklearn_kmex.export import to_onnx, to_torch

HALF = (torch.bfloat16, torch.float16)
METHODS = (
    "epsilon",
    "epsilon_plus_flat",
    "gradient_x_input",
    "integrated_gradients",
    "smoothgrad",
    "occlusion",
)
rng = np.random.default_rng(0)
y = np.arange(60) % 3
X = rng.normal(size=(60, 1, 8, 8)).astype(np.float32)
X[np.arange(60), 0, y, y] += 20  # the classes are far apart


def network():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(8, 3),
    ).eval()


class Casting(nn.Module):
    """Its forward pass converts its input, so it runs in its own dtype only."""

    def __init__(self, dtype):
        super().__init__()
        self.body, self.dtype = network().to(dtype), dtype

    def forward(self, X):
        return self.body(X.to(self.dtype))


class Autocast(Casting):
    """Weights of float32, by which the layers compute in half precision."""

    def __init__(self, dtype):
        super().__init__(torch.float32)
        self.half = dtype

    def forward(self, X):
        with torch.autocast("cpu", dtype=self.half):
            return self.body(X)


KINDS = (lambda dtype: network().to(dtype), Casting, Autocast)


def psem_of(module, X=X):
    how = {"metric": "euclidean", "similarity": "log", "aggregation": "max"}
    return make_kmex(module, n_prototypes=2, random_state=0, **how).fit(X, y)


def off_by(found, expected):
    return np.abs(found - expected).max() / np.abs(expected).max()


@pytest.mark.filterwarnings("ignore:Maps do not sum")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", HALF)
def test_maps_of_half_precision_are_those_of_float32(dtype, kind):
    module = kind(dtype)
    weights, tolerance = list(module.parameters()), 32 * torch.finfo(dtype).eps
    single, half = psem_of(network()), psem_of(module)
    for method in METHODS:
        how = {"labels": 0, "method": method, "n_steps": 4, "random_state": 0}
        for explain in (relevance, black_box_relevance):
            maps = explain(half, X[:4], **how)
            assert maps.dtype == np.float32
            assert off_by(maps, explain(single, X[:4], **how)) < tolerance
    maps = concept_maps(half, X[:4], prototypes=0)
    assert off_by(maps, concept_maps(single, X[:4], prototypes=0)) < tolerance
    assert 0 <= faithfulness(half, X[:4]).divergence < np.inf
    assert counterfactuals(half, X[:1]).predictions[0] == half.predict(X[:1])[0]
    assert all(a is b for a, b in zip(module.parameters(), weights, strict=True))
    assert all(weight.requires_grad for weight in weights)


@pytest.mark.parametrize("dtype", HALF)
def test_maps_of_half_precision_are_as_exact_as_of_float32(dtype):
    exact = network().to(dtype).float()
    for explain in (relevance, black_box_relevance):
        half, single = (
            explain(psem_of(module), X[:4], labels=0, method="epsilon_plus")
            for module in (network().to(dtype), exact)
        )
        tolerance = 0.02 if explain is relevance else 1e-6  # prototypes are rounded
        assert off_by(half, single) < tolerance


def run(graph, X):
    onnxruntime = pytest.importorskip("onnxruntime")
    session = onnxruntime.InferenceSession(graph.SerializeToString())
    return session.run(["label"], {"X": X})[0]


@pytest.mark.parametrize(
    ("dtype", "rows"),
    [
        (torch.bfloat16, np.float32),
        (torch.float16, np.float64),
        (torch.float32, np.float64),
        (torch.float64, np.float32),
    ],
)
def test_graphs_take_rows_of_the_dtype_of_x(dtype, rows):
    pytest.importorskip("onnxscript")
    psem, given = psem_of(network().to(dtype)), X.astype(rows)
    assert_array_equal(run(to_onnx(psem, given), given), psem.predict(given))


@pytest.mark.parametrize(
    ("module", "dtype"),
    [
        (Casting(torch.bfloat16), "bfloat16"),
        (Autocast(torch.float16), "float16"),
    ],
)
def test_a_network_that_must_compute_in_half_precision_has_no_graph(module, dtype):
    pytest.importorskip("onnxscript")
    psem = psem_of(module)
    with pytest.raises(ValueError, match=rf"to {dtype}, .*call module\.float\(\)"):
        to_onnx(psem, X)


@pytest.mark.parametrize("dtype", [*HALF, torch.float32, torch.float64])
def test_served_modules_can_be_converted(dtype):
    psem = psem_of(network().to(dtype))
    for convert in ("half", "bfloat16", "float", "double"):
        module = getattr(to_torch(psem, X), convert)()
        with torch.no_grad():
            found = module(torch.from_numpy(X))["class_index"]
        assert_array_equal(psem["kmex"].classes_[found.numpy()], psem.predict(X))


class Telescope(nn.Module):
    """Magnifies differences that float32 does not have."""

    def __init__(self):
        super().__init__()
        self.head = nn.Linear(4, 3).double()

    def forward(self, X):
        return self.head((X - 1) * 1e9)


def fitted(module, X):
    net = NeuralNetClassifier(
        module,
        criterion=nn.CrossEntropyLoss,
        max_epochs=1,
        train_split=None,
        verbose=0,
    )
    return net.fit(X, y)


def test_networks_and_nets_of_float64_take_rows_of_float64():
    small = rng.normal(size=(60, 4))
    rows = 1 + small * 1e-9
    net = fitted(Telescope, rows)
    given = (rows, torch.from_numpy(rows), rows.tolist())
    for embedder in (TorchEmbedder(Telescope()), SkorchEmbedder(net)):
        for samples in given:
            assert_allclose(embedder.transform(samples), small, atol=1e-5)
        psem = psem_of(embedder, rows)
        for method in ("epsilon", "gradient_x_input", "occlusion"):
            assert relevance(psem, rows[:3], method=method).dtype == np.float64
    assert SkorchEmbedder(net).transform(rows.astype(np.float32)).shape == (60, 4)


@pytest.mark.parametrize("dtype", [*HALF, torch.float64])
def test_nets_of_any_dtype_take_rows_of_any_dtype(dtype):
    net = fitted(network(), X)
    expected = SkorchEmbedder(net).transform(X)
    output = SkorchEmbedder(net).black_box_output(X)
    net.module_.to(dtype)
    for rows in (X, X.astype(np.float64), torch.from_numpy(X).double()):
        embedder = SkorchEmbedder(net)
        assert_allclose(embedder.transform(rows), expected, rtol=0.05, atol=0.05)
        assert_allclose(embedder.black_box_output(rows), output, atol=0.02)
    assert relevance(psem_of(net), X[:3]).shape == (3, 1, 8, 8)
