"""ResNet-20 for CIFAR-10 (He et al. 2015), with the names of its published weights."""

import os
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional

BESIDE = Path(__file__).parents[2] / "shared" / "data"
DATA = Path(os.environ.get("SKLEARN_KMEX_DATA", BESIDE))
FILES = ("resnet20_cifar10_weights", "cifar10_jpeg_train12k", "cifar10_jpeg_test10k")
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class Block(nn.Module):
    """Two convolutions and a shortcut without weights."""

    def __init__(self, before, after, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(before, after, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(after)
        self.conv2 = nn.Conv2d(after, after, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(after)
        self.stride, self.pad = stride, (after - before) // 2

    def forward(self, X):
        out = torch.relu(self.bn1(self.conv1(X)))
        out = self.bn2(self.conv2(out))
        shortcut = X
        if self.stride > 1:
            shortcut = functional.pad(X[:, :, ::2, ::2], 4 * (0,) + 2 * (self.pad,))
        return torch.relu(out + shortcut)


def stack(before, after, stride):
    first = Block(before, after, stride)
    return nn.Sequential(first, Block(after, after, 1), Block(after, after, 1))


class ResNet20(nn.Module):
    """Network that returns ten scores for standardized RGB images of 32 x 32."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.layer1 = stack(16, 16, 1)
        self.layer2 = stack(16, 32, 2)
        self.layer3 = stack(32, 64, 2)
        self.linear = nn.Linear(64, 10)

    def forward(self, X):
        out = torch.relu(self.bn1(self.conv1(X)))
        out = self.layer3(self.layer2(self.layer1(out)))
        return self.linear(out.mean(dim=(2, 3)))


def load(weights):
    """Create the network from a mapping of names to arrays."""
    network = ResNet20()
    state = {name: torch.from_numpy(values) for name, values in weights.items()}
    missing, unexpected = network.load_state_dict(state, strict=False)
    assert not unexpected
    assert all(name.endswith("num_batches_tracked") for name in missing)
    return network.eval()


def standardize(images):
    """Convert uint8 images, channels last, to the input of the network."""
    X = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255
    mean, std = (torch.tensor(values).reshape(3, 1, 1) for values in (MEAN, STD))
    return ((X - mean) / std).numpy()


def load_cifar10():
    """Load the network, training and test images, or None if files are missing."""
    paths = [DATA / f"{name}.npz" for name in FILES]
    if not all(path.exists() for path in paths):
        print(f"\nCIFAR-10 is not in {DATA}: set SKLEARN_KMEX_DATA")
        return None
    weights, train, test = (dict(np.load(path)) for path in paths)
    return load(weights), train, test
