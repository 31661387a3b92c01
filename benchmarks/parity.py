"""Accuracy, log-loss and fidelity compared with the black box, for each labelled set.

Every case is an embedding and a black box, over several splits. The classifiers choose
all their settings, all but five prototypes for each class, or none (the paper's). Means
with 95 % intervals over the splits are printed, and written to
benchmarks/results/parity.json. Embeddings are kept in the folder given by --cache.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
from parity_cases import CASES, load
from scipy.stats import t as student
from sklearn.metrics import log_loss

from sklearn_kmex import KMExClassifier

RESULTS = Path(__file__).parent / "results" / "parity.json"
AUTO = dict.fromkeys(
    ("n_prototypes", "metric", "similarity", "aggregation", "priors"), "auto"
)
OPTIONS = {
    "chosen": {},
    "five": {"n_prototypes": 5},
    "paper": KMExClassifier().get_params(),
}
# The largest values allowed: of each case, and of the mean over all cases.
LIMITS = {"chosen": (0.01, 0.002), "five": (np.inf, 0.006)}
LIKENESS, FIDELITY, LOSS = 0.8, 0.9, 1.05
N_COMPARED = 1000


def chosen(Z, y, **fixed):
    """Fit a classifier that chooses what is not fixed."""
    return KMExClassifier(**AUTO | {"random_state": 0} | fixed).fit(Z, y)


def judge(case, **fixed):
    """Measure one classifier on the test rows of one case."""
    start = time.process_time()
    sem = chosen(case.Z, case.y, **fixed)
    seconds = time.process_time() - start
    probability = sem.predict_proba(case.Z_test)
    labels, of_box = sem.predict(case.Z_test), case.P_test.argmax(axis=1)
    losses = [loss(case.y_test, p) for p in (probability, case.P_test)]
    shown = sem.prototype_indices_
    return {
        "accuracy": np.mean(labels == case.y_test),
        "lost": np.mean(of_box == case.y_test) - np.mean(labels == case.y_test),
        "log-loss": losses[0],
        "log-loss of the black box": losses[1],
        "fidelity": np.mean(labels == of_box),
        "likeness": likeness(sem, case),
        "distinct": len(np.unique(shown)) / len(shown),
        "prototypes": len(shown),
        "ghosts": len(shown) - len(np.unique(winners(sem, case.Z))),
        "seconds": seconds,
    }


def loss(y, probability):
    return log_loss(y, probability, labels=np.arange(probability.shape[1]))


def winners(sem, Z):
    """Return the prototype that decides each row."""
    return (sem.transform(Z) + shift(sem)).argmax(axis=1)


def shift(sem):
    return sem.temperature_ * np.log(sem.prototype_weights_)


def likeness(sem, case):
    """Return how like the rows shown are: mean percentile among rows of their class."""
    Z = case.Z_test[:N_COMPARED]
    shown = sem.prototype_indices_[winners(sem, Z)]
    cosines = unit(Z) @ unit(case.Z).T
    of_shown = cosines[np.arange(len(Z)), shown]
    below = cosines <= of_shown[:, None]
    same = case.y == case.y[shown][:, None]
    return np.mean((below & same).sum(axis=1) / same.sum(axis=1))


def unit(Z):
    lengths = np.linalg.norm(Z, axis=1, keepdims=True)
    return Z / np.where(lengths == 0, 1, lengths)


def settings(sem):
    return {key: getattr(sem, f"{key}_") for key in AUTO}


def mean_of(judged):
    """Return the mean over splits, and the half width of its 95 % interval."""
    values = {key: np.array([row[key] for row in judged]) for key in judged[0]}
    wide = student.ppf(0.975, len(judged) - 1) / np.sqrt(len(judged))
    return {
        key: {"mean": float(of.mean()), "half width": float(wide * of.std(ddof=1))}
        for key, of in values.items()
    }


def short(name, rows):
    """Say what does not hold: of single cases, and of their mean."""
    lost = {case: row["lost"]["mean"] for case, row in rows.items()}
    single, overall = LIMITS[name]
    found = [
        f"{case}: {100 * of:.1f} points lost"
        for case, of in lost.items()
        if of > single
    ]
    for case, row in rows.items():
        if row["likeness"]["mean"] < LIKENESS:
            found.append(f"{case}: likeness {row['likeness']['mean']:.2f}")
        if row["distinct"]["mean"] < 1:
            found.append(f"{case}: {row['distinct']['mean']:.2f} of the rows distinct")
    ratio = average(rows, "log-loss") / average(rows, "log-loss of the black box")
    found += [f"mean: {100 * average(rows, 'lost'):.2f} points lost"] * (
        average(rows, "lost") > overall
    )
    found += [f"mean: log-loss {ratio:.2f} times the black box's"] * (ratio > LOSS)
    found += ["mean: fidelity below 0.9"] * (average(rows, "fidelity") < FIDELITY)
    return found


def average(rows, key):
    return float(np.mean([row[key]["mean"] for row in rows.values()]))


def show(name, rows):
    keys = list(next(iter(rows.values())))
    print(f"\n{name:32}" + "".join(f"{key[:12]:>14}" for key in keys))
    for case, row in rows.items():
        print(f"{case:32}" + "".join(f"{row[key]['mean']:14.4f}" for key in keys))
    print(f"{'mean':32}" + "".join(f"{average(rows, key):14.4f}" for key in keys))
    for line in short(name, rows) if name in LIMITS else []:
        print(f"  falls short: {line}")


def main(n_splits, cache, only):
    result = {"splits": n_splits}
    for name, fixed in OPTIONS.items():
        result[name] = {}
        for case in only or CASES:
            judged = [judge(load(case, s, cache), **fixed) for s in range(n_splits)]
            result[name][case] = mean_of(judged)
            print(f"{name}, {case}: {result[name][case]['lost']}", flush=True)
        show(name, result[name])
        if name in LIMITS:
            result[f"{name}, falls short"] = short(name, result[name])
    RESULTS.write_text(json.dumps(result, indent=2) + "\n")
    print(f"\nwritten to {RESULTS}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--splits", type=int, default=5)
    parser.add_argument("--cache", type=Path, default=Path("parity-cache"))
    parser.add_argument("--only", nargs="*", help="names of cases")
    arguments = parser.parse_args()
    main(arguments.splits, arguments.cache, arguments.only)
