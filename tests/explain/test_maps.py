"""Relevance maps that `explain` computes: of the margin, and of each prototype."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from plots import no_caption_overlaps

torch = pytest.importorskip("torch")
pytest.importorskip("zennit")
pytest.importorskip("matplotlib").use("Agg")

from sklearn_kmex import make_kmex
from sklearn_kmex.embedding import TorchEmbedder
from sklearn_kmex.explain import Explanation, explain, relevance
from sklearn_kmex.report import SEMReport

pytestmark = pytest.mark.filterwarnings("ignore:Maps do not sum")


def halved(picture):
    """The upper left half of a picture, as the network takes it."""
    return torch.as_tensor(np.asarray(picture)[:5, :5] / 16 - 0.5).float()[None]


def network():
    torch.manual_seed(0)
    return torch.nn.Sequential(
        torch.nn.Conv2d(1, 6, 3), torch.nn.ReLU(), torch.nn.Flatten(),
        torch.nn.LazyLinear(16), torch.nn.ReLU(), torch.nn.Linear(16, 10),
    )  # fmt: skip


@pytest.fixture(scope="module")
def pictures(digits):
    X, X_test, y, y_test = digits
    return X.reshape(-1, 8, 8), X_test.reshape(-1, 8, 8)[:5], y, y_test[:5]


@pytest.fixture(scope="module")
def psem(pictures):
    X, _, y, _ = pictures
    X = np.float32(X[:, np.newaxis])
    net = network()
    net(torch.as_tensor(X[:1]))
    return make_kmex(net, n_prototypes=3, metric="euclidean", random_state=0).fit(X, y)


@pytest.fixture(scope="module")
def cropping(pictures):
    X, _, y, _ = pictures
    net = network()
    net(halved(X[0])[None])
    return make_kmex(
        TorchEmbedder(net, preprocess=halved), n_prototypes=2, random_state=0
    ).fit(list(X), y)


def test_the_decision_has_the_map_of_the_margin(psem, pictures):
    X = np.float32(pictures[1][:, np.newaxis])
    found = explain(psem, X, relevance=True)
    assert_array_equal(found.relevance, relevance(psem, X, "margin"))
    assert found.relevance_of == "margin"
    assert found.inputs is None
    by_name = explain(psem, X, relevance="gradient_x_input")
    expected = relevance(psem, X, "margin", method="gradient_x_input")
    assert_array_equal(by_name.relevance, expected)


def test_maps_of_prototypes_tell_them_apart(psem, pictures):
    """They sum to zero over the prototypes, so that no two can look the same."""
    X = np.float32(pictures[1][:, np.newaxis])
    method = "gradient_x_input"
    found = explain(psem, X, relevance=method)
    maps = found.prototype_relevance
    assert maps.shape == (5, 3, 1, 8, 8)
    assert_allclose(maps.sum(axis=1), 0, atol=1e-4 * abs(maps).max())
    alike = relevance(psem, X, prototypes=found.prototypes)

    def lowest_cosine(maps):
        flat = maps.reshape(5, 3, -1)
        flat = flat / np.linalg.norm(flat, axis=2, keepdims=True)
        return np.einsum("nic,njc->nij", flat, flat).min(axis=(1, 2))

    assert (lowest_cosine(maps) < 0).all()
    assert (lowest_cosine(alike) > 0.2).all()


def test_the_lead_of_prototypes_is_what_is_explained(psem, pictures):
    X = np.float32(pictures[1][:, np.newaxis])
    Z, points = psem[:-1].transform(X), psem[-1].prototypes_
    ids = np.tile([0, 7, 20], (5, 1))
    squared = ((Z[:, np.newaxis] - points[ids]) ** 2).sum(axis=2)
    expected = (squared.sum(axis=1, keepdims=True) - squared) / 2 - squared
    _, shares = relevance(
        psem, X, "margin", prototypes=ids, method="epsilon", return_shares=True
    )
    assert_allclose(shares.score, expected, rtol=1e-4, atol=1e-4)


def test_a_single_prototype_is_compared_with_the_most_similar_other(psem, pictures):
    X = np.float32(pictures[1][:, np.newaxis])
    order = np.argsort(-psem.transform(X), axis=1)
    single = relevance(psem, X, "margin", prototypes=order[:, 0])
    pair = relevance(psem, X, "margin", prototypes=order[:, :2])
    assert_allclose(single, pair[:, 0], atol=1e-6)
    one = explain(psem, X, n_prototypes=1, relevance=True)
    assert_allclose(one.prototype_relevance[:, 0], single, atol=1e-6)


def test_a_lead_is_no_similarity(psem, pictures):
    X = np.float32(pictures[1][:, np.newaxis])
    with pytest.raises(ValueError, match='rule="prp" explains similarities'):
        relevance(psem, X, "margin", prototypes=0, rule="prp")
    with pytest.raises(ValueError, match="prototypes must be None for target='margin'"):
        relevance(psem, X, "margin", prototypes=0, labels=0)


def test_figures_say_what_maps_show(psem, pictures):
    X_train, X, y, _ = pictures
    X_train, X = np.float32(X_train[:, np.newaxis]), np.float32(X[:2, np.newaxis])
    found = explain(psem, X, X_train=X_train, y_train=y, relevance=True)
    axes = found.plot()
    no_caption_overlaps(axes)
    titles = [ax.get_title() for ax in axes.ravel()]
    colours = f"red for {found.predictions[0]},\nblue for {found.runner_up[0]}"
    assert colours in titles
    assert titles.count("what sets it apart:\nred is like it") == 6
    maps = np.repeat(X, 3, axis=1)[:, :, np.newaxis]  # a function of one's own
    titles = [ax.get_title() for ax in explain(psem, X, relevance=maps).plot().ravel()]
    assert sum("tells\nno prototype apart" in title for title in titles) == 6


def test_maps_are_drawn_over_what_the_network_takes(cropping, pictures):
    X_train, X, y, y_test = pictures
    found = explain(cropping, list(X), relevance=True)
    assert found.relevance.shape == (5, 1, 5, 5)
    assert_allclose(found.inputs[2], halved(X[2]))
    again = Explanation.from_json(found.to_json())
    assert_array_equal(again.inputs, found.inputs)
    axes = found.plot()
    assert axes[0, 0].images[0].get_array().shape == (8, 8)
    ground, heat = (image.get_array() for image in axes[0, 1].images)
    assert ground.shape == heat.shape == (5, 5)
    unit = (found.inputs[0, 0] + 0.5) / (found.inputs.max() + 0.5)
    assert_allclose(ground, 0.5 + 0.5 * unit, atol=1e-6)
    content = SEMReport(
        cropping, list(X), y_test, X_train=list(X_train), y_train=y, relevance=True
    ).to_dict()
    for case in content["cases"]:
        assert case["relevance"] in content["pictures"]
        assert case["relevance_of"] == "margin"


def test_pictures_of_several_sizes_are_shown_as_the_network_takes_them(cropping):
    sizes = [np.full((side, side + 1), 5.0) for side in (6, 7)]
    found = explain(cropping, sizes, relevance=True)
    assert found.samples is None
    assert found.plot()[1, 0].images[0].get_array().shape == (5, 5)
