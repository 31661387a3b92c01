"""TorchEmbedder: the right activations, and a module that stays unchanged."""

import pickle
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone

torch = pytest.importorskip("torch")
pytest.importorskip("skorch")
from skorch.helper import SliceDataset
from torch import nn

from sklearn_kmex import make_kmex
from sklearn_kmex.embedding import TorchEmbedder
from sklearn_kmex.metrics import accuracy_gap_scorer, fidelity_scorer


def make_network():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(64, 16),
        nn.Dropout(0.5),
        nn.ReLU(),
        nn.Linear(16, 10),
    )


@pytest.fixture
def network():
    return make_network()


@pytest.fixture
def images(digits):
    return digits[1].reshape(-1, 1, 8, 8).astype(np.float32)[:100]


def by_hand(network, images, until):
    network.eval()
    with torch.no_grad():
        out = network[:until](torch.from_numpy(images)).numpy()
    network.train()
    return out


def test_default_is_the_input_of_the_last_linear_layer(network, images):
    out = TorchEmbedder(network).transform(images)
    assert out.dtype == np.float32
    assert out.flags.c_contiguous
    assert_allclose(out, by_hand(network, images, 8), rtol=1e-5, atol=1e-6)


class Branches(nn.Module):
    """Two linear heads with a shared or separate input."""

    def __init__(self, shared):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(64, 8), nn.ReLU(inplace=True))
        self.other = self.body if shared else nn.Linear(64, 8)
        self.class_head, self.age_head = nn.Linear(8, 3), nn.Linear(8, 1)
        self.shared = shared

    def forward(self, X):
        X = X.flatten(1)
        Z = self.body(X)
        other = Z if self.shared else self.other(X)
        return self.class_head(Z), self.age_head(other)


def test_several_heads_must_share_their_input(images):
    shared = Branches(shared=True)
    expected = shared.body(torch.from_numpy(images).flatten(1)).detach()
    assert_allclose(TorchEmbedder(shared).transform(images), expected, rtol=1e-5)
    parted = Branches(shared=False)
    with pytest.raises(ValueError, match=r"\['class_head', 'age_head'\], which makes"):
        TorchEmbedder(parted).transform(images)
    assert_allclose(
        TorchEmbedder(parted, "body").transform(images),
        parted.body(torch.from_numpy(images).flatten(1)).detach(),
        rtol=1e-5,
    )
    for weight in parted.parameters():
        weight.requires_grad_(False)
    with pytest.raises(ValueError, match="embedding ambiguous"):
        TorchEmbedder(parted).transform(images)


def test_a_head_without_influence_on_the_output_is_ignored(images):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.body, self.head = nn.Linear(64, 5), nn.Linear(5, 2)
            self.unused = nn.Linear(64, 3)

        def forward(self, X):
            X = X.flatten(1)
            self.unused(X)
            return {"logits": (self.head(self.body(X)),), "seen": X.argmax(dim=1)}

    net = Net()
    expected = net.body(torch.from_numpy(images).flatten(1)).detach()
    assert_allclose(TorchEmbedder(net).transform(images), expected, rtol=1e-5)


def test_without_gradients_the_last_layer_to_run_is_the_head(images):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.body, self.head = nn.Linear(64, 5), nn.Linear(5, 2)

        @torch.no_grad()
        def forward(self, X):
            return self.head(self.body(X.flatten(1)))

    net = Net()
    expected = net.body(torch.from_numpy(images).flatten(1)).detach()
    assert_allclose(TorchEmbedder(net).transform(images), expected, rtol=1e-5)
    with torch.inference_mode():
        born_so = Net()
        expected = born_so.body(torch.from_numpy(images).flatten(1)).numpy()
    assert_allclose(TorchEmbedder(born_so).transform(images), expected, rtol=1e-5)


def test_linear_layers_that_run_never_or_twice_are_refused(images):
    class Net(nn.Module):
        def __init__(self, times):
            super().__init__()
            self.body, self.head, self.times = nn.Linear(64, 64), nn.Linear(9, 9), times

        def forward(self, X):
            X = X.flatten(1)
            return sum(self.body(X + i) for i in range(self.times)) + X

    with pytest.raises(ValueError, match="runs none of its linear layers"):
        TorchEmbedder(Net(0)).transform(images)
    with pytest.raises(ValueError, match=r"'body' must run once.* ran 2 times"):
        TorchEmbedder(Net(2)).transform(images)


def test_last_means_the_last_to_run(images):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.head, self.body = nn.Linear(5, 2), nn.Linear(64, 5)

        def forward(self, X):
            return self.head(self.body(X.flatten(1)))

    net = Net()
    out = TorchEmbedder(net, batch_size=7).transform(images)
    expected = net.body(torch.from_numpy(images).flatten(1)).detach()
    assert_allclose(out, expected, rtol=1e-5)


@pytest.mark.parametrize(("pooling", "width"), [("mean", 4), ("flatten", 256)])
def test_feature_maps_are_pooled(network, images, pooling, width):
    out = TorchEmbedder(network, "2", pooling=pooling).transform(images)
    maps = by_hand(network, images, 3)
    expected = maps.mean(axis=(2, 3)) if pooling == "mean" else maps.reshape(100, -1)
    assert out.shape == (100, width)
    assert_allclose(out, expected, rtol=1e-4, atol=1e-5)


def test_tokens_are_pooled_over_the_sequence():
    tokens = torch.nn.Embedding(11, 6)
    ids = torch.arange(20).reshape(4, 5) % 11
    module = nn.Sequential(tokens)
    out = TorchEmbedder(module, "0").transform(ids)
    assert_allclose(out, tokens(ids).mean(dim=1).detach(), rtol=1e-6)


def test_rows_are_reshaped(network, images):
    rows = images.reshape(100, 64).astype(np.float64)
    out = TorchEmbedder(network, input_shape=(1, 8, 8)).fit_transform(rows)
    assert_array_equal(out, TorchEmbedder(network).transform(images))


@pytest.mark.parametrize("batch_size", [1, 33, 1000])
def test_batches_and_tensors_give_the_same(network, images, batch_size):
    expected = TorchEmbedder(network).transform(images)
    embedder = TorchEmbedder(network, batch_size=batch_size)
    assert_allclose(embedder.transform(images), expected, rtol=1e-4, atol=1e-6)
    tensor = torch.from_numpy(images)
    assert_allclose(embedder.transform(tensor), expected, rtol=1e-4, atol=1e-6)
    assert not tensor.requires_grad


def test_black_box_output(network, images):
    out = TorchEmbedder(network).black_box_output(images)
    assert_allclose(out, by_hand(network, images, 9), rtol=1e-4, atol=1e-5)


def state_of(network):
    return (
        {k: v.clone() for k, v in network.state_dict().items()},
        [(part.training, len(part._forward_hooks), len(part._forward_pre_hooks))
         for part in network.modules()],
        [(p.requires_grad, p.grad, p.device) for p in network.parameters()],
    )  # fmt: skip


def assert_same(one, other):
    for name, values in one[0].items():
        assert torch.equal(values, other[0][name])
    assert one[1:] == other[1:]


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_embedding_and_output_in_one_pass(network, images, precision):
    many = np.tile(images, (6, 1, 1, 1))  # enough for the fast copy
    embedder = TorchEmbedder(network, precision=precision)
    rows, output = embedder.embed_with_output(many)
    assert_array_equal(rows, embedder.transform(many))
    assert_allclose(output, embedder.black_box_output(many), rtol=1e-4, atol=1e-5)


@pytest.mark.filterwarnings("ignore:.*near chance")  # the network was not trained
def test_scores_against_the_black_box_take_one_pass(network, images):
    X, y = images, np.arange(100) % 10
    passes = []
    network.register_forward_hook(lambda *args: passes.append(len(args[2])))
    psem = make_kmex(network, n_prototypes=1, random_state=0).fit(X, y)
    passes.clear()
    fidelity = fidelity_scorer(psem, X, y)
    gap = accuracy_gap_scorer(psem, X, y)
    assert [n for n in passes if n > 1] == [100, 100]
    theirs = psem[0].black_box_output(X).argmax(axis=1)
    assert fidelity == np.mean(theirs == psem.predict(X))
    assert_allclose(gap, np.mean(psem.predict(X) == y) - np.mean(theirs == y))


def test_the_module_stays_as_it_was(network, images):
    network.train()
    network[1].eval()  # a flag of its own
    network[0].weight.requires_grad_(False)
    before = state_of(network)
    embedder = TorchEmbedder(network)
    embedder.fit(images).transform(images)
    embedder.black_box_output(images)
    assert_same(before, state_of(network))
    with pytest.raises(ValueError, match=r"channels first; given shape \(1, 1, 3, 8\)"):
        embedder.transform(images[:, :, :3])
    with pytest.raises(ValueError, match="must run once"):
        TorchEmbedder(Twice(network), "inner").transform(images)
    assert_same(before, state_of(network))


class Twice(nn.Module):
    def __init__(self, inner):
        super().__init__()
        self.inner, self.unused = inner, nn.Linear(3, 3)

    def forward(self, X):
        return self.inner(X) + self.inner(X)


def test_a_layer_must_run_once(network, images):
    with pytest.raises(ValueError, match=r"layer 'inner' must run once.* ran 2 times"):
        TorchEmbedder(Twice(network), "inner").transform(images)
    with pytest.raises(ValueError, match=r"layer 'unused' must run once.* ran 0 times"):
        TorchEmbedder(Twice(network), "unused").transform(images)


def test_a_layer_must_return_a_tensor(images):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.rnn = nn.LSTM(8, 3, batch_first=True)

        def forward(self, X):
            return self.rnn(X[:, 0])[0]

    with pytest.raises(TypeError, match="layer 'rnn' must return a tensor; got tuple"):
        TorchEmbedder(Net(), "rnn").transform(images)


def test_unknown_layers_and_modules_without_a_linear_one(network, images):
    with pytest.raises(ValueError, match=r"got '9'\. Did you mean one of"):
        TorchEmbedder(network, "9").transform(images)
    with pytest.raises(ValueError, match="Sequential has no linear layer"):
        TorchEmbedder(nn.Sequential(nn.Flatten(), nn.ReLU())).transform(images)


def test_bad_input(network, images):
    with pytest.raises(ValueError, match="Input X contains NaN"):
        TorchEmbedder(network).transform(images * np.nan)
    with pytest.raises(ValueError, match=r"input_shape \(1, 8, 8\); got .* \(63,\)"):
        TorchEmbedder(network, input_shape=(1, 8, 8)).transform(np.ones((2, 63)))
    with pytest.raises(ValueError, match="'batch_size' parameter"):
        TorchEmbedder(network, batch_size=0).fit(images)
    with pytest.raises(ValueError, match="'module' parameter"):
        TorchEmbedder("resnet").fit(images)


def test_images_are_checked_against_input_shape(network, images):
    embedder = TorchEmbedder(network, input_shape=(1, 8, 8))
    assert_array_equal(
        embedder.transform(images), TorchEmbedder(network).transform(images)
    )


def test_clone_shares_the_module_and_pickle_copies_it(network, images):
    embedder = TorchEmbedder(network, "4", batch_size=5)
    copy = clone(embedder)
    assert copy.module is network
    assert (copy.layer, copy.batch_size) == ("4", 5)
    loaded = pickle.loads(pickle.dumps(embedder))
    assert loaded.module is not network
    assert_array_equal(loaded.transform(images), embedder.transform(images))


class Pairs(torch.utils.data.Dataset):
    """Images with labels, as a Dataset of a user."""

    def __init__(self, images, broken=None):
        self.images, self.broken = images, broken

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        if index == self.broken:
            raise OSError("disk on fire")
        return self.images[index], index % 10


@pytest.mark.parametrize(
    "wrap",
    [
        Pairs,
        lambda images: torch.utils.data.TensorDataset(torch.from_numpy(images)),
        list,
        lambda images: [torch.from_numpy(image) for image in images],
        lambda images: images.tolist(),
        lambda images: SliceDataset(Pairs(images)),
    ],
    ids=["own", "tensors", "arrays", "list of tensors", "numbers", "slices"],
)
def test_samples_of_any_kind(network, images, wrap):
    expected = TorchEmbedder(network).transform(images)
    embedder = TorchEmbedder(network, batch_size=30)
    out = embedder.fit(wrap(images)).transform(wrap(images))
    assert_allclose(out, expected, rtol=1e-4, atol=1e-6)


def flip(image):
    return np.ascontiguousarray(image[:, ::-1])


@pytest.mark.parametrize("kind", [np.asarray, torch.from_numpy])
def test_a_module_that_changes_its_input_leaves_x_alone(kind):
    torch.manual_seed(0)
    network = nn.Sequential(nn.ReLU(inplace=True), nn.Linear(4, 8), nn.Linear(8, 3))
    rows = np.random.default_rng(0).standard_normal((9, 4), dtype=np.float32)
    X, embedder = kind(rows.copy()), TorchEmbedder(network, "1")
    expected = network[1](torch.from_numpy(rows).relu()).detach()
    assert_allclose(embedder.transform(X), expected, rtol=1e-5)
    embedder.black_box_output(X)
    assert_array_equal(X, rows)


@pytest.mark.parametrize("num_workers", [0, 2])
def test_samples_are_preprocessed(network, images, num_workers):
    embedder = TorchEmbedder(network, preprocess=flip, num_workers=num_workers)
    expected = TorchEmbedder(network).transform(images[:, :, ::-1].copy())
    assert_allclose(embedder.fit_transform(images), expected, rtol=1e-4, atol=1e-6)
    assert_allclose(embedder.transform(Pairs(images)), expected, rtol=1e-4, atol=1e-6)


def test_rows_of_a_series_are_read_by_position():
    texts = pd.Series(["aaa", "b", "cc"], index=[2, 0, 1])
    lengths = torch.nn.Sequential(nn.Identity())
    embedder = TorchEmbedder(
        lengths, "0", preprocess=lambda text: torch.tensor([float(len(text))])
    )
    assert_array_equal(embedder.fit_transform(texts), [[3], [1], [2]])
    assert_array_equal(embedder.transform(texts[1:]), [[1], [2]])
    assert_array_equal(embedder.transform(texts.to_frame()[[0]]), [[1], [1], [1]])


def test_uint8_images_become_floats_and_ids_do_not(network, images):
    bytes_ = (images * 16).astype(np.uint8)
    expected = TorchEmbedder(network).transform(bytes_)
    tensor = TorchEmbedder(network).transform(torch.from_numpy(bytes_))
    assert_allclose(tensor, expected)


def test_the_first_token_can_be_the_embedding():
    tokens = nn.Embedding(11, 6)
    ids = torch.arange(20).reshape(4, 5) % 11
    out = TorchEmbedder(nn.Sequential(tokens), "0", pooling="cls").transform(ids)
    assert_array_equal(out, tokens(ids)[:, 0].detach())


def test_batches_of_named_inputs(images):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.head = nn.Linear(64, 3)

        def forward(self, pixels, mask):
            return self.head(pixels.flatten(1) * mask)

    class Named(Pairs):
        def __getitem__(self, index):
            return {"pixels": self.images[index], "mask": np.float32([2.0])}

    out = TorchEmbedder(Net()).transform(Named(images))
    assert_allclose(out, 2 * images.reshape(100, 64))


@pytest.fixture(scope="module")
def resnet():
    """A residual net with trained batch norms."""
    torchvision = pytest.importorskip("torchvision")
    torch.manual_seed(0)
    module = torchvision.models.resnet18(weights=None, num_classes=5)
    with torch.no_grad():
        for _ in range(3):
            module(torch.randn(16, 3, 32, 32))
    return module


@pytest.fixture(scope="module")
def many():
    return np.random.default_rng(0).standard_normal((520, 3, 32, 32), dtype=np.float32)


@pytest.mark.parametrize("layer", [None, "layer3.0.conv1", "layer3.0.bn1", "layer2"])
def test_many_samples_run_faster_with_the_same_result(resnet, many, layer):
    before = state_of(resnet)
    strides = [p.stride() for p in resnet.parameters()]
    fast = TorchEmbedder(resnet, layer).transform(many)
    few = TorchEmbedder(resnet, layer)
    plain = np.vstack([few.transform(many[:260]), few.transform(many[260:])])
    assert np.linalg.norm(fast - plain) < 1e-5 * np.linalg.norm(plain)
    assert not np.array_equal(fast, plain)  # computed in another way
    assert_same(before, state_of(resnet))
    assert [p.stride() for p in resnet.parameters()] == strides


def test_batch_norms_are_folded_if_nothing_else_uses_the_convolution():
    from sklearn_kmex._torch.speed import speed_up

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.norm_a = nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2)
            self.b, self.norm_b = nn.Conv2d(2, 2, 1), nn.BatchNorm2d(2)

        def forward(self, X):
            X = self.norm_a(self.a(X))
            kept = self.b(X)
            return self.norm_b(kept) + kept

    net = Net().eval()
    X = torch.randn(3, 1, 6, 6)
    expected = net(X)
    speed_up(net, None)
    assert isinstance(net.norm_a, nn.Identity)
    assert isinstance(net.norm_b, nn.BatchNorm2d)
    assert_allclose(net(X).detach(), expected.detach(), rtol=1e-4, atol=1e-5)


def test_modules_that_cannot_be_traced_still_run(digits):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.head = nn.Linear(64, 3)

        def forward(self, X):
            return self.head(X) if X.sum() > 0 else self.head(-X)

    X = digits[0].astype(np.float32)
    assert len(X) > 512
    assert_allclose(TorchEmbedder(Net()).transform(X), X)


def test_changed_weights_are_used(resnet, many):
    embedder = TorchEmbedder(resnet)
    before = embedder.transform(many)
    with torch.no_grad():
        resnet.layer4[1].bn2.weight.data.mul_(2)
    try:
        assert not np.allclose(embedder.transform(many), before, rtol=1e-2)
    finally:
        resnet.layer4[1].bn2.weight.data.div_(2)
    assert_array_equal(embedder.transform(many), before)


def test_threads_share_one_embedder(network, images):
    embedder = TorchEmbedder(network, batch_size=10)
    expected = embedder.transform(images)
    with ThreadPoolExecutor(4) as pool:
        for out in pool.map(embedder.transform, [images] * 12):
            assert_array_equal(out, expected)


def test_bfloat16_is_near_and_leaves_the_weights(network, images):
    before = state_of(network)
    out = TorchEmbedder(network, precision="bfloat16").transform(images)
    expected = TorchEmbedder(network).transform(images)
    assert out.dtype == np.float32
    assert np.linalg.norm(out - expected) < 0.02 * np.linalg.norm(expected)
    assert not np.array_equal(out, expected)
    assert_same(before, state_of(network))


def test_another_device_and_a_missing_one(network, images):
    assert_array_equal(
        TorchEmbedder(network, device="cpu").transform(images),
        TorchEmbedder(network).transform(images),
    )
    with pytest.raises(ValueError, match="the meta device hold no numbers"):
        TorchEmbedder(network, device="meta").transform(images)
    with pytest.raises(ValueError, match="the meta device hold no numbers"):
        TorchEmbedder(make_network().to("meta")).transform(images)
    assert next(network.parameters()).device.type == "cpu"
    with pytest.raises(ValueError, match="device must be available; device='nowhere'"):
        TorchEmbedder(network, device="nowhere").transform(images)


def test_progress_is_shown_on_demand(network, images, capsys):
    TorchEmbedder(network, batch_size=10).transform(images)
    assert "batch" not in capsys.readouterr().err
    TorchEmbedder(network, batch_size=10, verbose=True).transform(images)
    assert "10/10" in capsys.readouterr().err


def test_without_tqdm_no_progress_is_shown(network, images, capsys, monkeypatch):
    expected = TorchEmbedder(network).transform(images)
    monkeypatch.setitem(sys.modules, "tqdm.auto", None)
    Z = TorchEmbedder(network, verbose=True).transform(images)
    assert_array_equal(Z, expected)
    assert capsys.readouterr() == ("", "")


def test_errors_name_the_sample(network, images):
    before = state_of(network)
    with pytest.raises(ValueError, match=r"Sample 57 of X could not .*disk on fire"):
        TorchEmbedder(network, batch_size=10).transform(Pairs(images, broken=57))
    with pytest.raises(ValueError, match="at least one sample; got none"):
        TorchEmbedder(network).transform(Pairs(images[:0]))
    with pytest.raises(TypeError, match=r"got DataLoader\. .*pass its dataset"):
        TorchEmbedder(network).transform(torch.utils.data.DataLoader(Pairs(images)))
    assert_same(before, state_of(network))


def test_embeddings_that_are_not_numbers_are_named(images):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.head = nn.Linear(64, 3)

        def forward(self, X):
            return self.head(X.flatten(1).sqrt())

    images = images.copy()
    images[[3, 8]] *= -1
    with pytest.raises(ValueError, match=r"Net must return finite .* for rows 3, 8\."):
        TorchEmbedder(Net()).transform(images)
    with pytest.raises(ValueError, match=r"for rows 0, 1, 2, 3, 4, \.\.\.\."):
        TorchEmbedder(Net()).transform(-1 - images)


def test_black_boxes_must_return_a_tensor(images):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.head = nn.Linear(64, 3)

        def forward(self, X):
            return {"loss": self.head(X.flatten(1)).mean()}

    assert TorchEmbedder(Net()).transform(images).shape == (100, 64)
    with pytest.raises(ValueError, match=r"Net must return a tensor .*got dict"):
        TorchEmbedder(Net()).black_box_output(images)


def test_names_of_the_embedding(network, images):
    embedder = TorchEmbedder(network).fit(images)
    assert list(embedder.get_feature_names_out()[:2]) == [
        "torchembedder0",
        "torchembedder1",
    ]
    assert len(embedder.get_feature_names_out()) == 16


@pytest.mark.parametrize("kernel", [{}, {"stride": 2}, {"dilation": 2, "padding": 2}])
@pytest.mark.parametrize("size", [(1, 1), (2, 2), (1, 4), (3, 1), (3, 3)])
def test_convolutions_of_small_maps_are_products(kernel, size):
    from sklearn_kmex._torch.speed import Convolution

    torch.manual_seed(0)
    conv = nn.Conv2d(5, 7, 3, **{"padding": 1, **kernel})
    maps = torch.randn(4, 5, *size)
    with torch.inference_mode():
        expected = conv(maps)
        fast = Convolution(conv)
        assert_allclose(fast(maps), expected, rtol=1e-4, atol=1e-5)
    assert len(fast.products) == (np.prod(size) <= 4)


@pytest.mark.parametrize("size", [(2, 2), (6, 6)])
@pytest.mark.parametrize("kind", [{"groups": 2}, {"padding_mode": "reflect"}, {}])
def test_other_convolutions_run_as_they_are(kind, size):
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(4, 4, 3, padding="same", bias=False, **kind),
        nn.BatchNorm2d(4),
        nn.Conv2d(4, 2, 1),
        nn.Flatten(),
    )
    maps = np.random.default_rng(0).standard_normal((520, 4, *size), dtype=np.float32)
    fast = TorchEmbedder(net, "3").transform(maps)
    plain = TorchEmbedder(net, "3").transform(maps[:500])
    assert_allclose(fast[:500], plain, rtol=1e-3, atol=1e-5)


def test_bfloat16_rounds_after_the_first_layer(resnet, many):
    exact = TorchEmbedder(resnet).transform(many)
    half = TorchEmbedder(resnet, precision="bfloat16")
    error = np.linalg.norm(half.transform(many) - exact) / np.linalg.norm(exact)
    assert 1e-4 < error < 0.02
    # The first layer alone sees small steps of large inputs.
    net = nn.Sequential(nn.Linear(1, 1), nn.Linear(1, 1))
    net[0].weight.data.fill_(1), net[0].bias.data.fill_(-1000)
    steps = np.float32([[1000], [1001], [1002]])
    half = TorchEmbedder(net, precision="bfloat16")
    assert_array_equal(half.transform(steps).ravel(), [0, 1, 2])
    normed = nn.Sequential(nn.LayerNorm(1), nn.Linear(1, 1))
    half = TorchEmbedder(normed, precision="bfloat16")
    assert half.transform(steps).shape == (3, 1)


def test_preparing_for_many_samples_leaves_other_threads_their_modules():
    calls = set()

    class Watching(nn.Sequential):
        def forward(self, X):
            calls.add(nn.Module.__call__)
            return super().forward(X)

    torch.manual_seed(0)
    network = Watching(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Flatten())
    many = np.zeros((600, 1, 8, 8), dtype=np.float32)
    TorchEmbedder(network, "2").transform(many)
    assert calls == {nn.Module.__call__}
