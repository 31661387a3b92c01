"""Time and inertia of the built-in k-means, and time to predict, beside peers.

The rows of one class are clustered by scikit-learn's KMeans with one and ten restarts
and by the built-in solver, centering included; predictions are timed against the bare
matrix product and, where it is installed, faiss. Repeats alternate; medians and ratios
are printed and written to benchmarks/results/kmeans.json.
"""

import argparse
import json
import os
import platform
from pathlib import Path

import numpy as np
import sklearn
from fit import alternate, make_embeddings, table
from scipy.spatial.distance import cdist
from sklearn.cluster import KMeans

import sklearn_kmex
from sklearn_kmex import KMExClassifier
from sklearn_kmex._kmeans import BatchedKMeans
from sklearn_kmex._prototypes import Rows, cluster

try:
    import faiss
except ImportError:
    faiss = None

RESULTS = Path(__file__).parent / "results" / "kmeans.json"
DATA = Path(__file__).parents[2] / "shared" / "data"
OURS, ONE, TEN = "built-in, 10 restarts", "KMeans(n_init=1)", "KMeans(n_init=10)"


def classes_to_cluster(n_classes):
    """Rows of a few classes of each case, with the number of clusters."""
    X, y = make_embeddings(1281 * 10, 2048)
    yield "1,281 x 2,048 x 5, made", [X[y == c][:1281] for c in range(n_classes)], 5
    X, y = make_embeddings(66_000, 512)
    yield "6,000 x 512 x 5, made", [X[y == c][:6000] for c in range(n_classes)], 5
    for file, name, count in (
        ("fashion_mnist.npz", "6,000 x 784 x 20, Fashion-MNIST", 20),
        ("cifar10_resnet18_features.npz", "5,000 x 512 x 5, CIFAR-10 features", 5),
        ("cifar10_resnet18_features.npz", "5,000 x 512 x 20, CIFAR-10 features", 20),
    ):
        if (DATA / file).exists():
            with np.load(DATA / file) as data:
                values, labels = (
                    (data["x_train"], data["y_train"])
                    if "x_train" in data
                    else (data["features"], data["labels"])
                )
            X = values.reshape(len(values), -1).astype(np.float32)
            X /= X.max()
            yield name, [X[labels == c] for c in range(min(n_classes, 3))], count


def solve(X, n_clusters, seed):
    """Centers of the built-in solver, as `fit` calls it."""
    rows = Rows(X, np.arange(len(X)), np.ones(len(X)))
    return cluster(rows, n_clusters, BatchedKMeans(), seed)[0]


def solvers(X, n_clusters, seed):
    def kmeans(n_init):
        return KMeans(n_clusters, n_init=n_init, random_state=seed).fit(X)

    return {
        OURS: lambda: solve(X, n_clusters, seed),
        ONE: lambda: kmeans(1).cluster_centers_,
        TEN: lambda: kmeans(10).cluster_centers_,
    }


def excess(classes, n_clusters, seeds):
    """Mean inertia of each solver over that of ten restarts, less one."""
    found = {OURS: [], ONE: [], TEN: []}
    for X in classes:
        for seed in range(seeds):
            for name, run in solvers(X, n_clusters, seed).items():
                apart = cdist(X, run(), "sqeuclidean").min(axis=1)
                found[name].append(apart.sum())
    return {name: np.mean(v) / np.mean(found[TEN]) - 1 for name, v in found.items()}


def fits(n_classes, repeats, seeds):
    results = {}
    for name, classes, n_clusters in classes_to_cluster(n_classes):

        def all_of(solver, classes=classes, n_clusters=n_clusters):
            for X in classes:
                solvers(X, n_clusters, 0)[solver]()

        seconds = alternate(
            {s: (lambda s=s: all_of(s)) for s in (OURS, ONE, TEN)}, repeats
        )
        result = table(f"{name}, {len(classes)} classes", seconds, OURS)
        result["excess inertia"] = excess(classes[:1], n_clusters, seeds)
        print({s: f"{100 * e:.3f} %" for s, e in result["excess inertia"].items()})
        results[name] = result
    return results


def predictions(n_rows, n_features, n_classes, per_class, repeats):
    X, y = make_embeddings(n_rows, n_features, n_classes)
    psem = KMExClassifier(per_class, n_init=1, max_iter=5, temperature=1.0)
    few = np.flatnonzero(np.arange(n_rows) < 200 * n_classes)
    psem.fit(X[few], y[few])
    prototypes = psem.prototypes_
    contestants = {
        "X @ prototypes.T": lambda: X @ prototypes.T,
        "KMExClassifier.predict": lambda: psem.predict(X),
        "its check that X is finite, left out": lambda: psem._check_input(X),
        "KMExClassifier.decision_function": lambda: psem.decision_function(X),
    }
    if faiss is not None:
        contestants["faiss.knn"] = lambda: faiss.knn(X, prototypes, 1)
    seconds = alternate(contestants, repeats)
    title = f"predict, {n_rows} x {n_features}, {len(prototypes)} prototypes"
    return title, table(title, seconds, "X @ prototypes.T")


def main(n_classes, repeats, seeds, large):
    cases = [(60_000, 512, 10, 5)] + [(100_000, 2048, 1000, 5)] * large
    result = {
        "machine": f"{platform.machine()}, {platform.system()}, {os.cpu_count()} cores",
        "versions": {m.__name__: m.__version__ for m in (sklearn_kmex, sklearn, np)},
        "fit": fits(n_classes, repeats, seeds),
        "predict": dict(predictions(*case, repeats) for case in cases),
    }
    RESULTS.write_text(json.dumps(result, indent=2) + "\n")
    print(f"\nwritten to {RESULTS}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--classes", type=int, default=3)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--large", action="store_true", help="100,000 x 2,048 x 5,000")
    arguments = parser.parse_args()
    main(arguments.classes, arguments.repeats, arguments.seeds, arguments.large)
