"""Accuracy with 1,000 training texts: sentence encoder and tf-idf, beside regression.

For each set of texts and each of five splits, a logistic regression and KMEx are fitted
on the same vectors. The splits are those of the seeds from --first on; what is chosen
by default was settled with the seeds 0 to 4. Means with 95 % intervals over the splits
are printed, and written to benchmarks/results/texts.json. Embeddings are kept in the
folder given by --cache.
"""

import argparse
import json
import warnings
from pathlib import Path

import numpy as np
from parity_cases import TEXTS, sentences, texts
from scipy.stats import t as student
from sklearn.decomposition import TruncatedSVD
from sklearn.exceptions import ConvergenceWarning
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline

from sklearn_kmex import make_kmex

RESULTS = Path(__file__).parent / "results" / "texts.json"
N_TRAIN, N_TEST = 1000, 4000
BY_LOSS = {"scoring": "neg_log_loss", "cv": 3}


def regression(C=1.0):
    return LogisticRegression(C=C, max_iter=1000)


def regression_chosen():
    return GridSearchCV(regression(), {"C": [0.1, 1, 10, 100]}, **BY_LOSS)


def kmex(**fixed):
    """Return the classifier that `make_kmex` puts behind an encoder."""
    return make_kmex(lambda vectors: vectors, random_state=0, **fixed)[-1]


def reduced():
    """Whiten many components of tf-idf, found in the training texts."""
    return make_pipeline(TruncatedSVD(600, random_state=0), kmex(metric="mahalanobis"))


MODELS = {
    "MiniLM": {
        "regression": regression,
        "regression, C chosen": regression_chosen,
        "KMEx, chosen": kmex,
    },
    "tf-idf": {
        "regression": regression,
        "regression, C chosen": regression_chosen,
        "KMEx, chosen": kmex,
        "KMEx, whitened": reduced,
    },
}
# Model, model that it is compared with, and the points that it may lose.
CLAIMS = {
    "MiniLM": ("KMEx, chosen", "regression", 0.5),
    "tf-idf": ("KMEx, whitened", "regression", 1.0),
}


def embeddings(name, folder):
    """Embed all texts of a set once."""
    path = folder / f"{name}.npy"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        np.save(path, sentences(name))
    return np.load(path)


def vectors(kind, name, seed, folder):
    """Return vectors and labels of training and test texts of a split."""
    X, y = texts(name)
    n_test = min(N_TEST, len(y) - N_TRAIN)
    train, test = train_test_split(
        np.arange(len(y)), train_size=N_TRAIN, test_size=n_test, stratify=y,
        random_state=seed,
    )  # fmt: skip
    if kind == "MiniLM":
        Z = embeddings(name, folder)
        return Z[train], y[train], Z[test], y[test]
    tfidf = TfidfVectorizer(sublinear_tf=True).fit(X[train])
    return tfidf.transform(X[train]), y[train], tfidf.transform(X[test]), y[test]


def accuracies(kind, name, seeds, folder):
    """Return the accuracies of all models, (n_seeds,) each."""
    found = {model: [] for model in MODELS[kind]}
    for seed in seeds:
        Z, y, Z_test, y_test = vectors(kind, name, seed, folder)
        for model, make in MODELS[kind].items():
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)
                predicted = make().fit(Z, y).predict(Z_test)
            found[model].append(np.mean(predicted == y_test))
    return {model: np.array(of) for model, of in found.items()}


def interval(values):
    """Return a mean, and the half width of its 95 % interval."""
    wide = student.ppf(0.975, len(values) - 1) / np.sqrt(len(values))
    return {"mean": values.mean(), "half width": wide * values.std(ddof=1)}


def judge(kind, found):
    """Return accuracies in percent, and the points lost by the model of the claim."""
    model, box, allowed = CLAIMS[kind]
    lost = interval(100 * (found[box] - found[model]))
    rows = {model: interval(100 * of) for model, of in found.items()}
    return {"accuracy": rows, "lost": lost, "holds": bool(lost["mean"] <= allowed)}


def main(seeds, cache):
    result = {"seeds": list(seeds), "n_train": N_TRAIN}
    for kind in MODELS:
        for name in TEXTS:
            judged = judge(kind, accuracies(kind, name, seeds, cache))
            result[f"{name}, {kind}"] = judged
            print(f"\n{name}, {kind}: lost {judged['lost']}, holds: {judged['holds']}")
            for model, row in judged["accuracy"].items():
                print(
                    f"  {model:26}{row['mean']:7.2f} +- {row['half width']:.2f}",
                    flush=True,
                )
            RESULTS.write_text(json.dumps(result, indent=2) + "\n")
    print(f"\nwritten to {RESULTS}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--first", type=int, default=5)
    parser.add_argument("--splits", type=int, default=5)
    parser.add_argument("--cache", type=Path, required=True)
    arguments = parser.parse_args()
    first, n_splits = arguments.first, arguments.splits
    main(range(first, first + n_splits), arguments.cache)
