"""The paper's comparison: other prototypical models, and KMEx on their embeddings.

They are trained on the same rows, `ROWS` at most, as a small network that is converted.
"""

from functools import partial
from itertools import product

from sklearn_kmex.metrics import fidelity_score
from study import _store, comparison_models, data
from study.comparison import (
    convert_rows,
    cpu_seconds,
    judge,
    keep_sheet,
    kmex_on,
)

SETS = "digits", "mnist", "fashion_mnist", "quickdraw", "utkface"
ROWS, EPOCHS = 12_000, 10


def main(data_names, seeds, quick=False, folder=_store.RESULTS):
    """Judge the other models, and KMEx beside them."""
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
    """Train a small network, and make KMEx of it."""
    found = data.load(name, quick=quick, rows=rows)
    return convert_rows(found, "small", seed, epochs, folder / "others")


def compare(name, model, seed, rows, quick, folder):
    """Train another prototypical model; and run KMEx on its embeddings."""
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
