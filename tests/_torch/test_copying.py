"""Networks that hold what cannot be copied: locks, queues, files and the like."""

import copy
import pickle
import queue
import sqlite3
import sys
import threading
from collections import OrderedDict, deque
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.model_selection import cross_val_score

torch = pytest.importorskip("torch")
pytest.importorskip("skorch")
from skorch import NeuralNetClassifier
from skorch.callbacks import Callback
from torch import nn

from sklearn_kmex import make_kmex
from sklearn_kmex.edit import drop_prototypes
from sklearn_kmex.embedding import CachedEmbedder, SkorchEmbedder, TorchEmbedder

X = np.random.default_rng(0).normal(size=(30, 4)).astype(np.float32)
y = np.arange(30) % 3


class Net(nn.Module):
    """Two layers, which hold a thing and are run by it if it is a lock or the like."""

    def __init__(self, held=None):
        super().__init__()
        torch.manual_seed(0)
        self.hidden, self.head, self.held = nn.Linear(4, 8), nn.Linear(8, 3), held

    def forward(self, X):
        return self.head(torch.relu(self.hidden(X)))


class Locking(Net):
    def __init__(self):
        super().__init__(threading.Lock())

    def forward(self, X):
        with self.held:
            return super().forward(X)


class InThreads(Net):
    def __init__(self):
        super().__init__(ThreadPoolExecutor(1))

    def forward(self, X):
        return self.held.submit(super().forward, X).result()


class AskingThread(Net):
    """A thread of its own answers; a copy of its queues would wait for ever."""

    def __init__(self):
        super().__init__()
        self.asked, self.answered = queue.Queue(), queue.Queue()
        threading.Thread(
            target=answer, args=(self.asked, self.answered), daemon=True
        ).start()

    def forward(self, X):
        self.asked.put(X)
        return super().forward(self.answered.get(timeout=20))


def answer(asked, answered):
    while True:
        answered.put(asked.get())


class Within(nn.Module):
    """A locking network in a list of modules, and one in a plain list."""

    def __init__(self):
        super().__init__()
        self.body, self.unregistered = nn.ModuleList([Locking()]), [Locking()]

    def forward(self, X):
        self.unregistered[0](X)
        return self.body[0](X)


class Owner:
    """Holds a lock, and the module that holds it."""

    def __init__(self, module=None):
        self.lock, self.module = threading.RLock(), module

    def scale(self, X):
        return X


class Ordered(OrderedDict):
    def __init__(self):
        super().__init__()
        self.lock = threading.Lock()


def owned():
    module = Net()
    module.owner = Owner(module)
    module.method = module.owner.scale
    return module


def hooked():
    module = Net()
    module.hidden.register_forward_hook(partial(as_it_is, threading.Lock()))
    return module


def as_it_is(lock, module, args, output):
    return output


def normed():
    """The weight is the result of the last pass, which cannot be copied."""
    module = Net()
    with pytest.warns(FutureWarning, match="weight_norm"):
        nn.utils.weight_norm(module.hidden)
    module(torch.zeros(1, 4))
    return module


def iterating():
    return Net(iter(torch.utils.data.DataLoader([1, 2])))


HELD = {
    "condition": threading.Condition,
    "list": lambda: [threading.Lock(), threading.Lock()],
    "set": lambda: {threading.Lock()},
    "dict": lambda: {"a": {"b": (1, deque([threading.Lock()]))}},
    "key": lambda: {threading.Lock(): 1},
    "subclass": Ordered,
    "partial": lambda: partial(print, threading.Lock()),
    "file": lambda: sys.__stdout__,
    "database": lambda: sqlite3.connect(":memory:"),
    "generator": lambda: (n for n in range(3)),
    "local": threading.local,
    "module": lambda: np,
}
NETWORKS = {
    **{name: lambda make=make: Net(make()) for name, make in HELD.items()},
    "locking": Locking,
    "in threads": InThreads,
    "asking a thread": AskingThread,
    "within": Within,
    "owned": owned,
    "hooked": hooked,
    "normed": normed,
    "iterating": iterating,
}


@pytest.mark.parametrize("name", NETWORKS)
def test_what_cannot_be_copied_is_shared(name):
    module = NETWORKS[name]().train()
    before = dict(vars(module))
    expected = TorchEmbedder(Net()).transform(X)
    assert_array_equal(TorchEmbedder(module).transform(X), expected)
    assert TorchEmbedder(module, precision="bfloat16").transform(X).shape == (30, 8)
    assert vars(module) == before
    assert all(part.training for part in module.modules())


class Counting(Net):
    """Counts its passes, under a lock."""

    def __init__(self):
        super().__init__({"lock": threading.Lock(), "passes": [0]})

    def forward(self, X):
        with self.held["lock"]:
            self.held["passes"][0] += 1
        return super().forward(X)


def test_what_can_be_copied_is_copied():
    module = Counting()
    TorchEmbedder(module).transform(X)
    assert module.held["passes"] == [0]


class Refusing(Net):
    def __deepcopy__(self, memo):
        raise RuntimeError("it is the only one")


@pytest.mark.parametrize(
    ("module", "named"),
    [
        (Refusing(), "copying Refusing raised"),
        (nn.Sequential(Locking(), Refusing()), "copying '1', of type Refusing, raised"),
    ],
)
def test_a_module_that_refuses_to_be_copied_is_named(module, named):
    with pytest.raises(ValueError, match=rf"{named}.*it is the only one"):
        TorchEmbedder(module).transform(X)


def test_folds_copies_and_edits_of_models_with_a_lock():
    psem = make_kmex(Locking(), n_prototypes=2, random_state=0)
    assert len(cross_val_score(psem, X, y, cv=2, error_score="raise")) == 2
    psem.fit(X, y)
    other = copy.deepcopy(psem)
    ours, theirs = psem["embed"].module, other["embed"].module
    assert theirs.held is ours.held
    assert theirs.head.weight is not ours.head.weight
    assert_array_equal(other.predict(X), psem.predict(X))
    edited = drop_prototypes(psem, [0], reason="to see")
    assert edited["embed"].module is ours
    assert edited["kmex"].teacher is psem["kmex"].teacher


@pytest.mark.parametrize(
    ("embedder", "named"),
    [
        (
            lambda: TorchEmbedder(nn.ModuleDict({"a": Locking()})),
            "'module.a.held', of type lock",
        ),
        (lambda: SkorchEmbedder(fitted(Locking)), "'net.module_.held', of type lock"),
        (
            lambda: SkorchEmbedder(fitted(Net, callbacks=[Noting()])),
            r"'net.callbacks_\[4\]\[1\]', of type Noting",
        ),
    ],
)
def test_pickling_names_what_cannot_be_pickled(embedder, named):
    with pytest.raises(TypeError, match=rf"{named}, raised.*n_jobs=1, or threads"):
        pickle.dumps(make_kmex(embedder()))


def test_locks_are_no_part_of_a_cached_embedding(tmp_path):
    expected = TorchEmbedder(Net()).transform(X)
    for make in (Locking, AskingThread, InThreads, Within, owned):
        cached = CachedEmbedder(TorchEmbedder(make()), tmp_path)
        assert_array_equal(cached.fit_transform(X), expected)
    with pytest.raises(TypeError, match=r"module\.held cannot be: .*TextIOWrapper"):
        CachedEmbedder(TorchEmbedder(Net(sys.__stdout__)), tmp_path).fit(X)
    with pytest.raises(TypeError, match=r"module_\.held cannot be: .*TextIOWrapper"):
        CachedEmbedder(SkorchEmbedder(fitted(WithFile)), tmp_path).fit(X)


class WithFile(Net):
    def __init__(self):
        super().__init__(sys.__stdout__)


class Noting(Callback):
    def __init__(self):
        self.lock = threading.Lock()


class Criterion(nn.CrossEntropyLoss):
    def __init__(self):
        super().__init__()
        self.lock = threading.Lock()


class OfTwoModules(NeuralNetClassifier):
    def initialize_module(self):
        super().initialize_module()
        self.front_ = nn.Dropout(0.5)
        return self

    def infer(self, X, **how):
        return self.module_(self.front_(X))


def fitted(module, kind=NeuralNetClassifier, **how):
    settings = {"criterion": nn.CrossEntropyLoss, "max_epochs": 1, **how}
    return kind(module, train_split=None, verbose=0, **settings).fit(X, y)


@pytest.mark.parametrize(
    "make",
    [
        lambda: fitted(Locking),
        lambda: fitted(Net, criterion=Criterion),
        lambda: fitted(Net, callbacks=[Noting()]),
        lambda: fitted(Locking, OfTwoModules),
    ],
)
def test_nets_are_run_without_pickling_their_weights(make, monkeypatch):
    net = make()
    expected = TorchEmbedder(net.module_).transform(X)
    parts = [
        net.module_,
        net.criterion_,
        *([net.front_] if "front_" in vars(net) else []),
    ]
    for part in parts:
        part.train()
    monkeypatch.setattr(NeuralNetClassifier, "__getstate__", None)
    assert_array_equal(SkorchEmbedder(net).fit(X).transform(X), expected)
    output = SkorchEmbedder(net).black_box_output(X)
    assert_array_equal(output, SkorchEmbedder(net).black_box_output(X))
    assert all(part.training for part in parts)
