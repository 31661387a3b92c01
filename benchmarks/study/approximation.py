"""Question 1: loss and speed-up of approximations of k-means.

KMExClassifier with other solvers and on fewer rows is compared with scikit-learn's
KMeans with ten starts on the same rows: inertia, accuracy on test rows, processor time
of `fit`.
"""

import time
from functools import lru_cache
from itertools import product

import numpy as np
from sklearn.cluster import BisectingKMeans, KMeans, MiniBatchKMeans
from sklearn.model_selection import train_test_split

from sklearn_kmex import KMExClassifier
from study import _store, answers, data, embedded

FULL = "KMeans, 10 starts"
SOLVERS = {
    FULL: {"clusterer": KMeans(n_init=10)},
    "KMeans, 1 start": {"clusterer": KMeans(n_init=1)},
    "MiniBatchKMeans": {"clusterer": MiniBatchKMeans(n_init=3)},
    "BisectingKMeans": {"clusterer": BisectingKMeans()},
    "built-in": {},
    "built-in, 1 start": {"n_init": 1},
    "built-in, 2000 rows": {"max_samples": 2000},
    "built-in, 1000 rows": {"max_samples": 1000},
    "built-in, 500 rows": {"max_samples": 500},
    "built-in, 250 rows": {"max_samples": 250},
}
COUNTS = 5, 20
FRAGMENTS = "numbers", "figures", "tables"  # of the pages, see tables.py
EMBEDDED_WIDTH = 512


def pixels(name, seed, quick):
    found = data.load(name, quick=quick)
    X, X_test = embedded.flat(found.X_train), embedded.flat(found.X_test)
    return X, found.y_train, X_test, found.y_test


def embedding(name, seed, quick):
    found = embedded.of_perceptron(
        data.load(name, quick=quick), seed, width=64 if quick else EMBEDDED_WIDTH
    )
    return found[:4]


def celeba_attributes(name, seed, quick):
    """Load the class "male or not" and the other 39 attributes."""
    with np.load(data.FOLDER / "celeba_attributes.npz") as archive:
        male = archive["attribute_names"].tolist().index("Male")
        values = archive["attributes"]
    X = np.delete(values, male, axis=1).astype(np.float32)
    X, X_test, y, y_test = train_test_split(
        X, values[:, male], train_size=3000 if quick else 0.8, random_state=0
    )
    return X, y, X_test, y_test


# The rows to cluster: their data set, and how they are made.
ROWS = {
    "digits": ("digits", pixels),
    "cifar10_resnet18": ("cifar10_resnet18", pixels),
    "fashion_mnist_mlp": ("fashion_mnist", embedding),
    "mnist_pixels": ("mnist", pixels),
    "celeba_attributes": ("celeba_attributes", celeba_attributes),
}


@lru_cache(maxsize=1)
def load(rows, seed, quick):
    name, make = ROWS[rows]
    return make(name, seed, quick)


def compare(rows, n_prototypes, seed, quick):
    """Fit every solver on the same rows with the same seed."""
    X, y, X_test, y_test = load(rows, seed, quick)
    found = {"n_rows": len(X), "n_features": X.shape[1], "solvers": {}}
    labels = {}
    for name, settings in SOLVERS.items():
        kmex = KMExClassifier(
            n_prototypes, temperature=1.0, random_state=seed, **settings
        )
        start = time.process_time()
        kmex.fit(X, y)
        seconds = time.process_time() - start
        labels[name] = kmex.predict(X_test)
        found["solvers"][name] = {
            "inertia": float(kmex.inertia_.sum()),
            "accuracy": float(np.mean(labels[name] == y_test)),
            "agreement": float(np.mean(labels[name] == labels[FULL])),
            "seconds": seconds,
        }
    return found


def main(data_names, seeds, quick=False, folder=_store.RESULTS):
    """Run the cells of those data sets that are part of the question."""
    known = {*data_names, *(["celeba_attributes"] if has_celeba() else [])}
    known -= set() if quick else {"digits"}  # too few to be approximated
    chosen = [rows for rows, (name, _) in ROWS.items() if name in known]
    for n_prototypes, seed, rows in product(COUNTS, seeds, chosen):
        settings = {"rows": rows, "n_prototypes": n_prototypes, "seed": seed}
        settings["quick"] = quick
        cell = f"{rows}-{n_prototypes}-{seed}"
        _store.cell("approximation", cell, compare, folder=folder, **settings)


def has_celeba():
    return (data.FOLDER / "celeba_attributes.npz").exists()


def tables(folder=_store.RESULTS):
    """Write the loss and time of each solver, one tab for each data set and number."""
    groups = answers.over_seeds("approximation", "rows", "n_prototypes", folder=folder)
    return answers.tabs(
        {
            f"{answers.TITLES[rows]}, {n}": table(rows, n, found)
            for (rows, n), found in groups.items()
        }
    )


def table(rows, n_prototypes, found):
    accuracy = answers.percent([of["solvers"][FULL]["accuracy"] for of in found])
    seconds = answers.stated([of["solvers"][FULL]["seconds"] for of in found])
    title = (
        f"{found[0]['n_rows']:,} x {found[0]['n_features']}, {n_prototypes} prototypes "
        f"for each class. {FULL}: accuracy {accuracy} %, {seconds} s"
    )
    header = (
        "solver",
        "excess inertia, %",
        "accuracy, points",
        "same label, %",
        "time, %",
    )
    lines = [[name, *against_full(found, name)] for name in SOLVERS if name != FULL]
    return answers.table(title, header, lines)


def against_full(found, name):
    """Write the loss of a solver, its agreement, and its share of the time."""
    return (
        answers.stated(losses(found, name), "+.2f", 100),
        answers.stated(gains(found, name), "+.2f", 100),
        answers.percent(agreements(found, name)),
        answers.percent(times(found, name)),
    )


def shares(found, name, key):
    return [of["solvers"][name][key] / of["solvers"][FULL][key] for of in found]


def losses(found, name):
    return np.subtract(shares(found, name, "inertia"), 1)


def times(found, name):
    return shares(found, name, "seconds")


def gains(found, name):
    full = [of["solvers"][FULL]["accuracy"] for of in found]
    return np.subtract([of["solvers"][name]["accuracy"] for of in found], full)


def agreements(found, name):
    return [of["solvers"][name]["agreement"] for of in found]


def numbers(folder=_store.RESULTS):
    """Write the numbers of the page: the smallest and largest mean over data sets."""
    known = {}
    groups = answers.over_seeds("approximation", "rows", "n_prototypes", folder=folder)
    at_five = [found for (_, n), found in groups.items() if n == COUNTS[0]]
    for name in SOLVERS:
        known[f"{name} inertia"] = over_rows(at_five, losses, name, ".1f")
        known[f"{name} accuracy"] = over_rows(at_five, gains, name, "+.1f")
        known[f"{name} agreement"] = over_rows(at_five, agreements, name, ".0f")
        known[f"{name} time"] = over_rows(at_five, times, name, ".0f")
    return answers.substitutions(known)


def over_rows(groups, measure, name, form):
    return answers.span([np.mean(measure(of, name)) for of in groups], form, 100)


def figures(folder=_store.RESULTS):
    """Plot excess inertia against time, one panel for each data set."""
    groups = answers.over_seeds("approximation", "rows", "n_prototypes", folder=folder)
    rows = [of for of, n in groups if n == COUNTS[0]]

    def draw(ax, title):
        found = groups[title, COUNTS[0]]
        for name in list(SOLVERS)[1:]:
            lost, time_taken = (
                100 * np.mean(measure(found, name)) for measure in (losses, times)
            )
            marker = "o" if name.startswith("built-in") else "s"
            ax.plot(time_taken, lost, marker, label=name)
        ax.set(xlabel="time, % of 10 starts", ylabel="more inertia, %")

    return answers.panels(rows, draw, "Excess inertia against time", columns=2)
