"""Question 2: rare classes in the black box and in KMEx.

Half of the classes of an image data set, or the rare class of a table, are thinned out
in the training set to a given ratio. A black box trained on the remaining rows is
compared with KMEx on its embeddings, on all test rows.
"""

import warnings
from itertools import product

import numpy as np
from paper import RULE
from sklearn.metrics import confusion_matrix

from sklearn_kmex import KMExClassifier, KMExClassifierCV
from sklearn_kmex.exceptions import KMExWarning
from study import _store, answers, data, embedded

RATIOS = 1, 10, 50, 200  # common rows for each rare one
FRAGMENTS = "numbers", "figures", "tables"  # of the pages, see tables.py
NAMES = "mnist", "fashion_mnist", "adult", "bank_marketing", "annthyroid", "mammography"
BY_CLASS = {"priors": "class"}
SEARCH = {"scoring": "balanced_accuracy", "per_class": True, **RULE}
OPTIONS = {
    "5 for each class": KMExClassifier(5, temperature=1.0),
    "5, priors": KMExClassifier(5, **BY_CLASS),
    "5, gaussian, priors": KMExClassifier(5, similarity="gaussian", **BY_CLASS),
    "share 0.001": KMExClassifier(0.001, temperature=1.0),
    "CV, balanced": KMExClassifierCV([1, 2, 3, 5, 8], temperature=1.0, **SEARCH),
    "20 for each class": KMExClassifier(20, temperature=1.0),
    "20, merged at 0.5": KMExClassifier(20, merge_threshold=0.5, temperature=1.0),
}


def rare_classes(y):
    """Return every other class, or the rarer one of two."""
    classes, sizes = np.unique(y, return_counts=True)
    return classes[1::2] if len(classes) > 2 else classes[[sizes.argmin()]]


def thinned(y, rare, ratio, seed):
    """Select rows so that each rare class has 1/ratio of the rows of a common class.

    Rows are removed from the rare or from the common classes, as needed.
    """
    rng = np.random.default_rng(seed)
    is_rare = np.isin(y, rare)
    most = min(np.bincount(y[~is_rare])[np.setdiff1d(y, rare)])
    least = min(np.bincount(y[is_rare])[rare])
    n_common = min(most, least * ratio)
    kept = []
    for label in np.unique(y):
        size = round(n_common / ratio) if label in rare else n_common
        kept.append(rng.permutation(np.flatnonzero(y == label))[:size])
    return np.sort(np.concatenate(kept))


def judge(y, labels, classes):
    """Return the recall of each class, and the precision."""
    counts = confusion_matrix(y, labels, labels=classes)
    right = counts.diagonal()
    return {
        "recall": (right / counts.sum(axis=1)).tolist(),
        "precision": (right / np.maximum(counts.sum(axis=0), 1)).tolist(),
        "accuracy": float(right.sum() / counts.sum()),
    }


def compare(name, ratio, seed, quick):
    """Compare black box and options on one data set at one ratio."""
    full = data.load(name, quick=quick)
    classes, rare = np.unique(full.y_train), rare_classes(full.y_train)
    rows = thinned(full.y_train, rare, ratio, seed)
    found = embedded.of_perceptron(full, seed, rows)
    share = np.bincount(found.y) / len(found.y)
    judged = {
        "black box": judge(found.y_test, found.answers.argmax(axis=1), classes),
        "black box, priors undone": judge(
            found.y_test, (found.answers / share).argmax(axis=1), classes
        ),
    }
    for option, kmex in OPTIONS.items():
        psem = kmex.set_params(random_state=seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", KMExWarning)  # fewer rows than prototypes
            warnings.filterwarnings("ignore", "The least populated class", UserWarning)
            psem.fit(found.Z, found.y)
        judged[option] = judge(found.y_test, psem.predict(found.Z_test), classes)
        judged[option]["n_prototypes"] = psem.n_prototypes_.tolist()
    return {
        "classes": classes.tolist(),
        "rare": rare.tolist(),
        "n_rows": np.bincount(found.y).tolist(),
        "results": judged,
    }


def main(data_names, seeds, quick=False, folder=_store.RESULTS):
    """Run the cells of those data sets that are part of the question."""
    chosen = [name for name in data_names if name in NAMES]
    for name, seed, ratio in product(chosen, seeds, RATIOS):
        settings = {"name": name, "ratio": ratio, "seed": seed, "quick": quick}
        cell = f"{name}-{ratio}-{seed}"
        _store.cell("imbalance", cell, compare, folder=folder, **settings)


def tables(folder=_store.RESULTS):
    """Write the recall of rare and common classes, one tab for each data set."""
    groups = answers.over_seeds("imbalance", "name", "ratio", folder=folder)
    parts = {}
    for name in NAMES:
        found = {
            ratio: groups[name, ratio] for ratio in RATIOS if (name, ratio) in groups
        }
        if found:
            parts[answers.TITLES[name]] = "\n".join(
                table(found, which) for which in ("rare", "common")
            )
    return answers.tabs(parts)


def table(found, which):
    options = next(iter(found.values()))[0]["results"]
    header = ["", *(f"1 to {ratio}" for ratio in found)]
    lines = [
        [
            option,
            *(answers.percent(recalls(of, option, which)) for of in found.values()),
        ]
        for option in options
    ]
    return answers.table(f"Recall of the {which} classes, %", header, lines)


def recalls(found, option, which):
    """Return the mean recall of the rare or common classes, for each seed."""
    return [
        np.mean(
            [
                recall
                for label, recall in zip(
                    of["classes"], of["results"][option]["recall"], strict=True
                )
                if (label in of["rare"]) == (which == "rare")
            ]
        )
        for of in found
    ]


def numbers(folder=_store.RESULTS):
    """Write the numbers of the page: recalls by data set, option and ratio."""
    known = {}
    groups = answers.over_seeds("imbalance", "name", "ratio", folder=folder)
    for (name, ratio), found in groups.items():
        for option, which in product(found[0]["results"], ("rare", "common")):
            values = recalls(found, option, which)
            key = f"{name} {ratio} {option} {which}"
            known[key] = f"{100 * np.mean(values):.0f}"
    return answers.substitutions(known)


DRAWN = (
    *("black box", "black box, priors undone", "5 for each class"),
    *("5, priors", "5, gaussian, priors", "share 0.001"),
)


def figures(folder=_store.RESULTS):
    """Plot the recall of rare classes by ratio, one panel for each data set."""
    groups = answers.over_seeds("imbalance", "name", "ratio", folder=folder)
    names = [name for name in NAMES if all((name, ratio) in groups for ratio in RATIOS)]

    def draw(ax, name):
        for option in DRAWN:
            found = [recalls(groups[name, ratio], option, "rare") for ratio in RATIOS]
            style = "k" if option.startswith("black box") else ""
            style += "--" if option == DRAWN[1] else "-"
            ax.plot(
                RATIOS, 100 * np.mean(found, axis=1), style + "o", ms=3, label=option
            )
        ax.set(ylabel="recall, %", ylim=(0, 100))
        answers.log_axis(ax, "common rows for a rare one", RATIOS)

    return answers.panels(names, draw, "Recall of rare classes against the ratio")
