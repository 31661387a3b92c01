"""Samples of any kind reach the network as it takes them, or an error says why not."""

from collections import namedtuple

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

torch = pytest.importorskip("torch")
pytest.importorskip("skorch")
Image = pytest.importorskip("PIL.Image")
from skorch import NeuralNetClassifier
from skorch.helper import SliceDict
from torch import nn
from torch.nn import functional
from torch.nn.utils.rnn import pad_sequence

from sklearn_kmex import make_kmex
from sklearn_kmex.embedding import SkorchEmbedder, TorchEmbedder
from sklearn_kmex.explain import explain, relevance

Pair = namedtuple("Pair", ["a", "b"])


class Made(torch.utils.data.Dataset):
    """Dataset of what a function makes of a number."""

    def __init__(self, function):
        self.function = function

    def __len__(self):
        return 8

    def __getitem__(self, index):
        return self.function(index)


class Like:
    """Gives samples like a Dataset, without its class."""

    __init__ = Made.__init__
    __len__ = Made.__len__
    __getitem__ = Made.__getitem__


@pytest.fixture
def parts():
    torch.manual_seed(0)
    return torch.randn(8, 4), torch.randn(8, 3)


class Two(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.body, self.head = nn.Linear(7, 6), nn.Linear(6, 2)

    def forward(self, a, b):
        return self.head(self.body(torch.cat([a, b], dim=1)))


class Optional(Two):
    def forward(self, a, b=None):
        return super().forward(a, b)


class Whole(Two):
    def forward(self, inputs):
        a, b = inputs.values() if isinstance(inputs, dict) else inputs
        return super().forward(a, b)


class Any(Two):
    def forward(self, *args, **kwargs):
        return super().forward(*args, *(kwargs[name] for name in "ab" if kwargs))


@pytest.mark.parametrize("network", [Two(), Optional(), Whole(), Any()])
@pytest.mark.parametrize(
    "make",
    [
        lambda a, b: Made(lambda i: ((a[i], b[i]), i)),
        lambda a, b: Made(lambda i: ([a[i], b[i]], i)),
        lambda a, b: Made(lambda i: (Pair(a[i], b[i]), i)),
        lambda a, b: Made(lambda i: {"a": a[i], "b": b[i]}),
        lambda a, b: Like(lambda i: ({"a": a[i], "b": b[i].tolist()}, i)),
        lambda a, b: [(a[i], b[i]) for i in range(8)],
        lambda a, b: [(a[i].numpy(), b[i].numpy()[::-1][::-1]) for i in range(8)],
        lambda a, b: tuple({"a": a[i], "b": b[i]} for i in range(8)),
    ],
)
def test_several_inputs(network, make, parts):
    expected = network.body(torch.cat(parts, dim=1)).detach()
    X = make(*parts)
    embedder = TorchEmbedder(network, batch_size=5).fit(X)
    assert_allclose(embedder.transform(X), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("network", [Two(), Optional()])
def test_names_that_the_network_does_not_take_are_left_out(network, parts):
    a, b = parts
    expected = network.body(torch.cat(parts, dim=1)).detach()

    def named(i):
        return {"a": a[i], "b": b[i], "path": f"{i}.png", "who": None, "y": i}

    embedder = TorchEmbedder(network, batch_size=5)
    assert_allclose(embedder.transform(Made(named)), expected, rtol=1e-5, atol=1e-6)
    embedder.set_params(preprocess=named)
    assert_allclose(embedder.transform(range(8)), expected, rtol=1e-5, atol=1e-6)
    uneven = Made(lambda i: named(i) | ({"last": 1} if i == 0 else {}))
    embedder.set_params(preprocess=None)
    assert_allclose(embedder.transform(uneven), expected, rtol=1e-5, atol=1e-6)


def test_names_must_be_those_of_forward(parts):
    network = nn.Sequential(nn.Linear(4, 2))
    X = Made(lambda i: {"image": parts[0][i], "path": "a.png"})
    message = r"given a dict of image: shape \(1, 4\), path: a list of str .*\(input\)"
    with pytest.raises(ValueError, match=message):
        TorchEmbedder(network).transform(X)
    with pytest.raises(TypeError, match=r"got dict\. .* a list of dicts"):
        TorchEmbedder(network).transform({"a": parts[0]})
    X = Made(lambda i: ((parts[0][i], parts[1][i]), i))
    message = r"a tuple of shape \(1, 4\), shape \(1, 3\) .* arguments of forward"
    with pytest.raises(ValueError, match=message):
        TorchEmbedder(network).transform(X)


def test_a_forward_without_a_signature(parts):
    class Unsigned(Two):
        @property
        def forward(self):
            return Call(self)

    class Call:
        __signature__ = "unknown"

        def __init__(self, network):
            self.network = network

        def __call__(self, *args, **kwargs):
            return Two.forward(self.network, *args, **kwargs)

    expected = Two().body(torch.cat(parts, dim=1)).detach()
    for X in (
        [(parts[0][i], parts[1][i]) for i in range(8)],
        [{"a": parts[0][i], "b": parts[1][i]} for i in range(8)],
    ):
        found = TorchEmbedder(Unsigned()).transform(X)
        assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


TEXTS = ["a cat", "dogs", "the bird", "x", "abc", "d", "ee", "fff"]


class Texts(nn.Module):
    """Takes a list of texts."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.table, self.head = nn.EmbeddingBag(50, 5), nn.Linear(5, 2)

    def forward(self, texts):
        ids = [torch.tensor([ord(letter) % 50 for letter in one]) for one in texts]
        return self.head(torch.cat([self.table(one[None]) for one in ids]))


@pytest.mark.parametrize(
    "make",
    [
        list,
        tuple,
        np.array,
        pd.Series,
        lambda texts: np.array(texts, dtype=object),
        lambda texts: pd.Series(texts, dtype="string", index=range(8, 0, -1)),
        lambda texts: Made(lambda i: texts[i]),
        lambda texts: Made(lambda i: (texts[i], i)),
        lambda texts: [list(text) for text in texts],
    ],
)
def test_texts(make):
    network, y = Texts(), np.arange(8) % 2
    rows = [network.table(torch.tensor([[ord(a) % 50 for a in one]])) for one in TEXTS]
    X = make(TEXTS)
    embedder = TorchEmbedder(network, batch_size=3).fit(X)
    assert_allclose(embedder.transform(X), torch.cat(rows).detach(), rtol=1e-5)
    psem = make_kmex(network, n_prototypes=1, random_state=0).fit(X, y)
    assert_array_equal(psem.predict(X), psem[-1].predict(embedder.transform(X)))


def test_texts_for_a_network_of_numbers():
    with pytest.raises(ValueError, match=r"given a list of str .* passed as a list"):
        TorchEmbedder(nn.Sequential(nn.Linear(4, 2))).transform(TEXTS)


IDS = np.random.default_rng(0).integers(0, 11, (8, 7))
RAGGED = [IDS[i, : i % 3 + 2].tolist() for i in range(8)]


class Ids(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.table, self.head = nn.Embedding(11, 5), nn.Linear(5, 2)

    def forward(self, ids):
        return self.head(self.table(ids).mean(dim=1))


@pytest.mark.parametrize(
    "make",
    [
        np.asarray,
        np.int32,
        np.uint8,
        np.ndarray.tolist,
        list,
        pd.DataFrame,
        torch.from_numpy,
        lambda ids: torch.from_numpy(ids).to(torch.int16),
        lambda ids: torch.from_numpy(ids).to(torch.uint8),
        lambda ids: Made(lambda i: (ids[i].tolist(), i)),
        lambda ids: Made(lambda i: ids[i].tolist()),
        lambda ids: Made(lambda i: [ids[i].tolist(), i]),
    ],
)
def test_integers_stay_integers_for_an_embedding_layer(make):
    network = Ids()
    expected = network.table(torch.from_numpy(IDS)).mean(dim=1).detach()
    X = make(IDS)
    embedder = TorchEmbedder(network, batch_size=5).fit(X)
    assert_allclose(embedder.transform(X), expected, rtol=1e-5, atol=1e-6)


def test_integers_stay_integers_where_the_network_takes_them():
    class OneHot(nn.Module):
        def __init__(self):
            super().__init__()
            self.head = nn.Linear(11, 2)

        def forward(self, ids):
            return self.head(functional.one_hot(ids, 11).float().mean(dim=1))

    found = TorchEmbedder(OneHot()).transform(IDS)
    assert_allclose(found, np.eye(11)[IDS].mean(axis=1), rtol=1e-6)


@pytest.mark.parametrize("dtype", [np.int64, np.uint8])
def test_integers_become_floats_for_other_networks(dtype):
    network = nn.Sequential(nn.Linear(7, 6, bias=False), nn.ReLU(), nn.Linear(6, 2))
    X, y = IDS.astype(dtype), np.arange(8) % 2
    expected = network[:2](torch.from_numpy(IDS).float()).detach()
    assert_allclose(TorchEmbedder(network).transform(X), expected, rtol=1e-5)
    psem = make_kmex(network, n_prototypes=1, random_state=0).fit(X, y)
    pytest.importorskip("zennit")
    assert relevance(psem, X[:2], method="epsilon").shape == (2, 7)
    with pytest.raises(ValueError, match="shapes cannot be multiplied"):
        TorchEmbedder(network).transform(X[:, :5])
    tensor = torch.from_numpy(X)
    assert_allclose(TorchEmbedder(network).transform(tensor), expected, rtol=1e-5)
    for kind in (torch.int64, torch.int32):
        samples = Made(lambda i, kind=kind: (tensor[i].to(kind), 0))
        with pytest.raises(ValueError, match=rf"of {kind} .*convert X to floats"):
            TorchEmbedder(network).transform(samples)


def test_floats_for_an_embedding_layer():
    with pytest.raises(ValueError, match="looks up integers: convert X to int64"):
        TorchEmbedder(Ids()).transform(IDS.astype(float))


def test_ids_that_are_not_in_the_table():
    with pytest.raises(ValueError, match="index out of range"):
        TorchEmbedder(Ids()).transform(IDS + 11)


RAGGED_KINDS = [
    list,
    lambda rows: [np.array(row) for row in rows],
    lambda rows: [torch.tensor(row) for row in rows],
    lambda rows: np.array([np.array(row) for row in rows], dtype=object),
    lambda rows: Made(lambda i: (rows[i], i)),
]


@pytest.mark.parametrize("make", RAGGED_KINDS)
def test_samples_of_several_lengths(make):
    class Padded(Ids):
        def forward(self, sentences):
            lengths = torch.tensor([len(one) for one in sentences])[:, None]
            ids = pad_sequence(list(sentences), batch_first=True)
            kept = torch.arange(ids.shape[1]) < lengths
            return self.head((self.table(ids) * kept[..., None]).sum(dim=1) / lengths)

    network, X = Ids(), make(RAGGED)
    rows = [network.table(torch.tensor(row)).mean(dim=0) for row in RAGGED]
    expected = torch.stack(rows).detach()
    for one in (TorchEmbedder(network, batch_size=1), TorchEmbedder(Padded())):
        assert_allclose(one.fit(X).transform(X), expected, rtol=1e-5, atol=1e-6)
    with pytest.raises(ValueError, match=r"shape \(2,\).*, shape \(3,\).*batch_size=1"):
        TorchEmbedder(network).transform(X)


def test_a_list_with_inner_lists_of_several_lengths():
    class Nested(Ids):
        def forward(self, first, second):
            return super().forward(torch.cat([first, second], dim=1))

    found = TorchEmbedder(Nested()).transform([[[1, 2], [3]], [[4, 5], [6]]])
    expected = TorchEmbedder(Ids()).transform([[1, 2, 3], [4, 5, 6]])
    assert_allclose(found, expected, rtol=1e-6)


def test_preprocess_must_return_a_sample(parts):
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())
    image = Image.new("RGB", (8, 8))
    X = np.zeros((8, 3, 8, 8), dtype=np.float32)
    X[6] = 1
    embedder = TorchEmbedder(network, "1", preprocess=lambda one: None)
    with pytest.raises(ValueError, match="Sample 0 of X is None after preprocess"):
        embedder.transform(X)
    embedder.set_params(preprocess=lambda one: None if one.any() else one)
    with pytest.raises(ValueError, match="Sample 6 of X is None after preprocess"):
        embedder.transform(X)
    with pytest.raises(ValueError, match=r"Sample 0 of X is None\."):
        TorchEmbedder(network, "1").transform(Made(lambda i: (None, i)))
    message = "a list of PIL.Image.Image .*convert"
    with pytest.raises(ValueError, match=message):
        embedder.set_params(preprocess=lambda one: image).transform(X)
    with pytest.raises(ValueError, match=message):
        TorchEmbedder(network, "1").transform(Made(lambda i: (image, i)))


def test_a_network_that_takes_pictures():
    class Pictures(nn.Module):
        def __init__(self):
            super().__init__()
            self.head = nn.Linear(3, 2)

        def forward(self, images):
            means = [np.asarray(one).mean(axis=(0, 1)) for one in images]
            return self.head(torch.tensor(np.float32(means)))

    X = Made(lambda i: (Image.new("RGB", (8, 8 + i), (i, 0, 1)), i))
    found = TorchEmbedder(Pictures(), batch_size=5).transform(X)
    assert_array_equal(found, [[i, 0, 1] for i in range(8)])


def test_models_of_several_inputs_are_cached_and_explained(parts, tmp_path):
    a, b = parts
    for X in (
        Made(lambda i: ((a[i], b[i]), i)),
        Made(lambda i: {"a": a[i], "b": b[i], "path": str(i)}),
        [(a[i].numpy(), b[i].numpy()) for i in range(8)],
    ):
        y = np.arange(8) % 2
        psem = make_kmex(Two(), n_prototypes=1, random_state=0, memory=tmp_path)
        psem.fit(X, y)
        explanation = explain(psem, X, X_train=X, y_train=y)
        assert list(explanation.predictions) == list(psem.predict(X))


def test_nets_of_skorch(parts):
    a, b = parts
    y = np.arange(8) % 2
    how = {"max_epochs": 1, "train_split": None, "verbose": 0, "batch_size": 5}
    for network, X in (
        (Ids, IDS),
        (Two, SliceDict(a=a.numpy(), b=b.numpy())),
        (Two, Made(lambda i: ({"a": a[i], "b": b[i]}, int(y[i])))),
        (Whole, Made(lambda i: ((a[i], b[i]), int(y[i])))),
    ):
        net = NeuralNetClassifier(network, **how).fit(X, y)
        embedder = SkorchEmbedder(net).fit(X)
        assert embedder.transform(X).shape == (8, 5 if network is Ids else 6)
        assert embedder.black_box_output(X).shape == (8, 2)
    pairs = [(a[i], b[i]) for i in range(8)]
    assert_allclose(embedder.transform(pairs), embedder.transform(X), rtol=1e-5)
    output = embedder.black_box_output(pairs)
    assert_allclose(output, embedder.black_box_output(X), rtol=1e-5)


def test_samples_of_a_slice_dict_are_explained(parts):
    a, b = (part.numpy() for part in parts)
    X, y = SliceDict(a=a, b=b), np.arange(8) % 2
    net = NeuralNetClassifier(Two, train_split=None, verbose=0).initialize()
    psem = make_kmex(net, n_prototypes=1, random_state=0).fit(X, y)
    explanation = explain(psem, X, X_train=X, y_train=y)
    assert_array_equal(explanation.predictions, psem.predict(X))


def test_fewer_inputs_than_forward_has(parts):
    a, b = parts
    net = NeuralNetClassifier(Two, verbose=0).initialize()
    labelled = torch.utils.data.TensorDataset(a, b, torch.ones(8))
    message = (
        r"must have the arguments of forward\(a, b\), by name in a dict; a Dataset"
    )
    for embedder, X in (
        (TorchEmbedder(Two()), labelled),
        (SkorchEmbedder(net), list(zip(a, b, strict=True))),
    ):
        with pytest.raises(ValueError, match=message):
            embedder.transform(X)


def test_samples_that_nets_of_skorch_cannot_take():
    net = NeuralNetClassifier(Ids, verbose=0).initialize()
    image = Image.new("RGB", (8, 8))
    with pytest.raises(ValueError, match=r"a Dataset of PIL.Image.Image .*one shape"):
        SkorchEmbedder(net).transform(Made(lambda i: (image, 0)))
    with pytest.raises(ValueError, match=r"a Dataset of shape \(2,\) .*one shape"):
        SkorchEmbedder(net).transform(RAGGED)


@pytest.mark.parametrize("preprocess", [None, np.flip])
def test_arrays_with_any_order_in_memory(preprocess):
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(4, 6), nn.Linear(6, 2))
    X = np.random.RandomState(0).normal(size=(8, 4)).astype(np.float32)
    embedder = TorchEmbedder(network, preprocess=preprocess, batch_size=3)
    expected = embedder.transform(X)
    assert_allclose(embedder.transform(X[::-1]), expected[::-1], rtol=1e-6)
    for other in (X.astype(">f4"), np.asfortranarray(X), torch.from_numpy(X)):
        if preprocess is None or isinstance(other, np.ndarray):
            assert_allclose(embedder.transform(other), expected, rtol=1e-6)


@pytest.mark.parametrize("kind", [torch.float32, torch.int64, torch.uint8])
def test_rows_of_tensors_get_the_input_shape(kind):
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(1, 3, 2), nn.Flatten(), nn.Linear(12, 2))
    X = torch.randint(0, 9, (8, 9)).to(kind)
    found = TorchEmbedder(network, input_shape=(1, 3, 3)).transform(X)
    expected = network[:2](X.reshape(-1, 1, 3, 3).float()).detach()
    assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("names", ["a", "ab"])
def test_many_images_by_name(names):
    class Optional(nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(0)
            self.body, self.head = nn.Conv2d(3, 4, 2), nn.Linear(4, 2)
            self.norm = nn.BatchNorm2d(4)
            nn.init.constant_(self.norm.bias, 3)

        def forward(self, a, b=None):
            before = self.body(a)  # read twice, if there is b
            Z = self.norm(before).mean(dim=(2, 3))
            return self.head(Z if b is None else Z + b * before.amax(dim=(2, 3)))

    values = {"a": torch.randn(512, 3, 4, 4), "b": torch.randn(512, 4)}
    X = [{name: values[name][i] for name in names} for i in range(512)]
    embedder = TorchEmbedder(Optional())
    expected = np.concatenate(
        [embedder.transform(X[:256]), embedder.transform(X[256:])]
    )
    assert_allclose(embedder.transform(X), expected, rtol=1e-4, atol=1e-5)


def test_several_inputs_in_half_precision(parts):
    class Apart(nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(0)
            self.a, self.b, self.head = (
                nn.Linear(4, 6),
                nn.Linear(3, 6),
                nn.Linear(6, 2),
            )

        def forward(self, a, b):
            return self.head(self.a(a) + self.b(b))

    X = list(zip(*parts, strict=True))
    expected = TorchEmbedder(Apart()).transform(X)
    found = TorchEmbedder(Apart(), precision="bfloat16").transform(X)
    assert_allclose(found, expected, atol=0.05)
