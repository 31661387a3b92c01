"""Which part of the output of a module has the scores, and what one column means."""

from collections import OrderedDict

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.special import expit
from sklearn.datasets import load_breast_cancer

torch = pytest.importorskip("torch")
from torch import nn

from sklearn_kmex import make_kmex
from sklearn_kmex._model.matching import BlackBoxError
from sklearn_kmex.embedding import TorchEmbedder
from sklearn_kmex.embedding._head import EmbeddingHead
from sklearn_kmex.exceptions import KMExWarning
from sklearn_kmex.explain import black_box_relevance, concept_maps, faithfulness
from sklearn_kmex.metrics import fidelity_scorer
from sklearn_kmex.report import SEMReport

X, Y = load_breast_cancer(return_X_y=True)
X = ((X - X.mean(axis=0)) / X.std(axis=0)).astype(np.float32)


class Network(nn.Module):
    """A network whose output is made of its hidden layer h and its scores z."""

    def __init__(self, n_outputs, give):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(30, 8), nn.ReLU())
        self.head = nn.Linear(8, n_outputs)
        self.give = give

    def forward(self, x):
        h = self.body(x)
        return self.give(h, self.head(h))


def train(n_outputs, targets=Y, give=lambda h, z: z):
    torch.manual_seed(0)
    network = Network(n_outputs, lambda h, z: z)
    optimizer = torch.optim.Adam(network.parameters(), lr=0.02)
    y = torch.as_tensor(targets)
    for _ in range(60):
        z = network(torch.as_tensor(X))
        if n_outputs == 1:
            loss = nn.functional.binary_cross_entropy_with_logits(z[:, 0], y.float())
        else:
            loss = nn.functional.cross_entropy(z, y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    network.give = give
    return network.eval()


def logits(network):
    with torch.no_grad():
        return network.head(network.body(torch.as_tensor(X))).numpy()


GIVEN = {
    "tensor": lambda h, z: z,
    "dict": lambda h, z: {"features": h, "logits": z},
    "other names": lambda h, z: OrderedDict(hidden=h, out=z),
    "tuple": lambda h, z: (z, h),
    "tuple, scores last": lambda h, z: (h * 2, z),
    "tuple of one": lambda h, z: (z,),
    "with other values": lambda h, z: {"loss": None, "ids": h.argmax(1), "y": z},
    "squeezed": lambda h, z: z.squeeze(),
}


@pytest.mark.parametrize("n_outputs", [1, 2, 8])  # 8 is the width of h
@pytest.mark.parametrize("kind", GIVEN)
def test_scores_are_found_in_the_output(kind, n_outputs):
    torch.manual_seed(0)
    network = Network(n_outputs, GIVEN[kind]).eval()
    expected = logits(network)
    if n_outputs == 1:
        expected = np.hstack([-expected, expected])
    embedder = TorchEmbedder(network)
    assert_allclose(embedder.black_box_output(X), expected, atol=1e-5)
    assert_allclose(embedder.embed_with_output(X)[1], expected, atol=1e-5)
    assert_allclose(embedder.black_box_output(X[:1]), expected[:1], atol=1e-5)


@pytest.mark.parametrize("squeeze", [False, True])
def test_one_probability_is_that_of_the_second_class(squeeze):
    give = (lambda h, z: z.sigmoid().squeeze()) if squeeze else lambda h, z: z.sigmoid()
    network = train(1, give=give)
    output = TorchEmbedder(network).black_box_output(X)
    second = expit(logits(network))
    assert_allclose(output, np.hstack([1 - second, second]), atol=1e-5)


@pytest.mark.parametrize(
    "give", [lambda h, z: "z", lambda h, z: (h, h + 1), lambda h, z: {"ids": z.long()}]
)
def test_outputs_without_scores_are_said_once_in_a_report(give):
    psem = make_kmex(train(2, give=give), n_prototypes=2, random_state=0).fit(X, Y)
    with pytest.raises(BlackBoxError, match="Network must return a tensor for black"):
        fidelity_scorer(psem, X)
    report = SEMReport(psem, X, Y).to_dict()
    assert report["performance"]["black_box"] is None
    texts = [one["text"] for one in report["warnings"]]
    assert sum("Network must return a tensor" in text for text in texts) == 1


def test_one_logit_is_compared_and_explained_for_both_classes():
    network = train(1)
    psem = make_kmex(network, n_prototypes=5, random_state=0).fit(X, Y)
    by_network = (logits(network)[:, 0] > 0).astype(int)
    assert fidelity_scorer(psem, X) == np.mean(psem.predict(X) == by_network) > 0.9
    chances = EmbeddingHead(psem["embed"]).predict_proba(psem["embed"].transform(X))
    assert_allclose(chances[:, 1], expit(logits(network)[:, 0]), atol=1e-5)
    first, second = (
        black_box_relevance(psem, X[:5], labels=label, method="gradient_x_input")
        for label in (0, 1)
    )
    assert_allclose(first, -second)
    assert np.abs(second).max() > 0
    found = faithfulness(psem, X[:9], method="gradient_x_input")
    assert found.divergence > 0
    assert np.isnan(found.second_class)


def test_concepts_of_a_network_of_one_logit():
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(4, 1),
    )  # fmt: skip
    images = np.random.RandomState(0).rand(20, 1, 6, 6).astype(np.float32)
    psem = make_kmex(network, n_prototypes=2, random_state=0).fit(images, [0, 1] * 10)
    assert concept_maps(psem, images[:3]).shape == (3, 6, 6)


def test_outputs_in_another_order_are_an_error_and_classes_the_remedy():
    network, y = train(2, 1 - Y), np.array(["ill", "well"])[Y]
    with pytest.raises(BlackBoxError, match=r"taken for \['well', 'ill'\]"):
        make_kmex(network, n_prototypes=2, random_state=0).fit(X, y)
    classes = ["well", "ill"]
    psem = make_kmex(network, classes=classes, n_prototypes=5, random_state=0)
    assert fidelity_scorer(psem.fit(X, y), X) > 0.9
    maps = black_box_relevance(psem, X[:5], labels="well", method="gradient_x_input")
    plain = make_kmex(network, n_prototypes=5, teacher=None, random_state=0).fit(X, Y)
    same = black_box_relevance(plain, X[:5], labels=0, method="gradient_x_input")
    assert_allclose(maps, same)
    with pytest.raises(BlackBoxError, match="would for"):
        fidelity_scorer(plain, X)


def test_maps_of_a_class_that_the_network_does_not_know():
    network = train(2)
    psem = make_kmex(network, classes=[0, 7], teacher=None, n_prototypes=2).fit(X, Y)
    with pytest.raises(
        ValueError, match=r"no output for \[1\]; its outputs are \[0, 7"
    ):
        black_box_relevance(psem, X[:5], labels=1, method="gradient_x_input")


def test_an_untrained_network_agrees_by_chance():
    torch.manual_seed(1)
    network = Network(2, lambda h, z: z * 0)
    psem = make_kmex(network, n_prototypes=2, random_state=0).fit(X, Y)
    with pytest.warns(KMExWarning, match="near chance"):
        fidelity_scorer(psem, X)


def test_networks_of_hugging_face():
    transformers = pytest.importorskip("transformers")
    config = transformers.DistilBertConfig(
        vocab_size=30, dim=16, n_layers=1, n_heads=2, hidden_dim=16, num_labels=3
    )
    torch.manual_seed(0)
    model = transformers.DistilBertForSequenceClassification(config).eval()
    rows = [{"input_ids": torch.randint(0, 30, (6,))} for _ in range(12)]
    embedder = TorchEmbedder(model)
    output = embedder.black_box_output(rows)
    with torch.no_grad():
        ids = torch.stack([row["input_ids"] for row in rows])
        assert_allclose(output, model(ids).logits, atol=1e-5)
    one = embedder.black_box_output(rows[:1])
    assert_allclose(one, output[:1], atol=1e-5)
    assert embedder.output_classes is None
    model.config.id2label = {0: "b", 1: "c", 2: "a"}
    assert embedder.output_classes == ["b", "c", "a"]
    y = np.array(list("bca"))[output.argmax(axis=1)]
    psem = make_kmex(model, n_prototypes=12, random_state=0)
    if len(np.unique(y)) == 3:
        assert fidelity_scorer(psem.fit(rows, y), rows) > 0.9
