"""Small networks whose forward passes are written in different ways."""

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils.parametrizations import weight_norm

from sklearn_kmex import make_kmex


class Written(nn.Module):
    """Convolutions without biases, a few operations between them, and a head."""

    def __init__(self, width=6, bias=False):
        super().__init__()
        self.conv1 = nn.Conv2d(1, width, 3, padding=1, bias=bias)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=bias)
        self.head = nn.Linear(width, 3, bias=bias)

    def forward(self, X):
        return self.head(self.between(self.conv1(X)).mean(dim=(2, 3)))

    def between(self, X):
        return functional.relu(self.conv2(functional.relu(X)))


class Plus(Written):
    def between(self, X):
        X = functional.relu(X)
        return functional.relu(X + self.conv2(X))


class PlusEquals(Written):
    def between(self, X):
        X = functional.relu(X)
        out = self.conv2(X)
        out += X
        return functional.relu(out)


class TorchAdd(Written):
    def between(self, X):
        X = torch.relu(X)
        return torch.add(X, self.conv2(X), alpha=0.5).relu()


class Minus(Written):
    def between(self, X):
        X = torch.relu(X)
        return X - torch.relu(self.conv2(X))


class Pooled(Written):
    def forward(self, X):
        X = functional.avg_pool2d(functional.relu(self.conv1(X)), 2)
        X = functional.max_pool2d(functional.relu(self.conv2(X)), 2)
        return self.head(torch.flatten(functional.adaptive_avg_pool2d(X, 1), 1))


class SharedActivation(Written):
    def __init__(self, **how):
        super().__init__(**how)
        self.act = nn.ReLU(inplace=True)

    def between(self, X):
        return self.act(self.conv2(self.act(X)))


class Scaled(Written):
    def between(self, X):
        return torch.relu(self.conv2(torch.relu(X) * 0.5) / 2)


class Gate(Written):
    """Squeeze and excitation."""

    def __init__(self, width=6, **how):
        super().__init__(width, **how)
        self.squeeze, self.excite = nn.Linear(width, 2), nn.Linear(2, width)

    def between(self, X):
        X = torch.relu(self.conv2(torch.relu(X)))
        gate = torch.sigmoid(self.excite(torch.relu(self.squeeze(X.mean((2, 3))))))
        return X * gate[:, :, None, None]


class WeightNorm(Written):
    def __init__(self, **how):
        super().__init__(**how)
        self.conv2 = weight_norm(self.conv2)


class Concatenated(Written):
    def between(self, X):
        X = torch.relu(X)
        first, second = torch.cat([X, self.conv2(X)], dim=1).chunk(2, dim=1)
        return torch.stack([first, second]).sum(0).relu()


class NormAfter(Written):
    """A batch norm that can be folded into the convolution before it."""

    def __init__(self, width=6, **how):
        super().__init__(width, **how)
        self.norm = nn.BatchNorm2d(width)

    def between(self, X):
        return torch.relu(self.norm(self.conv2(torch.relu(X))))


class NormBefore(NormAfter):
    """A batch norm that cannot be folded."""

    def between(self, X):
        return torch.relu(self.conv2(torch.relu(self.norm(torch.relu(X)))))


class Mirrored(Written):
    def between(self, X):
        return 1 - torch.sigmoid(self.conv2(torch.relu(X)))


BIASLESS = [
    Written, Plus, PlusEquals, TorchAdd, Minus, Pooled, SharedActivation, Scaled, Gate,
    WeightNorm, Concatenated,
]  # fmt: skip


class FunctionalConv(Written):
    def between(self, X):
        return functional.relu(functional.conv2d(X, self.conv2.weight, padding=1))


class InPlaceStatement(Written):
    def between(self, X):
        X.relu_()
        X = self.conv2(X)
        X.relu_()
        return X


class Twice(Written):
    def between(self, X):
        return torch.relu(self.conv2(torch.relu(self.conv2(torch.relu(X)))))


class LayerNormed(Written):
    def __init__(self, **how):
        super().__init__(**how)
        self.norm = nn.LayerNorm(8)

    def between(self, X):
        return torch.relu(self.norm(self.conv2(torch.relu(X))))


class Tokens(nn.Module):
    """Patches as tokens, with or without a class token, and a transformer layer."""

    def __init__(self, cls=True, width=8):
        super().__init__()
        self.embed = nn.Conv2d(1, width, 2, stride=2)
        self.cls = nn.Parameter(torch.randn(1, 1, width)) if cls else None
        self.blocks = nn.TransformerEncoderLayer(
            width, 2, 16, dropout=0.0, batch_first=True
        )
        self.head = nn.Linear(width, 3)

    def forward(self, X):
        X = self.embed(X).flatten(2).transpose(1, 2)
        if self.cls is not None:
            X = torch.cat([self.cls.expand(len(X), -1, -1), X], dim=1)
        X = self.blocks(X)
        return self.head(X.mean(1) if self.cls is None else X[:, 0])


class Attention(Tokens):
    """Attention without the layer norms around it."""

    def __init__(self, width=8):
        super().__init__(cls=False, width=width)
        self.blocks = nn.MultiheadAttention(width, 2, batch_first=True)

    def forward(self, X):
        X = self.embed(X).flatten(2).transpose(1, 2)
        return self.head(self.blocks(X, X, X, need_weights=False)[0].mean(1))


def seeded(kind, seed=0, **how):
    """Make a network of random weights, with norms other than the identity."""
    torch.manual_seed(seed)
    network = kind(**how)
    for part in network.modules():
        if isinstance(part, nn.BatchNorm2d):
            nn.init.uniform_(part.running_mean, -0.2, 0.2)
            nn.init.uniform_(part.running_var, 0.5, 2)
            nn.init.uniform_(part.weight, 0.5, 1.5)
            nn.init.uniform_(part.bias, -0.2, 0.2)
    return network.eval()


def images(n_samples=30, seed=0):
    """Noise of one channel, 8 x 8, which networks of random weights distinguish."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n_samples, 1, 8, 8)).astype(np.float32)


def psem_of(network, **how):
    """Fit prototypes on noise; any prototypes will do."""
    X = images()
    how = {"n_prototypes": 2, "random_state": 0, **how}
    return make_kmex(network, **how).fit(X, np.arange(len(X)) % 3)


def show(text):
    """Print a number that a test has measured."""
    print(f"\n{text}")
