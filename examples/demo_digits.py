"""Train a small network on handwritten digits, then convert it to explain itself.

Print a comparison of the self-explainable model with the network. Write plots of its
prototypes, plots of correct and wrong decisions, and a report to a folder.
"""

import argparse
import time
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")  # files only: no display is needed

import matplotlib.pyplot as plt
import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.metrics import accuracy_score, log_loss
from sklearn.model_selection import train_test_split
from skorch import NeuralNetClassifier

from sklearn_kmex import make_kmex
from sklearn_kmex.metrics import (
    accuracy_gap,
    diversity_score,
    fidelity_score,
    ghosting_rate,
)
from sklearn_kmex.report import SEMReport


def load_images():
    """Load digits as (n, 1, 8, 8) float32 in [0, 1], split into training and test."""
    digits = load_digits()
    images = (digits.images[:, np.newaxis] / 16).astype(np.float32)
    return train_test_split(
        images, digits.target, test_size=0.3, stratify=digits.target, random_state=0
    )


def train_network(X, y, epochs):
    """Train two convolutions, a hidden layer of 64 units and a linear head."""
    torch.manual_seed(0)
    module = torch.nn.Sequential(
        torch.nn.Conv2d(1, 16, 3, padding=1),
        torch.nn.ReLU(),
        torch.nn.Conv2d(16, 32, 3, padding=1),
        torch.nn.ReLU(),
        torch.nn.MaxPool2d(2),
        torch.nn.Flatten(),
        torch.nn.Linear(512, 64),
        torch.nn.ReLU(),
        torch.nn.Linear(64, 10),
    )
    net = NeuralNetClassifier(
        module,
        criterion=torch.nn.CrossEntropyLoss,
        optimizer=torch.optim.Adam,
        lr=2e-3,
        batch_size=64,
        max_epochs=epochs,
        iterator_train__shuffle=True,
    )
    return net.fit(X, y)


def timed(function, *args):
    start = time.perf_counter()
    return function(*args), time.perf_counter() - start


def print_comparison(net, psem, X, y, seconds):
    """Compare the black box and the self-explainable model on the test images."""
    kmex = psem[-1]
    by_net, by_psem = net.predict(X), psem.predict(X)
    activations = psem.transform(X).argmax(axis=1)
    train, convert = seconds
    rows = [
        ("accuracy", accuracy_score(y, by_net), accuracy_score(y, by_psem)),
        ("log-loss", *(log_loss(y, model.predict_proba(X)) for model in (net, psem))),
        ("accuracy gap", None, accuracy_gap(y, by_net, by_psem)),
        ("fidelity", None, fidelity_score(by_net, by_psem)),
        ("ghosting", None, ghosting_rate(activations, len(kmex.prototypes_))),
        ("diversity", None, diversity_score(kmex.prototypes_)),
        ("seconds to train, to convert", train, convert),
    ]  # fmt: skip
    print(f"\n{f'on {len(X)} test images':30}{'black box':>12}{'PSEM':>12}")
    for name, black_box, sem in rows:
        left = "" if black_box is None else f"{black_box:.3f}"
        print(f"{name:30}{left:>12}{sem:12.3f}")


def show(ax, image, title, size):
    ax.imshow(image[0], cmap="gray_r")
    ax.set_title(title, fontsize=size, pad=3)
    ax.set_visible(True)
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set_color("lightgray")


def draw_prototypes(kmex, X_train, path):
    """Draw the training images nearest to the prototypes, one row for each class."""
    counts = kmex.n_prototypes_
    fig, axes = plt.subplots(
        len(counts), counts.max(), figsize=(counts.max(), 1.15 * len(counts)),
        squeeze=False, layout="constrained",
    )  # fmt: skip
    for ax in axes.flat:
        ax.set_visible(False)
    place = [(c, j) for c, count in enumerate(counts) for j in range(count)]
    for cell, row, members in zip(
        place, kmex.prototype_indices_, kmex.prototype_counts_, strict=True
    ):
        show(axes[cell], X_train[row], f"{members:.0f} members", 7)
    for label, ax in zip(kmex.classes_, axes[:, 0], strict=True):
        ax.text(-0.15, 0.5, label, fontsize=14, transform=ax.transAxes,
                ha="right", va="center")  # fmt: skip
    fig.suptitle("Training images nearest to the prototypes of each digit", fontsize=9)
    fig.savefig(path, dpi=150)
    plt.close(fig)


def draw_decisions(psem, X_train, X, y, path, title, n_prototypes=3):
    """Draw each image, followed by the training images it resembles most."""
    kmex = psem[-1]
    embeddings = psem[:-1].transform(X)
    similar, ids = kmex.nearest_prototypes(embeddings, n_prototypes)
    probabilities = kmex.predict_proba(embeddings).max(axis=1)
    fig, axes = plt.subplots(
        len(X), 1 + n_prototypes, figsize=(1.7 * (1 + n_prototypes), 1.6 * len(X)),
        squeeze=False, layout="constrained",
    )  # fmt: skip
    for i, row in enumerate(axes):
        predicted = kmex.prototype_classes_[ids[i, 0]]
        said = f"true: {y[i]}\npredicted: {predicted}, p = {probabilities[i]:.2f}"
        show(row[0], X[i], said, 8)
        for j, ax in enumerate(row[1:]):
            label = kmex.prototype_classes_[ids[i, j]]
            nearest = X_train[kmex.prototype_indices_[ids[i, j]]]
            like = f"looks like this {label}\nsimilarity {similar[i, j]:.3f}"
            show(ax, nearest, like, 8)
    fig.suptitle(title, fontsize=10)
    fig.savefig(path, dpi=150)
    plt.close(fig)


def main(output="demo", epochs=25):
    output = Path(output)
    output.mkdir(parents=True, exist_ok=True)
    X_train, X_test, y_train, y_test = load_images()

    print(f"1/5 Training a convolutional network on {len(X_train)} images of digits")
    net, train = timed(train_network, X_train, y_train, epochs)

    print("\n2/5 Converting it: k-means on the embeddings of each class, no retraining")
    psem = make_kmex(net, n_prototypes=5, random_state=0)
    psem, convert = timed(psem.fit, X_train, y_train)

    print("\n3/5 Comparing both models")
    print_comparison(net, psem, X_test, y_test, (train, convert))

    print("\n4/5 Drawing plots")
    draw_prototypes(psem[-1], X_train, output / "prototypes.png")
    right = psem.predict(X_test) == y_test
    for name, chosen in (("right", right), ("wrong", ~right)):
        few = np.flatnonzero(chosen)[:6]
        kind = {"right": "Correct", "wrong": "Wrong"}[name]
        if len(few) == 0:
            print(f"There are no decisions of this kind to plot: {kind.lower()}")
            continue
        title = f"{kind} decisions, and the training images behind them"
        path = output / f"decisions_{name}.png"
        draw_decisions(psem, X_train, X_test[few], y_test[few], path, title)
    print("\n5/5 Writing the report, with relevance maps")
    report = SEMReport(
        psem,
        X_test,
        y_test,
        X_train=X_train,
        y_train=y_train,
        relevance=True,
        title="Handwritten digits: how the model decides",
    )
    page = output / "report.html"
    report.write_html(page)

    print("", *report.to_dict()["summary"], sep="\n")
    print("\nPlots:", *sorted(output.glob("*.png")), sep="\n  ")
    print(f"\nThe report, to open in a browser:\n  {page.resolve()}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", default="demo", help="folder for the files")
    parser.add_argument("--epochs", type=int, default=25, help="epochs of training")
    arguments = parser.parse_args()
    main(arguments.output, arguments.epochs)
