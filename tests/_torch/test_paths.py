"""Contributions of the columns of a table to networks of torch."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.neural_network import MLPClassifier

torch = pytest.importorskip("torch")
from torch import nn

from sklearn_kmex import make_kmex
from sklearn_kmex._torch import paths
from sklearn_kmex.embedding import MLPEmbedder, SkorchEmbedder, TorchEmbedder
from sklearn_kmex.explain import contrast

X = np.random.default_rng(0).normal(size=(40, 6)).astype(np.float32)
Y = (X[:, 0] * X[:, 1] > 0).astype(int)


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(6, 8), nn.Linear(8, 8)
        self.norm, self.head = nn.LayerNorm(8), nn.Linear(8, 2)

    def forward(self, X):
        hidden = torch.tanh(self.first(X))
        return self.head(self.norm(hidden + nn.functional.gelu(self.second(hidden))))


class WithoutGradients(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.head = nn.Linear(6, 8), nn.Linear(8, 2)

    @torch.no_grad()
    def forward(self, X):
        return self.head(torch.tanh(self.first(X)))


def dense():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Linear(6, 8), nn.ReLU(), nn.Dropout(), nn.Linear(8, 5), nn.ReLU(),
        nn.Linear(5, 2),
    )  # fmt: skip


def with_norms():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.BatchNorm1d(6), nn.Linear(6, 8), nn.BatchNorm1d(8), nn.SiLU(),
        nn.Linear(8, 2),
    ).eval()  # fmt: skip


def fitted(network):
    return make_kmex(network, n_prototypes=2, random_state=0).fit(X, Y)


@pytest.mark.parametrize("make", [dense, with_norms, Residual])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_contributions_are_of_columns_and_sum(make, dtype):
    torch.manual_seed(0)
    psem = fitted(make().to(dtype))
    found = contrast(psem, X)
    assert (found.space, found.method) == ("input", "integrated_gradients")
    assert found.contributions.shape == X.shape
    size = np.abs(found.contributions).sum(axis=1)
    off = np.abs(found.contributions.sum(axis=1) + found.base - found.margin)
    most = 0.02 if dtype == torch.bfloat16 else 0.003
    assert (off <= most * size + 1e-6 * np.abs(found.margin)).all()
    assert_allclose(found.error, off, atol=1e-3 * size.max())


def test_contributions_are_those_of_the_same_network_of_scikit_learn():
    mlp = MLPClassifier((8, 5), solver="lbfgs", max_iter=40, random_state=0).fit(X, Y)
    network = dense().double()
    layers = [network[0], network[3], network[5]]
    for layer, weights, biases in zip(layers, mlp.coefs_, mlp.intercepts_, strict=True):
        if layer is not network[5]:
            layer.weight.data, layer.bias.data = map(torch.tensor, (weights.T, biases))
    rows = X.astype(np.float64)
    slope = np.random.default_rng(1).normal(size=(40, 5))
    found = TorchEmbedder(network).fit(rows)._attribute(rows, slope)
    expected = MLPEmbedder(mlp).fit(rows)._attribute(rows, slope)
    assert_allclose(found.base, expected.base, rtol=1e-6)
    scale = np.abs(expected.parts).sum(axis=1)
    assert (np.abs(found.parts - expected.parts).sum(axis=1) < 0.05 * scale).all()


def test_more_steps_where_the_sum_is_off(monkeypatch):
    psem = fitted(dense())
    monkeypatch.setattr(paths, "N_STEPS", (1,))
    few = contrast(psem, X).error
    monkeypatch.setattr(paths, "N_STEPS", (1, 256))
    assert contrast(psem, X).error.sum() < 0.1 * few.sum()
    monkeypatch.setattr(paths, "MAX_ROWS", 1)
    monkeypatch.setattr(paths, "N_STEPS", (16, 64, 256))
    one_by_one = contrast(psem, X)
    monkeypatch.undo()
    assert_allclose(one_by_one.contributions, contrast(psem, X).contributions, 1e-4)


def test_tensors_single_rows_and_other_threads_of_gradients():
    psem = fitted(dense())
    found = contrast(psem, X).contributions
    with torch.no_grad():
        assert_allclose(contrast(psem, X[3:4]).contributions[0], found[3], rtol=1e-4)
        given = contrast(psem, torch.tensor(X)).contributions
    assert_allclose(given, found, rtol=1e-5, atol=1e-7)


def test_a_net_of_skorch_is_the_network():
    skorch = pytest.importorskip("skorch")
    net = skorch.NeuralNetClassifier(dense(), max_epochs=1, train_split=None, verbose=0)
    net.fit(X, Y)
    slope = np.random.default_rng(1).normal(size=(40, 5))
    found = SkorchEmbedder(net).fit(X)._attribute(X, slope)
    expected = TorchEmbedder(net.module_).fit(X)._attribute(X, slope)
    assert_allclose(found.parts, expected.parts, rtol=1e-5)


def test_images_and_networks_without_gradients_stay_in_their_embedding():
    images = X.reshape(40, 1, 2, 3)
    network = nn.Sequential(nn.Flatten(), dense())
    psem = make_kmex(network, n_prototypes=2, random_state=0).fit(images, Y)
    assert contrast(psem, images).space == "embed"
    embedder = TorchEmbedder(network, input_shape=(1, 2, 3)).fit(X)
    assert embedder._attribute(X, np.ones((40, 5))) is None
    assert not hasattr(embedder, "reference_")
    psem = fitted(WithoutGradients())
    assert contrast(psem, X).space == "embed"
    with pytest.raises(ValueError, match="gives no gradients"):
        contrast(psem, X, method="integrated_gradients")


def test_lrp_needs_no_reference_and_tells_what_biases_keep():
    pytest.importorskip("zennit")
    found = contrast(fitted(dense()), X, method="epsilon_plus")
    assert found.method == "epsilon_plus"
    off = np.abs(found.contributions.sum(axis=1) + found.base - found.margin)
    assert_allclose(found.error, off, rtol=1e-3, atol=1e-6)
    assert found.error.max() > 0


def test_functions_without_a_rule_are_named():
    pytest.importorskip("zennit")

    class Cumulated(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.head = nn.Linear(6, 8), nn.Linear(8, 2)

        def forward(self, rows):
            return self.head(self.first(rows).cumsum(1))

    with pytest.raises(ValueError, match="no rule for cumsum"):
        contrast(fitted(Cumulated()), X, method="epsilon")


def test_references_are_forgotten_where_later_samples_are_no_table():
    embedder = TorchEmbedder(nn.Sequential(nn.Flatten(), dense())).fit(X)
    assert_array_equal(
        embedder.reference_, X[np.linspace(0, 39, 32).round().astype(int)]
    )
    assert not hasattr(embedder.fit(X.reshape(40, 1, 2, 3)), "reference_")
