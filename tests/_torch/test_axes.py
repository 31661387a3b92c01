"""Axes of activations: which are pooled, and which must be those of the samples."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

torch = pytest.importorskip("torch")
pytest.importorskip("skorch")
from skorch import NeuralNetClassifier
from torch import nn
from torch.nn import functional

from sklearn_kmex import make_kmex
from sklearn_kmex.embedding import SkorchEmbedder, TorchEmbedder
from sklearn_kmex.explain import concept_maps
from sklearn_kmex.export import to_torch


def series(length=20, n_samples=6, n_channels=3):
    rng = np.random.default_rng(0)
    shape = (n_samples, n_channels, length)
    return rng.standard_normal(shape, dtype=np.float32)


def convolutions(width=8):
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv1d(3, width, 3, padding=1),
        nn.BatchNorm1d(width),
        nn.ReLU(),
        nn.MaxPool1d(2),
        nn.Dropout(0.5),
        nn.AdaptiveAvgPool1d(1),
        nn.Flatten(),
        nn.Linear(width, 2),
    ).eval()


@pytest.mark.parametrize("length", [20, 8, 31])  # 8: as many positions as channels
@pytest.mark.parametrize("layer", range(6))
def test_maps_of_series_are_averaged_over_positions(layer, length):
    network, X = convolutions(), series(length)
    with torch.no_grad():
        expected = network[: layer + 1](torch.from_numpy(X)).mean(dim=2)
    found = TorchEmbedder(network, str(layer)).transform(X)
    assert found.shape == (6, 8)
    assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


class Watched(nn.Module):
    """Values before the head, made by a function, in a layer that can be named."""

    def __init__(self, body, function):
        super().__init__()
        self.body, self.seen, self.head = body, nn.Identity(), nn.Linear(8, 2)
        self.function = function

    def forward(self, X):
        X = self.seen(self.function(self.body, X))
        return self.head(X.flatten(1)[:, :8]) if X.ndim > 1 else X


def gated(conv, X):
    X = functional.leaky_relu(functional.conv1d(X, conv.weight))
    return torch.sigmoid(X.mean(dim=2)).unsqueeze(-1) * X


def residual(conv, X):
    X = conv(X)
    return functional.relu(X + functional.batch_norm(X, X[0, :, 0], X[0, :, 0].abs()))


def mixed_tokens(linear, X):
    X = linear(X.transpose(1, 2))
    return X + functional.softmax(X.mT, dim=-1).mT


def recurrent(conv, X):
    torch.manual_seed(0)
    return nn.GRU(8, 8, batch_first=True)(conv(X).mT)[0]


@pytest.mark.parametrize(
    ("body", "function", "positions"),
    [
        (nn.Conv1d(3, 8, 3), gated, 2),
        (nn.Conv1d(3, 8, 3), residual, 2),
        (nn.Conv1d(3, 8, 3), lambda conv, X: conv(X).transpose(1, 2), 1),
        (nn.Conv1d(3, 8, 3), lambda conv, X: conv(X).permute((0, 2, 1)) + 1, 1),
        (nn.Conv1d(3, 8, 3), lambda conv, X: torch.einsum("ncl->nlc", conv(X)), 1),
        (
            nn.Conv1d(3, 8, 3),
            lambda conv, X: torch.swapaxes(input=conv(X), axis0=1, axis1=2),
            1,
        ),
        (nn.Conv1d(3, 8, 3), recurrent, 1),
        (nn.Linear(3, 8), mixed_tokens, 1),
        (nn.Linear(3, 8), lambda linear, X: linear(X.mT).mT, 2),
        (nn.LayerNorm(10), lambda norm, X: norm(X), 1),
        (nn.ReLU(), lambda relu, X: relu(X), 1),  # of unknown kind: tokens
    ],
)
def test_positions_are_followed_through_functions(body, function, positions):
    X = series(10)
    network = Watched(body, function).eval()
    with torch.no_grad():
        expected = function(body, torch.from_numpy(X)).mean(dim=positions)
    found = TorchEmbedder(network, "seen").transform(X)
    assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


def test_images_with_channels_last_are_averaged_over_positions():
    def channels_last(conv, X):
        return functional.layer_norm(conv(X).permute(0, 2, 3, 1), (8,))

    torch.manual_seed(0)
    conv = nn.Conv2d(3, 8, 2, stride=2)
    X = np.random.default_rng(0).standard_normal((4, 3, 8, 8), dtype=np.float32)
    with torch.no_grad():
        expected = channels_last(conv, torch.from_numpy(X)).mean(dim=(1, 2))
    network = Watched(conv, channels_last)
    found = TorchEmbedder(network, "seen").transform(X)
    assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


def test_the_first_position_of_a_series():
    network, X = convolutions(), series()
    found = TorchEmbedder(network, "2", pooling="cls").transform(X)
    with torch.no_grad():
        expected = network[:3](torch.from_numpy(X))[:, :, 0]
    assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_one_number_for_each_sample_is_a_column():
    network = Watched(nn.Identity(), lambda body, X: X.sum(dim=(1, 2)))
    X = series()
    found = TorchEmbedder(network, "seen").transform(X)
    assert_allclose(found, X.sum(axis=(1, 2))[:, np.newaxis], rtol=1e-5, atol=1e-5)


class Sequence(nn.Module):
    """Outputs without a row for each sample."""

    def __init__(self, kind):
        super().__init__()
        self.kind = kind
        self.rnn, self.seen, self.head = nn.GRU(3, 8), nn.Identity(), nn.Linear(8, 2)

    def forward(self, X):
        steps = X.permute(2, 0, 1)
        found = {
            "first": lambda: self.rnn(steps)[0],
            "folded": lambda: self.rnn(steps)[0].transpose(0, 1).flatten(0, 1),
            "one": lambda: self.rnn(steps)[0].mean(dim=(0, 1), keepdim=True)[0],
            "number": lambda: steps.mean(),
        }[self.kind]()
        found = self.seen(found)
        return found if self.kind == "number" else self.head(found)


@pytest.mark.parametrize("n_samples", [1, 6, 20])  # 20: as many samples as steps
@pytest.mark.parametrize(
    ("kind", "shape"), [("first", r"\(20, 2, 8\)"), ("folded", r"\(40, 8\)")]
)
def test_layers_without_a_row_for_each_sample_are_named(kind, shape, n_samples):
    X = series(20, n_samples)
    message = rf"'seen' must return one row .* got shape {shape} for 2 sample"
    with pytest.raises(ValueError, match=message):
        TorchEmbedder(Sequence(kind), "seen").transform(X)
    with pytest.raises(ValueError, match=rf"'head' must take one row .* {shape}"):
        TorchEmbedder(Sequence(kind)).transform(X)


def test_layers_with_one_row_for_the_batch_are_named():
    message = r"'seen' must return one row .* shape \(1, 8\) for 6 sample"
    with pytest.raises(ValueError, match=message):
        TorchEmbedder(Sequence("one"), "seen").transform(series())
    with pytest.raises(ValueError, match=r"'seen' must return one row .* shape \(\)"):
        TorchEmbedder(Sequence("number"), "seen").transform(series())


def test_nets_of_skorch_pool_the_same():
    X, y = series(), np.arange(6) % 2
    how = {"max_epochs": 1, "train_split": None, "verbose": 0}
    net = NeuralNetClassifier(convolutions(), **how).fit(X, y)
    found = SkorchEmbedder(net, "2").transform(X)
    expected = TorchEmbedder(net.module_, "2").transform(X)
    assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    net = NeuralNetClassifier(Sequence("first"), **how).initialize()
    with pytest.raises(ValueError, match="'seen' must return one row"):
        SkorchEmbedder(net, "seen").transform(X)


class Tokens(nn.Module):
    def __init__(self):
        super().__init__()
        self.each, self.act, self.head = nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 2)

    def forward(self, X):
        return self.head(self.act(self.each(X.transpose(1, 2))).mean(dim=1))


@pytest.mark.parametrize("length", [20, 8])
@pytest.mark.parametrize(
    ("network", "layer"), [(convolutions(), "2"), (Tokens(), "act")]
)
def test_exports_and_concept_maps_pool_the_same(network, layer, length):
    X, y = series(length), np.arange(6) % 2
    embedder = TorchEmbedder(network, layer)
    psem = make_kmex(embedder, n_prototypes=1, metric="euclidean", random_state=0)
    psem.fit(X, y)
    served = [to_torch(psem, X)]
    if length != 8:  # without samples, the width tells positions from features
        served.append(to_torch(psem))
    for module in served:
        found = module(torch.from_numpy(X))["probabilities"]
        assert_allclose(found, psem.predict_proba(X), rtol=1e-4)
    maps = concept_maps(psem, X, prototypes=1)
    assert maps.shape == (6, length)
    expected = embedder.transform(X) @ psem[-1].prototypes_[1]
    assert_allclose(maps.mean(axis=1), expected, rtol=1e-3, atol=1e-5)


def test_the_module_keeps_no_notes():
    network, X = convolutions(), series()
    tensor = torch.from_numpy(X)
    before = [
        dict(vars(values)) for values in network.state_dict(keep_vars=True).values()
    ]
    TorchEmbedder(network, "2").transform(tensor)
    after = [vars(values) for values in network.state_dict(keep_vars=True).values()]
    assert_array_equal(before, after)
    assert vars(tensor) == {}


@pytest.mark.parametrize("n_steps", [2, 3])
@pytest.mark.parametrize("n_samples", [1, 2, 3])
def test_steps_before_samples_are_told_for_any_number_of_both(n_steps, n_samples):
    class StepsFirst(nn.Module):
        def __init__(self):
            super().__init__()
            self.body, self.head = nn.GRU(3, 6), nn.Linear(6, 2)

        def forward(self, X):
            return self.head(self.body(X.transpose(0, 1))[0]).mean(dim=0)

    X = np.random.RandomState(0).normal(size=(n_samples, n_steps, 3))
    with pytest.raises(ValueError, match="'head' must take one row for each sample"):
        TorchEmbedder(StepsFirst()).transform(X)
