"""Time to fit and to predict, compared with scikit-learn.

Repeats alternate between the contestants; medians and ratios are printed and written
to benchmarks/results/fit.json.
"""

import argparse
import json
import os
import platform
import statistics
import time
from pathlib import Path

import numpy as np
import sklearn
from sklearn.cluster import KMeans
from sklearn.neighbors import KNeighborsClassifier, NearestCentroid

import sklearn_kmex
from sklearn_kmex import KMExClassifier

RESULTS = Path(__file__).parent / "results" / "fit.json"


def machine():
    """Return the name of the processor, if available, and the number of cores."""
    told = Path("/proc/cpuinfo")
    lines = told.read_text().splitlines() if told.exists() else []
    names = [line.split(": ")[1] for line in lines if line.startswith("model name")]
    return f"{(names or [platform.machine()])[0]}, {os.cpu_count()} cores"


def make_embeddings(n_samples, n_features, n_classes=10):
    """Generate float32 embeddings of classes with eight modes each."""
    rng = np.random.default_rng(0)
    modes = 0.6 * rng.standard_normal((n_classes, 8, n_features))
    y = rng.integers(n_classes, size=n_samples)
    X = modes[y, rng.integers(8, size=n_samples)]
    return (X + rng.standard_normal(X.shape)).astype(np.float32), y


def kmeans_of_each_class(X, y):
    for label in np.unique(y):
        KMeans(5, n_init=10, random_state=0).fit(X[y == label])


def alternate(contestants, repeats):
    """Run the contestants in turns, and return the median seconds of each."""
    seconds = {name: [] for name in contestants}
    for turn in range(repeats):
        for name, run in contestants.items():
            print(f"  {turn + 1}/{repeats} {name}", flush=True)
            start = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(times) for name, times in seconds.items()}


def table(title, medians, reference):
    print(f"\n{title}\n{'':44}{'seconds':>9}{'ratio':>8}")
    for name, median in medians.items():
        print(f"{name:44}{median:9.3f}{median / medians[reference]:8.2f}")
    return {"seconds": medians, "reference": reference}


def main(n_samples, n_features, repeats):
    X, y = make_embeddings(n_samples, n_features)
    fixed = KMExClassifier(temperature=1.0, random_state=0)
    auto = KMExClassifier(random_state=0)
    fit = alternate(
        {
            "KMExClassifier, temperature=1.0": lambda: fixed.fit(X, y),
            'KMExClassifier, temperature="auto" (default)': lambda: auto.fit(X, y),
            "KMeans(n_init=10) of each class": lambda: kmeans_of_each_class(X, y),
        },
        repeats,
    )
    centroids = NearestCentroid().fit(X, y)
    neighbors = KNeighborsClassifier(1).fit(X, y)
    few = X[:2000]
    predict = alternate(
        {
            "KMExClassifier, 50 prototypes": lambda: auto.predict(few),
            "NearestCentroid, 10 centroids": lambda: centroids.predict(few),
            f"KNeighborsClassifier, {n_samples} rows": lambda: neighbors.predict(few),
        },
        repeats,
    )
    result = {
        "rows": n_samples,
        "features": n_features,
        "machine": machine(),
        "versions": {m.__name__: m.__version__ for m in (sklearn_kmex, sklearn, np)},
        "fit": table(f"fit, {n_samples} x {n_features}", fit, next(iter(fit))),
        "predict": table("predict, 2000 rows", predict, next(iter(predict))),
    }
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(result, indent=2) + "\n")
    print(f"\nwritten to {RESULTS}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=60_000)
    parser.add_argument("--features", type=int, default=512)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    main(arguments.rows, arguments.features, arguments.repeats)
