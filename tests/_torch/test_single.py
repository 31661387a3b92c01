"""One sample gets the numbers that it has among others, also if a module squeezes."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

torch = pytest.importorskip("torch")
from networks import images
from torch import nn
from torch.nn import functional

from sklearn_kmex import make_kmex
from sklearn_kmex.embedding import SkorchEmbedder, TorchEmbedder


class Squeezing(nn.Module):
    """Drops all axes of length one after pooling."""

    def __init__(self, n_outputs=3):
        super().__init__()
        self.conv, self.between = nn.Conv2d(1, 6, 3), nn.Linear(6, 5)
        self.head = nn.Linear(5, n_outputs)

    def forward(self, X):
        X = functional.adaptive_avg_pool2d(functional.relu(self.conv(X)), 1).squeeze()
        return self.head(functional.relu(self.between(X))).squeeze()


class Binary(Squeezing):
    """Returns one number for each sample, without an axis for it."""

    def __init__(self):
        super().__init__(n_outputs=1)


class OtherAxis(nn.Module):
    """Takes a softmax over another axis if there is one sample, without an error."""

    def __init__(self):
        super().__init__()
        self.conv, self.head = nn.Conv2d(1, 4, (3, 8)), nn.Linear(24, 3)

    def forward(self, X):
        return self.head(functional.softmax(self.conv(X).squeeze(), 1).reshape(-1, 24))


class Branching(Squeezing):
    """Handles one sample in another way."""

    def forward(self, X):
        return super().forward(X if len(X) > 1 else X * 0)


class SqueezedInput(nn.Module):
    """Squeezes the channel of its input, the only linear layer following."""

    def __init__(self):
        super().__init__()
        self.head = nn.Linear(8, 3)

    def forward(self, X):
        return self.head(torch.squeeze(X).mean(-1))


class Named(nn.Module):
    """Takes named inputs, and returns a dict."""

    def __init__(self):
        super().__init__()
        self.net = Squeezing()

    def forward(self, pixels, scale):
        return {"scores": [self.net(pixels * scale[:, :, None, None])]}


NETWORKS = [Squeezing, Binary, OtherAxis, Branching, SqueezedInput]


def seeded(kind):
    torch.manual_seed(0)
    return kind().eval()


def plain(network, X, layer="head"):
    """Input of a layer and output, of all samples at once."""
    seen = []
    hook = network.get_submodule(layer).register_forward_pre_hook(
        lambda _, args: seen.append(args[0])
    )
    with torch.no_grad():
        out = network(torch.from_numpy(X))
    hook.remove()
    return seen[0].numpy(), out.numpy()


@pytest.mark.parametrize("kind", NETWORKS)
def test_one_sample_has_the_embedding_that_it_has_among_others(kind):
    X, network = images(11), seeded(kind)
    embedding, output = plain(network, X)
    if kind is Binary:  # one logit of two classes
        output = np.stack([-output, output], axis=1)
    TorchEmbedder(network).fit(X)
    for n_samples, batch_size in [(1, 256), (11, 10), (3, 1)]:
        embedder = TorchEmbedder(network, batch_size=batch_size)
        how = {"rtol": 1e-5, "atol": 1e-6}
        some = X[:n_samples]
        assert_allclose(embedder.transform(some), embedding[:n_samples], **how)
        assert_allclose(embedder.black_box_output(some), output[:n_samples], **how)
        both = embedder.embed_with_output(some)
        assert_allclose(both[0], embedding[:n_samples], **how)
        assert_allclose(both[1], output[:n_samples], **how)


def test_one_sample_of_named_inputs():
    X, network = images(5), seeded(Named)

    class Pairs(torch.utils.data.Dataset):
        def __len__(self):
            return 5

        def __getitem__(self, index):
            return {"pixels": X[index], "scale": np.float32([2])}

    expected = plain(network.net, 2 * X)[0]
    out = TorchEmbedder(network, batch_size=4).fit_transform(Pairs())
    assert_allclose(out, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", [Squeezing, OtherAxis])
def test_one_sample_of_a_skorch_net(kind):
    skorch = pytest.importorskip("skorch")
    X, network = images(11), seeded(kind)
    net = skorch.NeuralNetClassifier(network, batch_size=10).initialize()
    embedder = SkorchEmbedder(net)
    embedding, output = plain(net.module_, X)
    for some in (X, X[:1]):
        Z = embedder.fit_transform(some)
        assert_allclose(Z, embedding[: len(some)], rtol=1e-5, atol=1e-6)
        out = embedder.black_box_output(some)
        assert_allclose(out, output[: len(some)], rtol=1e-5, atol=1e-6)


@pytest.mark.filterwarnings("ignore:Maps do not sum")
@pytest.mark.parametrize("method", ["epsilon_plus_flat", "smoothgrad", "occlusion"])
def test_one_sample_has_the_map_that_it_has_among_others(method):
    pytest.importorskip("zennit")
    from sklearn_kmex.explain import black_box_relevance, relevance

    X, network = images(11), seeded(Squeezing)
    psem = make_kmex(network, n_prototypes=2, random_state=0).fit(X, np.arange(11) % 3)
    for explain in (relevance, black_box_relevance):
        maps = explain(psem, X, method=method, random_state=0)
        kept = explain(psem, X[:1], method=method, random_state=0)
        assert_allclose(kept, maps[:1], rtol=1e-4, atol=1e-6)
        last = explain(psem, X, method=method, batch_size=10, random_state=0)
        assert_allclose(last, maps, rtol=1e-4, atol=1e-6)


def test_one_sample_has_the_concepts_that_it_has_among_others():
    pytest.importorskip("zennit")
    from sklearn_kmex.explain import concept_maps

    X, network = images(11), seeded(Squeezing)
    network.between = nn.Identity()
    network.head = nn.Linear(6, 3)
    psem = make_kmex(network, n_prototypes=2, random_state=0).fit(X, np.arange(11) % 3)
    maps = concept_maps(psem, X)
    assert_allclose(concept_maps(psem, X[:1]), maps[:1], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("kind", [Squeezing, OtherAxis])
def test_one_sample_in_torch(kind):
    from sklearn_kmex.export import to_torch

    X, network = images(11), seeded(kind)
    psem = make_kmex(network, n_prototypes=2, random_state=0).fit(X, np.arange(11) % 3)
    module, rows = to_torch(psem, X[:1]), torch.from_numpy(X)
    expected = module(rows)
    assert_array_equal(module.classes_, psem.classes_)
    assert_array_equal(expected["class_index"], psem.predict(X))
    runs = [module]
    if hasattr(torch.compiler, "is_exporting"):
        sizes = ({0: torch.export.Dim.DYNAMIC},)
        program = torch.export.export(module, (rows[:2],), dynamic_shapes=sizes)
        runs.append(program.module())
    for run in runs:
        for name, values in run(rows[:1]).items():
            assert_allclose(values, expected[name][:1], rtol=1e-5, atol=1e-6)


@pytest.mark.filterwarnings("ignore")  # torch.onnx warns of its own parts
def test_one_sample_in_a_graph():
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    pytest.importorskip("skl2onnx")
    from sklearn_kmex.export import to_onnx

    if not hasattr(torch.compiler, "is_exporting"):
        pytest.skip("torch before 2.7 cannot tell whether it exports")
    X, network = images(11), seeded(OtherAxis)
    psem = make_kmex(network, n_prototypes=2, random_state=0).fit(X, np.arange(11) % 3)
    graph = to_onnx(psem, X[:1]).SerializeToString()
    session = onnxruntime.InferenceSession(graph)
    name = session.get_inputs()[0].name
    for one, many in zip(
        session.run(None, {name: X[:1]}), session.run(None, {name: X}), strict=True
    ):
        assert_allclose(one, many[:1], rtol=1e-4, atol=1e-5)
