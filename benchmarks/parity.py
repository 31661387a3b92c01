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
from sklearn_kmex.metrics import distinct_examples_score, example_likeness_score

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


class Remembered:
    """A teacher that knows the probabilities of the training rows."""

    def __init__(self, Z, P):
        self.known = {row.tobytes(): of for row, of in zip(Z, P, strict=True)}

    def predict_proba(self, Z):
        return np.stack([self.known[row.tobytes()] for row in Z])

    def __sklearn_clone__(self):
        return self


def chosen(Z, y, P, **fixed):
    """Fit a classifier that chooses what is not fixed, as `make_kmex` does.

    P are the probabilities of the encoder's last layer, without columns if it has none.
    """
    teacher = Remembered(Z, P) if P.shape[1] else None
    settings = AUTO | {"random_state": 0, "teacher": teacher} | fixed
    return KMExClassifier(**settings).fit(Z, y)


def judge(case, **fixed):
    """Measure one classifier on the test rows of one case, and say what it is."""
    start = time.process_time()
    sem = chosen(case.Z, case.y, case.P, **fixed)
    seconds = time.process_time() - start
    probability = sem.predict_proba(case.Z_test)
    labels, of_box = sem.predict(case.Z_test), case.P_test.argmax(axis=1)
    losses = [loss(case.y_test, p) for p in (probability, case.P_test)]
    shown = sem.prototype_indices_
    decided = shown[winners(sem, case.Z_test)]
    measured = {
        "accuracy": np.mean(labels == case.y_test),
        "lost": np.mean(of_box == case.y_test) - np.mean(labels == case.y_test),
        "log-loss": losses[0],
        "log-loss of the black box": losses[1],
        "fidelity": np.mean(labels == of_box),
        "likeness": example_likeness_score(case.Z_test, decided, case.Z, case.y),
        "distinct": distinct_examples_score(shown),
        "prototypes": len(shown),
        "ghosts": len(shown) - len(np.unique(winners(sem, case.Z))),
        "seconds": seconds,
    }
    made = sem.metric_, sem.similarity_, sem.aggregation_, sem.priors_
    return measured, f"{max(sem.n_prototypes_)} {' '.join(made)}"


def loss(y, probability):
    return log_loss(y, probability, labels=np.arange(probability.shape[1]))


def winners(sem, Z):
    """Return the prototype that decides each row."""
    shift = sem.temperature_ * np.log(sem.prototype_weights_)
    return (sem.transform(Z) + shift).argmax(axis=1)


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
    keys = [key for key in next(iter(rows.values())) if key != "made"]
    print(f"\n{name:32}" + "".join(f"{key[:12]:>14}" for key in keys))
    for case, row in rows.items():
        print(f"{case:32}" + "".join(f"{row[key]['mean']:14.4f}" for key in keys))
    print(f"{'mean':32}" + "".join(f"{average(rows, key):14.4f}" for key in keys))
    for line in short(name, rows) if name in LIMITS else []:
        print(f"  falls short: {line}")


def at_hand(case, cache):
    """Return whether a case can be made; say what it lacks if not."""
    try:
        load(case, 0, cache)
    except (FileNotFoundError, ModuleNotFoundError) as missing:
        print(f"skipped: {case}: {missing}")
        return False
    return True


def main(n_splits, cache, only):
    result = {"splits": n_splits}
    cases = [case for case in only or CASES if at_hand(case, cache)]
    for name, fixed in OPTIONS.items():
        result[name] = {}
        for case in cases:
            judged = [judge(load(case, s, cache), **fixed) for s in range(n_splits)]
            measured, made = zip(*judged, strict=True)
            result[name][case] = mean_of(measured) | {"made": list(made)}
            print(f"{name}, {case}: {result[name][case]['lost']} {made}", flush=True)
        show(name, result[name])
        if name in LIMITS:
            result[f"{name}, falls short"] = short(name, result[name])
    RESULTS.write_text(json.dumps(result, indent=2) + "\n")
    print(f"\nwritten to {RESULTS}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--splits", type=int, default=5)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--only", nargs="*", help="names of cases")
    arguments = parser.parse_args()
    main(arguments.splits, arguments.cache, arguments.only)
