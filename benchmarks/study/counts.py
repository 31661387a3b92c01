"""Question 3: how many prototypes are needed, and what does "auto" choose?

Accuracy, fidelity, diversity and ghosting of KMEx are measured for several numbers of
prototypes of each class, on the embeddings of the black box of each data set.
"""

import warnings
from itertools import product

import numpy as np

from sklearn_kmex import KMExClassifier
from sklearn_kmex.exceptions import KMExWarning
from sklearn_kmex.metrics import diversity_score, ghosting_rate
from study import _store, answers, data, embedded

COUNTS = 1, 2, 3, 5, 10, 20, 35, 50
FRAGMENTS = "numbers", "summary", "figures", "tables"  # of the pages, see tables.py


def compare(name, seed, quick):
    """Evaluate each number, and "auto", on the same embeddings."""
    found = embedded.of_study(data.load(name, quick=quick), seed)
    box = found.answers.argmax(axis=1)
    return {
        "n_rows": len(found.Z),
        "n_features": found.Z.shape[1],
        "black box": float(np.mean(box == found.y_test)),
        "counts": [judge(found, box, n, seed) for n in COUNTS],
        "auto": judge(found, box, "auto", seed),
    }


def judge(found, box, n_prototypes, seed):
    kmex = KMExClassifier(n_prototypes, temperature=1.0, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", KMExWarning)  # a class has fewer rows
        kmex.fit(found.Z, found.y)
    labels, total = kmex.predict(found.Z_test), len(kmex.prototypes_)
    active, active_test = (activations(kmex, rows) for rows in (found.Z, found.Z_test))
    return {
        "n_prototypes": kmex.n_prototypes_.tolist(),
        "accuracy": float(np.mean(labels == found.y_test)),
        "fidelity": float(np.mean(labels == box)),
        "diversity": diversity_score(kmex.prototypes_),
        "ghosting, train": ghosting_rate(active, total),
        "ghosting, test": ghosting_rate(active_test, total),
    }


def activations(kmex, rows):
    return kmex.nearest_prototypes(rows)[1][:, 0]


def main(data_names, seeds, quick=False, folder=_store.RESULTS):
    """Run the cells of those data sets that are part of the question."""
    for seed, name in product(seeds, data_names):
        settings = {"name": name, "seed": seed, "quick": quick}
        _store.cell("counts", f"{name}-{seed}", compare, folder=folder, **settings)


METRICS = "accuracy", "fidelity", "diversity", "ghosting, train", "ghosting, test"


def tables(folder=_store.RESULTS):
    """Write all metrics by number, one tab for each data set."""
    groups = answers.over_seeds("counts", "name", folder=folder)
    return answers.tabs(
        {answers.TITLES[name]: table(found) for (name,), found in groups.items()}
    )


def table(found):
    lines = [
        [n, *described([of["counts"][place] for of in found])]
        for place, n in enumerate(COUNTS)
    ]
    picks = [of["auto"] for of in found]
    lines.append([f'"auto": {picked(picks)}', *described(picks)])
    title = f"Black box: {answers.percent([of['black box'] for of in found])} %"
    return answers.table(title, ["prototypes", *(f"{m}, %" for m in METRICS)], lines)


def described(judged):
    return [answers.percent([of[metric] for of in judged]) for metric in METRICS]


def picked(picks):
    """Write the choices of "auto", which are equal for all classes of a seed."""
    return ", ".join(str(of["n_prototypes"][0]) for of in picks)


def summary(folder=_store.RESULTS):
    """Compare the black box, five prototypes, "auto" and the best number."""
    groups = answers.over_seeds("counts", "name", folder=folder)
    header = "", "black box", "5", '"auto"', "picks", "best", "at", "worst", "at"
    lines = [[answers.TITLES[name], *line(found)] for (name,), found in groups.items()]
    return answers.table("Accuracy on test rows, %", header, lines)


def line(found):
    curves = np.array([[at["accuracy"] for at in of["counts"]] for of in found])
    best, worst = curves.mean(axis=0).argmax(), curves.mean(axis=0).argmin()
    picks = [of["auto"] for of in found]
    return (
        answers.percent([of["black box"] for of in found]),
        answers.percent(curves[:, COUNTS.index(5)]),
        answers.percent([of["accuracy"] for of in picks]),
        picked(picks),
        *(answers.percent(curves[:, best]), COUNTS[best]),
        *(answers.percent(curves[:, worst]), COUNTS[worst]),
    )


def numbers(folder=_store.RESULTS):
    """Write the numbers of the page: means by data set, number and metric."""
    known = {}
    for (name,), found in answers.over_seeds("counts", "name", folder=folder).items():
        known[f"{name} auto"] = picked([of["auto"] for of in found])
        for metric in METRICS:
            at = zip(COUNTS, means(found, metric), strict=True)
            auto = 100 * np.mean([of["auto"][metric] for of in found])
            for n, mean in [*at, ("auto", auto)]:
                known[f"{name} {n} {metric}"] = f"{mean:.1f}"
    return answers.substitutions(known)


def figures(folder=_store.RESULTS):
    """Plot accuracy and ghosts on test rows by number, one panel for each data set."""
    groups = answers.over_seeds("counts", "name", folder=folder)

    def draw(ax, name):
        found = groups[name,]
        for metric, style in {"accuracy": "C0o-", "fidelity": "C1s-"}.items():
            ax.plot(COUNTS, means(found, metric), style, ms=3, label=metric)
        box = 100 * np.mean([of["black box"] for of in found])
        ax.axhline(box, color="k", lw=1, label="black box")
        ghosts = ax.twinx()
        ghosts.plot(COUNTS, means(found, "ghosting, test"), "C3:")
        ghosts.set_ylim(0, 50)
        ghosts.set_ylabel("ghosts, %", color="C3")
        ax.plot([], [], "C3:", label="ghosts, test rows")
        ax.set_ylabel("%")
        answers.log_axis(ax, "prototypes of each class", COUNTS)

    names = [name for (name,) in groups]
    return answers.panels(names, draw, "Accuracy and ghosts by number of prototypes")


def means(found, metric):
    return 100 * np.mean([[at[metric] for at in of["counts"]] for of in found], axis=0)
