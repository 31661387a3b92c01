"""Orthonormality: the prototypes of a class do not resemble each other."""

import numpy as np
import pytest

pytest.importorskip("skorch")

import torch
from study.protovae import ProtoVAE, mixture_divergence

pytestmark = pytest.mark.slow

N_PROTOTYPES = 5


@pytest.fixture(scope="module")
def data(digits):
    X, _, y, _ = digits
    return (X[:800] / 16).astype(np.float32).reshape(-1, 1, 8, 8), y[:800]


def fitted(data, **how):
    model = ProtoVAE(
        max_epochs=12,
        batch_size=32,
        module__n_features=64,
        optimizer__param_groups=[("prototypes", {"lr": 0.02})],
        random_state=0,
        **how,
    )
    return model.fit(*data)


@pytest.fixture(scope="module")
def model(data):
    return fitted(data)


def grams(model):
    """Inner products of the prototypes of each class about their mean."""
    of_classes = model.prototypes_.reshape(10, N_PROTOTYPES, -1)
    centred = of_classes - of_classes.mean(axis=1, keepdims=True)
    return centred @ centred.transpose(0, 2, 1)


def test_prototypes_of_a_class_are_orthonormal_about_their_mean(model, data):
    # Nearest to the identity, of what vectors of sum zero can reach.
    ideal = np.eye(N_PROTOTYPES) - 1 / N_PROTOTYPES
    assert np.abs(grams(model) - ideal).max() < 0.1
    without = grams(fitted(data, orthonormality=0))
    assert np.abs(without - ideal).max(axis=(1, 2)).min() > 0.5


def test_images_and_prototypes_are_decoded(model, data):
    X, _ = data
    decoded = model.decode(model.embed(X))
    assert decoded.shape == X.shape
    assert 0 <= decoded.min() <= decoded.max() <= 1
    assert np.square(decoded - X).mean() < np.square(X - X.mean(axis=0)).mean()
    said = model.predict(model.decode(model.prototypes_))
    assert np.mean(said == model.prototype_classes_) > 0.8


def test_divergence_keeps_images_wide(model, data):
    def mean_log_variance(model):
        with torch.no_grad():
            encoded = model.module_.eval().encoder(torch.as_tensor(data[0]))
        return encoded.chunk(2, dim=1)[1].mean()

    assert mean_log_variance(model) > -4
    assert mean_log_variance(fitted(data, divergence=0)) < -7


def test_divergence_is_that_of_normal_distributions():
    generator = torch.Generator().manual_seed(0)
    mean, log_variance = torch.randn(2, 4, 3, generator=generator)
    prototypes = torch.randn(2, 3, generator=generator)
    weights = torch.rand(4, 2, generator=generator)
    normal = torch.distributions.Normal
    each = torch.distributions.kl_divergence(
        normal(mean[:, None], (log_variance / 2).exp()[:, None]), normal(prototypes, 1)
    ).mean(dim=2)
    expected = (each * weights).sum(dim=1) / weights.sum(dim=1)
    found = mixture_divergence(mean, log_variance, prototypes, weights)
    torch.testing.assert_close(found, expected.mean())
