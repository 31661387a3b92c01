"""Divergence of relevance maps from those of the black box, for each method.

The networks are the ResNet-20 for CIFAR-10 and a small network trained here on
Fashion-MNIST; the data are in the folder SKLEARN_KMEX_DATA. The benchmark measures the
divergence between the maps of the self-explainable model and of its black box, with
both rules, reference values that it should be below, and how much maps differ between
classes and between prototypes. Results are written to benchmarks/results.
"""

import argparse
import csv
import json
from pathlib import Path

import numpy as np
import resnet20
import torch
from counts import train_network
from paper import RULE
from resnet20 import DATA

from sklearn_kmex import make_kmex
from sklearn_kmex.explain import black_box_relevance, faithfulness, relevance
from sklearn_kmex.metrics import relevance_divergence_loss

RESULTS = Path(__file__).parent / "results" / "faithfulness.json"
METHODS = [
    f"{name}{first}"
    for name in ("epsilon", "epsilon_plus", "epsilon_alpha2_beta1")
    for first in ("", "_flat", "_box")
] + ["gradient_x_input", "integrated_gradients", "smoothgrad", "occlusion"]


def cosine(one, other):
    """Mean cosine between two maps of each sample, summed over channels."""
    one, other = (maps.sum(axis=1).reshape(len(maps), -1) for maps in (one, other))
    lengths = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    return float(np.mean((one * other).sum(axis=1) / lengths))


def of_method(psem, X, unlike, method, bounds):
    how = {"method": method, "bounds": bounds if method.endswith("box") else None}
    prp = faithfulness(psem, X, random_state=0, **how)
    neuralized = faithfulness(psem, X, target="margin", random_state=0, **how)
    labels, similar = psem.predict(X), psem.transform(X)
    theirs = psem[-1].prototype_classes_ == labels[:, None]
    rivals = np.where(theirs, -np.inf, similar).argmax(axis=1)
    own = relevance(psem, X, "similarity", **how)
    rival = relevance(psem, X, "similarity", prototypes=rivals, **how)
    result = {
        "prp": prp.divergence,
        "neuralized": neuralized.divergence,
        "second class": prp.second_class,
        "shuffled head": prp.redrawn_head,
    }
    for name, pair in unlike.items():
        maps = [black_box_relevance(net, X, labels=labels, **how) for net in pair]
        result[name] = relevance_divergence_loss(*maps, channel_axis=1)
    return {**result, "cosine, own and rival prototype": cosine(own, rival)}


def study(name, psem, X, unlike, bounds):
    """Explain with each method; the user guide includes the table that is written."""
    print(f"\n{name}")
    results = {}
    for method in METHODS:
        results[method] = of_method(psem, X, unlike, method, bounds)
        row = "  ".join(f"{value:.3f}" for value in results[method].values())
        print(f"{method:28}{row}", flush=True)
    titles = ["method", *results[method]]
    print(" " * 28 + ", ".join(titles[1:]))
    with RESULTS.with_name(f"faithfulness_{name}.csv").open("w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(titles)
        for method, values in results.items():
            table.writerow([method, *(f"{value:.3f}" for value in values.values())])
    return results


def on_cifar10(n_images):
    network, train, test = resnet20.load_cifar10()
    X, X_test = resnet20.standardize(train["x"]), resnet20.standardize(test["x"])
    psem = make_kmex(network, n_prototypes=5, **RULE, random_state=0).fit(X, train["y"])
    torch.manual_seed(0)
    untrained = [
        make_kmex(
            resnet20.ResNet20().eval(), n_prototypes=5, **RULE, random_state=0
        ).fit(X[:500], train["y"][:500])
        for _ in range(2)
    ]
    mean, std = (np.reshape(v, (3, 1, 1)) for v in (resnet20.MEAN, resnet20.STD))
    bounds = (-mean / std, (1 - mean) / std)
    unlike = {"two networks, untrained": untrained}
    return study("cifar10", psem, X_test[:n_images], unlike, bounds)


def on_fashion(n_images):
    with np.load(DATA / "fashion_mnist.npz") as archive:
        X, X_test = (
            (archive[name][:, None] / 255).astype(np.float32)
            for name in ("x_train", "x_test")
        )
        y = archive["y_train"]

    def psem_of(epochs, seed):
        network = train_network(X, y, epochs, seed)
        return make_kmex(network, n_prototypes=5, **RULE, random_state=0).fit(
            X[:10_000], y[:10_000]
        )

    psem = psem_of(2, 0)
    unlike = {
        "two networks, untrained": [psem_of(0, 0), psem_of(0, 1)],
        "two networks, trained": [psem, psem_of(2, 1)],
    }
    return study("fashion", psem, X_test[:n_images], unlike, (0.0, 1.0))


def main(n_images):
    result = {
        "images": n_images,
        "CIFAR-10, ResNet-20": on_cifar10(n_images),
        "Fashion-MNIST, small network": on_fashion(n_images),
    }
    RESULTS.write_text(json.dumps(result, indent=2) + "\n")
    print(f"\nwritten to {RESULTS}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=256)
    main(parser.parse_args().images)
