"""The paper's comparison: other prototypical models, and KMEx on their embeddings."""

from functools import partial
from itertools import product

from sklearn_kmex.metrics import fidelity_score
from study import _store, comparison_models, data
from study.comparison import cpu_seconds, judge, keep_sheet, kmex_on, number

SETS = "digits", "mnist", "fashion_mnist", "quickdraw", "utkface"


def main(data_names, seeds, quick=False, folder=_store.RESULTS):
    sets = [name for name in data_names if name in SETS]
    for seed, name, model in product(seeds, sets, comparison_models.MODELS):
        settings = {"name": name, "model": model, "seed": seed, "quick": quick}
        run = partial(compare, folder=folder)
        _store.cell("models", f"{name}-{model}-{seed}", run, folder=folder, **settings)


def compare(name, model, seed, quick, folder):
    """Train another prototypical model; and run KMEx on its embeddings."""
    found = data.load(name, quick=quick)
    sem = comparison_models.make(model, found.X_train.shape[1:], seed, quick)
    with cpu_seconds() as seconds:
        sem.fit(found.X_train, found.y_train)
    own = judge(sem, found.X_train, found.X_test, found.y_test)
    keep_sheet(folder, f"{name}-{model}-{seed}", sem, found)
    Z, Z_test = sem.embed(found.X_train), sem.embed(found.X_test)
    kmex, judged = kmex_on(Z, found, Z_test, number(name), seed)
    keep_sheet(folder, f"{name}-{model}-KMEx-{seed}", kmex, found)
    judged["fidelity"] = fidelity_score(sem.predict(found.X_test), kmex.predict(Z_test))
    return {model: own | {"seconds": seconds[0]}, f"KMEx on {model}": judged}
