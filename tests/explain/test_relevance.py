"""relevance: maps that add up, tell what decides, and leave the network as it was."""

import copy
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

torch = pytest.importorskip("torch")
pytest.importorskip("zennit")
pytest.importorskip("skorch")
import networks
from networks import images, psem_of, seeded, show
from skorch import NeuralNetClassifier
from torch import nn
from torch.utils.data import TensorDataset
from zennit.composites import EpsilonPlus

from sklearn_kmex import KMExClassifier, make_kmex
from sklearn_kmex.embedding import TorchEmbedder
from sklearn_kmex.exceptions import KMExWarning, MissingDependencyError
from sklearn_kmex.explain import (
    black_box_relevance,
    concept_maps,
    explain,
    faithfulness,
    relevance,
    robustness,
)

X = images(7, seed=1)
BIASES_TAKE_A_SHARE = pytest.mark.filterwarnings("ignore:Maps do not sum")
METHODS = [
    "epsilon_plus_flat", "epsilon", "gradient_x_input", "integrated_gradients",
    "smoothgrad", "occlusion",
]  # fmt: skip


@pytest.fixture(scope="module")
def psem():
    return psem_of(seeded(networks.NormAfter))


def mlp():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 3))


@pytest.fixture
def table(blobs):
    """PSEM of a small MLP, and rows."""
    rows, y = blobs
    rows = (rows / 10).astype(np.float32)
    return make_kmex(mlp(), n_prototypes=2, random_state=0).fit(rows, y), rows[:7]


def sums(maps, n_axes=1):
    return maps.reshape(*maps.shape[:n_axes], -1).sum(axis=-1)


def off_by(found, expected):
    return np.abs(found / expected - 1).max()


def leads(psem, X, labels=None):
    """By how much a class leads, the predicted or another, in squared distance."""
    labels = psem.predict(X) if labels is None else labels
    kmex, Z = psem["kmex"], psem["embed"].transform(X).astype(float)
    apart = ((Z[:, np.newaxis] - kmex.prototypes_) ** 2).sum(axis=2)
    is_own = kmex.prototype_classes_ == labels[:, np.newaxis]
    own, rival = (np.where(here, apart, np.inf).min(1) for here in (is_own, ~is_own))
    return rival - own


def similarity_of(a, b):
    """Mean cosine between maps."""
    a, b = a.reshape(len(a), -1), b.reshape(len(b), -1)
    norms = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    return float(((a * b).sum(axis=1) / norms).mean())


# Maps add up to what they explain.


@pytest.mark.slow
@pytest.mark.parametrize(
    "method", ["epsilon_plus", "epsilon_plus_flat", "epsilon_alpha2_beta1"]
)
def test_maps_of_a_resnet_add_up(cifar, method):
    psem, network, X = cifar
    X = X[:12]
    kmex, similar = psem["kmex"], psem.transform(X)
    of_class = relevance(psem, X, method=method)
    of_three = relevance(
        psem, X, "similarity", prototypes=np.tile([0, 20, 49], (12, 1)), method=method
    )
    margins = relevance(psem, X, "margin", method=method)
    with torch.no_grad():
        logits = network(torch.from_numpy(X)) - network.linear.bias
    codes = np.searchsorted(kmex.classes_, psem.predict(X))
    of_black_box = black_box_relevance(psem, X, method=method)
    found = {
        "class": off_by(sums(of_class), similar.max(axis=1)),
        "similarity": off_by(sums(of_three, 2), similar[:, [0, 20, 49]]),
        "margin": off_by(sums(margins), leads(psem, X)),
        "logit": off_by(sums(of_black_box), logits.numpy()[np.arange(12), codes]),
    }
    assert of_class.shape == X.shape
    assert of_three.shape == (12, 3, *X.shape[1:])
    assert of_class.dtype == np.float32
    show(f"ResNet-20, {method}, off by: {found}")
    assert max(found.values()) < 0.05


def test_maps_of_torchvisions_resnet_add_up():
    models = pytest.importorskip("torchvision.models")
    torch.manual_seed(0)
    images = np.random.default_rng(0).normal(size=(9, 3, 64, 64)).astype(np.float32)
    psem = make_kmex(models.resnet18(weights=None), n_prototypes=1, random_state=0)
    psem.fit(images, np.arange(9) % 3)
    score = psem.transform(images[:3]).max(axis=1)
    for method in ("epsilon", "epsilon_plus_flat"):
        off = off_by(sums(relevance(psem, images[:3], method=method)), score)
        show(f"ResNet-18, {method}, off by {off:.1e}")
        assert off < 0.05


def test_the_class_of_labels_and_of_all_prototypes_adds_up():
    psem = psem_of(seeded(networks.Plus), aggregation="sum")
    kmex, similar = psem["kmex"], psem.transform(X)
    labels = np.array([0, 1, 2, 0, 1, 2, 0])
    own = np.where(kmex.prototype_classes_ == labels[:, np.newaxis], similar, -np.inf)
    T = kmex.temperature_
    scores = T * np.log(np.exp(own / T).sum(axis=1))
    maps = relevance(psem, X, labels=labels, method="epsilon")
    assert_allclose(sums(maps), scores, rtol=1e-3)
    ones = relevance(psem, X, labels=1, method="epsilon")
    assert_array_equal(ones[[1, 4]], maps[[1, 4]])


def test_the_margin_is_the_decision(psem):
    for labels in range(3):
        lead = sums(relevance(psem, X, "margin", labels=labels))
        assert_array_equal(lead > 0, psem.predict(X) == labels)
    same = relevance(psem, X, "class", rule="neuralized")
    assert_array_equal(same, relevance(psem, X, "margin"))
    other = relevance(psem, X, "margin", rule="prp", method="epsilon_plus")
    by_class = np.sort(
        [psem.transform(X)[:, 2 * k : 2 * k + 2].max(axis=1) for k in range(3)], axis=0
    )
    assert_allclose(sums(other), by_class[2] - by_class[1], rtol=0.02, atol=1e-3)


# Maps tell something.


def test_relevance_lies_on_what_tells_the_classes(patches):
    psem, X, y, where = patches
    maps = {
        "class": relevance(psem, X, "class", rule="prp"),
        "margin": relevance(psem, X, "margin", rule="neuralized"),
        "concept_maps": concept_maps(psem, X),
    }
    found = {name: share_on(values, where) for name, values in maps.items()}
    show(f"Share of the top decile on the patch: {found}")
    assert psem.score(X, y) > 0.95
    assert where.mean() < 0.15
    assert min(found.values()) >= 0.8


def share_on(maps, where):
    """Share of the relevance in the top decile of positions that lies on the patch."""
    maps, where = maps.reshape(len(maps), -1), where.reshape(len(maps), -1)
    top = np.argsort(-maps, axis=1)[:, : maps.shape[1] // 10]
    values, on = (np.take_along_axis(part, top, axis=1) for part in (maps, where))
    return float(((values * on).sum(axis=1) / values.sum(axis=1)).mean().round(3))


def test_other_prototypes_have_other_maps(patches):
    psem, X, y, _ = patches
    rival = (y + 1) % 4
    first = np.searchsorted(psem["kmex"].prototype_classes_, np.arange(4))
    found = {}
    for target, bound in {"similarity": 0.99, "class": 0.99, "margin": 0}.items():
        name, ids = ("labels", np.arange(4))
        if target == "similarity":
            name, ids = "prototypes", first
        one, other = (relevance(psem, X, target, **{name: ids[k]}) for k in (y, rival))
        found[target] = similarity_of(one, other)
        assert found[target] < bound
    one, other = (
        relevance(psem, X, "similarity", prototypes=first[k], method="gradient_x_input")
        for k in (y, rival)
    )
    found["gradient"] = similarity_of(one, other)
    show(f"Cosines between maps of two classes: {found}")
    assert found["gradient"] < 0.5


@pytest.mark.slow
def test_maps_change_with_the_weights_from_the_head_down(cifar):
    psem, network, X = cifar
    X, labels = X[:30], psem.predict(X[:30])
    before = relevance(psem, X, labels=labels)
    ruined = copy.deepcopy(network)
    after_ruin = Pipeline([("embed", TorchEmbedder(ruined)), ("kmex", psem["kmex"])])
    assert_array_equal(relevance(after_ruin, X, labels=labels), before)
    torch.manual_seed(0)
    cosines = []
    for name in ("layer3", "layer2", "layer1", "conv1"):
        for part in ruined.get_submodule(name).modules():
            if hasattr(part, "reset_parameters"):
                part.reset_parameters()
        after = relevance(after_ruin, X, labels=labels)
        cosines.append(similarity_of(before, after))
    show(f"Cosines to maps of networks drawn anew from the head down: {cosines}")
    assert cosines[-1] < min(0.87, cosines[0] - 0.05)
    assert cosines == sorted(cosines, reverse=True)
    margins = (
        relevance(model, X, "margin", labels=labels) for model in (psem, after_ruin)
    )
    assert similarity_of(*margins) < 0.5


# Methods do what they are defined as.


def score_of(psem, rows):
    """Log similarity to the most similar prototype, as torch computes it."""
    prototypes = torch.from_numpy(psem["kmex"].prototypes_)
    apart = torch.cdist(psem["embed"].module[:2](rows), prototypes)
    return torch.log((apart + 1) / (apart + 1e-4)).max(dim=1).values


def test_gradient_times_input_is_that(table):
    psem, rows = table
    inputs = torch.from_numpy(rows).requires_grad_()
    (gradient,) = torch.autograd.grad(score_of(psem, inputs).sum(), inputs)
    found = relevance(psem, rows, method="gradient_x_input")
    assert_allclose(found, rows * gradient.numpy(), rtol=1e-3, atol=1e-6)


def test_integrated_gradients_add_up_to_what_the_baseline_lacks(table, blobs):
    psem, rows = table
    psem["kmex"].set_params(similarity="gaussian").fit(
        psem["embed"].transform(blobs[0] / 10), blobs[1]
    )
    ids = psem.transform(rows).argmax(axis=1)
    baseline = rows.mean(axis=0)
    for base in (0.25, baseline):
        how = {"method": "integrated_gradients", "baseline": base, "n_steps": 200}
        maps = relevance(psem, rows, "similarity", **how)
        at_baseline = psem.transform(np.full((1, 4), base))[0, ids]
        lost = psem.transform(rows).max(axis=1) - at_baseline
        assert_allclose(sums(maps), lost, rtol=0.02, atol=0.01)


def test_smoothgrad_is_the_gradient_where_noise_is_little_and_repeats(table):
    psem, rows = table
    how = {"method": "smoothgrad", "n_steps": 4}
    inputs = torch.from_numpy(rows).requires_grad_()
    (gradient,) = torch.autograd.grad(score_of(psem, inputs).sum(), inputs)
    near = relevance(psem, rows, noise=1e-6, random_state=0, **how)
    assert_allclose(near, gradient.numpy(), rtol=1e-2, atol=1e-4)
    one, same, other = (
        relevance(psem, rows, noise=0.5, random_state=seed, **how) for seed in (0, 0, 1)
    )
    assert_array_equal(one, same)
    assert (one != other).any()
    state = torch.random.get_rng_state()
    relevance(psem, rows, random_state=0, **how)
    assert_array_equal(torch.random.get_rng_state(), state)


@pytest.mark.parametrize("window", [None, 1, 3, 8])
def test_occlusion_is_what_a_window_takes_from_the_score(psem, window):
    side, base = window or 1, 0.5
    ids = psem.transform(X).argmax(axis=1)
    expected = np.empty_like(X)
    whole = psem.transform(X).max(axis=1)
    for top in range(0, 8, side):
        for left in range(0, 8, side):
            here = (..., slice(top, top + side), slice(left, left + side))
            masked = X.copy()
            masked[here] = base
            lost = whole - psem.transform(masked)[np.arange(len(X)), ids]
            expected[here] = lost[:, np.newaxis, np.newaxis, np.newaxis]
    found = relevance(
        psem, X, "similarity", method="occlusion", window=window, baseline=base
    )
    assert_allclose(found, expected, atol=1e-4)


def test_occlusion_of_columns(table):
    psem, rows = table
    labels = psem.predict(rows)
    found = relevance(psem, rows, "margin", method="occlusion", window=3)
    for columns in (slice(0, 3), slice(3, 4)):
        masked = rows.copy()
        masked[:, columns] = 0
        lost = leads(psem, rows, labels) - leads(psem, masked, labels)
        assert_allclose(found[:, columns].T, [lost] * len(found[0, columns]), rtol=1e-3)


# One sample, prototype and batch at a time, or several.


@BIASES_TAKE_A_SHARE
@pytest.mark.parametrize("method", METHODS)
def test_batches_and_several_prototypes_are_those_of_one_at_a_time(psem, method):
    how = {"method": method, "n_steps": 3, "random_state": 0}
    near = {"rtol": 1e-3, "atol": 1e-5}
    for target in ("class", "margin"):
        together = relevance(psem, X, target, **how)
        by_two = relevance(psem, X, target, batch_size=2, **how)
        alone = [relevance(psem, one[np.newaxis], target, **how)[0] for one in X]
        assert_allclose(by_two, together, **near)
        assert_allclose(alone, together, **near)
    ids = np.array([[0, 5, 3]] * len(X))
    ids[2] = [1, 1, 4]
    several = relevance(psem, X, "similarity", prototypes=ids, batch_size=3, **how)
    assert several.shape == (7, 3, 1, 8, 8)
    for place in range(3):
        one = relevance(psem, X, "similarity", prototypes=ids[:, place], **how)
        assert_allclose(several[:, place], one, **near)
    assert_array_equal(several[2, 0], several[2, 1])


def test_without_prototypes_or_labels_it_is_those_that_decide(psem):
    nearest = psem.transform(X).argmax(axis=1)
    assert_array_equal(
        relevance(psem, X, "similarity"),
        relevance(psem, X, "similarity", prototypes=nearest),
    )
    assert_array_equal(relevance(psem, X), relevance(psem, X, labels=psem.predict(X)))
    assert_array_equal(
        relevance(psem, X, prototypes=nearest), relevance(psem, X, "similarity")
    )
    one = relevance(psem, X, "similarity", prototypes=3)
    assert_array_equal(one, relevance(psem, X, "similarity", prototypes=[3] * len(X)))
    by_code = black_box_relevance(psem, X, labels=psem.predict(X))
    assert_array_equal(black_box_relevance(psem, X), by_code)


# The network does not notice.


def state_of(network):
    hooks = [
        (len(part._forward_hooks), len(part._forward_pre_hooks))
        for part in network.modules()
    ]
    flags = [weight.requires_grad for weight in network.parameters()]
    inplace = [getattr(part, "inplace", None) for part in network.modules()]
    return hooks, flags, inplace, [part.training for part in network.modules()]


class Failing(torch.utils.data.Dataset):
    """Cannot read its sixth sample the second time that it is asked to."""

    def __init__(self):
        self.times = 0

    def __len__(self):
        return len(X)

    def __getitem__(self, index):
        self.times += index == 5
        if self.times == 2:
            raise OSError("gone")
        return torch.from_numpy(X[index])


@BIASES_TAKE_A_SHARE
@pytest.mark.parametrize(
    "kind", [networks.NormAfter, networks.SharedActivation, networks.WeightNorm]
)
def test_the_network_is_as_it_was(kind):
    network = seeded(kind, bias=True)
    psem = psem_of(network)
    network.train()
    network.conv1.weight.requires_grad_(False)
    before, weights = state_of(network), copy.deepcopy(network.state_dict())
    for method in METHODS:
        relevance(psem, X, method=method, n_steps=2)
        black_box_relevance(psem, X, method=method, n_steps=2)
    concept_maps(psem, X)
    for method in METHODS[:3]:
        with pytest.raises(ValueError, match="Sample 5 of X could not be read"):
            relevance(psem, Failing(), method=method, batch_size=2)
    assert state_of(network) == before
    assert all(weight.grad is None for weight in network.parameters())
    for name, values in network.state_dict().items():
        assert_array_equal(values, weights[name])


@pytest.mark.parametrize("method", ["epsilon_plus_flat", "smoothgrad"])
def test_threads_do_not_meet(method):
    psem = psem_of(seeded(networks.WeightNorm))
    seeds = list(range(6))

    def explain(seed):
        return relevance(psem, X, method=method, random_state=seed, batch_size=2)

    alone = [explain(seed) for seed in seeds]
    with ThreadPoolExecutor(3) as pool:
        for found, expected in zip(pool.map(explain, seeds), alone, strict=True):
            assert_array_equal(found, expected)


# Whatever holds the network, and whatever it takes.


def skorch_net(module, names=None):
    net = NeuralNetClassifier(module, classes=names, verbose=0)
    return net.initialize()


@pytest.mark.parametrize("names", [["cat", "dog", "emu"], ["emu", "cat", "dog"]])
def test_a_skorch_net_with_names_for_classes(names):
    module, labels = seeded(networks.Written), np.array(names)[np.arange(30) % 3]
    net = skorch_net(module, names)
    psem = make_kmex(net, n_prototypes=2, random_state=0).fit(images(), labels)
    plain = psem_of(module)
    of_codes = black_box_relevance(plain, X, labels=2)
    assert_allclose(black_box_relevance(psem, X, labels=names[2]), of_codes, rtol=1e-5)
    assert_allclose(
        relevance(psem, X, labels=names[2]), relevance(plain, X, labels=2), rtol=1e-5
    )

    few = make_kmex(net, n_prototypes=2, random_state=0)
    few.fit(images()[labels != names[0]], labels[labels != names[0]])
    assert_allclose(black_box_relevance(few, X, labels=names[2]), of_codes, rtol=1e-5)
    other = make_kmex(net, n_prototypes=2, classes=list("abc"), random_state=0)
    other.fit(images(), np.array(["a", "b", "c"])[np.arange(30) % 3])
    assert_allclose(black_box_relevance(other, X, labels="c"), of_codes, rtol=1e-5)


@pytest.mark.filterwarnings("ignore:Maps do not sum")  # as biases take a share
def test_cached_encoders_and_steps_before_them(tmp_path, blobs):
    network = seeded(networks.Written)
    expected = relevance(psem_of(network), X)
    cached = psem_of(network, memory=str(tmp_path))
    assert_array_equal(relevance(cached, X), expected)

    rows, y = blobs
    scaler = StandardScaler().fit(rows)
    scaled = scaler.transform(rows).astype(np.float32)
    direct = make_kmex(mlp(), n_prototypes=2, random_state=0).fit(scaled, y)
    expected = relevance(direct, scaled[:5])
    net, embedder = skorch_net(mlp()), TorchEmbedder(mlp())
    last = KMExClassifier(2, random_state=0)
    for psem in (
        make_kmex(make_pipeline(scaler, net), n_prototypes=2, random_state=0),
        make_kmex(make_pipeline(scaler, embedder), n_prototypes=2, random_state=0),
        make_pipeline(StandardScaler(), "passthrough", embedder, last),
        make_pipeline(make_pipeline(StandardScaler(), embedder), last),
    ):
        psem.fit(rows, y)
        assert_allclose(relevance(psem, rows[:5]), expected, rtol=1e-3, atol=1e-5)


def test_maps_have_the_shape_of_the_rows():
    network = seeded(networks.Written)
    expected = relevance(psem_of(network), X)
    embedder = TorchEmbedder(network, input_shape=(1, 8, 8))
    psem = make_pipeline(embedder, KMExClassifier(2, random_state=0))
    psem.fit(images().reshape(30, 64), np.arange(30) % 3)
    rows = X.reshape(7, 64)
    for given in (rows, rows.tolist()):
        assert_allclose(
            relevance(psem, given), expected.reshape(7, 64), rtol=1e-4, atol=1e-6
        )
    several = relevance(psem, rows, "similarity", prototypes=[[0, 1]] * 7)
    assert several.shape == (7, 2, 64)
    assert relevance(psem, X).shape == X.shape


def test_torch_objects_and_preprocessing():
    network = seeded(networks.Written)
    expected = relevance(psem_of(network), X)
    psem = psem_of(network)
    for given in (torch.from_numpy(X), TensorDataset(torch.from_numpy(X)), list(X)):
        assert_array_equal(relevance(psem, given), expected)

    def centred(image):
        return torch.as_tensor(image).float() / 255 - 0.5

    pixels = np.random.default_rng(0).integers(256, size=(30, 1, 8, 8), dtype=np.uint8)
    embedder = TorchEmbedder(network, preprocess=centred)
    raw = make_pipeline(embedder, KMExClassifier(2, random_state=0))
    raw.fit(pixels, np.arange(30) % 3)
    done = (pixels / 255 - 0.5).astype(np.float32)
    direct = make_kmex(network, n_prototypes=2, random_state=0)
    direct.fit(done, np.arange(30) % 3)
    maps = relevance(raw, pixels[:5])
    assert maps.dtype == np.float32
    assert_allclose(maps, relevance(direct, done[:5]), rtol=1e-2, atol=1e-4)
    as_tensor = torch.from_numpy(pixels[:5])
    assert relevance(direct, as_tensor).dtype == np.float32


def test_maps_have_the_dtype_of_the_network():
    double = psem_of(seeded(networks.Written).double())
    for method in METHODS:
        maps = relevance(double, X, method=method, n_steps=2)
        assert maps.dtype == np.float64
        single = relevance(
            psem_of(seeded(networks.Written)), X, method=method, n_steps=2,
            random_state=0,
        )  # fmt: skip
        assert single.dtype == np.float32


# What does not work is said in one sentence.


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"labels": 7}, r"labels must be among the classes \[0, 1, 2\]; got 7"),
        ({"labels": "cat"}, "among the classes .* got 'cat'"),
        ({"labels": [0, 1, 2, 0, 1, 2, 9]}, "among the classes .* got 9"),
        ({"labels": [0, 1]}, r"one for each of 7 samples; got .* \(2,\)"),
        ({"labels": np.zeros((7, 1), int)}, r"each of 7 samples; got .* \(7, 1\)"),
        ({"target": "similarity", "prototypes": 6}, "from 0 to 5; got 6 to 6"),
        ({"target": "similarity", "prototypes": -1}, "from 0 to 5; got -1 to -1"),
        ({"target": "similarity", "prototypes": 1.0}, "an int or ints .* float64"),
        ({"target": "similarity", "prototypes": [1, 2]}, r"\(7, n_maps\); got .* \(2,"),
        (
            {"target": "similarity", "prototypes": np.zeros((7, 0), int)},
            r"prototypes must be .*\(7, 0\)",
        ),
        (
            {"target": "class", "prototypes": 1},
            "prototypes must be None for target='cl",
        ),
        ({"target": "similarity", "labels": 1}, "labels must be None for target='sim"),
        ({"target": "similarity", "rule": "neuralized"}, "not a similarity; use rule="),
        ({"method": "epsilon_box"}, 'must be given for the methods that end in "_box"'),
        ({"bounds": (0, 1)}, "only for these, .* for None"),
        ({"method": "epsilon_box", "bounds": (0, 1, 2)}, "must be a pair"),
        ({"method": "epsilon_box", "bounds": (1, 0)}, "low < high; got"),
        ({"method": "epsilon_box", "bounds": ("a", 1)}, "bounds must be made of fin"),
        (
            {"method": "epsilon_box", "bounds": (np.zeros(3), np.ones(3))},
            r"bounds must broadcast to a sample, of shape \(1, 8, 8\); got .* \(3,\)",
        ),
        ({"method": "occlusion", "baseline": ["a"]}, "baseline must be made of fin"),
        (
            {"method": "occlusion", "baseline": np.zeros((7, 1, 8, 8))},
            "baseline must broadcast to a sample",
        ),
        ({"method": "occlusion", "baseline": [None]}, "baseline must be made of fini"),
        (
            {"method": "occlusion", "window": 99},
            "window must be at most the side length of an input, 8; got 99",
        ),
        ({"method": "lrp"}, "'method' parameter of relevance must be a str among"),
        ({"target": "score"}, "'target' parameter of relevance must be a str among"),
        ({"batch_size": 0}, "'batch_size' parameter of relevance must be"),
        ({"X": X[:, 0, 0]}, r"NormAfter must take a batch of X, .*\(1, 8\)"),
        ({"X": X.repeat(3, axis=1)}, r"must take a batch .*shape \(1, 3, 8, 8\)"),
        ({"X": X[:0]}, "0 sample"),
    ],
)
def test_bad_input(psem, given, message):
    with pytest.raises(ValueError, match=message):
        relevance(psem, **{"X": X, **given})


def test_settings_are_checked_whoever_passes_them_on(psem):
    for given, words in (
        ({"method": "gradient"}, "method.* among .*'gradient_x_input'.* 'gradient' "),
        ({"method": "occlusion", "window": 0}, "'window' parameter of"),
    ):
        for one in (relevance, black_box_relevance, faithfulness, robustness):
            with pytest.raises(ValueError, match=words):
                one(psem, X, **given)
    with pytest.raises(ValueError, match=r"relevance .*'smoothgrad'.*; got 'gradient'"):
        explain(psem, X, relevance="gradient")


def test_labels_that_are_words_are_named_as_such():
    psem = make_kmex(seeded(networks.Written), n_prototypes=1, random_state=0)
    psem.fit(images(), np.array(["cat", "dog", "emu"])[np.arange(30) % 3])
    with pytest.raises(ValueError, match=r"\['cat', 'dog', 'emu'\]; got 'fox'"):
        black_box_relevance(psem, X, labels="fox")
    with pytest.raises(ValueError, match=r"\['cat', 'dog', 'emu'\]; got 1"):
        relevance(psem, X, labels=1)


def test_what_has_no_torch_encoder_is_told(blobs):
    rows, y = blobs
    forest = RandomForestClassifier(5, random_state=0).fit(rows, y)
    for psem, what in [
        (make_kmex(forest, n_prototypes=1), "it has TreeEmbedder. Convert a"),
        (KMExClassifier(1), "it has no steps"),
    ]:
        psem.fit(rows, y)
        for one in (
            relevance, black_box_relevance, concept_maps, faithfulness, robustness,
        ):  # fmt: skip
            with pytest.raises(TypeError, match=f"no torch encoder .*{what}") as error:
                one(psem, rows)
            is_score = one in (faithfulness, robustness)
            assert str(error.value).endswith("table use contrast.") != is_score
    with pytest.raises(
        TypeError, match=r"must decide by prototypes.*ForestClassifier has no"
    ):
        relevance(forest, rows)


def test_token_ids_have_no_relevance():
    class Words(nn.Module):
        def __init__(self):
            super().__init__()
            self.words, self.head = nn.Embedding(9, 4), nn.Linear(4, 3)

        def forward(self, X):
            return self.head(self.words(X).mean(dim=1))

    torch.manual_seed(0)
    ids = torch.randint(9, (30, 5))
    psem = make_kmex(Words(), n_prototypes=1, random_state=0).fit(ids, ids[:, 0] % 3)
    for method in METHODS:
        with pytest.raises(ValueError, match=r"one array of floats .* token ids"):
            relevance(psem, ids, method=method)
    with pytest.raises(ValueError, match=r"one array of floats .* token ids"):
        concept_maps(psem, ids)


def test_maps_that_do_not_sum_to_the_score_tell_the_share():
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(1, 6, 3), nn.ReLU(), nn.Flatten(), nn.Linear(216, 3), nn.Linear(3, 3)
    )
    nn.init.constant_(network[3].bias, 0.3)
    psem = psem_of(network)
    score = psem.transform(X).max(axis=1)
    for method, layers in (("epsilon", "all"), ("epsilon_plus_flat", "linear")):
        with pytest.warns(KMExWarning, match=f"biases of {layers} layers") as told:
            maps = relevance(psem, X, method=method)
        off = np.abs(1 - sums(maps) / score)
        n_rows, row = (off > 0.05).sum(), off.argmax()
        assert f"for {n_rows} of 7 rows: up to {100 * off[row]:.3g} % of" in str(
            told[0].message
        )
        assert f"(row {row})" in str(told[0].message)
        assert told[0].filename == __file__
    with pytest.warns(KMExWarning, match="Maps do not sum"):
        relevance(psem, X, "margin", method="epsilon_plus")
    for one in (EpsilonPlus(), "gradient_x_input", "smoothgrad", "occlusion"):
        relevance(psem, X, method=one)  # may lose as it likes, without a warning
    nn.init.zeros_(network[3].bias)
    relevance(psem_of(network), X)


def test_rows_without_a_number_or_any_relevance_are_named():
    class Root(networks.Written):
        def between(self, X):
            return self.conv2(X).abs().sqrt()

    psem = psem_of(seeded(Root))
    some = X.copy()
    some[[1, 4]] = 0
    with pytest.raises(ValueError, match="it is NaN or infinite for rows 1, 4"):
        relevance(psem, some, method="gradient_x_input")
    plain = psem_of(seeded(networks.Written))
    for one in (relevance, black_box_relevance):
        with pytest.warns(KMExWarning, match="zero everywhere for rows 1, 4: no inp"):
            maps = one(plain, some, method="epsilon")
        assert maps[[0, 2, 3, 5, 6]].any(axis=(1, 2, 3)).all()


def test_a_head_without_a_score_for_each_class_is_told():
    network = seeded(networks.Written)
    network.head = nn.Linear(6, 2)
    psem = psem_of(network)
    with pytest.raises(ValueError, match="one score for each class; it returns 2, too"):
        black_box_relevance(psem, X, labels=2)


def test_the_extra_is_named_where_zennit_is_missing(psem, monkeypatch):
    monkeypatch.setitem(sys.modules, "zennit", None)
    for one in (relevance, black_box_relevance, faithfulness, robustness):
        with pytest.raises(MissingDependencyError, match=r"sklearn-kmex\[explain\]"):
            one(psem, X)
    assert concept_maps(psem, X).shape == (7, 8, 8)
