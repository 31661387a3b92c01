"""Question 2, continued: do prototypes represent rare subgroups of a class?

A subgroup is represented if the training row nearest to some prototype belongs to it.
Otherwise it is a ghost. Chance is measured by shuffling the subgroups among the rows of
each class, with the same prototypes.
"""

import warnings
from itertools import product

import numpy as np

from sklearn_kmex import KMExClassifier
from sklearn_kmex.exceptions import KMExWarning
from study import _store, answers, data, embedded

COUNTS = 1, 2, 5, 10, 20, 50
FRAGMENTS = "numbers", "tables"  # of the pages, see tables.py
LEAST_ROWS, SHUFFLES = 10, 50
AGES = 18, 40, 60
MODELS = "kmex", "black box"
NAMES = "utkface", "mvtec_resnet18"
RACES = "White", "Black", "Asian", "Indian", "Others"
BANDS = "under 18", "18 to 39", "40 to 59", "60 and over"


def subgroups(y, groups):
    """Name the subgroup of each row, which is part of a class; "" if there is none."""
    if "defect" in groups:
        return np.where(
            groups["defect"] == 1, np.char.add("defect ", y.astype(str)), ""
        )
    bands = np.digitize(groups["age"], AGES)
    of = zip(y, groups["race"], bands, strict=True)
    sexes = "male", "female"
    return np.array([f"{sexes[s]}, {RACES[r]}, {BANDS[b]}" for s, r, b in of])


def compare(name, seed, quick):
    """Evaluate each number of prototypes on the same embeddings."""
    full = data.load(name, quick=quick)
    found = embedded.of_study(full, seed)
    train = subgroups(full.y_train, full.groups_train)
    test = subgroups(full.y_test, full.groups_test)
    box = found.answers.argmax(axis=1)
    known = enough_rows(train)
    return {
        "black box": float(np.mean(box == found.y_test)),
        "subgroups": {group: int(np.sum(train == group)) for group in known},
        "counts": [judge(found, train, test, box, n, seed) for n in COUNTS],
    }


def enough_rows(train):
    names, sizes = np.unique(train[train != ""], return_counts=True)
    return names[sizes >= LEAST_ROWS]


def judge(found, train, test, box, n_prototypes, seed):
    kmex = KMExClassifier(n_prototypes, temperature=1.0, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", KMExWarning)  # a class has fewer rows
        kmex.fit(found.Z, found.y)
    known, owners = enough_rows(train), own_prototypes(kmex, found.Z, found.y)
    by_group = represented(train, known, kmex.prototype_indices_, owners)
    rng = np.random.default_rng(seed)
    shuffled = [
        represented(
            shuffle(train, found.y, rng), known, kmex.prototype_indices_, owners
        )
        for _ in range(SHUFFLES)
    ]
    labels = kmex.predict(found.Z_test)
    return {
        "n_prototypes": n_prototypes,
        "accuracy": float(np.mean(labels == found.y_test)),
        **rates(by_group),
        "by chance": mean_of([rates(of) for of in shuffled]),
        "rows": {
            which: {
                "kmex": float(np.mean((labels == found.y_test)[rows])),
                "black box": float(np.mean((box == found.y_test)[rows])),
            }
            for which, rows in {
                "shown": np.isin(test, known[by_group["shown"]]),
                "ghost": np.isin(test, known[~by_group["shown"]]),
            }.items()
            if rows.any()
        },
    }


def own_prototypes(kmex, Z, y):
    """Return the nearest prototype of the same class for each training row."""
    similar = kmex.transform(Z)
    return np.where(kmex.prototype_classes_ == y[:, None], similar, -np.inf).argmax(1)


def represented(train, known, nearest_rows, owners):
    """Return whether each subgroup is represented, and its largest share."""
    sizes = np.bincount(owners)
    inside = np.array(
        [np.bincount(owners[train == g], minlength=len(sizes)) for g in known]
    )
    return {
        "shown": np.isin(known, train[nearest_rows]),
        "largest share": (inside / sizes).max(axis=1),
    }


def shuffle(train, y, rng):
    """Shuffle the subgroups of rows within each class."""
    mixed = train.copy()
    for label in np.unique(y):
        rows = np.flatnonzero(y == label)
        mixed[rows] = train[rng.permutation(rows)]
    return mixed


def rates(by_group):
    """Return the shares of ghosts and of subgroups with their own prototype."""
    return {
        "ghosts": float(np.mean(~by_group["shown"])),
        "majority": float(np.mean(by_group["largest share"] > 0.5)),
        "largest share": float(np.mean(by_group["largest share"])),
    }


def mean_of(found):
    return {key: float(np.mean([of[key] for of in found])) for key in found[0]}


def main(data_names, seeds, quick=False, folder=_store.RESULTS):
    """Run the cells of those data sets that are part of the question."""
    for seed, name in product(seeds, [name for name in data_names if name in NAMES]):
        settings = {"name": name, "seed": seed, "quick": quick}
        _store.cell("subgroups", f"{name}-{seed}", compare, folder=folder, **settings)


def tables(folder=_store.RESULTS):
    """Write ghosts and own prototypes by number, one tab for each data set."""
    groups = answers.over_seeds("subgroups", "name", folder=folder)
    return answers.tabs(
        {answers.TITLES[name]: table(found) for (name,), found in groups.items()}
    )


def table(found):
    header = (
        *("prototypes", "accuracy, %", "ghosts, %", "by chance"),
        *("with a prototype of their own, %", "by chance"),
        *("accuracy where shown, %", "black box", "where a ghost, %", "black box"),
    )
    lines = [
        line([of["counts"][place] for of in found]) for place in range(len(COUNTS))
    ]
    sizes = [size for of in found[:1] for size in of["subgroups"].values()]
    title = f"{len(sizes)} subgroups of {min(sizes)} to {max(sizes)} training rows"
    return answers.table(title, header, lines)


def line(judged):
    chance = [of["by chance"] for of in judged]
    return [
        judged[0]["n_prototypes"],
        answers.percent([of["accuracy"] for of in judged]),
        *(answers.percent([of["ghosts"] for of in some]) for some in (judged, chance)),
        *(
            answers.percent([of["majority"] for of in some])
            for some in (judged, chance)
        ),
        *(
            accuracy(judged, which, who)
            for which in ("shown", "ghost")
            for who in MODELS
        ),
    ]


def accuracy(judged, which, who):
    """Return the test accuracy on represented or ghost subgroups, if there are any."""
    values = [of["rows"][which][who] for of in judged if which in of["rows"]]
    return answers.percent(values) if values else ""


def numbers(folder=_store.RESULTS):
    """Write the numbers of the page: shares by data set and number."""
    known = {}
    for (name,), found in answers.over_seeds(
        "subgroups", "name", folder=folder
    ).items():
        for place, n in enumerate(COUNTS):
            judged = [of["counts"][place] for of in found]
            chance = [of["by chance"] for of in judged]
            for key in ("ghosts", "majority"):
                for what, some in (("", judged), (" by chance", chance)):
                    mean = np.mean([of[key] for of in some])
                    known[f"{name} {n} {key}{what}"] = f"{100 * mean:.0f}"
    return answers.substitutions(known)
