"""Loss of inertia and held-out accuracy when only some rows are clustered.

The data are pixels of Fashion-MNIST, with 6,000 rows in each of ten classes, and
features of CIFAR-10 images by a ResNet-18, with 4,000 rows in each of three. Results
are averaged over seeds, and written to benchmarks/results/max_samples.json.
"""

import argparse
import json
from pathlib import Path

import numpy as np
from data_sets import features, pixels
from sklearn.model_selection import train_test_split

from sklearn_kmex import KMExClassifier

RESULTS = Path(__file__).parent / "results" / "max_samples.json"
SAMPLES = [100, 250, 500, 1000, 2000]


def fashion():
    file = "fashion_mnist.npz"
    (X, y), (X_test, y_test) = pixels(file), pixels(file, "x_test", "y_test")
    return X, X_test, y, y_test


def resnet18():
    X, y = features("cifar10_resnet18_features.npz")
    return train_test_split(X, y, test_size=0.2, stratify=y, random_state=0)


DATA_SETS = {"Fashion-MNIST": fashion, "CIFAR-10 features": resnet18}


def judge(data, n_prototypes, max_samples, seed):
    X, X_test, y, y_test = data
    psem = KMExClassifier(
        n_prototypes, max_samples=max_samples, temperature=1.0, random_state=seed
    )
    psem.fit(X, y)
    return psem.inertia_.sum(), psem.score(X_test, y_test)


def losses(data, n_prototypes, seeds):
    """Return the mean loss relative to all rows, and its standard deviation."""
    whole = np.array([judge(data, n_prototypes, None, seed) for seed in range(seeds)])
    rows = {}
    for size in SAMPLES:
        few = np.array([judge(data, n_prototypes, size, seed) for seed in range(seeds)])
        inertia = few[:, 0] / whole[:, 0] - 1
        rows[size] = {
            "inertia": {"mean": inertia.mean(), "std": inertia.std(ddof=1)},
            "accuracy": (few[:, 1] - whole[:, 1]).mean(),
        }
    return rows


def show(title, rows):
    print(f"\n{title}\nmax_samples  inertia       accuracy")
    for size, row in rows.items():
        loss = row["inertia"]
        print(
            f"{size:11} {loss['mean']:+8.2%} +- {loss['std']:.2%}"
            f"{row['accuracy']:+9.4f}"
        )


def main(seeds):
    result = {"seeds": seeds}
    for name, load in DATA_SETS.items():
        data = load()
        for n_prototypes in (5, 20):
            title = f"{name}, {n_prototypes} prototypes"
            result[title] = losses(data, n_prototypes, seeds)
            show(title, result[title])
    RESULTS.write_text(json.dumps(result, indent=2) + "\n")
    print(f"\nwritten to {RESULTS}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    main(parser.parse_args().seeds)
