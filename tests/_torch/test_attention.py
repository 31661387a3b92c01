"""LRP through attention, norms and products, against values worked out by hand."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

torch = pytest.importorskip("torch")
pytest.importorskip("zennit")
from torch import nn
from torch.nn import functional

from sklearn_kmex import make_kmex
from sklearn_kmex._torch.attention import attend
from sklearn_kmex._torch.recorder import Recorder
from sklearn_kmex.explain import relevance

X = np.random.default_rng(0).normal(size=(6, 3, 16, 16))


def psem_of(network, rows):
    """Fit prototypes on noise; any prototypes will do."""
    psem = make_kmex(network, n_prototypes=1, random_state=0)
    return psem.fit(rows, np.arange(len(rows)) % 3)


def propagate(function, *values, relevance, fixed_attention=False):
    """Relevance of values whose function has some relevance."""
    values = [torch.tensor(v, dtype=torch.float64, requires_grad=True) for v in values]
    with Recorder(nn.Identity(), fixed_attention):
        result = function(*values)
    given = torch.tensor(relevance, dtype=torch.float64).expand_as(result)
    found = torch.autograd.grad(result, values, given, allow_unused=True)
    return [None if one is None else one.numpy() for one in found]


def test_softmax_passes_on_what_its_taylor_expansion_says():
    values, given = np.array([[1.0, -2.0, 0.5]]), np.array([[0.2, 0.3, 0.5]])
    shares = np.exp(values) / np.exp(values).sum()
    wanted = values * (given - shares * given.sum())
    (found,) = propagate(lambda x: x.softmax(-1), values, relevance=given)
    assert_allclose(found, wanted, rtol=1e-12)
    (found,) = propagate(
        lambda x: functional.softmax(x, dim=1), values, relevance=given
    )
    assert_allclose(found, wanted, rtol=1e-12)


def test_masked_logits_get_no_relevance():
    mask = torch.tensor([[0.0, -torch.inf, 0.0]])
    values, given = np.array([[1.0, 5.0, 0.5]]), np.array([[0.2, 0.0, 0.8]])
    (found,) = propagate(lambda x: (x + mask).softmax(-1), values, relevance=given)
    (few,) = propagate(
        lambda x: x.softmax(-1), values[:, [0, 2]], relevance=given[:, [0, 2]]
    )
    assert_allclose(found, [[few[0, 0], 0, few[0, 1]]], rtol=1e-12)


@pytest.mark.parametrize(
    "product",
    [
        lambda a, b: a @ b,
        torch.bmm,
        torch.matmul,
        lambda a, b: torch.einsum("nij,njk->nik", a, b),
        lambda a, b: torch.einsum("nij,njk->nik", [a, b]),
        lambda a, b: torch.baddbmm(torch.zeros(1, 1, 1, dtype=torch.float64), a, b),
    ],
)
def test_a_product_of_matrices_gives_half_to_each(product):
    # y = 1 * 3 + 2 * 4 = 11, so that a gets 12 / 2 * (3, 8) / 11, and b the same.
    a, b = np.array([[[1.0, 2.0]]]), np.array([[[3.0], [4.0]]])
    of_a, of_b = propagate(product, a, b, relevance=12.0)
    assert_allclose(of_a.ravel(), [18 / 11, 48 / 11], rtol=1e-9)
    assert_allclose(of_b.ravel(), [18 / 11, 48 / 11], rtol=1e-9)


def test_a_product_of_values_gives_half_to_each_and_a_gate_gets_none():
    one, other = np.array([[2.0, 3.0]]), np.array([[5.0, -1.0]])
    assert_allclose(
        propagate(lambda a, b: a * b, one, other, relevance=[[4.0, 6.0]]),
        [[[2, 3]], [[2, 3]]],
    )
    of_value, of_gate = propagate(
        lambda a, b: a * b.sigmoid(), one, other, relevance=[[4.0, 6.0]]
    )
    assert_allclose(of_value, [[4, 6]])
    assert of_gate is None


@pytest.mark.parametrize(
    "function",
    [
        functional.gelu,
        functional.silu,
        lambda x: x * x.sigmoid(),
        lambda x: x.clamp(-1, 2),
        nn.SiLU(),
        nn.GELU(),
    ],
)
def test_activations_pass_relevance_on(function):
    (found,) = propagate(function, np.array([[0.5, 1.5]]), relevance=[[2.0, -3.0]])
    assert_allclose(found, [[2, -3]], rtol=1e-6)


def test_a_layer_norm_is_linear_but_for_its_scale():
    # The mean of (1, 3) is 2, the scale 1. y = (-1, 1) has contributions
    # y_0 = 0.5 * 1 - 0.5 * 3 and y_1 = -0.5 * 1 + 0.5 * 3.
    norm = partial(functional.layer_norm, normalized_shape=(2,), eps=0.0)
    (found,) = propagate(norm, np.array([[1.0, 3.0]]), relevance=[[2.0, 4.0]])
    assert_allclose(found, [[-0.5 * 2 - 0.5 * 4, 1.5 * 2 + 1.5 * 4]], rtol=1e-6)


NORMS = [
    nn.LayerNorm(8, bias=False),
    nn.RMSNorm(8) if hasattr(nn, "RMSNorm") else nn.LayerNorm(8, bias=False),
    nn.GroupNorm(2, 4, affine=False),
    lambda x: functional.normalize(x, dim=-1),
    lambda x: x / x.norm(dim=-1, keepdim=True),
    lambda x: x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6),
]


@pytest.mark.parametrize("norm", NORMS)
def test_norms_keep_relevance(norm):
    if isinstance(norm, nn.Module):
        norm = norm.double().requires_grad_(False)
    values = np.random.default_rng(1).normal(size=(2, 4, 8))
    given = np.random.default_rng(2).normal(size=(2, 4, 8))
    (found,) = propagate(norm, values, relevance=given)
    assert_allclose(found.sum((1, 2)), given.sum((1, 2)), rtol=1e-6)


@pytest.mark.parametrize(
    "norm",
    [
        lambda x: functional.normalize(x, dim=-1),
        lambda x: functional.rms_norm(x, (2,)),
        lambda x: x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True)),
        lambda x: x * torch.tensor([0.1, -3.0], dtype=torch.float64),  # layer scale
    ],
)
def test_a_scale_passes_relevance_on(norm):
    if "rms_norm" in norm.__code__.co_names and not hasattr(functional, "rms_norm"):
        pytest.skip("torch has no rms_norm")
    (found,) = propagate(norm, np.array([[3.0, 4.0]]), relevance=[[2.0, -5.0]])
    assert_allclose(found, [[2, -5]], rtol=1e-6)


def test_a_group_norm_is_a_layer_norm_of_each_group():
    def norm(x):
        return functional.group_norm(x, 2, eps=0.0)

    values = np.array([[1.0, 3.0, 1.0, 3.0]])
    (found,) = propagate(norm, values, relevance=[[2.0, 4.0, 0.0, 1.0]])
    assert_allclose(found, [[-3, 9, -0.5, 1.5]], rtol=1e-6)


def test_a_sum_with_a_product_shares_as_its_steps_do():
    # y = 1 + 2 * 3 * 0.5 = 4, of which the product is 3; each factor gets half of it.
    found = propagate(
        lambda a, b, c: torch.addcmul(a, b, c, value=0.5),
        *([[one]] for one in (1.0, 2.0, 3.0)),
        relevance=8.0,
    )
    assert_allclose(np.ravel(found), [2, 3, 3], rtol=1e-6)


def test_the_larger_of_two_values_gets_all():
    one, other = np.array([[2.0, 3.0]]), np.array([[5.0, -1.0]])
    of_one, of_other = propagate(torch.maximum, one, other, relevance=[[4.0, 6.0]])
    assert_allclose(of_one, [[0, 6]])
    assert_allclose(of_other, [[4, 0]])


@pytest.mark.parametrize("activation", [functional.gelu, functional.silu])
def test_a_gated_unit_gives_half_to_each_factor(activation):
    one, other = np.array([[2.0, 3.0]]), np.array([[1.5, -1.0]])
    found = propagate(
        lambda a, b: a * activation(b), one, other, relevance=[[4.0, 6.0]]
    )
    assert_allclose(found, [[[2, 3]], [[2, 3]]], rtol=1e-6)


def test_rotated_values_share_by_their_contributions():
    # With cos 0.6 and sin 0.8, y = (0.6 * 1 - 0.8 * 2, 0.6 * 2 + 0.8 * 1) = (-1, 2).
    def rotate(x):
        first, second = x.chunk(2, -1)
        return x * 0.6 + torch.cat([-second, first], -1) * 0.8

    (found,) = propagate(rotate, np.array([[1.0, 2.0]]), relevance=[[1.0, 2.0]])
    assert_allclose(found, [[-0.6 + 0.8, 1.6 + 1.2]], rtol=1e-6)


@pytest.mark.parametrize("fixed", [True, False])
def test_attention_by_hand(fixed):
    # The weights are (1/4, 3/4), y = 1/4 * 1 + 3/4 * 3 = 5/2.
    query, key = np.array([[[1.0]]]), np.array([[[0.0], [np.log(3)]]])
    value = np.array([[[1.0], [3.0]]])
    attention = functional.scaled_dot_product_attention
    of_query, of_key, of_value = propagate(
        attention, query, key, value, relevance=5.0, fixed_attention=fixed
    )
    if fixed:
        assert_allclose(of_value.ravel(), [0.5, 4.5], rtol=1e-6)
        assert of_query is None
        assert of_key is None
        return
    # Half of it goes to the weights, of which log 3 (9/4 - 3/4 * 5/2) passes.
    assert_allclose(of_value.ravel(), [0.25, 2.25], rtol=1e-6)
    passed = np.log(3) * 0.375 / 2
    assert_allclose(of_query.ravel(), [passed], rtol=1e-6)
    assert_allclose(of_key.ravel(), [0, passed], rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("lowest", [-np.inf, np.finfo(np.float64).min])
def test_a_mask_is_no_position(lowest):
    mask = torch.tensor([[0.0, lowest, 0.0], [0.0, lowest, 0.0]])
    values = np.array([[1.0, 5.0, 0.5], [2.0, 1.0, 0.1]])
    given = np.array([[0.2, 0.0, 0.8], [0.5, 0.0, 0.5]])
    with Recorder(nn.Identity(), False) as recorder:
        x = torch.tensor(values, requires_grad=True)
        weights = (x + mask.double()).softmax(-1)
    assert not recorder.constants
    (found,) = torch.autograd.grad(weights, x, torch.tensor(given))
    (few,) = propagate(
        lambda x: x.softmax(-1), values[:, [0, 2]], relevance=given[:, [0, 2]]
    )
    assert_allclose(found[:, [0, 2]], few, rtol=1e-12)
    assert_array_equal(found[:, 1], 0)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"is_causal": True},
        {"scale": 0.3},
        {"attn_mask": torch.rand(5, 7, dtype=torch.float64)},
        {"attn_mask": torch.rand(5, 7) > 0.4},
        {"attn_mask": torch.arange(5)[:, None] > torch.arange(7)},
    ],
)
def test_attention_step_by_step_is_that_of_torch(settings):
    generator = torch.Generator().manual_seed(0)
    query, key, value = (
        torch.randn(2, 3, n, 4, generator=generator, dtype=torch.float64)
        for n in (5, 7, 7)
    )
    wanted = functional.scaled_dot_product_attention(query, key, value, **settings)
    assert_allclose(attend(query, key, value, **settings), wanted, atol=1e-12)


def test_attention_with_groups_of_queries():
    query, key = torch.randn(1, 4, 5, 2), torch.randn(1, 2, 5, 2)
    wanted = attend(query, *[key.repeat_interleave(2, 1)] * 2)
    assert_allclose(attend(query, key, key, enable_gqa=True), wanted)


class Encoder(nn.Module):
    """Patches, a class token, positions, and a transformer."""

    def __init__(self, **settings):
        super().__init__()
        self.patches = nn.Conv2d(3, 8, 4, 4)
        self.token = nn.Parameter(torch.randn(1, 1, 8))
        self.positions = nn.Parameter(torch.randn(1, 17, 8))
        layer = nn.TransformerEncoderLayer(8, 2, 16, **settings)
        self.blocks = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = nn.Linear(8, 3)
        self.samples_first = settings.get("batch_first", False)

    def forward(self, images):
        tokens = self.patches(images).flatten(2).transpose(1, 2)
        token = self.token.expand(len(images), -1, -1)
        tokens = torch.cat([token, tokens], dim=1) + self.positions
        if self.samples_first:
            return self.head(self.blocks(tokens)[:, 0])
        tokens = tokens.transpose(0, 1)
        return self.head(self.blocks(tokens)[0])


def without_biases(network):
    """Set biases to zero, in double precision."""
    for name, weight in network.named_parameters():
        if "bias" in name:
            nn.init.zeros_(weight)
    return network.double().eval()


def seeded_encoder(**settings):
    torch.manual_seed(0)
    return without_biases(Encoder(**settings))


SETTINGS = [
    {"batch_first": True},
    {"batch_first": False},
    {"batch_first": True, "norm_first": True, "activation": "gelu"},
]


@pytest.mark.parametrize("settings", SETTINGS)
def test_input_positions_and_tokens_have_all_relevance(settings):
    psem = psem_of(seeded_encoder(**settings), X)
    for target in ("class", "margin", "similarity"):
        maps, shares = relevance(
            psem, X, target, method="epsilon_cp", return_shares=True
        )
        assert_allclose(shares.input, maps.reshape(len(X), -1).sum(1))
        size = np.abs([shares.input, shares.positions, shares.tokens]).sum(0)
        assert (np.abs(shares.rest) < 1e-6 * size).all()
        assert (shares.positions != 0).all()
        assert (shares.tokens != 0).all()
    assert_allclose(
        relevance(psem, X, method="epsilon_cp", return_shares=True)[1].score,
        psem.transform(X).max(1),
        rtol=1e-5,
    )


@pytest.mark.filterwarnings("ignore:Maps do not sum")  # the softmax keeps a share
def test_shares_do_not_depend_on_the_batch():
    psem = psem_of(seeded_encoder(batch_first=False), X)
    _, wanted = relevance(psem, X, method="epsilon", return_shares=True)
    for batch_size in (1, 2, 5):
        _, found = relevance(
            psem, X, method="epsilon", return_shares=True, batch_size=batch_size
        )
        for name in wanted:
            assert_allclose(found[name], wanted[name], rtol=1e-6, atol=1e-9)


def test_a_position_for_each_sample_has_its_share_only():
    # Positions are larger for later samples of a batch, never by their place in it.
    psem = psem_of(seeded_encoder(batch_first=True), X)
    _, all_of_them = relevance(psem, X, method="epsilon_cp", return_shares=True)
    for row in (0, 4):
        _, alone = relevance(psem, X[[row]], method="epsilon_cp", return_shares=True)
        assert_allclose(alone.positions, all_of_them.positions[[row]], rtol=1e-6)


@pytest.mark.filterwarnings("ignore:Maps do not sum")  # the softmax keeps a share
def test_the_network_stays_as_it_was_and_threads_do_not_meet():
    network = seeded_encoder(batch_first=True)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    functions = functional.multi_head_attention_forward, nn.Module.__call__
    psem = psem_of(network, X)
    wanted = relevance(psem, X, method="epsilon")
    with ThreadPoolExecutor(2) as pool:
        several = list(
            pool.map(lambda _: relevance(psem, X, method="epsilon"), range(4))
        )
    for found in several:
        assert_array_equal(found, wanted)
    for name, value in network.state_dict().items():
        assert torch.equal(value, before[name])
    assert functions == (functional.multi_head_attention_forward, nn.Module.__call__)
    assert not network._forward_hooks


@pytest.mark.parametrize("packed", [True, False])
def test_attention_modules_of_torch(packed):
    class Cross(nn.Module):
        def __init__(self):
            super().__init__()
            sizes = {} if packed else {"kdim": 5, "vdim": 3}
            self.attention = nn.MultiheadAttention(
                4, 2, batch_first=True, bias=False, add_zero_attn=True, **sizes
            )
            self.head = nn.Linear(4, 2)

        def forward(self, x):
            one, two, three = x, x, x
            if not packed:
                two = functional.pad(x, (0, 1))
                three = x[..., :3]
            hidden = torch.zeros(len(x), x.shape[1], dtype=torch.bool)
            hidden[:, -1] = True
            found, _ = self.attention(
                one, two, three, key_padding_mask=hidden, need_weights=packed
            )
            return self.head(found.mean(1))

    torch.manual_seed(0)
    rows = np.random.default_rng(0).normal(size=(6, 3, 4))
    psem = psem_of(Cross().double(), rows)
    maps, shares = relevance(psem, rows, method="epsilon_cp", return_shares=True)
    assert_allclose(shares.rest, 0, atol=1e-6)
    assert maps[:, :2].any()
    assert_array_equal(maps[:, 2, 3 if not packed else 0], 0 * maps[:, 2, 0])


def torchvision_networks():
    from torchvision.models.swin_transformer import SwinTransformer
    from torchvision.models.vision_transformer import VisionTransformer

    yield VisionTransformer(
        16, 4, num_layers=2, num_heads=2, hidden_dim=8, mlp_dim=16, num_classes=3
    )
    yield SwinTransformer([2, 2], 8, [2, 2], [2, 2], [4, 4], num_classes=3)


@pytest.mark.parametrize("place", [0, 1], ids=["vit", "swin"])
def test_transformers_of_torchvision_keep_relevance(place):
    pytest.importorskip("torchvision")
    torch.manual_seed(0)
    network = without_biases(list(torchvision_networks())[place])
    psem = psem_of(network, X)
    _, shares = relevance(psem, X, method="epsilon_cp", return_shares=True)
    assert (np.abs(shares.rest) < 1e-6 * np.abs(shares.score)).all()


TIMM = {
    "vit_tiny_patch16_224": {"img_size": 16, "patch_size": 4, "depth": 2},
    "convnext_atto": {"depths": (1, 1, 1, 1), "dims": (4, 8, 8, 8)},
    "mixer_s32_224": {"img_size": 64},
}


@pytest.mark.parametrize("name", TIMM)
def test_networks_of_timm_keep_relevance(name):
    timm = pytest.importorskip("timm")
    torch.manual_seed(0)
    network = timm.create_model(name, pretrained=False, num_classes=3, **TIMM[name])
    rows = X if "vit" in name else np.tile(X, (1, 1, 4, 4))
    psem = psem_of(without_biases(network), rows)
    _, shares = relevance(psem, rows, method="epsilon_cp", return_shares=True)
    assert (np.abs(shares.rest) < 1e-6 * np.abs(shares.score)).all()


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_a_transformer_of_hugging_face_keeps_relevance(attention):
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    settings = transformers.ViTConfig(
        hidden_size=8,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=16,
        image_size=16,
        patch_size=4,
        num_labels=3,
        attn_implementation=attention,
    )
    network = transformers.ViTForImageClassification(settings)
    psem = psem_of(without_biases(network), X)
    _, shares = relevance(psem, X, method="epsilon_cp", return_shares=True)
    assert (np.abs(shares.rest) < 1e-6 * np.abs(shares.score)).all()


def test_without_fixed_attention_the_rest_is_told():
    psem = psem_of(seeded_encoder(batch_first=True), X)
    with pytest.warns(UserWarning, match="Maps do not sum"):
        _, shares = relevance(psem, 3 * X, method="epsilon", return_shares=True)
    total = sum(shares[name] for name in shares if name != "score")
    assert_allclose(total, shares.score, rtol=1e-6)
    assert (shares.rest != 0).all()
