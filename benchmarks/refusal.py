"""Effect of refusing predictions on accuracy, and detection of unknown classes.

KMEx is fitted to each data set. A tenth of the test rows is then refused, by
similarity, by probability, and by a `RejectingClassifier` calibrated on separate rows.
On features of images, rows of unknown classes are detected by the similarity to the
nearest prototype, and by the largest softmax probability of a logistic regression. If
MAPIE is installed, the coverage of its conformal sets is measured. Results are written
to benchmarks/results/refusal.json.
"""

import argparse
import importlib.util
import json
import os
import warnings
from pathlib import Path

import numpy as np
import resnet20
import torch
from paper import RULE
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from sklearn_kmex import KMExClassifier, RejectingClassifier, make_kmex
from sklearn_kmex._model.protocol import find_sem
from sklearn_kmex._model.steps import embed
from sklearn_kmex.metrics import coverage_curve

BESIDE = Path(__file__).parents[2] / "shared" / "data"
DATA = Path(os.environ.get("SKLEARN_KMEX_DATA", BESIDE))
RESULTS = Path(__file__).parent / "results" / "refusal.json"
TABLES = "annthyroid", "mammography", "adult", "bank marketing"
IMAGES = {
    "Fashion-MNIST": "fashion_mnist",
    "MNIST": "mnist",
    "Quick, Draw!": "quickdraw6",
    "UTKFace": "utkface_64_2500",
}
MOST = 16_000  # rows of a data set
REFUSED = 0.1
METHODS = {
    "similarity": lambda psem, X: psem.score_samples(X),
    "probability": lambda psem, X: psem.predict_proba(X).max(axis=1),
}


def load(name):
    with np.load(DATA / f"{name}.npz") as archive:
        return {key: archive[key] for key in archive.files}


def columns(numbers, codes):
    """Scale numbers, and encode categories as one-hot columns."""
    one_hot = OneHotEncoder(sparse_output=False, min_frequency=20)
    return np.hstack(
        [StandardScaler().fit_transform(numbers), one_hot.fit_transform(codes)]
    ).astype(np.float32)


def data_sets():
    """Yield the name, X and y of each data set."""
    yield "digits", *load_digits(return_X_y=True)
    for name, file in IMAGES.items():
        yield name, *pixels(load(file))
    yield "CIFAR-10 by ResNet-20", *by_resnet20()
    for name in ("annthyroid", "mammography"):
        table = load(f"tab_{name}")
        yield name, StandardScaler().fit_transform(table["X"]), table["y"]
    adult = load("tab_adult")
    yield "adult", columns(adult["num_train"], adult["cat_train"]), adult["y_train"]
    bank = load("tab_bank_marketing")
    yield "bank marketing", columns(bank["num"], bank["cat"]), bank["y"]
    for name in ("cifar10", "mvtec"):
        found = load(f"{name}_resnet18_features")
        yield f"{name} features", found["features"].astype(np.float32), found["labels"]


def pixels(images):
    flat = images["x_train"].reshape(len(images["x_train"]), -1)
    return (flat / 255).astype(np.float32), images["y_train"]


def by_resnet20():
    """Embed the test images, which the network was not trained on."""
    network, _, test = resnet20.load_cifar10()
    network.linear = torch.nn.Identity()
    images = torch.from_numpy(resnet20.standardize(test["x"]))
    with torch.no_grad():
        embeddings = torch.cat([network(block) for block in images.split(500)])
    return embeddings.numpy(), test["y"]


def models(name):
    """Yield KMEx on the rows and, unless these are features, behind a black box."""
    found = {"rows": lambda X, y: KMExClassifier(5, random_state=0).fit(X, y)}
    if name == "digits" or name in IMAGES:
        found["MLP"] = lambda X, y: behind(
            MLPClassifier((64,), max_iter=15, random_state=0), X, y
        )
    elif name in TABLES:
        found["forest"] = lambda X, y: behind(
            RandomForestClassifier(50, min_samples_leaf=5, random_state=0), X, y
        )
    return found


def behind(black_box, X, y):
    """Fit a black box to one half of the rows, and its KMEx to the other."""
    first, second, y_first, y_second = train_test_split(
        X, y, test_size=0.5, stratify=y, random_state=0
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        black_box.fit(first, y_first)
    return make_kmex(black_box, n_prototypes=5, **RULE, random_state=0).fit(
        second, y_second
    )


def split(X, y, seed):
    """Split at most MOST rows: 60 % to fit, 20 % to calibrate, 20 % to test."""
    rows = np.random.RandomState(seed).permutation(len(y))[:MOST]
    fit, rest = train_test_split(
        rows, test_size=0.4, stratify=y[rows], random_state=seed
    )
    known, test = train_test_split(
        rest, test_size=0.5, stratify=y[rest], random_state=seed
    )
    return fit, known, test


def judge(psem, X_known, y_known, X, y):
    """Return the accuracy on all rows, and the gain on accepted ones, in points."""
    labels = psem.predict(X)
    accuracy = float(np.mean(labels == y))
    row = {"accuracy": accuracy}
    for method, score in METHODS.items():
        coverage, of_these, _ = coverage_curve(y, labels, score(psem, X))
        answered = np.searchsorted(coverage, 1 - REFUSED)
        row[f"{method}, ranked"] = float(of_these[answered]) - accuracy
        for per_class in (True, False):
            careful = RejectingClassifier(
                FrozenEstimator(psem),
                quantile=REFUSED,
                method=method,
                per_class=per_class,
            ).fit(X_known, y_known)
            kept = careful.accept(X)
            key = f"{method}, {'by class' if per_class else 'one threshold'}"
            row[key] = float(np.mean(labels[kept] == y[kept])) - accuracy
            row[f"{key}, answered"] = float(kept.mean())
    known, own = ranks(psem, X_known, X_known), ranks(psem, X_known, X)
    kept = own >= np.quantile(known, REFUSED)
    row["similarity, by prototype"] = float(np.mean(labels[kept] == y[kept])) - accuracy
    return row | least_similar(psem, X, y, labels)


def ranks(psem, X_known, X):
    """Return the share of known rows of its prototype that a row is as similar as."""
    kmex = find_sem(psem)
    known, rows = (
        [part[:, 0] for part in kmex.nearest_prototypes(embed(psem, Z))]
        for Z in (X_known, X)
    )
    found = np.ones(len(X))
    for prototype in np.unique(rows[1]):
        theirs = np.sort(known[0][known[1] == prototype])
        own = rows[1] == prototype
        less = np.searchsorted(theirs, rows[0][own], side="right")
        found[own] = (less + 1) / (len(theirs) + 1)
    return found


def least_similar(psem, X, y, labels):
    """Compare the least similar tenth with all rows."""
    refused = np.argsort(psem.score_samples(X))[: int(REFUSED * len(y))]
    common = y == np.bincount(y).argmax()
    return {
        "least similar, accuracy": float(np.mean(labels[refused] == y[refused])),
        "least similar, of the common class": float(np.mean(common[refused])),
        "all, of the common class": float(np.mean(common)),
    }


def conformal(psem, X_known, y_known, X, y, level=0.9):
    """Return the coverage of conformal sets on test rows, and their mean size."""
    if importlib.util.find_spec("mapie") is None:
        return {}
    from mapie.classification import SplitConformalClassifier

    mapie = SplitConformalClassifier(psem, confidence_level=level, prefit=True)
    sets = mapie.conformalize(X_known, y_known).predict_set(X)[1][:, :, 0]
    inside = sets[np.arange(len(y)), np.searchsorted(psem.classes_, y)]
    return {
        "conformal, covered": float(inside.mean()),
        "conformal, classes": float(sets.sum(axis=1).mean()),
    }


def refusals(n_splits, only):
    found = {}
    for name, X, y in data_sets():
        if only and name not in only:
            continue
        for kind, fit in models(name).items():
            rows = []
            for seed in range(n_splits):
                own, known, test = split(X, y, seed)
                psem = fit(X[own], y[own])
                arrays = (X[known], y[known], X[test], y[test])
                rows.append(judge(psem, *arrays) | conformal(psem, *arrays))
            found[f"{name}, {kind}"] = summary(rows)
            show(f"{name}, {kind}", found[f"{name}, {kind}"])
    return found


def worlds():
    """Yield the name, known rows, their labels, and rows of other classes."""
    data = load("cifar10_resnet18_features")
    X, other = (data[key].astype(np.float32) for key in ("features", "other_features"))
    yield "cifar10 features", X, data["labels"], other
    for name, X, y in data_sets():
        if name in ("digits", "Fashion-MNIST", "mvtec features"):
            left_out = y >= 0.8 * len(np.unique(y))
            yield (
                f"{name}, last fifth of classes",
                X[~left_out],
                y[~left_out],
                X[left_out],
            )


def others(n_splits):
    """Compute the AUROC of known test rows against rows of other classes."""
    found = {}
    for name, X, y, other in worlds():
        rows = [tell_apart(X, y, other[:MOST], seed) for seed in range(n_splits)]
        found[name] = summary(rows)
        show(f"{name}: known rows against others", found[name])
    return found


def tell_apart(X, y, other, seed):
    fit, known, test = split(X, y, seed)
    kmex = KMExClassifier(5, random_state=0)
    plain = clone(kmex).fit(X[fit], y[fit])
    n_columns = min(200, X.shape[1] // 2)
    white = make_pipeline(PCA(n_columns, whiten=True, random_state=0), kmex)
    white.fit(X[fit], y[fit])
    careful = RejectingClassifier(FrozenEstimator(plain)).fit(X[known], y[known])
    logistic = make_pipeline(StandardScaler(), LogisticRegression(max_iter=200))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        logistic.fit(X[fit], y[fit])
    scores = {
        "score_samples": plain.score_samples,
        "score_samples, whitened": white.score_samples,
        "typicality": careful.typicality,
        "largest predict_proba": lambda Z: METHODS["probability"](plain, Z),
        "logistic regression, largest softmax": lambda Z: METHODS["probability"](
            logistic, Z
        ),
    }
    is_known = np.repeat([1, 0], [len(test), len(other)])
    row = {
        name: float(roc_auc_score(is_known, np.append(score(X[test]), score(other))))
        for name, score in scores.items()
    }
    row["others refused"] = float(np.mean(~careful.accept(other)))
    row["known refused"] = float(np.mean(~careful.accept(X[test])))
    row["accuracy"] = plain.score(X[test], y[test])
    row["logistic regression, accuracy"] = logistic.score(X[test], y[test])
    return row


def summary(rows):
    """Return the mean, standard deviation and minimum over the splits."""
    return {
        key: {
            "mean": float(np.mean([row[key] for row in rows])),
            "std": float(np.std([row[key] for row in rows], ddof=1)),
            "min": float(np.min([row[key] for row in rows])),
        }
        for key in rows[0]
    }


def show(title, result):
    print(f"\n{title}")
    for key, of in result.items():
        line = f"{of['mean']:8.4f} +- {of['std']:.4f}, at least {of['min']:.4f}"
        print(f"  {key:40}{line}", flush=True)


def main(n_splits, only):
    if not (DATA / "cifar10_resnet18_features.npz").exists():
        print(f"There are no data in {DATA}: set SKLEARN_KMEX_DATA")
        return
    if only:
        result = json.loads(RESULTS.read_text())
        result["data sets"] |= refusals(result["splits"], only)
    else:
        result = {"splits": n_splits, "refused": REFUSED}
        result["other classes"] = others(n_splits)
        result["data sets"] = refusals(n_splits, only)
    RESULTS.write_text(json.dumps(result, indent=2) + "\n")
    print(f"\nwritten to {RESULTS}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--splits", type=int, default=5)
    parser.add_argument(
        "--only",
        nargs="+",
        help="data sets to run again, with the same number of splits",
    )
    arguments = parser.parse_args()
    main(arguments.splits, arguments.only)
