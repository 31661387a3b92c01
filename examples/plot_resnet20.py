"""
Converting a published network
==============================

This example uses a published ResNet-20 for CIFAR-10, from
akamaster/pytorch_resnet_cifar10. `make_kmex` needs its weights and some labeled images,
but no training: the images pass through the network once, and k-means finds prototypes
in the embeddings of each class.

Neither weights nor images are part of the package. This example looks for
`resnet20_cifar10_weights.npz`, `cifar10_jpeg_train12k.npz` and
`cifar10_jpeg_test10k.npz` in the folder named by the environment variable
`SKLEARN_KMEX_DATA`, by default `shared/data` beside the checkout. If they are missing,
the page says so and only shows the code.
"""

# %%
# Look for the files.
import os
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch
from torch import nn

from sklearn_kmex import make_kmex
from sklearn_kmex.explain import (
    black_box_relevance,
    concept_maps,
    faithfulness,
    relevance,
)
from sklearn_kmex.inspection import PrototypeDisplay
from sklearn_kmex.metrics import accuracy_gap, fidelity_score

above = [folder / "shared" / "data" for folder in Path.cwd().parents]
beside = next(filter(Path.is_dir, above), Path("shared", "data"))
folder = Path(os.environ.get("SKLEARN_KMEX_DATA", beside))
names = ("resnet20_cifar10_weights", "cifar10_jpeg_train12k", "cifar10_jpeg_test10k")
paths = [folder / f"{name}.npz" for name in names]
missing = [path.name for path in paths if not path.exists()]
if missing:
    print("Not run. Set SKLEARN_KMEX_DATA to a folder that holds", ", ".join(missing))


# %%
# Define the network, with the names used in the file of weights.
class Block(nn.Module):
    def __init__(self, before, after, stride=1):
        super().__init__()
        self.conv1 = nn.Conv2d(before, after, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(after)
        self.conv2 = nn.Conv2d(after, after, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(after)
        self.stride, self.pad = stride, (after - before) // 2

    def forward(self, X):
        out = self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(X)))))
        shortcut = X[:, :, :: self.stride, :: self.stride]
        shortcut = nn.functional.pad(shortcut, (0, 0, 0, 0, self.pad, self.pad))
        return torch.relu(out + shortcut)


class ResNet20(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.layer1 = nn.Sequential(Block(16, 16), Block(16, 16), Block(16, 16))
        self.layer2 = nn.Sequential(Block(16, 32, 2), Block(32, 32), Block(32, 32))
        self.layer3 = nn.Sequential(Block(32, 64, 2), Block(64, 64), Block(64, 64))
        self.linear = nn.Linear(64, 10)

    def forward(self, X):
        out = torch.relu(self.bn1(self.conv1(X)))
        out = self.layer3(self.layer2(self.layer1(out)))
        return self.linear(out.mean(dim=(2, 3)))


# %%
# The network takes standardized images, channels first. The files hold pixels from 0 to
# 255, channels last. These images were compressed as JPEG, unlike those that the
# network was trained on. Its authors report an accuracy of 91.7% on the latter, so it
# is lower here.
def standardize(pictures):
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    X = (pictures / 255 - mean) / std
    return X.transpose(0, 3, 1, 2).astype(np.float32)


if not missing:
    weights, train, test = (dict(np.load(path)) for path in paths)
    network = ResNet20()
    state = network.state_dict()  # the file lacks only how often batch norms were run
    state |= {name: torch.from_numpy(values) for name, values in weights.items()}
    network.load_state_dict(state)

    pictures, y_train = train["x"][:3000], train["y"][:3000]
    test_pictures, y_test = test["x"][:2000], test["y"][:2000]
    X_train, X_test = standardize(pictures), standardize(test_pictures)
    class_names = train["class_names"]

# %%
# Convert the network, and compare both models on test images. The embedder holds the
# whole network, so it can return the predictions of the black box. A gap of less than
# two standard errors may be due to chance.
if not missing:
    psem = make_kmex(network, n_prototypes=5, random_state=0).fit(X_train, y_train)
    kmex = psem["kmex"]
    by_psem = psem.predict(X_test)
    by_network = psem["embed"].black_box_output(X_test).argmax(axis=1)
    right = by_psem == y_test
    gained = right.astype(int) - (by_network == y_test)
    error = gained.std() / len(gained) ** 0.5
    print(f"{'accuracy of the network':24}{np.mean(by_network == y_test):7.3f}")
    print(f"{'accuracy of the PSEM':24}{right.mean():7.3f}")
    print(f"{'accuracy gap':24}{accuracy_gap(y_test, by_network, by_psem):7.3f}")
    print(f"{'its standard error':24}{error:7.3f}")
    print(f"{'fidelity':24}{fidelity_score(by_network, by_psem):7.3f}")

# %%
# Plot the training image nearest to each prototype.
if not missing:
    PrototypeDisplay.from_estimator(psem, pictures, class_names=class_names)
    plt.show()

# %%
# Plot two correct and two wrong decisions. Beside each image are the training images of
# the three most similar prototypes; the first of them decides. They show what the image
# resembles, but not why.
if not missing:
    shown = [*np.flatnonzero(right)[:2], *np.flatnonzero(~right)[:2]]
    embeddings = psem["embed"].transform(X_test[shown])
    similarity, prototype = kmex.nearest_prototypes(embeddings, n=3)

    fig, axes = plt.subplots(4, 4, figsize=(7, 8), layout="constrained")
    for ax, i in zip(axes[:, 0], shown, strict=True):
        taken, true = class_names[by_psem[i]], class_names[y_test[i]]
        ax.imshow(test_pictures[i])
        color = "black" if right[i] else "tab:red"
        ax.set_title(f"predicted: {taken}\ntrue: {true}", fontsize=10, color=color)
    for ax, k, value in zip(
        axes[:, 1:].flat, prototype.flat, similarity.flat, strict=True
    ):
        ax.imshow(pictures[kmex.prototype_indices_[k]])
        label = class_names[kmex.prototype_classes_[k]]
        ax.set_title(f"like this {label}\nsimilarity {value:.3f}", fontsize=10)
    for ax in axes.flat:
        ax.set(xticks=[], yticks=[])
    plt.show()

# %%
# Relevance maps show where. Red speaks for, blue against: the similarity to the
# prototype that decides, the margin of its class over all others, and the score of that
# class by the network itself. The last map shows the locations that resemble the
# prototype, computed without propagation through the network.
if not missing:
    X_shown = X_test[shown]
    maps = {
        "similarity": relevance(psem, X_shown, "similarity").sum(axis=1),
        "margin": relevance(psem, X_shown, "margin").sum(axis=1),
        "black box": black_box_relevance(psem, X_shown).sum(axis=1),
        "concept": concept_maps(psem, X_shown),
    }

    fig, axes = plt.subplots(4, 6, figsize=(10, 7), layout="constrained")
    for row, i in enumerate(shown):
        axes[row, 0].imshow(test_pictures[i])
        axes[row, 0].set_title(f"predicted: {class_names[by_psem[i]]}", fontsize=10)
        axes[row, 1].imshow(pictures[kmex.prototype_indices_[prototype[row, 0]]])
        axes[row, 1].set_title("like this", fontsize=10)
        for ax, (name, values) in zip(axes[row, 2:], maps.items(), strict=True):
            largest = np.abs(values[row]).max()
            ax.imshow(values[row], cmap="RdBu_r", vmin=-largest, vmax=largest)
            ax.set_title(name, fontsize=10)
    for ax in axes.flat:
        ax.set(xticks=[], yticks=[])
    plt.show()

# %%
# Are the maps faithful? They are, if they are closer to the black box's maps of the
# same class than the black box's maps of its second best class are.
if not missing:
    found = faithfulness(psem, X_test[:128], random_state=0)
    print(f"{'maps of the PSEM':24}{found.divergence:7.3f} nats")
    print(f"{'of the second class':24}{found.second_class:7.3f}")
    print(f"{'of a shuffled head':24}{found.redrawn_head:7.3f}")
