"""The paper's claims about KMEx: accuracy, ghosts, diversity, maps, time.

Each data set has a black box, which is converted to KMEx with the number of prototypes
of the paper, and with a chosen one. Everything is fitted to training rows.
"""

import time
import warnings
from contextlib import contextmanager
from functools import partial
from itertools import product

import numpy as np

from sklearn_kmex import KMExClassifier, make_kmex
from sklearn_kmex.exceptions import KMExWarning
from sklearn_kmex.explain import faithfulness, robustness
from sklearn_kmex.metrics import diversity_score, fidelity_score, ghosting_rate
from study import _store, answers, black_boxes, data, sheets

FRAGMENTS = "summary", "tables"  # of the pages, see tables.py
QUESTION = "models"
FACES = "utkface", "celeba"
# For each set, the black boxes and the number of epochs of the networks.
BLACK_BOXES = {
    "digits": {"small": 10},
    "mnist": {"small": 5, "resnet34": 3},
    "fashion_mnist": {"small": 5},
    "cifar10": {"resnet20": 0},
    "quickdraw": {"small": 5},
    "utkface": {"small": 10},
    "celeba": {"small": 5},
    "svhn": {"small": 5},
    "stl10": {"small": 10},
    "adult": {"mlp": 0, "boosting": 0},
    "bank_marketing": {"mlp": 0, "boosting": 0},
    "annthyroid": {"mlp": 0, "boosting": 0},
    "mammography": {"mlp": 0, "boosting": 0},
}
EXPLAINED = 32  # images whose relevance maps are judged


def main(data_names, seeds, quick=False, folder=_store.RESULTS):
    """Evaluate the black boxes and KMEx on all data sets."""
    keep = partial(_store.cell, QUESTION, folder=folder)
    for seed, name in product(seeds, data_names):
        for kind, epochs in BLACK_BOXES.get(name, {}).items():
            settings = {"name": name, "kind": kind, "seed": seed, "quick": quick}
            run = partial(convert, folder=folder)
            cell = f"{name}-{kind}-{seed}"
            keep(cell, run, epochs=2 if quick else epochs, **settings)


def convert(name, kind, seed, epochs, quick, folder):
    """Load, convert and evaluate."""
    found = data.load(name, quick=quick)
    return convert_rows(found, kind, seed, epochs, folder / QUESTION)


def convert_rows(found, kind, seed, epochs, folder):
    """Train a black box, and convert it with a fixed and with a chosen number."""
    name = found.name
    black_box = black_boxes.train(found, kind, seed, epochs)
    psem = make_kmex(black_box, n_prototypes=number(name), random_state=seed)
    with cpu_seconds() as embedding:
        Z = psem[0].transform(found.X_train)
    Z_test = psem[0].transform(found.X_test)
    labels = black_box.predict(found.X_test)
    result = {
        "black box": {
            "accuracy": accuracy(labels, found.y_test),
            "accuracy, training set": accuracy(
                black_box.predict(found.X_train), found.y_train
            ),
            "seconds": black_box.seconds_,
        }
    }
    for title, n_prototypes in (("KMEx", number(name)), ("KMEx, auto", "auto")):
        kmex, judged = kmex_on(Z, found, Z_test, n_prototypes, seed)
        judged["fidelity"] = fidelity_score(labels, kmex.predict(Z_test))
        judged["seconds"] += embedding[0]
        result[title] = judged
        if n_prototypes != "auto":
            psem.steps[1] = ("kmex", kmex)
    if found.X_train.ndim == 4:
        result["KMEx"] |= explained(psem, found)
        keep_sheet(folder, f"{name}-{kind}-{seed}", psem[-1], found)
    return result


def number(name):
    """Return the number of prototypes of each class in the paper."""
    return 20 if name in FACES else 5


def kmex_on(Z, found, Z_test, n_prototypes, seed):
    kmex = KMExClassifier(n_prototypes, random_state=seed)
    with cpu_seconds() as seconds, warnings.catch_warnings():
        warnings.simplefilter("ignore", KMExWarning)  # a class has fewer rows
        kmex.fit(Z, found.y_train)
    return kmex, judge(kmex, Z, Z_test, found.y_test) | {"seconds": seconds[0]}


def judge(sem, X, X_test, y_test):
    """Evaluate any prototypical model."""
    total = len(sem.prototypes_)
    return {
        "accuracy": accuracy(sem.predict(X_test), y_test),
        "ghosting, training set": ghosting_rate(activated(sem, X), total),
        "ghosting, test set": ghosting_rate(activated(sem, X_test), total),
        "diversity": diversity_score(sem.prototypes_),
        "prototypes per class": total / len(sem.classes_),
    }


def activated(sem, X):
    return sem.transform(X).argmax(axis=1)


def accuracy(labels, y):
    return float(np.mean(labels == y))


def explained(psem, found):
    """Evaluate the relevance maps of some test images."""
    images = found.X_test[:EXPLAINED]
    maps = faithfulness(psem, images, random_state=0)
    stable = robustness(psem, images, random_state=0)
    return {
        "divergence": maps.divergence,
        "divergence, second class": maps.second_class,
        "divergence, redrawn head": maps.redrawn_head,
        **stable,
    }


def keep_sheet(folder, name, sem, found):
    """Save the training images nearest to the prototypes, one row for each class."""
    shown = found.X_train[sem.prototype_indices_]
    sheets.save(folder / f"{name}.png", shown, sem.prototype_classes_)


@contextmanager
def cpu_seconds():
    """Append the processor time of the block, over all threads, to a list."""
    seconds = []
    start = time.process_time()
    yield seconds
    seconds.append(time.process_time() - start)


KINDS = {
    "small": "small network",
    "resnet20": "ResNet-20, pretrained",
    "resnet34": "ResNet34",
    "mlp": "perceptron",
    "boosting": "boosted trees",
}
SHARES = (
    *("accuracy", "fidelity", "ghosting, training set", "ghosting, test set"),
    "diversity",
)
MAPS = {
    "divergence": "divergence from the black box",
    "divergence, second class": "of another class",
    "divergence, redrawn head": "of a redrawn head",
    "average_drop": "average drop",
    "average_increase": "average increase",
    "local_lipschitz": "local Lipschitz",
}


def summary(folder=_store.RESULTS):
    """Write the accuracy of each black box and of KMEx."""
    groups = answers.over_seeds(QUESTION, "name", "kind", folder=folder)
    header = (
        *("set", "black box", "seeds", "its accuracy, %", "KMEx, %", "KMEx, auto, %"),
        *("KMEx less black box, points", "auto less black box, points"),
        "ghosts of KMEx, training set, %",
    )
    lines = [
        [answers.TITLES.get(name, name), KINDS[kind], *line(found)]
        for (name, kind), found in groups.items()
    ]
    return answers.table("Accuracy on test rows", header, lines)


def line(found):
    box, kmex, auto = (
        np.array([of[title]["accuracy"] for of in found])
        for title in ("black box", "KMEx", "KMEx, auto")
    )
    return (
        len(found),
        *(answers.stated(values, ".2f", 100) for values in (box, kmex, auto)),
        *(answers.stated(values - box, "+.2f", 100) for values in (kmex, auto)),
        answers.percent([of["KMEx"]["ghosting, training set"] for of in found]),
    )


def tables(folder=_store.RESULTS):
    """Write all numbers, one tab for each data set and black box."""
    groups = answers.over_seeds(QUESTION, "name", "kind", folder=folder)
    return answers.tabs(
        {
            f"{answers.TITLES.get(name, name)}, {KINDS[kind]}": details(found)
            for (name, kind), found in groups.items()
        }
    )


def details(found):
    made = models("Models", found)
    maps = [of["KMEx"] for of in found if "divergence" in of["KMEx"]]
    if not maps:
        return made
    values = [answers.stated([of[key] for of in maps], ".3f") for key in MAPS]
    title = f"Relevance maps of {EXPLAINED} test images"
    return f"{made}\n{answers.table(title, [*MAPS.values()], [values])}"


def models(title, found):
    """Write a table with one line for each model."""
    header = ["", *(f"{key}, %" for key in SHARES), "prototypes per class", "seconds"]
    lines = [[model, *described([of[model] for of in found])] for model in found[0]]
    return answers.table(title, header, lines)


def described(judged):
    def state(key, form, scale=1):
        values = [of[key] for of in judged if key in of]
        return answers.stated(values, form, scale) if values else ""

    return [
        *(state(key, ".1f", 100) for key in SHARES),
        state("prototypes per class", ".1f"),
        state("seconds", ".0f"),
    ]
