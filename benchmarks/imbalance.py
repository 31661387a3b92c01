"""Effect of equal numbers of prototypes, shares and priors on a rare class.

The benchmark measures the recall of both classes, the precision of the rare one,
balanced accuracy, accuracy and log-loss on held-out rows, for two tables with a rare
class and ten stratified splits. Results are written to
benchmarks/results/imbalance.json.
"""

import argparse
import json
import os
from pathlib import Path

import numpy as np
from paper import RULE
from sklearn.metrics import log_loss, precision_score, recall_score
from sklearn.model_selection import StratifiedShuffleSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_kmex import KMExClassifier, KMExClassifierCV

BESIDE = Path(__file__).parents[2] / "shared" / "data"
DATA = Path(os.environ.get("SKLEARN_KMEX_DATA", BESIDE))
RESULTS = Path(__file__).parent / "results" / "imbalance.json"
TABLES = "tab_mammography", "tab_annthyroid"
SHARES = [0.001, 0.002, 0.004, 0.008]
ACCURATE = {"scoring": "accuracy", **RULE}
BALANCED = {"scoring": "balanced_accuracy", **RULE}
GAUSSIAN = {"similarity": "gaussian"}
BY_CLASS = {"priors": "class"}
OPTIONS = {
    "5 for each class": KMExClassifier(5),
    "5, priors": KMExClassifier(5, **BY_CLASS),
    "5, gaussian": KMExClassifier(5, **GAUSSIAN),
    "5, gaussian, priors": KMExClassifier(5, **GAUSSIAN, **BY_CLASS),
    "share 0.002": KMExClassifier(0.002),
    "share 0.002, gaussian": KMExClassifier(0.002, **GAUSSIAN),
    "share 0.002, priors": KMExClassifier(0.002, **BY_CLASS),
    "CV(12)": KMExClassifierCV(12, **ACCURATE),
    "CV(shares)": KMExClassifierCV(SHARES, **ACCURATE),
    "CV(12), balanced": KMExClassifierCV(12, **BALANCED),
    "CV(12), balanced, per class": KMExClassifierCV(12, per_class=True, **BALANCED),
    "CV(shares), balanced": KMExClassifierCV(SHARES, **BALANCED),
}


def judge(psem, X, y):
    probability = psem.predict_proba(X)
    labels = psem.predict(X)
    recall = recall_score(y, labels, average=None)
    return {
        "recall, rare": recall[1],
        "recall, common": recall[0],
        "precision, rare": precision_score(y, labels, zero_division=0),
        "balanced accuracy": recall.mean(),
        "accuracy": np.mean(labels == y),
        "log-loss": log_loss(y, probability),
        "prototypes, rare": psem[-1].n_prototypes_[1],
        "prototypes, common": psem[-1].n_prototypes_[0],
    }


def compare(X, y, n_splits):
    splits = StratifiedShuffleSplit(n_splits, test_size=0.3, random_state=0)
    found = {name: [] for name in OPTIONS}
    for train, test in splits.split(X, y):
        for name, kmex in OPTIONS.items():
            psem = make_pipeline(StandardScaler(), kmex.set_params(random_state=0))
            found[name].append(judge(psem.fit(X[train], y[train]), X[test], y[test]))
    return {name: summary(judged) for name, judged in found.items()}


def summary(judged):
    """Return the mean and standard deviation over the splits."""
    columns = {key: [float(row[key]) for row in judged] for key in judged[0]}
    return {
        key: {"mean": float(np.mean(c)), "std": float(np.std(c, ddof=1))}
        for key, c in columns.items()
    }


def show(title, result):
    keys = list(next(iter(result.values())))
    print(f"\n{title}\n{'':28}" + "".join(f"{key:>20}" for key in keys))
    for name, row in result.items():
        cells = (f"{row[key]['mean']:.3f} +- {row[key]['std']:.3f}" for key in keys)
        print(f"{name:28}" + "".join(f"{cell:>20}" for cell in cells))


def main(n_splits):
    result = {"splits": n_splits}
    for name in TABLES:
        path = DATA / f"{name}.npz"
        if not path.exists():
            print(f"{path.name} is not in {DATA}: set SKLEARN_KMEX_DATA")
            return
        with np.load(path) as data:
            result[name] = compare(data["X"], data["y"], n_splits)
        show(name, result[name])
    RESULTS.write_text(json.dumps(result, indent=2) + "\n")
    print(f"\nwritten to {RESULTS}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--splits", type=int, default=10)
    main(parser.parse_args().splits)
