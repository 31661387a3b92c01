"""SkorchEmbedder: a fitted net with its own iterator."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

torch = pytest.importorskip("torch")
pytest.importorskip("skorch")
from skorch import NeuralNetClassifier
from torch import nn

from sklearn_kmex.embedding import SkorchEmbedder, TorchEmbedder


def make_net():
    torch.manual_seed(0)
    module = nn.Sequential(
        nn.Flatten(), nn.Linear(64, 16), nn.Dropout(0.5), nn.ReLU(), nn.Linear(16, 10)
    )
    return NeuralNetClassifier(
        module,
        criterion=nn.CrossEntropyLoss,
        max_epochs=20,
        lr=0.1,
        batch_size=32,
        verbose=0,
        train_split=None,
    )


@pytest.fixture(scope="module")
def data(digits):
    X, X_test, y, y_test = digits
    return (X / 16).astype(np.float32), (X_test / 16).astype(np.float32), y, y_test


@pytest.fixture(scope="module")
def net(data):
    X, _, y, _ = data
    return make_net().fit(X, y)


def test_the_same_as_its_module(net, data):
    _, X, _, _ = data
    out = SkorchEmbedder(net).transform(X)
    assert out.dtype == np.float32
    assert_allclose(out, TorchEmbedder(net.module_).transform(X), rtol=1e-4, atol=1e-5)
    named = SkorchEmbedder(net, "1", pooling="flatten").transform(X)
    assert_allclose(np.maximum(named, 0), out, rtol=1e-4, atol=1e-5)


def test_black_box_output_is_what_the_net_predicts(net, data):
    _, X, _, _ = data
    out = SkorchEmbedder(net).black_box_output(X)
    assert_allclose(out, net.predict_proba(X), rtol=1e-6)
    assert_array_equal(out.argmax(axis=1), net.predict(X))


def test_rows_are_reshaped(net, data):
    _, X, _, _ = data
    out = SkorchEmbedder(net, input_shape=(8, 8)).fit_transform(X)
    assert_allclose(out, SkorchEmbedder(net).transform(X))


def test_the_net_stays_as_it_was(net, data):
    _, X, _, _ = data
    net.module_.train()
    before = {k: v.clone() for k, v in net.module_.state_dict().items()}
    epochs = len(net.history)
    embedder = SkorchEmbedder(net).fit(X)
    embedder.transform(X)
    embedder.black_box_output(X)
    assert clone(embedder).net is net
    assert all(part.training for part in net.module_.modules())
    assert len(net.history) == epochs
    for name, values in net.module_.state_dict().items():
        assert torch.equal(values, before[name])


def test_an_unfitted_net_raises_an_error(data):
    _, X, _, _ = data
    with pytest.raises(NotFittedError):
        SkorchEmbedder(make_net()).transform(X)
    with pytest.raises(NotFittedError):
        SkorchEmbedder(make_net()).black_box_output(X)


def test_the_output_of_a_scripted_net_can_be_read(net, data):
    _, X, _, _ = data
    module = torch.jit.script(net.module_)
    scripted = NeuralNetClassifier(module, verbose=0).initialize()
    out = SkorchEmbedder(scripted).black_box_output(X)
    assert_allclose(out, scripted.predict_proba(X), rtol=1e-6)
    with pytest.raises(ValueError, match=r"was made by torch\.jit"):
        SkorchEmbedder(scripted).transform(X)
