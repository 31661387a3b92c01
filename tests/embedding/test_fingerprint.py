"""Fingerprints follow every change to code of the user, or refuse it by name."""

import os
import subprocess
import sys
from pathlib import Path
from types import MethodType, ModuleType

import numpy as np
import pytest
from changes import FOLLOWED, HELPER, REFUSED

from sklearn_kmex.embedding import TorchEmbedder
from sklearn_kmex.embedding._fingerprint import fingerprint

X = np.array([2.0])


def load(source, value):
    """Run the sources of modules of the user; return the function `model`."""
    text, _, helper = source.partition("---")
    for name, part in (("helper", helper or HELPER), ("mine", text)):
        module = ModuleType(name)
        module.__file__ = f"/home/user/{name}.py"
        sys.modules[name] = module
        code = part.replace("@", value).replace("\u0001", "@")
        exec(compile(code, module.__file__, "exec"), vars(module))
    return sys.modules["mine"].model


@pytest.fixture
def user(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GAIN_OF_TEST", "")
    for name in ("mine", "helper"):
        monkeypatch.setitem(sys.modules, name, None)


def number(model):
    return float(np.asarray(model(X)).ravel()[0])


@pytest.mark.parametrize("kind", FOLLOWED)
def test_a_change_to_code_is_another_fingerprint(kind, user):
    one = load(FOLLOWED[kind], "1")
    before, first = fingerprint(one), number(one)
    other = load(FOLLOWED[kind], "3")
    assert fingerprint(other) != before
    assert number(other) != first  # the change has an effect
    assert fingerprint(load(FOLLOWED[kind], "1")) == before


@pytest.mark.parametrize("kind", REFUSED)
def test_what_cannot_be_followed_needs_a_version(kind, user):
    model = load(REFUSED[kind], "1")
    with pytest.raises(TypeError, match=r"cannot be: .* Pass version, a name of yours"):
        fingerprint(model)
    assert fingerprint(model, "a") == fingerprint(model, "a") != fingerprint(model, "b")


def test_with_a_version_the_rest_is_followed():
    def model(X):
        return X * eval("1") + shift

    shift = np.ones(2)
    before = fingerprint(model, "a")
    shift[0] = 2
    assert fingerprint(model, "a") != before


def test_the_error_tells_where():
    class Model:
        def __init__(self, log):
            self.parts = {"log": log}

        def __call__(self, X):
            return X

    with (
        open(os.devnull) as log,
        pytest.raises(TypeError, match=r"Model\.parts\.log cannot be: .*TextIO"),
    ):
        fingerprint(Model(log))


def test_processes_agree(user, tmp_path):
    """Whatever order sets have in a process."""
    code = (
        "import sys; sys.path[:0] = sys.argv[1:]\n"
        "from test_fingerprint import FOLLOWED, fingerprint, load\n"
        "for source in FOLLOWED.values(): print(fingerprint(load(source, '1')).hex())"
    )
    command = [sys.executable, "-c", code, *map(str, Path(__file__).parents[:3])]
    environment = {**os.environ, "PYTHONHASHSEED": "1"}
    found = subprocess.run(
        command, env=environment, capture_output=True, check=True, cwd=tmp_path
    ).stdout.split()
    here = [fingerprint(load(source, "1")).hex() for source in FOLLOWED.values()]
    assert [one.decode() for one in found] == here


def test_the_version_of_an_installed_package_counts(monkeypatch):
    import scipy.special

    for model in (scipy.special.softmax, lambda X: scipy.special.softmax(X)):
        before = fingerprint(model)
        with monkeypatch.context() as patch:
            patch.setattr(scipy, "__version__", "9.9")
            assert fingerprint(model) != before
        assert fingerprint(model) == before


def test_a_compiled_module_of_the_user_is_its_file(tmp_path, monkeypatch):
    from importlib.machinery import EXTENSION_SUFFIXES

    module = ModuleType("compiled_of_user")
    file = tmp_path / f"compiled{EXTENSION_SUFFIXES[0]}"
    module.__file__ = str(file)
    monkeypatch.setitem(sys.modules, module.__name__, module)
    found = []
    for content in (b"1", b"2"):
        file.write_bytes(content)
        found.append(fingerprint(lambda X: module.scale(X)))
    assert found[0] != found[1]


def calling(network):
    """A function with the network in its closure."""

    def function(X):
        return network(X)

    return function


def test_each_part_of_a_network_counts():
    torch = pytest.importorskip("torch")
    nn = torch.nn

    class Network(nn.Module):
        scale = 1.0

        def __init__(self):
            super().__init__()
            self.linear, self.norm = nn.Linear(4, 4), nn.BatchNorm1d(4)
            self.drop, self.head = nn.Dropout(0.5), nn.Linear(4, 2)
            self.register_buffer("shift", torch.zeros(4))
            self.register_buffer("unsaved", torch.ones(4), persistent=False)
            self.gain, self.settings, self.others = 1.0, {"a": [1]}, [nn.Linear(4, 4)]

        def forward(self, X):
            return self.head(self.drop(self.norm(self.linear(X))) * self.gain)

    changes = [
        lambda net: net.linear.weight.data.add_(1),
        lambda net: net.norm.running_mean.add_(1),
        lambda net: net.shift.add_(1),
        lambda net: net.unsaved.add_(1),
        lambda net: net.others[0].weight.data.add_(1),
        lambda net: net.settings["a"].append(2),
        lambda net: setattr(net, "gain", 2.0),
        lambda net: setattr(net.norm, "eps", 0.1),
        lambda net: setattr(net, "drop", nn.Identity()),
        lambda net: net.linear.register_forward_hook(lambda *parts: parts[-1] * 2),
        lambda net: net.linear.register_forward_pre_hook(lambda _, given: given),
        lambda net: setattr(net, "forward", MethodType(lambda self, X: X, net)),
        lambda net: setattr(net.linear, "forward", lambda X: X),
        lambda net: net.double(),
        lambda net: nn.utils.parametrizations.weight_norm(net.linear),
        lambda net: setattr(Network, "scale", 2.0),
        lambda net: setattr(Network, "forward", lambda self, X: X),
    ]
    for change in changes:
        network = Network()
        embedder, function = TorchEmbedder(network, "head"), calling(network)
        before = fingerprint(embedder), fingerprint(function)
        change(network)
        assert fingerprint(embedder) != before[0]
        assert fingerprint(function) != before[1]
    network = Network()
    embedder, function = TorchEmbedder(network, "head"), calling(network)
    before = fingerprint(embedder), fingerprint(function)
    network.eval().requires_grad_(False)
    assert fingerprint(embedder) == before[0]  # which evaluates in any case
    assert fingerprint(function) != before[1]


def test_the_order_of_layers_counts():
    torch = pytest.importorskip("torch")
    parts = {"a": torch.nn.Linear(2, 2), "b": torch.nn.ReLU()}
    one, other = torch.nn.Sequential(), torch.nn.Sequential()
    for name in "ab":
        one.add_module(name, parts[name])
    for name in "ba":
        other.add_module(name, parts[name])
    assert fingerprint(one) != fingerprint(other)


def test_methods_that_the_user_replaces_in_a_package_count(monkeypatch):
    torch = pytest.importorskip("torch")
    network = torch.nn.Sequential(torch.nn.ReLU())
    before = fingerprint(network)
    monkeypatch.setattr(torch.nn.ReLU, "forward", lambda self, X: X)
    assert fingerprint(network) != before
