"""The push: prototypes are patches of training images."""

import numpy as np
import pytest

pytest.importorskip("skorch")

import torch
from study.protopnet import ProtoPNet
from torch.nn import functional

pytestmark = pytest.mark.slow


class Watched(ProtoPNet):
    """Keeps how well the training rows are told apart before the push."""

    def _push(self, X, y):
        self.before_ = np.mean(self.predict(X) == self.classes_[y])
        self.learnt_ = self._vectors(X)
        super()._push(X, y)


@pytest.fixture(scope="module")
def data(digits):
    X, _, y, _ = digits
    return (X[:600] / 16).astype(np.float32).reshape(-1, 1, 8, 8), y[:600]


@pytest.fixture(scope="module")
def model(data):
    model = Watched(n_prototypes=3, max_epochs=12, batch_size=32, random_state=0)
    return model.fit(*data)


def patches(model, X):
    with torch.no_grad():
        return model.module_.eval().patches(torch.as_tensor(X)).numpy()


def test_each_prototype_is_a_patch_of_a_training_image_of_its_class(model, data):
    X, y = data
    assert np.abs(model.prototypes_ - model.learnt_).max() > 0.01
    for prototype, label, row in zip(
        model.prototypes_,
        model.prototype_classes_,
        model.prototype_indices_,
        strict=True,
    ):
        assert y[row] == label
        away = np.abs(patches(model, X[row : row + 1])[0] - prototype).max(axis=1)
        assert away.min() < 1e-5


def test_it_is_the_nearest_patch_of_the_class(model, data):
    X, y = data
    for label in range(10):
        of_class = patches(model, X[y == label]).reshape(-1, model.prototypes_.shape[1])
        own = model.prototype_classes_ == label
        for learnt, pushed in zip(
            model.learnt_[own], model.prototypes_[own], strict=True
        ):
            distances = np.square(of_class - learnt).sum(axis=1)
            reached = np.square(pushed - learnt).sum()
            assert reached == pytest.approx(distances.min(), rel=1e-3, abs=1e-5)


def test_the_push_costs_little_accuracy(model, data):
    X, y = data
    assert model.before_ > 0.9
    assert np.mean(model.predict(X) == y) > model.before_ - 0.05


def test_the_last_layer_keeps_prototypes_to_their_classes(model):
    weights = model.module_.last.weight.detach().numpy()
    own = model.classes_[:, np.newaxis] == model.prototype_classes_
    assert weights[own].mean() > 0 > weights[~own].mean()
    start = np.where(own, 1, -0.5)
    assert np.abs(weights - start).max() > 1e-3


def test_l1_makes_the_last_layer_sparse(data):
    def mean_foreign_weight(l1):
        model = ProtoPNet(
            n_prototypes=3, max_epochs=3, batch_size=32, l1=l1, random_state=0
        ).fit(*data)
        own = model.classes_[:, np.newaxis] == model.prototype_classes_
        return np.abs(model.module_.last.weight.detach().numpy()[~own]).mean()

    assert mean_foreign_weight(0.1) < mean_foreign_weight(0) / 2


def test_costs_draw_images_to_prototypes_of_their_class_and_off_others(model, data):
    X, y = map(torch.as_tensor, data)
    outputs = model.module_.eval()(X)
    distances = outputs[3].detach().numpy()
    own = data[1][:, np.newaxis] == model.prototype_classes_
    cluster = np.where(own, distances, np.inf).min(axis=1).mean()
    separation = np.where(own, np.inf, distances).min(axis=1).mean()
    costs = model.get_loss(outputs, y) - functional.cross_entropy(outputs[0], y)
    assert costs.item() == pytest.approx(0.8 * cluster - 0.08 * separation, rel=1e-4)
    assert cluster < separation / 2


def test_the_body_is_fixed_in_warm_epochs(data):
    X, y = data

    def body(**epochs):
        model = ProtoPNet(random_state=0, batch_size=64, **epochs).fit(X, y)
        return model.module_.body[0].weight.detach().numpy()

    start = body(max_epochs=0, warm_epochs=0)
    np.testing.assert_array_equal(body(max_epochs=1, warm_epochs=1), start)
    assert np.abs(body(max_epochs=2, warm_epochs=1) - start).max() > 1e-4
