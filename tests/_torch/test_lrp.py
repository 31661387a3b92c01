"""LRP conserves relevance for any forward pass that it supports, or raises an error."""

import copy
import itertools

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

torch = pytest.importorskip("torch")
pytest.importorskip("zennit")
import networks
from networks import images, psem_of, seeded, show
from torch import nn
from torch.nn import functional
from zennit.canonizers import SequentialMergeBatchNorm
from zennit.composites import EpsilonGammaBox, EpsilonPlus
from zennit.rules import Epsilon

from sklearn_kmex import make_kmex
from sklearn_kmex._torch.rules import run_under
from sklearn_kmex.explain import black_box_relevance, relevance

X = images(6, seed=1)
BIASES_TAKE_A_SHARE = pytest.mark.filterwarnings("ignore:Maps do not sum")
OTHERS = ["gradient_x_input", "integrated_gradients", "smoothgrad", "occlusion"]


def sums(maps):
    return maps.reshape(len(maps), -1).sum(axis=1)


def off_by(maps, scores):
    return np.abs(sums(maps) / scores - 1).max()


def scores_without_biases(network, psem):
    scores = psem["embed"].black_box_output(X)
    if network.head.bias is not None:
        scores = scores - network.head.bias.detach().numpy()
    return scores[np.arange(len(X)), psem.predict(X)]


@pytest.mark.parametrize("kind", networks.BIASLESS)
def test_relevance_sums_to_the_score(kind):
    network = seeded(kind)
    psem = psem_of(network)
    for method in ("epsilon", "epsilon_plus", "epsilon_plus_flat"):
        maps = relevance(psem, X, method=method)
        of_black_box = black_box_relevance(psem, X, method=method)
        off = off_by(maps, psem.transform(X).max(axis=1))
        off_black_box = off_by(of_black_box, scores_without_biases(network, psem))
        show(f"{kind.__name__}, {method}: {off:.1e}, {off_black_box:.1e}")
        assert off < 1e-3
        assert off_black_box < 1e-3


@pytest.mark.parametrize("kind", [networks.NormAfter, networks.NormBefore])
def test_batch_norms_take_no_relevance_folded_or_not(kind):
    psem = psem_of(seeded(kind))
    off = off_by(relevance(psem, X), psem.transform(X).max(axis=1))
    show(f"{kind.__name__}: {off:.1e}")
    assert off < 0.01


@BIASES_TAKE_A_SHARE
def test_the_plain_epsilon_rule_leaves_biases_their_share():
    # One location and channel: z = 2 x + 1, which is 7 at x = 3.
    network = nn.Sequential(nn.Conv2d(1, 1, 1), nn.Flatten(), nn.Linear(1, 2))
    nn.init.constant_(network[0].weight, 2.0)
    nn.init.constant_(network[0].bias, 1.0)
    psem = make_tiny(network)
    score = psem.transform([[[[3.0]]]]).max()
    sample = np.full((1, 1, 1, 1), 3.0)
    assert_allclose(relevance(psem, sample, method="epsilon"), score * 6 / 7, rtol=1e-4)
    found = relevance(psem, sample, method="epsilon_plus")
    assert_allclose(found, score, rtol=1e-4)


def make_tiny(network):
    rows = np.array([1.0, 2.0, 3.0, 4.0]).reshape(-1, 1, 1, 1)
    return make_kmex(network, n_prototypes=1, random_state=0).fit(rows, [0, 0, 1, 1])


class OneStep(nn.Module):
    """An identity layer, a function, and a head."""

    def __init__(self, step):
        super().__init__()
        self.conv, self.head = nn.Conv2d(1, 1, 1, bias=False), nn.Linear(1, 2)
        nn.init.ones_(self.conv.weight)
        self.step = step

    def forward(self, X):
        return self.head(self.step(self.conv(X)).mean((2, 3)))


@pytest.mark.parametrize(
    ("step", "share"),
    [
        (lambda x: x + 1, 1),  # a constant takes no relevance
        (lambda x: x - 1, 1),
        (lambda x: torch.ones(1, 1, 1, 1) + x, 1),
        (lambda x: torch.ones(1, 1, 1, 1) - x, 1.5),
        (lambda x: torch.add(torch.ones(1, 1, 1, 1), x, alpha=2), 6 / 7),
        (lambda x: torch.add(input=x, other=x), 1),
        (lambda x: torch.add(x, other=2 * x, alpha=3), 1),
        (lambda x: functional.avg_pool2d(input=x, kernel_size=1), 1),
        (lambda x: functional.relu(input=x), 1),
        (lambda x: torch.mul(input=x, other=3.0), 1),
        (lambda x: 1 - x, 1.5),  # in proportion: x adds -3 of -2
        (lambda x: -x, 1),
        (lambda x: 0.5 * x, 1),
        (lambda x: x / torch.tensor(2.0), 1),
        (lambda x: x.sigmoid(), 1),
        (lambda x: x * torch.ones(1, 1, 1, 1), 1),
        (lambda x: torch.rsub(x, 1.0), 1.5),
        (lambda x: functional.relu(x, inplace=True), 1),
        (lambda x: x.mul_(2.0), 1),
        (lambda x: functional.leaky_relu_(x), 1),
        (lambda x: x.clone().transpose(2, 3).reshape(-1, 1, 1, 1), 1),
        (lambda x: functional.interpolate(x, scale_factor=2), 1),
        (lambda x: x.detach() * 0 + x, 1),
        (lambda x: 2 / x, 1),
        (lambda x: x.reciprocal(), 1),
        (lambda x: x * x, 1),
        (lambda x: torch.multiply(x, x), 1),
        (lambda x: x * torch.sigmoid(x), 1),
        (lambda x: x * functional.relu6(x + 3) / 6, 1),
        (lambda x: x * torch.tanh(functional.softplus(x)), 1),
        (lambda x: x.clone().mul_(x.sigmoid()), 1),
        (lambda x: functional.hardswish(x), 1),
    ],
)
@BIASES_TAKE_A_SHARE
def test_steps_between_layers_by_hand(step, share):
    psem = make_tiny(OneStep(step))
    sample = np.full((1, 1, 1, 1), 3.0)
    score = psem.transform(sample).max()
    found = relevance(psem, sample, method="epsilon")
    assert_allclose(found, score * share, rtol=1e-4)


# Outputs without positive, negative or any contributions.


def depthwise(weights, bias=0.0):
    """A convolution of two positions, which are channels of their own, and a head."""
    conv = nn.Conv2d(1, 1, (2, 1))
    conv.weight.data = torch.tensor(weights).view(1, 1, 2, 1)
    nn.init.constant_(conv.bias, bias)
    network = nn.Sequential(conv, nn.Flatten(), nn.Linear(1, 2))
    rows = np.arange(8.0).reshape(4, 1, 2, 1)
    return make_kmex(network, n_prototypes=1, random_state=0).fit(rows, [0, 0, 1, 1])


@pytest.mark.parametrize(
    ("weights", "row", "plus", "alpha_beta"),
    [
        ([1.0, 2.0], [1, 2], [0.2, 0.8], [0.2, 0.8]),
        ([1.0, -2.0], [1, 2], [1, 0], [2, -1]),
        ([-1.0, -2.0], [1, 2], [0.2, 0.8], [0.2, 0.8]),  # only the bias is positive
        ([1.0, -2.0], [0, 2], [0, 1], [0, 1]),
        ([1.0, -2.0], [0, 0], [0.5, 0.5], [0.5, 0.5]),
    ],
)
def test_contributions_of_one_sign_get_all_relevance(weights, row, plus, alpha_beta):
    psem = depthwise(weights, bias=9.0)
    sample = np.reshape(row, (1, 1, 2, 1))
    score = psem.transform(sample).max()
    for method, share in (
        ("epsilon_plus", plus),
        ("epsilon_alpha2_beta1", alpha_beta),
    ):
        found = relevance(psem, sample, method=method).ravel() / score
        assert_allclose(found, share, rtol=1e-4, atol=1e-6)


def test_inputs_at_their_bound_share_evenly():
    psem = depthwise([1.0, 2.0])
    dark = np.zeros((1, 1, 2, 1))
    found = relevance(psem, dark, method="epsilon_plus_box", bounds=(0, 9)).ravel()
    assert_allclose(found, psem.transform(dark).max() / 2, rtol=1e-4)


PLUS = ["epsilon_plus", "epsilon_plus_flat", "epsilon_alpha2_beta1"]


@pytest.mark.parametrize("name", ["mobilenet_v3_small", "shufflenet_v2_x0_5"])
def test_maps_of_torchvision_add_up_after_norms_are_settled(name):
    models = pytest.importorskip("torchvision.models")
    torch.manual_seed(0)
    network = getattr(models, name)(weights=None)
    rows = np.random.default_rng(0).normal(size=(12, 3, 32, 32)).astype(np.float32)
    settle(network, rows)
    psem = make_kmex(network, n_prototypes=1, random_state=0)
    psem.fit(rows, np.arange(12) % 3)
    score = psem.transform(rows[:2]).max(axis=1)
    off = {m: off_by(relevance(psem, rows[:2], method=m), score) for m in PLUS}
    show(f"{name}: {off}")
    assert max(off.values()) < 1e-3


@torch.no_grad()
def settle(network, rows):
    """Give batch norms the statistics of these rows."""
    for part in network.train().modules():
        if isinstance(part, nn.BatchNorm2d):
            part.momentum = 1.0
    network(torch.from_numpy(rows))
    network.eval()


class Depthwise(networks.Written):
    """A depthwise convolution with biases, and one step after it."""

    def __init__(self, step):
        super().__init__(bias=True)
        self.conv2 = nn.Conv2d(6, 6, 3, padding=1, groups=6)
        self.point = nn.Conv2d(6, 6, 1)
        nn.init.normal_(self.conv2.bias, 1.0)
        self.step = step

    def between(self, X):
        return self.step(self.conv2(functional.relu(X)), self.point)


def squeezed(x, point):
    return point(functional.adaptive_avg_pool2d(x, 1))


def multiplied_in_place(x, point):
    x = x * 1.0
    x *= squeezed(x, point).sigmoid()
    x /= 2
    return x


@pytest.mark.parametrize(
    "step",
    [
        lambda x, _: functional.hardswish(x),
        lambda x, _: x * torch.sigmoid(x),
        lambda x, _: x * (functional.relu6(x + 3) / 6),
        lambda x, point: x * squeezed(x, point).sigmoid(),
        lambda x, point: x * functional.hardsigmoid(squeezed(x, point)).expand_as(x),
        lambda x, _: x * torch.sigmoid(x.mean(1, keepdim=True)),
        lambda x, _: x.mean((2, 3), True) * torch.sigmoid(x.mean(1, True)),
        lambda x, point: torch.relu(x) * torch.relu(point(x)),
        lambda x, point: torch.tanh(x) * torch.sigmoid(point(x)),
        lambda x, _: torch.relu(x - 100) + torch.relu(x),
        lambda x, point: point(torch.relu(x - 100)),
        lambda x, _: x.unflatten(1, (2, 3)).transpose(1, 2).flatten(1, 2),
        lambda x, _: x * torch.linspace(0, 1, 6).view(6, 1, 1),
        multiplied_in_place,
    ],
)
def test_products_gates_and_inactive_units_lose_nothing(step):
    torch.manual_seed(0)
    psem = psem_of(Depthwise(step).eval())
    score = psem.transform(X).max(axis=1)
    off = {m: off_by(relevance(psem, X, method=m), score) for m in PLUS}
    assert max(off.values()) < 1e-4


def test_a_gate_gets_no_relevance_and_other_factors_half_each():
    """Each factor reads a position of its own, so that shares are seen."""

    class Net(OneStep):
        def forward(self, X):
            one, other = self.conv(X).chunk(2, dim=2)
            return self.head(self.step(one, other).mean((2, 3)))

    rows = np.random.default_rng(0).uniform(1, 2, size=(8, 1, 2, 1))
    for step, share in [
        (lambda one, other: one * other.sigmoid(), [1, 0]),
        (lambda one, other: functional.hardsigmoid(one) * other.tanh(), [0, 1]),
        (lambda one, other: functional.relu6(one) * other.sigmoid(), [1, 0]),
        (lambda one, other: one * other, [0.5, 0.5]),
        (lambda one, other: one.sigmoid() * other.sigmoid(), [0.5, 0.5]),
    ]:
        psem = make_kmex(Net(step), n_prototypes=1, random_state=0)
        psem.fit(rows, np.arange(8) % 2)
        score = psem.transform(rows[:1]).max()
        found = relevance(psem, rows[:1], method="epsilon").ravel()
        assert_allclose(found, np.multiply(share, score), rtol=1e-4, atol=1e-6)


def test_tensors_in_lists_are_seen():
    psem = make_tiny(OneStep(lambda x: torch.hstack([x])))
    with pytest.raises(ValueError, match="no rule for hstack"):
        relevance(psem, np.ones((1, 1, 1, 1)))
    psem = make_tiny(OneStep(lambda x: torch.lerp(x, end=2 * x, weight=0.5)))
    with pytest.raises(ValueError, match="no rule for lerp"):
        relevance(psem, np.ones((1, 1, 1, 1)))


def test_a_sum_shares_in_proportion_and_not_twice():
    class Net(OneStep):
        def __init__(self):
            super().__init__(lambda x: x)
            self.other = nn.Conv2d(1, 1, 1, bias=False)
            nn.init.constant_(self.other.weight, 2.0)

        def forward(self, X):
            left, right = X.chunk(2, dim=2)
            out = self.conv(left) + self.other(right)
            return self.head(out.mean((2, 3)))

    rows = np.random.default_rng(0).uniform(1, 2, size=(8, 1, 2, 1))
    psem = make_kmex(Net(), n_prototypes=1, random_state=0).fit(rows, np.arange(8) % 2)
    sample = np.array([[[[4.0], [3.0]]]])  # 4 and 2 * 3 of 10
    score = psem.transform(sample).max()
    found = relevance(psem, sample, method="epsilon").ravel()
    assert_allclose(found, [0.4 * score, 0.6 * score], rtol=1e-4)


def test_means_of_channels_that_are_zero_share_evenly():
    network = nn.Sequential(
        nn.Conv2d(1, 2, 1, bias=False),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(2, 2),
    )
    nn.init.ones_(network[0].weight)
    psem = psem_of(network, n_prototypes=1)
    dark = -np.ones((1, 1, 8, 8))
    found = relevance(psem, dark, method="epsilon")
    score = psem.transform(dark).max()
    assert_allclose(found, score / 64, rtol=1e-3)


class TwoEqual(networks.Written):
    def __init__(self):
        super().__init__()
        self.conv3 = copy.deepcopy(self.conv2)

    def between(self, X):
        return torch.relu(self.conv3(torch.relu(self.conv2(torch.relu(X)))))


def test_a_layer_may_run_twice_by_the_epsilon_rule():
    once, twice = (
        relevance(psem_of(seeded(kind)), X, method="epsilon")
        for kind in (TwoEqual, networks.Twice)
    )
    assert_allclose(twice, once, rtol=1e-4, atol=1e-4 * np.abs(once).max())


def test_backward_passes_do_not_run_a_function_again():
    runs = []

    def twice(values):
        runs.append(values)
        return 2 * values

    values = torch.ones(3, 2, requires_grad=True)
    result = run_under("linear", twice, values)
    for size in (1.0, 5.0):
        given = torch.full((3, 2), size)
        (found,) = torch.autograd.grad(result, values, given, retain_graph=True)
        assert_allclose(found, given, rtol=1e-5)
    assert len(runs) == 1


class ChangesWhatItUsed(nn.Module):
    """Changes a value in place that a layer has used."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 1, 1)
        self.hidden, self.head = nn.Linear(64, 4), nn.Linear(4, 2)

    def forward(self, X):
        values = self.conv(X).flatten(1)
        result = self.hidden(values)
        values.add_(1)
        return self.head(result)


def test_a_value_changed_after_its_use_is_an_error():
    psem = psem_of(seeded(ChangesWhatItUsed))
    with pytest.raises(ValueError, match="changes a value in place that"):
        relevance(psem, X, method="epsilon")


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (networks.FunctionalConv, "no rule for conv2d, called in the forward pass of "),
        (networks.InPlaceStatement, "LRP does not support InPlaceStatement"),
        (networks.Twice, "each layer to run once; 'conv2' of Twice ran again"),
    ],
)
def test_error_without_a_rule_names_the_methods_that_work(kind, message):
    psem = psem_of(seeded(kind))
    remedy = 'Use method="gradient_x_input", "integrated_gradients", "smoothgrad" or'
    for method in ("epsilon_plus", "epsilon_plus_flat"):
        with pytest.raises(ValueError, match=f"{message}.*{remedy}"):
            relevance(psem, X, method=method)
    for method in OTHERS:
        maps = relevance(psem, X[:1], method=method, n_steps=2)
        assert maps.any()


@pytest.mark.filterwarnings("ignore:`torch.jit", "ignore:The .grad attribute")
def test_a_scripted_layer_is_named():
    torch.manual_seed(0)
    body = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Tanh(), nn.Flatten())
    psem = psem_of(nn.Sequential(torch.jit.script(body), nn.Linear(144, 3)))
    with pytest.raises(ValueError, match="does not support the scripted '0'"):
        relevance(psem, X)
    for method in OTHERS:
        assert relevance(psem, X[:2], method=method, n_steps=2).any()


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_weights_that_hooks_compute_are_refused_and_those_of_torch_kept():
    network = seeded(networks.Written)
    with torch.no_grad():
        network.conv2 = nn.utils.weight_norm(network.conv2)
    with pytest.raises(ValueError, match="store their weights; 'conv2' computes"):
        relevance(psem_of(network), X)
    parametrized = seeded(networks.WeightNorm)
    before = parametrized(torch.from_numpy(X)).detach()
    psem = psem_of(parametrized)
    maps = relevance(psem, X)
    assert nn.utils.parametrize.is_parametrized(parametrized.conv2)
    assert_array_equal(parametrized(torch.from_numpy(X)).detach(), before)
    assert_array_equal(relevance(psem, X), maps)


@pytest.mark.parametrize("method", ["epsilon", "epsilon_plus_flat", *OTHERS])
def test_a_forward_that_changes_its_input(method):
    class Changing(networks.Written):
        def forward(self, X):
            X -= 0.5
            return super().forward(X)

    class Plain(networks.Written):
        def forward(self, X):
            return super().forward(X - 0.5)

    how = {"method": method, "n_steps": 2, "random_state": 0}
    found = relevance(psem_of(seeded(Changing)), X, **how)
    expected = relevance(psem_of(seeded(Plain)), X, **how)
    assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


def test_frozen_weights_change_nothing():
    network = seeded(networks.NormAfter)
    psem = psem_of(network)
    maps = relevance(psem, X)
    network.requires_grad_(False)
    assert_array_equal(relevance(psem, X), maps)
    assert not any(weight.requires_grad for weight in network.parameters())


def test_a_composite_of_the_user():
    network = seeded(networks.NormAfter)
    psem = psem_of(network)
    merged = EpsilonPlus(canonizers=[SequentialMergeBatchNorm()])
    before = {name: part.clone() for name, part in network.state_dict().items()}
    assert_allclose(
        relevance(psem, X, method=merged),
        relevance(psem, X, method=EpsilonPlus()),
        rtol=1e-4,
        atol=1e-6,
    )
    for name, part in network.state_dict().items():
        assert_array_equal(part, before[name])
    boxed = EpsilonGammaBox(low=-5.0, high=5.0)
    assert np.isfinite(relevance(psem, X, method=boxed)).all()
    plain = psem_of(seeded(networks.Written))
    everywhere = EpsilonPlus(layer_map=[(nn.Conv2d, Epsilon())])
    assert_allclose(
        relevance(plain, X, method=everywhere),
        relevance(plain, X, method="epsilon"),
        rtol=1e-2,
        atol=1e-4,
    )


def test_the_rule_at_the_input_by_hand():
    network = nn.Sequential(
        nn.Conv1d(1, 1, 2, bias=False), nn.ReLU(), nn.Flatten(), nn.Linear(1, 2)
    )
    network[0].weight.data = torch.tensor([[[1.0, -2.0]]])
    rows = np.array([[[3, 1]], [[4, 1]], [[5, 0]], [[9, 1]]])
    psem = make_kmex(network, n_prototypes=1, random_state=0).fit(rows, [0, 0, 1, 1])
    score = psem.transform(rows[:1]).max()

    def share(method, **bounds):
        return relevance(psem, rows[:1], method=method, **bounds)[0, 0] / score

    # x w is 3 and -2, which flat ignores.
    assert_allclose(share("epsilon"), [3, -2], rtol=1e-4)
    assert_allclose(share("epsilon_flat"), [0.5, 0.5], rtol=1e-4)
    # x w - low w+ - high w- is 3 and 10 within [0, 6], 5 and 7 within [-2, 4.5].
    box = {"method": "epsilon_box"}
    assert_allclose(share(**box, bounds=(0, 6)), [3 / 13, 10 / 13], rtol=1e-4)
    half = share(**box, bounds=([-2, -2], [4.5, 4.5]))
    assert_allclose(half, [5 / 12, 7 / 12], rtol=1e-4)


def dense_network(*before):
    torch.manual_seed(0)
    return nn.Sequential(*before, nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 2))


@BIASES_TAKE_A_SHARE
def test_a_table_has_no_flat_rule_and_no_box():
    """Both maps would be flat, and their divergence 0."""
    rows = np.random.default_rng(0).normal(size=(40, 6))
    psem = make_kmex(dense_network(), n_prototypes=2, random_state=0)
    psem.fit(rows, rows[:, 0] > 0)
    maps = relevance(psem, rows)
    assert (np.ptp(maps, axis=1) > 0.1 * abs(maps).max(axis=1)).all()
    assert_array_equal(maps, relevance(psem, rows, method="epsilon_plus"))
    with pytest.raises(ValueError, match="'0', reads all of them; use method='epsilon"):
        relevance(psem, rows, method="epsilon_plus_flat")
    with pytest.raises(
        ValueError, match=r"box rule is for pixels.*'epsilon_alpha2_beta"
    ):
        relevance(psem, rows, method="epsilon_alpha2_beta1_box", bounds=(-4, 4))
    with pytest.raises(ValueError, match="flat rule would give each input"):
        black_box_relevance(psem, rows, method="epsilon_flat")


@BIASES_TAKE_A_SHARE
@pytest.mark.parametrize("n_axes", [3, 4])
def test_pixels_of_a_dense_network_have_a_box_but_no_flat_rule(n_axes):
    rows = np.random.default_rng(0).normal(size=(40, 6))
    images = rows.reshape(40, *[1] * (n_axes - 3), 2, 3)
    psem = make_kmex(dense_network(nn.Flatten()), n_prototypes=2, random_state=0)
    psem.fit(images, rows[:, 0] > 0)
    maps = relevance(psem, images)
    assert_array_equal(maps, relevance(psem, images, method="epsilon_plus"))
    box = relevance(psem, images, method="epsilon_plus_box", bounds=(-4, 4))
    assert np.ptp(box.reshape(40, -1), axis=1).all()
    with pytest.raises(ValueError, match=r"flat rule .* '1', reads all of them"):
        relevance(psem, images, method="epsilon_plus_flat")


@BIASES_TAKE_A_SHARE
def test_layers_that_read_a_part_have_the_flat_rule_by_default():
    psem = psem_of(seeded(networks.Written))
    flat = relevance(psem, X, method="epsilon_plus_flat")
    assert_array_equal(relevance(psem, X), flat)
    tokens = nn.Sequential(nn.Linear(8, 6), nn.ReLU(), nn.Flatten(), nn.Linear(48, 3))
    psem = make_kmex(tokens, n_prototypes=2, random_state=0)
    psem.fit(images()[:, 0], np.arange(30) % 3)
    flat = relevance(psem, X[:, 0], method="epsilon_plus_flat")
    assert_array_equal(relevance(psem, X[:, 0]), flat)


def test_bounds_of_any_shape_that_fits_are_the_same():
    psem = psem_of(seeded(networks.Written).double())
    how = {"method": "epsilon_plus_box"}
    numbers = relevance(psem, X, bounds=(-5, 5), **how)
    arrays = relevance(psem, X, bounds=(np.full((8,), -5), [[[5.0]]]), **how)
    assert numbers.dtype == np.float64
    assert_allclose(numbers, arrays)
    assert off_by(numbers, psem.transform(X).max(axis=1)) < 1e-3


def test_a_first_layer_of_another_type_gets_no_rule_of_its_own():
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.BatchNorm2d(1),
        nn.Conv2d(1, 4, 3),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(144, 3),
    )
    psem = psem_of(network)
    assert_allclose(
        relevance(psem, X, method="epsilon_plus_flat"),
        relevance(psem, X, method="epsilon_plus"),
    )


def test_networks_that_disable_gradients_raise_an_error():
    class NoGradients(networks.Written):
        @torch.no_grad()
        def forward(self, X):
            return super().forward(X)

    class Detached(networks.Written):
        def forward(self, X):
            return super().forward(X.detach())

    methods = ("epsilon", "gradient_x_input", "integrated_gradients", "smoothgrad")
    for kind, method in itertools.product([NoGradients, Detached], methods):
        psem = psem_of(seeded(kind))
        with pytest.raises(ValueError, match=r'gives no gradients.*method="occlusion"'):
            relevance(psem, X, method=method)
        assert relevance(psem, X, method="occlusion").any()
