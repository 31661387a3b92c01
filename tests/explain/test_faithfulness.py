"""faithfulness and robustness: what is known about the networks comes out."""

from functools import partial

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

torch = pytest.importorskip("torch")
pytest.importorskip("zennit")
import networks
from networks import images, psem_of, seeded, show
from torch import nn

from sklearn_kmex import KMExClassifier, make_kmex
from sklearn_kmex.explain import (
    black_box_relevance,
    faithfulness,
    relevance,
    robustness,
)
from sklearn_kmex.metrics import (
    average_drop_loss,
    local_lipschitz_error,
    relevance_divergence_loss,
)

X = images(12, seed=1)


@pytest.mark.parametrize("method", ["epsilon_plus_flat", "epsilon_alpha2_beta1_flat"])
def test_maps_are_closer_to_the_black_box_than_those_of_something_else(cifar, method):
    psem, _, X = cifar
    found = faithfulness(psem, X[:150], method=method, random_state=0)
    show(
        f"{method}: divergence {found.divergence:.3f}, of the second class "
        f"{found.second_class:.3f}, under a redrawn head {found.redrawn_head:.3f}"
    )
    assert found.divergences.shape == (150,)
    assert found.divergence == pytest.approx(found.divergences.mean())
    assert found.divergence < found.second_class
    assert found.divergence < found.redrawn_head


@pytest.fixture(scope="module")
def psem():
    return psem_of(seeded(networks.Written))


class Odd(networks.Written):
    """Minus an image has minus the embedding."""

    def between(self, X):
        return self.conv2(torch.tanh(X))


@pytest.mark.parametrize("method", ["epsilon", "epsilon_plus", "gradient_x_input"])
def test_a_psem_that_decides_as_the_black_box_does_has_no_divergence(method):
    # With prototypes a and -a the lead of the first class is 4 a'z, and so is the
    # head's score when its weights are a.
    network, half = seeded(Odd), images(10)
    network.head = nn.Linear(6, 2, bias=False)
    psem = make_kmex(network, n_prototypes=1, random_state=0)
    psem.fit(np.concatenate([half, -half]), np.repeat([0, 1], 10))
    prototypes = psem["kmex"].prototypes_
    assert_allclose(prototypes[0], -prototypes[1], rtol=1e-4, atol=1e-6)
    network.head.weight.data = torch.from_numpy(prototypes).float()
    found = faithfulness(psem, X, target="margin", method=method, random_state=0)
    assert_allclose(found.divergences, 0, atol=1e-4)
    assert found.redrawn_head > 0.01


def test_the_number_is_that_of_the_metric_on_the_maps(psem):
    how = {"method": "epsilon", "random_state": 0}
    labels = np.array([0, 1, 2] * 4)
    found = faithfulness(psem, X, labels=labels, target="margin", **how)
    theirs = black_box_relevance(psem, X, labels=labels, **how)
    ours = relevance(psem, X, "margin", labels=labels, **how)
    expected = relevance_divergence_loss(theirs, ours, channel_axis=1, per_sample=True)
    assert_allclose(found.divergences, expected)
    scores = psem["embed"].black_box_output(X)
    scores[np.arange(12), labels] = -np.inf
    second = black_box_relevance(psem, X, labels=scores.argmax(axis=1), **how)
    assert found.second_class == pytest.approx(
        relevance_divergence_loss(theirs, second, channel_axis=1)
    )


def test_faithfulness_of_tables_counts_every_column(blobs):
    rows, y = blobs
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
    psem = make_kmex(network, n_prototypes=1, random_state=0).fit(rows, y)
    how = {"method": "gradient_x_input"}
    found = faithfulness(psem, rows[:9], **how)
    maps = black_box_relevance(psem, rows[:9], **how), relevance(psem, rows[:9], **how)
    assert found.divergence == pytest.approx(relevance_divergence_loss(*maps))


def test_settings_reach_all_maps_and_seeds_repeat(psem):
    how = {"method": "smoothgrad", "n_steps": 2, "batch_size": 5, "noise": 0.5}
    one, same, other = (faithfulness(psem, X, random_state=k, **how) for k in (0, 0, 1))
    assert_array_equal(one.divergences, same.divergences)
    assert one.redrawn_head == same.redrawn_head
    assert one.redrawn_head != other.redrawn_head
    assert one.divergence != other.divergence
    with pytest.raises(ValueError, match="'target' parameter of faithfulness"):
        faithfulness(psem, X, target="similarity")
    with pytest.raises(TypeError, match="unexpected keyword argument 'steps'"):
        faithfulness(psem, X, steps=2)


def test_robustness_by_its_parts(psem):
    how = {"method": "epsilon"}
    settings = {"keep": 0.3, "baseline": 0.1, "n_neighbors": 3, "radius": 0.05}
    found = robustness(psem, X, random_state=0, **settings, **how)
    assert sorted(found) == ["average_drop", "average_increase", "local_lipschitz"]
    ids = psem.transform(X).argmax(axis=1)

    maps = partial(relevance, **how)
    drop = average_drop_loss(
        psem.transform, X, maps(psem, X, prototypes=ids), score_columns=ids, keep=0.3,
        baseline=0.1, channel_axis=1,
    )  # fmt: skip
    slope = local_lipschitz_error(
        psem, X, maps, prototypes=ids, n_neighbors=3, radius=0.05, random_state=0
    )
    assert found.average_drop == pytest.approx(drop)
    assert found.local_lipschitz == pytest.approx(slope)


def test_arguments_in_the_wrong_order(psem):
    for one in (faithfulness, robustness):
        with pytest.raises(TypeError, match="given before X; got ndarray first"):
            one(X, psem)


def test_robustness_is_within_its_ranges_and_repeats(psem, blobs):
    how = {"method": "gradient_x_input", "n_neighbors": 2}
    one, same, other = (robustness(psem, X, random_state=k, **how) for k in (0, 0, 1))
    assert one == same
    assert one.local_lipschitz != other.local_lipschitz
    assert 0 <= one.average_drop <= 1
    assert 0 <= one.average_increase <= 1
    assert one.local_lipschitz > 0
    everything = robustness(psem, X, keep=1.0, random_state=0, **how)
    assert everything.average_drop == pytest.approx(0, abs=1e-6)

    rows, y = blobs
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 3))
    table = make_kmex(network, n_prototypes=1, random_state=0).fit(rows, y)
    assert 0 <= robustness(table, rows[:9].tolist(), **how).average_drop <= 1


def test_a_model_that_is_no_psem_is_told(psem):
    with pytest.raises(TypeError, match="psem has no torch encoder"):
        faithfulness(KMExClassifier(1).fit(X.reshape(12, -1), np.arange(12) % 3), X)
