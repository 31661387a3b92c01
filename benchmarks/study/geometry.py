"""Effect of the geometry of the embedding, and of the training of the black box.

The embeddings of a black box are used as they are, scaled, whitened, with unit length,
and as class scores, each with several numbers of prototypes.
"""

from functools import partial
from itertools import product

import numpy as np
from sklearn.decomposition import PCA
from sklearn.preprocessing import Normalizer, StandardScaler

from sklearn_kmex import KMExClassifier, make_kmex
from study import _store, answers, black_boxes, data

BLACK_BOXES = {
    "digits": ("small", (2, 10)),
    "mnist": ("small", (1, 5)),
    "fashion_mnist": ("small", (1, 5)),
    "cifar10": ("resnet20", (0,)),
    "quickdraw": ("small", (5,)),
    "utkface": ("small", (10,)),
    "adult": ("mlp", (0,)),
}
FRAGMENTS = ("tables",)  # of the pages, see tables.py
COUNTS = 1, 5, 20
GEOMETRIES = {
    "as it is": lambda: None,
    "scaled columns": StandardScaler,
    "whitened": lambda: PCA(0.99, whiten=True, svd_solver="full"),
    "length of one": Normalizer,
}


def main(data_names, seeds, quick=False, folder=_store.RESULTS):
    keep = partial(_store.cell, "geometry", folder=folder)
    for seed, name in product(seeds, data_names):
        kind, budgets = BLACK_BOXES.get(name, (None, ()))
        for epochs in budgets[:1] if quick else budgets:
            settings = {"name": name, "kind": kind, "epochs": epochs, "seed": seed}
            keep(f"{name}-{kind}-{epochs}-{seed}", compare, quick=quick, **settings)


def compare(name, kind, epochs, seed, quick):
    """Return the test accuracy for each geometry and number of prototypes."""
    found = data.load(name, quick=quick)
    black_box = black_boxes.train(found, kind, seed, epochs)
    encode = make_kmex(black_box)[0].transform
    Z, Z_test = encode(found.X_train), encode(found.X_test)
    labels = black_box.predict(found.X_test)
    result = {"black box": float(np.mean(labels == found.y_test))}
    for geometry, make in GEOMETRIES.items():
        transform = make()
        rows, rows_test = Z, Z_test
        if transform is not None:
            rows = transform.fit_transform(Z)
            rows_test = transform.transform(Z_test)
        result[geometry] = {
            str(n): accuracy(rows, found.y_train, rows_test, found.y_test, n, seed)
            for n in COUNTS
        }
    return result


def accuracy(Z, y, Z_test, y_test, n_prototypes, seed):
    kmex = KMExClassifier(n_prototypes, temperature=1.0, random_state=seed).fit(Z, y)
    return float(np.mean(kmex.predict(Z_test) == y_test))


def tables(folder=_store.RESULTS):
    """Write the accuracy of each geometry, one tab for each data set and training."""
    groups = answers.over_seeds("geometry", "name", "epochs", folder=folder)
    return answers.tabs(
        {
            answers.TITLES[name] + (f", {epochs} epochs" if epochs else ""): table(
                found
            )
            for (name, epochs), found in groups.items()
        }
    )


def table(found):
    lines = [
        [g, *(answers.percent([of[g][str(n)] for of in found]) for n in COUNTS)]
        for g in GEOMETRIES
    ]
    title = f"Black box: {answers.percent([of['black box'] for of in found])} %"
    return answers.table(title, ["", *(f"{n} prototypes, %" for n in COUNTS)], lines)
