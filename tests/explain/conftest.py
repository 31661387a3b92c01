"""Two networks that see something: one of CIFAR-10, and one of patches in noise."""

import numpy as np
import pytest

PATCH, SIDE = 10, 28


PAPER = {
    "metric": "euclidean",
    "similarity": "log",
    "aggregation": "max",
    "priors": "uniform",
}


@pytest.fixture(scope="session")
def cifar(load_data):
    """PSEM of the pretrained ResNet-20, its network, and images beside."""
    pytest.importorskip("zennit")
    import resnet20

    from sklearn_kmex import make_kmex

    network = resnet20.load(load_data("resnet20_cifar10_weights.npz"))
    test = load_data("cifar10_jpeg_test10k.npz")
    X, y = resnet20.standardize(test["x"][:1800]), test["y"][:1800]
    psem = make_kmex(network, n_prototypes=5, **PAPER, random_state=0)
    return psem.fit(X[:1500], y[:1500]), network, X[1500:]


def draw_patches(n_samples, seed):
    """Draw images of noise with the pattern of a class somewhere; say where."""
    patterns = np.random.default_rng(123).normal(size=(4, PATCH, PATCH))
    rng = np.random.default_rng(seed)
    X = 0.2 * rng.normal(size=(n_samples, 1, SIDE, SIDE))
    y = rng.integers(4, size=n_samples)
    where = np.zeros((n_samples, SIDE, SIDE), dtype=bool)
    corners = rng.integers(SIDE - PATCH + 1, size=(n_samples, 2))
    for image, place, label, (top, left) in zip(X, where, y, corners, strict=True):
        here = slice(top, top + PATCH), slice(left, left + PATCH)
        image[0][here] += patterns[label]
        place[here] = True
    return X.astype(np.float32), y, where


@pytest.fixture(scope="session")
def patches():
    """PSEM of a network trained on patches, new images, their labels and places."""
    torch = pytest.importorskip("torch")
    pytest.importorskip("zennit")
    from torch import nn

    from sklearn_kmex import make_kmex

    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(1, 16, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(32, 32, 3, padding=1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(32, 4),
    )
    X, y, _ = draw_patches(1200, seed=0)
    samples, labels = torch.from_numpy(X), torch.from_numpy(y)
    optimizer = torch.optim.Adam(network.parameters(), lr=3e-3)
    for _ in range(8):
        for batch in torch.randperm(len(samples)).split(64):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(network(samples[batch]), labels[batch])
            loss.backward()
            optimizer.step()
    psem = make_kmex(network.eval(), n_prototypes=3, **PAPER, random_state=0).fit(X, y)
    return psem, *draw_patches(100, seed=1)
