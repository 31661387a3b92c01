"""Time and inertia of the built-in k-means, and time to predict, against others.

The rows of one class are clustered by the built-in solver, including centering, by
scikit-learn's KMeans with one and ten restarts, by its MiniBatchKMeans and
BisectingKMeans, and by faiss if it is installed. Predictions are compared with the
matrix product alone, other classifiers and faiss. Repeats alternate between the
contestants. Medians and ratios are printed, and written to
benchmarks/results/kmeans.json.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import sklearn
from data_sets import classes_of
from fit import alternate, machine, make_embeddings, table
from scipy.spatial.distance import cdist
from sklearn.cluster import BisectingKMeans, KMeans, MiniBatchKMeans
from sklearn.neighbors import KNeighborsClassifier, NearestCentroid

import sklearn_kmex
from sklearn_kmex import KMExClassifier
from sklearn_kmex._data.rows import Rows
from sklearn_kmex._fit.kmeans import BatchedKMeans
from sklearn_kmex._fit.prototypes import Plan, cluster

try:
    import faiss
except ImportError:
    faiss = None

MODULES = [m for m in (sklearn_kmex, sklearn, np, faiss) if m is not None]
RESULTS = Path(__file__).parent / "results" / "kmeans.json"
OURS, ONE, TEN = "built-in, 10 restarts", "KMeans(n_init=1)", "KMeans(n_init=10)"
CASES = {
    "1,281 x 2,048 x 5, made": ("made, 1,281 x 2,048", 5),
    "6,000 x 512 x 5, made": ("made, 6,000 x 512", 5),
    "6,000 x 784 x 20, Fashion-MNIST": ("Fashion-MNIST", 20),
    "5,000 x 512 x 5, CIFAR-10 features": ("CIFAR-10 features", 5),
    "5,000 x 512 x 20, CIFAR-10 features": ("CIFAR-10 features", 20),
}


def solve(X, n_clusters, seed):
    """Return the centers of the built-in solver, called as in `fit`."""
    rows = Rows(X, np.arange(len(X)), np.ones(len(X)))
    return cluster(rows, n_clusters, Plan(BatchedKMeans(), seed=seed))[0]


def faiss_kmeans(X, n_clusters, seed):
    # Otherwise faiss would subsample large data.
    sizes = {"max_points_per_centroid": len(X), "seed": seed + 1}
    model = faiss.Kmeans(X.shape[1], n_clusters, **sizes)
    model.train(X)
    return model.centroids


def solvers(X, n_clusters, seed):
    def centers(kind, **settings):
        model = kind(n_clusters, random_state=seed, **settings)
        return lambda: model.fit(X).cluster_centers_

    found = {
        OURS: lambda: solve(X, n_clusters, seed),
        ONE: centers(KMeans, n_init=1),
        TEN: centers(KMeans, n_init=10),
        "MiniBatchKMeans(n_init=10)": centers(MiniBatchKMeans, n_init=10),
        "BisectingKMeans": centers(BisectingKMeans),
    }
    if faiss is not None:
        found["faiss.Kmeans"] = lambda: faiss_kmeans(X, n_clusters, seed)
    return found


def excess(X, n_clusters, seeds):
    """Return the mean excess inertia of each solver over ten restarts."""
    found = {}
    for seed in range(seeds):
        for name, run in solvers(X, n_clusters, seed).items():
            apart = cdist(X, run(), "sqeuclidean").min(axis=1)
            found[name] = found.get(name, 0.0) + apart.sum()
    return {name: inertia / found[TEN] - 1 for name, inertia in found.items()}


def one_by_one(classes, n_clusters):
    """Run each solver on all classes, one after another."""
    found = [solvers(X, n_clusters, 0) for X in classes]
    return {name: (lambda s=name: [of[s]() for of in found]) for name in found[0]}


def fits(n_classes, repeats, seeds):
    results = {}
    for title, (name, n_clusters) in CASES.items():
        classes = classes_of(name, n_classes)
        if not classes:
            continue
        seconds = alternate(one_by_one(classes, n_clusters), repeats)
        result = table(f"{title}, {len(classes)} classes", seconds, OURS)
        result["excess inertia"] = excess(classes[0], n_clusters, seeds)
        for solver, more in result["excess inertia"].items():
            print(f"{solver:44}{more:9.3%} excess inertia over {TEN}")
        results[title] = result
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
    }
    if faiss is not None:
        contestants["faiss.knn"] = lambda: faiss.knn(X, prototypes, 1)
    for model, rows, labels in (
        (NearestCentroid(), X[few], y[few]),
        (KNeighborsClassifier(1), prototypes, psem.prototype_classes_),
    ):
        model.fit(rows, labels)
        contestants[f"{type(model).__name__}.predict"] = lambda m=model: m.predict(X)
    seconds = alternate(contestants, repeats)
    title = f"predict, {n_rows} x {n_features}, {len(prototypes)} prototypes"
    return title, table(title, seconds, "X @ prototypes.T")


def main(parts, n_classes, repeats, seeds, large):
    # The first case takes hundredths of a second, the second half a minute.
    cases = [(60_000, 512, 10, 5, 5 * repeats)]
    cases += [(100_000, 2048, 1000, 5, max(1, repeats // 3))] * large
    result = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    result["machine"] = machine()
    result["versions"] = {m.__name__: m.__version__ for m in MODULES}
    if "fit" in parts:
        result["fit"] = fits(n_classes, repeats, seeds)
    if "predict" in parts:
        result.setdefault("predict", {}).update(predictions(*case) for case in cases)
    RESULTS.write_text(json.dumps(result, indent=2) + "\n")
    print(f"\nwritten to {RESULTS}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--parts",
        nargs="+",
        default=["fit", "predict"],
        help="what to measure; other results are kept",
    )
    parser.add_argument("--classes", type=int, default=3)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--large", action="store_true", help="100,000 x 2,048 x 5,000")
    given = parser.parse_args()
    main(given.parts, given.classes, given.repeats, given.seeds, given.large)
