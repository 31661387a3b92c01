"""Maps in every metric, weighting and aggregation, and through steps of a Pipeline."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.feature_selection import VarianceThreshold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MinMaxScaler,
    Normalizer,
    QuantileTransformer,
    StandardScaler,
)

torch = pytest.importorskip("torch")
pytest.importorskip("zennit")
import networks
from networks import images, seeded
from torch import nn

from sklearn_kmex import KMExClassifier
from sklearn_kmex._model.rule import rule_of
from sklearn_kmex.embedding import TorchEmbedder
from sklearn_kmex.explain import (
    black_box_relevance,
    concept_maps,
    faithfulness,
    relevance,
    robustness,
)

METRICS = ["euclidean", "cosine", "mahalanobis", "cosine_mahalanobis"]
STEPS = {
    "StandardScaler": [StandardScaler()],
    "MinMaxScaler": [MinMaxScaler()],
    "PCA": [PCA(4, whiten=True)],
    "TruncatedSVD": [TruncatedSVD(3)],
    "Normalizer": [Normalizer()],
    "Normalizer by the sum": [StandardScaler(), Normalizer("l1"), PCA(3)],
    "identity": [FunctionTransformer()],
    "several": [VarianceThreshold(1e-9), StandardScaler(), Normalizer(), PCA(3)],
}
# Classes of unequal size, so that the weights of prototypes differ.
Y = np.array([0, 0, 0, 1, 1, 2] * 5)
X = images(7, seed=1)


def plain_mlp(**how):
    """A small MLP without biases, so that LRP conserves all relevance."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Linear(4, 8, bias=False), nn.ReLU(), nn.Linear(8, 5, bias=False),
        nn.Linear(5, 3, bias=False),
    )  # fmt: skip


def rows_of_blobs(blobs):
    X, y = blobs
    return (X / 10).astype(np.float32), y


def fit(network, X, y, *steps, **how):
    how = {"n_prototypes": 2, "random_state": 0, **how}
    return make_pipeline(TorchEmbedder(network), *steps, KMExClassifier(**how)).fit(
        X, y
    )


def decided(psem, X):
    """Squared distances to prototypes, weighted similarities, and codes of classes."""
    rule = rule_of(psem[-1])
    Z = psem[:-1].transform(X).astype(float)
    weighted = rule.weigh(rule.similarities(Z))
    return rule.squared_distances(Z), weighted, psem[-1].predict(Z)


def margins(psem, X):
    """Squared distance to the best prototype of other classes, minus of the class."""
    squared, weighted, labels = decided(psem, X)
    own = psem[-1].prototype_classes_ == labels[:, np.newaxis]
    best = [np.where(here, weighted, -np.inf).argmax(axis=1) for here in (own, ~own)]
    rows = np.arange(len(squared))
    return squared[rows, best[1]] - squared[rows, best[0]]


def sums(maps, n_axes=1):
    return maps.reshape(*maps.shape[:n_axes], -1).sum(axis=-1)


def similar_enough(found, expected, atol=1e-3):
    assert_allclose(found, expected, rtol=5e-3, atol=atol * np.abs(expected).max())


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("steps", [[], *STEPS.values()], ids=["none", *STEPS])
def test_maps_add_up_in_every_metric_and_through_steps(metric, steps, blobs):
    rows, y = rows_of_blobs(blobs)
    psem = fit(plain_mlp(), rows, y, *steps, metric=metric)
    some = rows[::20]
    similar = psem.transform(some)
    how = {"method": "epsilon"}
    similar_enough(sums(relevance(psem, some, "margin", **how)), margins(psem, some))
    similar_enough(sums(relevance(psem, some, **how)), similar.max(axis=1))
    ids = np.tile(np.arange(similar.shape[1]), (len(some), 1))
    of_all = relevance(psem, some, prototypes=ids, **how)
    similar_enough(sums(of_all, 2), similar)


@pytest.mark.parametrize("metric", METRICS)
def test_maps_of_a_convolutional_network_add_up(metric):
    psem = fit(seeded(networks.Written), images(), Y, metric=metric)
    how = {"method": "epsilon_plus"}
    similar_enough(sums(relevance(psem, X, "margin", **how)), margins(psem, X))
    similar_enough(sums(relevance(psem, X, **how)), psem.transform(X).max(axis=1))


@pytest.mark.parametrize("priors", ["uniform", "class", "prototype"])
@pytest.mark.parametrize("similarity", ["log", "gaussian"])
@pytest.mark.parametrize("metric", METRICS)
def test_weights_and_aggregations(metric, similarity, priors):
    network = seeded(networks.Written)
    for aggregation in ("max", "sum"):
        psem = fit(
            network, images(), Y, metric=metric, similarity=similarity, priors=priors,
            aggregation=aggregation,
        )  # fmt: skip
        kmex, rule = psem[-1], rule_of(psem[-1])
        similar = psem.transform(X).astype(float)
        own = kmex.prototype_classes_ == psem.predict(X)[:, np.newaxis]
        weighted = np.where(own, similar + rule.shift, -np.inf)
        best = weighted.argmax(axis=1)
        how = {"method": "epsilon_plus"}
        of_best = relevance(psem, X, "similarity", **how)
        assert_array_equal(of_best, relevance(psem, X, prototypes=best, **how))
        similar_enough(sums(of_best), similar[np.arange(7), best])

        # The score of the class, without what the weights add to it.
        scores = rule.class_scores(similar)[np.arange(7), psem.predict(X)]
        parts = np.exp(
            (weighted - weighted.max(axis=1, keepdims=True)) / rule.temperature
        )
        if aggregation == "max":
            parts = np.arange(len(rule.owners)) == best[:, np.newaxis]
        added = (parts * rule.shift).sum(axis=1) / parts.sum(axis=1)
        similar_enough(sums(relevance(psem, X, **how)), scores - added)
        similar_enough(sums(relevance(psem, X, "margin", **how)), margins(psem, X))


def test_the_weights_tell_which_prototype_is_explained():
    priors = np.array([1e-300, 1e-300, 1])  # which overrule all similarities
    psem = fit(seeded(networks.Written), images(), Y, priors=priors)
    similar = psem.transform(X)
    nearest = np.where(psem[-1].prototype_classes_ == 2, similar, -np.inf).argmax(1)
    assert (similar.argmax(axis=1) != nearest).any()
    for one in (relevance, concept_maps):
        what = {} if one is concept_maps else {"target": "similarity"}
        assert_array_equal(one(psem, X, **what), one(psem, X, prototypes=nearest))


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("method", ["epsilon", "epsilon_plus", "gradient_x_input"])
def test_other_prototypes_have_other_maps(metric, method, blobs):
    rows, y = rows_of_blobs(blobs)
    psem = fit(plain_mlp(), rows, y, StandardScaler(), metric=metric)
    ids = np.tile(np.arange(len(psem[-1].prototypes_)), (5, 1))
    maps = relevance(psem, rows[:5], prototypes=ids, method=method)
    shares = maps / np.abs(maps).sum(axis=-1, keepdims=True)
    for one in range(len(ids[0])):
        for other in range(one):
            assert np.abs(shares[:, one] - shares[:, other]).max() > 1e-3


class Scaled(nn.Module):
    """An MLP whose last layer before the head also scales its output."""

    def __init__(self, network, scaler):
        super().__init__()
        first, act, last, _ = network
        self.first, self.act = first, act
        self.last = nn.Linear(8, 5, bias=scaler.with_mean)
        scale = torch.tensor(scaler.scale_).float()
        self.last.weight.data = last.weight.data / scale[:, None]
        if scaler.with_mean:
            self.last.bias.data = -torch.tensor(scaler.mean_).float() / scale
        self.head = nn.Linear(5, 3)

    def forward(self, X):
        return self.head(self.last(self.act(self.first(X))))


FOLDED = [
    ("epsilon", False), ("epsilon_plus", False), ("gradient_x_input", True),
    ("integrated_gradients", True), ("occlusion", True),
]  # fmt: skip


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize(("method", "with_mean"), FOLDED)
def test_a_scaler_is_a_part_of_the_last_layer(metric, method, with_mean, blobs):
    # Under LRP, the mean of a scaler would be a bias of that layer, with a share.
    rows, y = rows_of_blobs(blobs)
    scaler = StandardScaler(with_mean=with_mean)
    between = fit(plain_mlp(), rows, y, scaler, metric=metric)
    folded = fit(Scaled(plain_mlp(), between[1]), rows, y, metric=metric)
    some = rows[::30]
    ids = np.tile([0, 3], (len(some), 1))
    for target, what in (("class", {}), ("margin", {}), ("similarity", ids)):
        what = {} if target != "similarity" else {"prototypes": what}
        found, expected = (
            relevance(psem, some, target, method=method, n_steps=5, **what)
            for psem in (between, folded)
        )
        similar_enough(found, expected)


@pytest.mark.parametrize("metric", METRICS)
def test_gradients_are_those_of_the_decision(metric, blobs):
    rows, y = rows_of_blobs(blobs)
    psem = fit(
        plain_mlp(), rows.astype(float), y, *STEPS["several"], metric=metric,
        aggregation="sum", priors="prototype",
    )  # fmt: skip
    psem[0].module.double()
    some, step = rows[:3], 1e-5
    labels = psem.predict(some)
    found = relevance(psem, some, method="smoothgrad", noise=1e-9, n_steps=1)
    rule = rule_of(psem[-1])

    def scores(shifted):
        with torch.no_grad():
            Z = psem[0].module[:3](torch.from_numpy(shifted)).numpy()
        all_scores = rule.absolute_scores(psem[1:-1].transform(Z))
        return all_scores[np.arange(3), labels]

    for column in range(4):
        moved = step * np.eye(4)[column]
        slope = (scores(some + moved) - scores(some - moved)) / (2 * step)
        assert_allclose(found[:, column], slope, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("steps", [[], *STEPS.values()], ids=["none", *STEPS])
def test_concept_maps_share_the_product_in_the_metric(metric, steps):
    psem = fit(seeded(networks.Written), images(), Y, *steps, metric=metric)
    kmex, metric = psem[-1], rule_of(psem[-1]).metric
    rows = psem[:-1].transform(X).astype(float)
    if metric.unit:
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    ids = np.tile(np.arange(len(kmex.prototypes_)), (len(X), 1))
    products = metric.place(rows) @ metric.place(kmex.prototypes_).T
    maps = concept_maps(psem, X, prototypes=ids)
    similar_enough(sums(maps, 2) / 64, products)


def test_the_decision_of_the_metric_is_explained():
    # The metric is large in the second direction, where the classes differ.
    network = nn.Sequential(nn.Identity(), nn.Linear(2, 2))
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 2)) * [10, 0.1]
    y = np.arange(200) % 2
    X[:, 1] += y
    X = X.astype(np.float32)
    psem = fit(network, X, y, n_prototypes=1, metric="mahalanobis")
    maps = relevance(psem, X, "margin", method="gradient_x_input")
    assert psem.score(X, y) == 1
    slopes = np.abs(relevance(psem, X, "margin", method="smoothgrad", noise=1e-6))
    assert (slopes[:, 1] > 50 * slopes[:, 0]).all()
    assert maps.shape == X.shape


def test_scores_of_maps_hold_in_every_metric(blobs):
    rows, y = rows_of_blobs(blobs)
    for metric in METRICS:
        psem = fit(plain_mlp(), rows, y, StandardScaler(), metric=metric)
        assert faithfulness(psem, rows[:9], method="epsilon").divergence >= 0
        found = robustness(psem, rows[:9], method="occlusion", n_neighbors=2)
        assert 0 <= found.average_drop <= 1


def test_steps_that_are_not_affine_are_refused(blobs):
    rows, y = rows_of_blobs(blobs)
    psem = fit(
        plain_mlp(), rows, y, StandardScaler(), QuantileTransformer(n_quantiles=9)
    )
    for one in (relevance, faithfulness, robustness):
        with pytest.raises(TypeError, match=r"only affine steps.* has QuantileTransf"):
            one(psem, rows[:5], method="epsilon")
    with pytest.raises(TypeError, match=r"only affine steps.* has QuantileTransformer"):
        concept_maps(psem, rows[:5])
    # The black box decides without these steps.
    assert black_box_relevance(psem, rows[:5], method="epsilon").shape == (5, 4)
