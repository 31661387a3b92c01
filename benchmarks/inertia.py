"""Inertia of the built-in k-means, compared with ten restarts, on all data sets.

The reference is scikit-learn's KMeans with n_init=10 for each class, which takes most
of the time. Inertia is averaged over seeds; time is not measured. Results are written
to benchmarks/results/inertia.json. Results of other data sets are kept, and with
`--keep` also the inertia of KMeans.
"""

import argparse
import json
from pathlib import Path

import numpy as np
from data_sets import LOADERS, classes_of
from scipy.spatial.distance import cdist
from sklearn.cluster import KMeans

from sklearn_kmex import KMExClassifier

RESULTS = Path(__file__).parent / "results" / "inertia.json"
TEN = "KMeans(n_init=10)"


def ours(classes, n_clusters, seed):
    """Return the inertia of each class after `fit`."""
    y = np.repeat(np.arange(len(classes)), [len(X) for X in classes])
    psem = KMExClassifier(n_clusters, temperature=1.0, random_state=seed)
    return psem.fit(np.concatenate(classes), y).inertia_


def theirs(X, n_clusters, seed):
    centers = KMeans(n_clusters, n_init=10, random_state=seed).fit(X).cluster_centers_
    return cdist(X, centers, "sqeuclidean").min(axis=1).sum()


def compare(classes, n_clusters, seeds, known):
    """Return the mean excess inertia over ten restarts, as a share of the latter."""
    built_in = [ours(classes, n_clusters, seed).sum() for seed in range(seeds)]
    ten = known or [
        float(sum(theirs(X, n_clusters, seed) for X in classes))
        for seed in range(seeds)
    ]
    apart = np.subtract(built_in, ten)
    return {
        "classes": len(classes),
        "rows": sum(map(len, classes)),
        "features": classes[0].shape[1],
        "excess": apart.mean() / np.mean(ten),
        "standard error": apart.std(ddof=1) / np.sqrt(seeds) / np.mean(ten),
        "built-in": built_in,
        TEN: ten,
    }


def main(names, counts, n_classes, seeds, keep):
    for name in names:
        classes = classes_of(name, n_classes)
        for n_clusters in counts * bool(classes):
            title = f"{name}, {n_clusters} clusters"
            old = on_file().get(title, {}) if keep else {}
            known = old.get(TEN) if old.get("classes") == len(classes) else None
            found = compare(classes, n_clusters, seeds, known)
            print(f"{title:36}{found['excess']:+9.3%}", flush=True)
            save(title, found)


def on_file():
    return json.loads(RESULTS.read_text()) if RESULTS.exists() else {}


def save(title, found):
    """Add one result to the file, which another run may have changed meanwhile."""
    result = {**on_file(), title: found}
    RESULTS.write_text(json.dumps(dict(sorted(result.items())), indent=2) + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=LOADERS, metavar="NAME")
    parser.add_argument("--clusters", type=int, nargs="+", default=[5, 20])
    parser.add_argument("--classes", type=int, default=3, help="number of classes")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument(
        "--keep", action="store_true", help="reuse the saved inertia of KMeans"
    )
    given = parser.parse_args()
    main(given.only or LOADERS, given.clusters, given.classes, given.seeds, given.keep)
