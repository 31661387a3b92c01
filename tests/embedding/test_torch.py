"""TorchEmbedder: the right activations, and a module that does not notice."""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone

torch = pytest.importorskip("torch")
from torch import nn

from sklearn_kmex.embedding import TorchEmbedder


def make_network():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(64, 16),
        nn.Dropout(0.5),
        nn.ReLU(),
        nn.Linear(16, 10),
    )


@pytest.fixture
def network():
    return make_network()


@pytest.fixture
def images(digits):
    return digits[1].reshape(-1, 1, 8, 8).astype(np.float32)[:100]


def by_hand(network, images, until):
    network.eval()
    with torch.no_grad():
        out = network[:until](torch.from_numpy(images)).numpy()
    network.train()
    return out


def test_default_is_the_input_of_the_last_linear_layer(network, images):
    out = TorchEmbedder(network).transform(images)
    assert out.dtype == np.float32
    assert out.flags.c_contiguous
    assert_allclose(out, by_hand(network, images, 8), rtol=1e-5, atol=1e-6)


def test_last_means_the_last_to_run(images):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.head, self.body = nn.Linear(5, 2), nn.Linear(64, 5)

        def forward(self, X):
            return self.head(self.body(X.flatten(1)))

    net = Net()
    out = TorchEmbedder(net, batch_size=7).transform(images)
    expected = net.body(torch.from_numpy(images).flatten(1)).detach()
    assert_allclose(out, expected, rtol=1e-5)


@pytest.mark.parametrize(("pooling", "width"), [("mean", 4), ("flatten", 256)])
def test_feature_maps_are_pooled(network, images, pooling, width):
    out = TorchEmbedder(network, "2", pooling=pooling).transform(images)
    maps = by_hand(network, images, 3)
    expected = maps.mean(axis=(2, 3)) if pooling == "mean" else maps.reshape(100, -1)
    assert out.shape == (100, width)
    assert_allclose(out, expected, rtol=1e-4, atol=1e-5)


def test_tokens_are_pooled_over_the_sequence():
    tokens = torch.nn.Embedding(11, 6)
    ids = torch.arange(20).reshape(4, 5) % 11
    module = nn.Sequential(tokens)
    out = TorchEmbedder(module, "0").transform(ids)
    assert_allclose(out, tokens(ids).mean(dim=1).detach(), rtol=1e-6)


def test_rows_are_reshaped(network, images):
    rows = images.reshape(100, 64).astype(np.float64)
    out = TorchEmbedder(network, input_shape=(1, 8, 8)).fit_transform(rows)
    assert_array_equal(out, TorchEmbedder(network).transform(images))


@pytest.mark.parametrize("batch_size", [1, 33, 1000])
def test_batches_and_tensors_give_the_same(network, images, batch_size):
    expected = TorchEmbedder(network).transform(images)
    embedder = TorchEmbedder(network, batch_size=batch_size)
    assert_allclose(embedder.transform(images), expected, rtol=1e-4, atol=1e-6)
    tensor = torch.from_numpy(images)
    assert_allclose(embedder.transform(tensor), expected, rtol=1e-4, atol=1e-6)
    assert not tensor.requires_grad


def test_black_box_output(network, images):
    out = TorchEmbedder(network).black_box_output(images)
    assert_allclose(out, by_hand(network, images, 9), rtol=1e-4, atol=1e-5)


def state_of(network):
    return (
        {k: v.clone() for k, v in network.state_dict().items()},
        [(part.training, len(part._forward_hooks), len(part._forward_pre_hooks))
         for part in network.modules()],
        [(p.requires_grad, p.grad, p.device) for p in network.parameters()],
    )  # fmt: skip


def assert_same(one, other):
    for name, values in one[0].items():
        assert torch.equal(values, other[0][name])
    assert one[1:] == other[1:]


def test_the_module_stays_as_it_was(network, images):
    network.train()
    network[1].eval()  # a flag of its own
    network[0].weight.requires_grad_(False)
    before = state_of(network)
    embedder = TorchEmbedder(network)
    embedder.fit(images).transform(images)
    embedder.black_box_output(images)
    assert_same(before, state_of(network))
    with pytest.raises(RuntimeError):
        embedder.transform(images[:, :, :3])
    with pytest.raises(ValueError, match="must run once"):
        TorchEmbedder(Twice(network), "inner").transform(images)
    assert_same(before, state_of(network))


class Twice(nn.Module):
    def __init__(self, inner):
        super().__init__()
        self.inner, self.unused = inner, nn.Linear(3, 3)

    def forward(self, X):
        return self.inner(X) + self.inner(X)


def test_a_layer_must_run_once(network, images):
    with pytest.raises(ValueError, match=r"layer 'inner' must run once.* ran 2 times"):
        TorchEmbedder(Twice(network), "inner").transform(images)
    with pytest.raises(ValueError, match=r"layer 'unused' must run once.* ran 0 times"):
        TorchEmbedder(Twice(network), "unused").transform(images)


def test_a_layer_must_give_a_tensor(images):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.rnn = nn.LSTM(8, 3, batch_first=True)

        def forward(self, X):
            return self.rnn(X[:, 0])[0]

    with pytest.raises(TypeError, match="layer 'rnn' must give a tensor; got tuple"):
        TorchEmbedder(Net(), "rnn").transform(images)


def test_unknown_layers_and_modules_without_a_linear_one(network, images):
    with pytest.raises(ValueError, match=r"got '9'\. Did you mean one of"):
        TorchEmbedder(network, "9").transform(images)
    with pytest.raises(ValueError, match="Sequential has no linear layer"):
        TorchEmbedder(nn.Sequential(nn.Flatten(), nn.ReLU())).transform(images)


def test_bad_input(network, images):
    with pytest.raises(ValueError, match="NaN"):
        TorchEmbedder(network).transform(images * np.nan)
    with pytest.raises(ValueError, match=r"input_shape \(1, 8, 8\); got .* \(63,\)"):
        TorchEmbedder(network, input_shape=(1, 8, 8)).transform(np.ones((2, 63)))
    with pytest.raises(ValueError, match="'batch_size' parameter"):
        TorchEmbedder(network, batch_size=0).fit(images)
    with pytest.raises(ValueError, match="'module' parameter"):
        TorchEmbedder("resnet").fit(images)


def test_images_are_checked_against_input_shape(network, images):
    embedder = TorchEmbedder(network, input_shape=(1, 8, 8))
    assert_array_equal(
        embedder.transform(images), TorchEmbedder(network).transform(images)
    )


def test_clone_shares_the_module_and_pickle_copies_it(network, images):
    embedder = TorchEmbedder(network, "4", batch_size=5)
    copy = clone(embedder)
    assert copy.module is network
    assert (copy.layer, copy.batch_size) == ("4", 5)
    loaded = pickle.loads(pickle.dumps(embedder))
    assert loaded.module is not network
    assert_array_equal(loaded.transform(images), embedder.transform(images))


def test_names_of_the_embedding(network, images):
    embedder = TorchEmbedder(network).fit(images)
    assert list(embedder.get_feature_names_out()[:2]) == [
        "torchembedder0",
        "torchembedder1",
    ]
    assert len(embedder.get_feature_names_out()) == 16
