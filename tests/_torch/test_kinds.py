"""Modules that torch exported, scripted, quantized or wrapped."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

torch = pytest.importorskip("torch")
from networks import images
from torch import nn

from sklearn_kmex import make_kmex
from sklearn_kmex.embedding import TorchEmbedder

pytestmark = pytest.mark.filterwarnings(
    "ignore:`torch.jit",
    "ignore::DeprecationWarning",
    "ignore:.*quant",  # what torch deprecates in itself
)
X, y = images(12), np.arange(12) % 3
LAST = "Use the torch.nn.Module that it was made from"


def network():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(144, 16),
        nn.ReLU(),
        nn.Linear(16, 3),
    ).eval()


class Half(nn.Module):
    """A network whose body torch.jit scripted."""

    def __init__(self):
        super().__init__()
        self.body, self.head = torch.jit.script(network()[:5]), network()[5]

    def forward(self, X):
        return self.head(self.body(X))


def exported():
    return torch.export.export(network(), (torch.from_numpy(X),))


def quantized():
    return torch.ao.quantization.quantize_dynamic(network(), {nn.Linear})


def quantized_throughout():
    stubs = torch.ao.quantization.QuantStub(), torch.ao.quantization.DeQuantStub()
    module = nn.Sequential(stubs[0], *network(), stubs[1]).eval()
    engine = torch.backends.quantized.engine
    module.qconfig = torch.ao.quantization.get_default_qconfig(engine)
    torch.ao.quantization.prepare(module, inplace=True)
    module(torch.from_numpy(X))
    return torch.ao.quantization.convert(module)


def compiled():
    return torch.compile(network(), backend="eager")


def compiled_inside():
    module = network()
    return nn.Sequential(torch.compile(module[:3], backend="eager"), *module[3:])


def fitted(module):
    return make_kmex(module, n_prototypes=2, random_state=0).fit(X, y)


@pytest.mark.parametrize("layer", [None, "3"])
@pytest.mark.parametrize(
    ("make", "message"),
    [
        (exported, "module must be a torch.nn.Module, .*got ExportedProgram"),
        (lambda: exported().module(), rf"was made by torch\.export.*{LAST}"),
        (lambda: torch.export.unflatten(exported()), "got UnflattenedModule"),
        (lambda: torch.jit.script(network()), rf"was made by torch\.jit.*{LAST}"),
        (
            lambda: torch.jit.trace(network(), torch.from_numpy(X)),
            rf"was made by torch\.jit.*{LAST}",
        ),
    ],
    ids=["exported", "graph", "unflattened", "scripted", "traced"],
)
def test_modules_without_layers_that_run_are_told(make, message, layer):
    module = make()
    for call in (
        lambda: TorchEmbedder(module, layer).fit(X),
        lambda: TorchEmbedder(module, layer).transform(X),
        lambda: make_kmex(module, layer=layer).fit(X, y),
    ):
        with pytest.raises((TypeError, ValueError), match=message):
            call()


def test_the_output_of_a_scripted_module_can_be_read():
    expected = TorchEmbedder(network()).black_box_output(X)
    scripted = TorchEmbedder(torch.jit.script(network()))
    assert_allclose(scripted.black_box_output(X), expected, rtol=1e-5, atol=1e-6)


def test_layers_around_a_scripted_one():
    from sklearn_kmex.export import to_torch

    plain, half = fitted(network()), fitted(Half())
    expected = plain.predict(X)
    assert_array_equal(half.predict(X), expected)
    index = to_torch(half, X)(torch.from_numpy(X))["class_index"]
    assert_array_equal(half.classes_[index], expected)
    for layer in ("body", "body.3"):
        with pytest.raises(ValueError, match=r"'body' of Half was made by torch\.jit"):
            TorchEmbedder(Half(), layer).fit(X)


@pytest.mark.parametrize(
    "wrap",
    [nn.DataParallel, compiled, compiled_inside, torch.fx.symbolic_trace],
    ids=["parallel", "compiled", "compiled inside", "fx"],
)
def test_wrapped_modules_have_the_numbers_of_what_they_wrap(wrap):
    module = wrap() if wrap in (compiled, compiled_inside) else wrap(network())
    for _ in range(3):  # torch.compile reuses what it compiled
        Z = TorchEmbedder(module).fit_transform(X)
    assert_allclose(Z, TorchEmbedder(network()).transform(X), rtol=1e-5, atol=1e-6)
    (name,) = (name for name, part in module.named_modules() if is_first_linear(part))
    named = TorchEmbedder(module, name).fit_transform(X)
    assert_allclose(named.clip(0), Z, rtol=1e-5, atol=1e-6)


def is_first_linear(part):
    return isinstance(part, nn.Linear) and part.in_features == 144


def test_wrapped_modules_are_saved_like_what_they_wrap(tmp_path):
    pytest.importorskip("skops")
    from sklearn_kmex.persistence import load_psem, save_psem

    expected = fitted(network()).predict(X)
    for wrap in (nn.DataParallel, lambda _: compiled(), lambda module: module):
        save_psem(fitted(wrap(network())), tmp_path / "psem")
        for other in (network(), nn.DataParallel(network()), compiled()):
            for weight in other.parameters():
                nn.init.zeros_(weight)
            psem = load_psem(tmp_path / "psem", other)
            assert_array_equal(psem.predict(X), expected)


@pytest.mark.parametrize("make", [quantized, quantized_throughout])
def test_quantized_layers_embed(make, tmp_path):
    pytest.importorskip("zennit")
    pytest.importorskip("skops")
    from sklearn_kmex.explain import black_box_relevance, relevance
    from sklearn_kmex.export import to_onnx
    from sklearn_kmex.persistence import save_psem

    psem = fitted(make())
    Z, expected = psem[0].transform(X), TorchEmbedder(network()).transform(X)
    assert np.linalg.norm(Z - expected) < 0.05 * np.linalg.norm(expected)
    for explain in (relevance, black_box_relevance):
        maps = explain(psem, X[:2], method="occlusion")
        assert maps.shape == (2, 1, 8, 8)
        assert np.abs(maps).max() > 0
        for method in ("epsilon_plus", "gradient_x_input"):
            with pytest.raises(ValueError, match="is quantized, and has no gradients"):
                explain(psem, X[:2], method=method)
    with pytest.raises(TypeError, match=r"is quantized\. Fit and save the model with"):
        save_psem(psem, tmp_path / "psem")
    assert not list(tmp_path.iterdir())
    with pytest.raises(ValueError, match="no quantized, scripted or traced layers"):
        to_onnx(psem, X)


@pytest.mark.parametrize("make", [quantized, quantized_throughout, Half])
def test_layers_of_a_fixed_dtype_are_not_converted(make):
    with pytest.raises(ValueError, match=r'precision must be "float32" for .* whose '):
        TorchEmbedder(make(), precision="bfloat16").fit(X)


def test_scripted_layers_have_no_graph():
    pytest.importorskip("skl2onnx")
    from sklearn_kmex.export import to_onnx

    with pytest.raises(ValueError, match="'body' of Half is one"):
        to_onnx(fitted(Half()), X)
