"""Time of each metric, and of the choice of all settings, relative to fixed ones.

Classifiers are fitted to simulated embeddings and predict them: in each metric with
fixed settings, and with all settings chosen. The choice is also compared with the
largest of its fits, cross-validated. Fits alternate; the medians are written to
benchmarks/results/metric.json.
"""

import argparse
import json
import platform
from pathlib import Path

import numpy as np
from fit import alternate, make_embeddings, table
from sklearn.model_selection import cross_val_score

from sklearn_kmex import KMExClassifier
from sklearn_kmex._model.metric import METRICS

RESULTS = Path(__file__).parent / "results" / "metric.json"
PARAMETERS = ("n_prototypes", "metric", "similarity", "aggregation", "priors")
CHOSEN = "all settings chosen"
LARGEST = "3 folds of 20 prototypes"


def classifiers():
    fixed = {name: KMExClassifier(metric=name, random_state=0) for name in METRICS}
    auto = dict.fromkeys(PARAMETERS, "auto")
    return {**fixed, CHOSEN: KMExClassifier(random_state=0, **auto)}


def compare(n_rows, n_features, n_classes, dtype, repeats):
    """Return tables of fits and predictions, relative to the first classifier."""
    X, y = make_embeddings(n_rows, n_features, n_classes)
    X = X.astype(dtype)
    models = classifiers()
    name = f"{n_rows} x {n_features}, {n_classes} classes, {np.dtype(dtype).name}"
    fits = {key: lambda m=model: m.fit(X, y) for key, model in models.items()}
    largest = KMExClassifier(20, random_state=0)
    fits[LARGEST] = lambda: cross_val_score(largest, X, y, cv=3)
    seconds = alternate(fits, repeats)
    answers = {key: lambda m=model: m.predict(X) for key, model in models.items()}
    predicted = alternate(answers, 5 * repeats)
    first = METRICS[0]
    return {
        f"fit, {name}": table(f"fit, {name}", seconds, first),
        f"predict, {name}": table(f"predict, {name}", predicted, first),
    }


def main(repeats):
    results = {"machine": platform.machine()}
    for n_rows in (6_000, 10_000):
        for dtype in (np.float32, np.float64):
            results |= compare(n_rows, 512, 10, dtype, repeats)
    RESULTS.write_text(json.dumps(results, indent=2) + "\n")
    print(f"written to {RESULTS}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3)
    main(parser.parse_args().repeats)
