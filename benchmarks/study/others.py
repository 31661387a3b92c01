"""The comparison of the paper: other prototypical models, and KMEx on their embeddings.

They are trained on the same rows, at most `ROWS`, as a small network that is converted.
"""

import os
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np

from sklearn_kmex.metrics import fidelity_score
from study import _store, answers, comparison_models, data
from study.comparison import (
    convert_rows,
    cpu_seconds,
    judge,
    keep_sheet,
    kmex_on,
    models,
)

FRAGMENTS = "numbers", "tables", "figures"  # of the pages, see tables.py
SETS = "digits", "mnist", "fashion_mnist", "quickdraw", "utkface"
ROWS, EPOCHS = 12_000, 10
PAGE = Path(__file__).parents[2] / "docs" / "study"  # pictures are named from there
ITEM = """
   .. grid-item::

      .. figure:: {path}
         :alt: Training images that stand for the prototypes, a row for each class.

         {title}
"""


def main(data_names, seeds, quick=False, folder=_store.RESULTS):
    """Evaluate the other models and KMEx."""
    keep = partial(_store.cell, "others", folder=folder)
    sets = [name for name in data_names if name in SETS]
    for seed, name in product(seeds, sets):
        settings = {"name": name, "seed": seed, "quick": quick, "rows": ROWS}
        own, other = (partial(run, folder=folder) for run in (network, compare))
        epochs = EPOCHS // 3 if quick else EPOCHS
        keep(f"{name}-small-{seed}", own, epochs=epochs, **settings)
        for model in comparison_models.MODELS:
            keep(f"{name}-{model}-{seed}", other, model=model, **settings)


def network(name, seed, rows, epochs, quick, folder):
    """Train a small network, and convert it."""
    found = data.load(name, quick=quick, rows=rows)
    return convert_rows(found, "small", seed, epochs, folder / "others")


def compare(name, model, seed, rows, quick, folder):
    """Train another prototypical model, and fit KMEx to its embeddings."""
    found = data.load(name, quick=quick, rows=rows)
    sem = comparison_models.make(model, found.X_train.shape[1:], seed, quick)
    with cpu_seconds() as seconds:
        sem.fit(found.X_train, found.y_train)
    own = judge(sem, found.X_train, found.X_test, found.y_test)
    keep_sheet(folder / "others", f"{name}-{model}-{seed}", sem, found)
    Z, Z_test = sem.embed(found.X_train), sem.embed(found.X_test)
    kmex, judged = kmex_on(Z, found, Z_test, sem.n_prototypes, seed)
    keep_sheet(folder / "others", f"{name}-{model}-KMEx-{seed}", kmex, found)
    judged["fidelity"] = fidelity_score(sem.predict(found.X_test), kmex.predict(Z_test))
    return {model: own | {"seconds": seconds[0]}, f"KMEx on {model}": judged}


def tables(folder=_store.RESULTS):
    """Compare all models, one tab for each data set."""
    return answers.tabs(
        {title: models("Models", found) for title, found in by_set(folder).items()}
    )


def by_set(folder):
    """Group the models by seed, if all of them have been run."""
    sets = {}
    for (name, _), parts in answers.over_seeds(
        "others", "name", "seed", folder=folder
    ).items():
        if len(parts) == 1 + len(comparison_models.MODELS):
            found = {model: of for part in parts for model, of in part.items()}
            sets.setdefault(answers.TITLES[name], []).append(found)
    return sets


def numbers(folder=_store.RESULTS):
    """Write the numbers of the page: the smallest and largest mean over data sets."""
    known, sets = {}, by_set(folder).values()
    for model in comparison_models.MODELS if sets else ():
        means = [
            np.mean([contrast(of, model) for of in seeds], axis=0) for seeds in sets
        ]
        ghosts, left, lost = np.transpose(means)
        known[f"{model} ghosts"] = answers.span(ghosts, ".0f", 100)
        known[f"KMEx on {model} ghosts"] = answers.span(left, ".1f", 100)
        known[f"{model} lost"] = answers.span(lost, ".1f", 100)
    return answers.substitutions(known)


def contrast(found, model):
    """Return ghosts of a model and of KMEx on its embedding, and lost accuracy."""
    own, kmex = found[model], found[f"KMEx on {model}"]
    ghosts = "ghosting, training set"
    return own[ghosts], kmex[ghosts], own["accuracy"] - kmex["accuracy"]


def figures(folder=_store.RESULTS):
    """Show prototypes of all models for the first seed, one tab for each data set."""
    drawn = {name: gallery(folder / "others", name) for name in SETS}
    return answers.tabs({answers.TITLES[name]: of for name, of in drawn.items() if of})


def gallery(folder, name):
    """Show the sheets of a data set side by side: KMEx, then the other models."""
    sheets = {"KMEx": "small"}
    for model in comparison_models.MODELS:
        sheets |= {model: model, f"KMEx on {model}": f"{model}-KMEx"}
    items = [
        ITEM.format(title=title, path=os.path.relpath(path, PAGE))
        for title, part in sheets.items()
        if (path := folder / f"{name}-{part}-0.png").exists()
    ]
    return "".join([".. grid:: 1 2 3 4\n", *items]) if items else ""
