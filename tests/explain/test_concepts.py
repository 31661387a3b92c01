"""concept_maps: locations share the inner product of embedding and prototype."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.pipeline import make_pipeline

torch = pytest.importorskip("torch")
pytest.importorskip("zennit")
import networks
from networks import images, psem_of, seeded
from torch import nn
from torch.nn import functional

from sklearn_kmex import KMExClassifier, make_kmex
from sklearn_kmex.embedding import TorchEmbedder
from sklearn_kmex.explain import concept_maps

X = images(7, seed=1)


def products(psem, X):
    """Inner product of each embedding with each prototype."""
    return psem["embed"].transform(X) @ psem["kmex"].prototypes_.T


def nearest(psem, X):
    return np.take_along_axis(
        products(psem, X), psem.transform(X).argmax(axis=1)[:, np.newaxis], axis=1
    )[:, 0]


class ChannelsLast(networks.Written):
    def forward(self, X):
        X = torch.relu(self.conv2(self.conv1(X))).permute(0, 2, 3, 1)
        return self.head(X.mean(dim=(1, 2)))


class Functional(networks.Written):
    """The last activation is a function, and changes its input in place."""

    def forward(self, X):
        X = functional.relu_(self.conv2(self.conv1(X)))
        return self.head(functional.adaptive_avg_pool2d(X, 1).flatten(1))


class Layers(networks.Written):
    """Layers alone, pooled by one of them."""

    def __init__(self):
        super().__init__()
        self.act, self.pool, self.flat = (
            nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        )  # fmt: skip

    def forward(self, X):
        return self.head(self.flat(self.pool(self.act(self.conv2(self.conv1(X))))))


@pytest.mark.parametrize(
    "kind", [networks.Written, networks.Minus, ChannelsLast, Functional, Layers]
)
def test_locations_share_the_inner_product(kind):
    # Feature maps are as large as the images, so that nothing is interpolated.
    psem = psem_of(seeded(kind, 0))
    maps = concept_maps(psem, X)
    assert maps.shape == (7, 8, 8)
    assert maps.dtype == np.float32
    assert_allclose(maps.mean(axis=(1, 2)), nearest(psem, X), rtol=1e-4, atol=1e-6)


def test_a_map_by_hand():
    network = nn.Sequential(
        nn.Conv2d(1, 2, 1, bias=False), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(2, 2),
    )  # fmt: skip
    network[0].weight.data = torch.tensor([1.0, -1.0]).reshape(2, 1, 1, 1)
    bright, dark = np.ones((2, 1, 2, 2)), np.zeros((2, 1, 2, 2))
    psem = make_kmex(network, n_prototypes=1, random_state=0)
    psem.fit(np.concatenate([bright, dark]), [1, 1, 0, 0])
    sample = np.array([[[[0.0, 1.0], [2.0, 3.0]]]])  # prototype 1 is (1, -1)
    assert_allclose(concept_maps(psem, sample, prototypes=1), 2 * sample[0])
    assert_allclose(concept_maps(psem, sample, prototypes=0), 0 * sample[0])


def test_smaller_maps_are_enlarged():
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(1, 6, 2, stride=2), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(6, 3),
    )  # fmt: skip
    psem = psem_of(network)
    with torch.no_grad():
        places = network[:2](torch.from_numpy(X))
    prototype = torch.from_numpy(psem["kmex"].prototypes_[4]).float()
    small = torch.einsum("nchw,c->nhw", places, prototype)[:, None]
    expected = functional.interpolate(small, size=(8, 8), mode="bilinear")[:, 0]
    found = concept_maps(psem, X, prototypes=4)
    assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


def test_tokens_are_laid_out_as_a_square():
    mean = psem_of(seeded(networks.Tokens, cls=False))
    network = mean["embed"].module
    with torch.no_grad():
        tokens = network.embed(torch.from_numpy(X)).flatten(2).transpose(1, 2)
        tokens = network.blocks(tokens)
    prototype = torch.from_numpy(mean["kmex"].prototypes_[1]).float()
    small = (tokens @ prototype).unflatten(1, (4, 4))[:, None]
    expected = functional.interpolate(small, size=(8, 8), mode="bilinear")[:, 0]
    found = concept_maps(mean, X, prototypes=1)
    assert_allclose(found, expected, rtol=1e-3, atol=1e-5)
    assert_allclose(small.mean((1, 2, 3)), products(mean, X)[:, 1], rtol=1e-3)


def test_patches_beside_a_class_token():
    psem = psem_of(seeded(networks.Tokens, cls=True))
    network = psem["embed"].module
    with torch.no_grad():
        patches = network.embed(torch.from_numpy(X)).flatten(2).transpose(1, 2)
        token = network.cls.expand(len(X), -1, -1)
        tokens = network.blocks(torch.cat([token, patches], dim=1))
    assert_allclose(psem["embed"].transform(X), tokens[:, 0], rtol=1e-4, atol=1e-5)
    prototype = torch.from_numpy(psem["kmex"].prototypes_[5]).float()
    small = (tokens[:, 1:] @ prototype).unflatten(1, (4, 4))[:, None]
    expected = functional.interpolate(small, size=(8, 8), mode="bilinear")[:, 0]
    found = concept_maps(psem, X, prototypes=5)
    assert_allclose(found, expected, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("pooling", ["cls", "mean"])
def test_tokens_pooled_by_the_embedder(pooling):
    network = seeded(networks.Tokens, cls=True)
    embedder = TorchEmbedder(network, "blocks", pooling=pooling)
    psem = make_pipeline(embedder, KMExClassifier(1, random_state=0))
    psem.fit(images(), np.arange(30) % 3)
    assert concept_maps(psem, X).shape == (7, 8, 8)


def test_a_layer_with_a_feature_map():
    network = seeded(networks.Written)
    embedder = TorchEmbedder(network, "conv2")
    psem = make_pipeline(embedder, KMExClassifier(2, random_state=0))
    psem.fit(images(), np.arange(30) % 3)
    Z = embedder.transform(X)
    ids = psem.transform(X).argmax(axis=1)
    expected = (Z * psem[-1].prototypes_[ids]).sum(axis=1)
    found = concept_maps(psem, X)
    assert_allclose(found.mean(axis=(1, 2)), expected, rtol=1e-4, atol=1e-6)


def test_rows_of_tokens_and_rows_that_the_network_lays_out():
    class Rows(nn.Module):
        def __init__(self, tokens):
            super().__init__()
            self.each, self.head = nn.Linear(3, 5), nn.Linear(5, 2)
            self.tokens = tokens

        def forward(self, X):
            X = X if self.tokens else X.unflatten(1, (2, 4, 3))
            axes = tuple(range(1, X.ndim - 1))
            return self.head(torch.relu(self.each(X)).mean(dim=axes))

    rng = np.random.default_rng(0)
    for tokens, shape, size in ((True, (6, 3), (6,)), (False, (24,), (2, 4))):
        torch.manual_seed(0)
        samples = rng.normal(size=(20, *shape)).astype(np.float32)
        psem = make_kmex(Rows(tokens), n_prototypes=1, random_state=0)
        psem.fit(samples, np.arange(20) % 2)
        maps = concept_maps(psem, samples)
        assert maps.shape == (20, *size)
        assert_allclose(
            maps.reshape(20, -1).mean(axis=1), nearest(psem, samples), rtol=1e-3
        )


def test_sequences_and_volumes():
    rng = np.random.default_rng(0)
    for conv, pool, sides in (
        (nn.Conv1d, nn.AdaptiveAvgPool1d, (8,)),
        (nn.Conv3d, nn.AdaptiveAvgPool3d, (4, 4, 4)),
    ):
        torch.manual_seed(0)
        network = nn.Sequential(
            conv(1, 5, 1), nn.ReLU(), pool(1), nn.Flatten(), nn.Linear(5, 2)
        )
        samples = rng.normal(size=(20, 1, *sides)).astype(np.float32)
        psem = make_kmex(network, n_prototypes=1, random_state=0)
        psem.fit(samples, np.arange(20) % 2)
        maps = concept_maps(psem, samples)
        assert maps.shape == (20, *sides)
        assert_allclose(
            maps.reshape(20, -1).mean(axis=1), nearest(psem, samples), rtol=1e-3
        )


def test_batches_and_several_prototypes_are_those_of_one_at_a_time():
    psem = psem_of(seeded(networks.NormAfter))
    ids = np.array([[0, 5, 3]] * len(X))
    ids[2] = [1, 1, 4]
    several = concept_maps(psem, X, prototypes=ids, batch_size=2)
    assert several.shape == (7, 3, 8, 8)
    for place in range(3):
        one = concept_maps(psem, X, prototypes=ids[:, place])
        assert_allclose(several[:, place], one, rtol=1e-4, atol=1e-6)
    closest = psem.transform(X).argmax(axis=1)
    assert_array_equal(concept_maps(psem, X), concept_maps(psem, X, prototypes=closest))
    with pytest.raises(
        ValueError,
        match="prototypes must be indices of prototypes_, from 0 to 5; got 6",
    ):
        concept_maps(psem, X, prototypes=6)


def test_embeddings_that_are_no_mean_are_refused(blobs):
    torch.manual_seed(0)
    flat = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 3))
    behind = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 4),
        nn.ReLU(), nn.Linear(4, 3),
    )  # fmt: skip
    largest = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(4, 3)
    )
    for network in (flat, behind, largest):
        with pytest.raises(ValueError, match=r"must be the mean over .* Use relevance"):
            concept_maps(psem_of(network), X)
    rows, y = blobs
    table = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 3))
    with pytest.raises(ValueError, match="Sequential must be the mean over"):
        concept_maps(make_kmex(table, n_prototypes=1).fit(rows, y), rows)
