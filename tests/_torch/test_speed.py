"""From 512 samples on, a network runs in another way, with the same numbers."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

torch = pytest.importorskip("torch")
from torch import nn
from torch.nn import functional
from torch.nn.utils import prune

from sklearn_kmex.embedding import TorchEmbedder


class Net(nn.Module):
    """Two convolutions of RGB images, and a head; what is between them varies."""

    def __init__(self, width=8):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(3, 8, 3), nn.Conv2d(8, width, 3)
        self.norm = nn.BatchNorm2d(8)
        self.head = nn.Linear(width * 16, 3)

    def forward(self, X):
        X = functional.relu(self.norm(self.conv1(X)))
        return self.head(self.flat(self.conv2(X)))

    def flat(self, X):
        return X.view(X.size(0), -1)


class Reshaped(Net):
    def flat(self, X):
        return torch.reshape(X, (X.shape[0], -1)).relu()


class Viewed(Net):
    def flat(self, X):
        return X.sigmoid().view(-1, 128) * 2


class PooledView(Net):
    def flat(self, X):
        pooled = functional.avg_pool2d(X, 2)
        return functional.interpolate(pooled, scale_factor=2.0).view(X.size(0), -1)


class InPlace(Net):
    def flat(self, X):
        skip = X
        X = functional.relu(self.conv1.bias.new_zeros(1).item() + X)
        X += skip
        return X.flatten(1)


class Excited(Net):
    def flat(self, X):
        b, c, _, _ = X.size()
        gate = functional.adaptive_avg_pool2d(X, 1).view(b, c)
        return (X * gate.sigmoid().view(b, c, 1, 1).expand_as(X)).flatten(1)


class Strided(Net):
    """Reads the memory of a contiguous tensor, without an error for another."""

    def flat(self, X):
        return X.as_strided((len(X), 128), (128, 1))


class StridedTrace(Net):
    def flat(self, X):
        return torch.as_strided(X, (X.shape[0], 128), (128, 1))


class Branching(Net):
    def flat(self, X):
        return X.flatten(1) * (1 if X.is_contiguous() else -1)


class BranchingOnStrides(Net):
    def flat(self, X):
        return X.flatten(1) * (1 if X.stride()[1] == 16 else -1)


class ByStride(Net):
    def flat(self, X):
        return X.flatten(1) * X.stride(1)


class Storage(Net):
    def flat(self, X):
        raw = torch.empty(0, dtype=X.dtype).set_(X.untyped_storage())
        return raw[: X.numel()].view(X.shape[0], -1)


class InNumpy(Net):
    def flat(self, X):
        raw = X.detach().numpy().ravel(order="K")
        return torch.from_numpy(raw).reshape(X.shape[0], -1)


class OfSomeSizes(Net):
    """Reads memory only in batches of some sizes."""

    def flat(self, X):
        if X.shape[0] % 256 == 8:
            return torch.as_strided(X, (X.shape[0], 128), (128, 1))
        return X.flatten(1)


class Tried(Net):
    """Catches the error of `view`."""

    def flat(self, X):
        try:
            return X.view(X.size(0), -1)
        except RuntimeError:
            return X.permute(0, 2, 3, 1).reshape(X.size(0), -1)


class SharedInPlace(Net):
    """Changes a flattened map in place: only a view of it changes the map as well."""

    def flat(self, X):
        flat = X.flatten(1)
        flat.mul_(3)
        return X.flatten(1) + flat


class SharedSource(Net):
    """Changes a map in place after it is flattened."""

    def flat(self, X):
        flat = X.reshape(X.shape[0], -1)
        functional.relu(X, inplace=True)
        return flat + 0


class SharedLayer(Net):
    def __init__(self):
        super().__init__()
        self.flatten, self.relu = nn.Flatten(), nn.ReLU(inplace=True)

    def flat(self, X):
        flat = self.flatten(X)
        return self.relu(flat) - X.sum((2, 3)).repeat_interleave(16, 1)


class OwnFlatten(nn.Flatten):
    def forward(self, X):
        return X.as_strided((X.shape[0], 128), (128, 1))


class Subclass(Net):
    def __init__(self):
        super().__init__()
        self.own = OwnFlatten()

    def flat(self, X):
        return self.own(X)


class Hooked(Net):
    def __init__(self):
        super().__init__()
        self.conv2.register_forward_hook(
            lambda _, args, out: (
                out * torch.tensor(out.stride(1)).sign() if out.stride(1) != 1 else -out
            )
        )


class Parametrized(Net):
    """A module of a user, whose class is replaced by one of torch."""

    def __init__(self):
        super().__init__()
        self.part = Weighted()
        nn.utils.parametrizations.weight_norm(self.part)

    def flat(self, X):
        return self.part(X)


class Weighted(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1, 1))

    def forward(self, X):
        return X.as_strided((X.shape[0], 128), (128, 1)) * 2


class Scripted(Net):
    def __init__(self):
        super().__init__()
        self.part = torch.jit.script(Viewing())

    def flat(self, X):
        return self.part(X)


class Viewing(nn.Module):
    def forward(self, X):
        return X.view(X.size(0), -1)


class Permuted(Net):
    def flat(self, X):
        return X.permute(0, 2, 3, 1).contiguous().view(X.size(0), -1)


class Laid(Net):
    """Chooses the order of its memory itself."""

    def flat(self, X):
        X = X.to(memory_format=torch.channels_last)
        return X.permute(0, 2, 3, 1).view(X.size(0), -1)


class Rows(Net):
    """Takes rows, and makes images of them."""

    def forward(self, X):
        return super().forward(X.view(-1, 3, 8, 8))


class Volumes(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.norm = nn.Conv3d(1, 2, 3), nn.BatchNorm3d(2)
        self.head = nn.Linear(2 * 6, 3)

    def forward(self, X):
        X = self.norm(self.conv(X.view(X.size(0), 1, 3, 8, 8))).view(X.size(0), 2, 36)
        return self.head(X.view(X.size(0), 2, 6, 6).sum(3).view(X.size(0), -1))


class Small(nn.Module):
    """Maps of two by two, whose convolution is a matrix product."""

    def __init__(self):
        super().__init__()
        self.pool, self.conv = nn.AvgPool2d(4), nn.Conv2d(3, 5, 3, padding=1)
        self.head = nn.Linear(20, 3)

    def forward(self, X):
        return self.head(self.conv(self.pool(X)).view(X.shape[0], -1))


class Pruned(Net):
    """A weight that a hook computes before each call."""

    def __init__(self):
        super().__init__()
        with torch.no_grad():
            prune.random_unstructured(self.conv1, "weight", 0.5)


class Frozen(Net):
    """A batch norm that normalizes by each batch, also in evaluation mode."""

    def train(self, mode=True):
        super().train(mode)
        self.norm.training = True
        return self


FAST = [Net, Reshaped, Viewed, PooledView, InPlace, Excited, Rows, Small]
PLAIN = [
    Strided, StridedTrace, Branching, BranchingOnStrides, ByStride, Storage, InNumpy,
    OfSomeSizes, SharedInPlace, SharedSource, SharedLayer, Subclass, Hooked,
    Parametrized, Scripted, Permuted, Laid,
]  # fmt: skip
EITHER = [Tried, Volumes, Pruned]


def seeded(kind):
    torch.manual_seed(0)
    network = kind()
    for part in network.modules():
        if isinstance(part, nn.BatchNorm2d | nn.BatchNorm3d):
            nn.init.uniform_(part.running_mean, -0.2, 0.2)
            nn.init.uniform_(part.running_var, 0.5, 2)
            nn.init.uniform_(part.bias, -0.2, 0.2)
    return network


@pytest.mark.filterwarnings("ignore:`torch.jit")
@pytest.mark.parametrize("kind", [*FAST, *PLAIN, *EITHER])
def test_many_samples_have_the_numbers_of_few(kind):
    X = np.random.default_rng(0).standard_normal((520, 3, 8, 8), dtype=np.float32)
    X = X.reshape(520, -1) if kind is Rows else X
    embedder = TorchEmbedder(seeded(kind))
    few = np.vstack([embedder.transform(part) for part in np.split(X, 2)])
    both = [embedder.transform(X), embedder.embed_with_output(X)[0]]
    for many in both:
        assert_allclose(many, few, rtol=1e-4, atol=1e-5)
    scores = embedder.embed_with_output(X)[1]
    assert_allclose(scores, embedder.black_box_output(X), rtol=1e-4, atol=1e-5)


def test_a_batch_norm_that_reads_the_batch_is_not_folded():
    X = np.random.default_rng(0).standard_normal((520, 3, 8, 8), dtype=np.float32)
    network = seeded(Frozen).eval()
    seen = []
    network.head.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    with torch.no_grad():
        network(torch.from_numpy(X))
    out = TorchEmbedder(network, batch_size=520).transform(X)
    assert_allclose(out, seen[0], rtol=1e-4, atol=1e-5)


class Masked(Net):
    """Reads memory only if it gets a second input."""

    def forward(self, pixels, mask=None):
        X = self.conv2(self.conv1(pixels))
        if mask is not None:
            X = X.as_strided((X.shape[0], 128), (128, 1)) * mask
        return self.head(X.flatten(1))


@pytest.mark.parametrize("masked", [False, True])
def test_many_samples_of_named_inputs(masked):
    X = np.random.default_rng(0).standard_normal((520, 3, 8, 8), dtype=np.float32)

    def name(image):
        named = {"pixels": torch.from_numpy(image)}
        return {**named, "mask": torch.ones(1)} if masked else named

    embedder = TorchEmbedder(seeded(Masked), preprocess=name)
    few = np.vstack([embedder.transform(part) for part in np.split(X, 2)])
    assert_allclose(embedder.transform(X), few, rtol=1e-4, atol=1e-5)


@pytest.mark.filterwarnings("ignore:`torch.jit")
@pytest.mark.parametrize("kind", [*FAST, *PLAIN])
def test_only_networks_that_read_no_memory_run_channels_last(kind):
    from sklearn_kmex._torch.run import private_copy
    from sklearn_kmex._torch.speed import speed_up

    twin = private_copy(seeded(kind))
    orders = []
    speed_up(twin, None)
    layer = twin.conv if kind is Small else twin.conv2
    layer.register_forward_hook(lambda *args: orders.append(args[2].stride(1)))
    with torch.inference_mode():
        twin(torch.ones(4, 192) if kind is Rows else torch.ones(4, 3, 8, 8))
    assert (orders == [1]) == (kind in FAST)
