"""Forgetting training rows: its cost, and how near it is to k-means without them.

For 1 % and 10 % of the rows, drawn at random, `forget_rows` is compared with a fit, and
its predictions with those of scikit-learn's k-means on the rows that remain, from the
same prototypes, with the same `tol` and `max_iter`. It gets the rows to forget alone,
or with the rows that remain. The noise floor is the share of equal predictions after
k-means from the same prototypes on all rows. Effects of 200 rows on 20 samples, as
`influence` gives them, are compared with those in such refits. Times are medians of
processor time; printed, and written to benchmarks/results/forget.json.
"""

import json
import statistics
import time
import warnings
from pathlib import Path

import numpy as np
from data_sets import features, pixels
from fit import machine
from scipy.stats import spearmanr
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits

from sklearn_kmex import KMExClassifier
from sklearn_kmex._model.rule import rule_of
from sklearn_kmex.edit import forget_rows
from sklearn_kmex.explain import influence

RESULTS = Path(__file__).parent / "results" / "forget.json"
SHARES, COUNTS, REPEATS, N_ROWS, N_SAMPLES = (0.01, 0.1), (5, 20), 5, 200, 20
DATA = {
    "digits": lambda: load_digits(return_X_y=True),
    "MNIST, 784 pixels": lambda: pixels("mnist.npz"),
    "CIFAR-10, 512 features": lambda: features("cifar10_resnet18_features.npz"),
}


def timed(function):
    start = time.process_time()
    result = function()
    return result, time.process_time() - start


def from_the_same(psem, X, y, labels, tol=1e-4):
    """Run k-means on the rows of some classes, from their prototypes."""
    prototypes = psem.prototypes_.copy()
    for label in labels:
        own = psem.prototype_classes_ == label
        start = prototypes[own]
        again = KMeans(len(start), init=start, n_init=1, tol=tol, max_iter=300)
        prototypes[own] = again.fit(X[y == label]).cluster_centers_
    return rule_of(psem)._replace(prototypes=prototypes)


def repeated(function):
    """Return the last result, and the median of the times."""
    runs = [timed(function) for _ in range(REPEATS)]
    return runs[-1][0], statistics.median(seconds for _, seconds in runs)


def refitted(psem, X, y, kept):
    """Predict after k-means on some rows, from the same prototypes."""
    rule = from_the_same(psem, X[kept], y[kept], psem.classes_)
    return psem.classes_[rule.scores(X).argmax(axis=1)]


def forgotten(psem, X, y, share):
    """Forget a share of the rows, and run k-means without them."""
    gone = np.random.RandomState(0).random(len(X)) < share
    given, rest = (X[gone], y[gone]), {"X_train": X[~gone], "y_train": y[~gone]}
    alone, seconds = repeated(lambda: forget_rows(psem, *given))
    whole, seconds_with_rest = repeated(lambda: forget_rows(psem, *given, **rest))
    expected = refitted(psem, X, y, ~gone)
    return {
        "seconds": seconds,
        "seconds_with_rest": seconds_with_rest,
        "same_predictions": float(np.mean(alone.predict(X) == expected)),
        "same_with_rest": float(np.mean(whole.predict(X) == expected)),
    }


def ranked(psem, X, y):
    """Compare the order of effects with that in refits; return the median."""
    random = np.random.RandomState(0)
    rows = random.permutation(len(X))[:N_ROWS]
    samples = X[random.permutation(len(X))[:N_SAMPLES]]
    found = influence(psem, samples, X[rows], y[rows], keep_effects=True)
    codes, each = psem.predict(samples), np.arange(N_SAMPLES)
    codes = np.searchsorted(psem.classes_, codes)
    effects = np.empty(found.effects.shape)
    for place, row in enumerate(rows):
        kept = np.arange(len(X)) != row
        rule = from_the_same(psem, X[kept], y[kept], [y[row]], tol=0)
        scores = rule.absolute_scores(samples)
        own = scores[each, codes].copy()
        scores[each, codes] = -np.inf
        effects[:, place] = own - scores.max(axis=1) - found.margin
    pairs = zip(effects.round(9), found.effects.round(9), strict=True)
    moved = [pair for pair in pairs if all(np.ptp(one) > 0 for one in pair)]
    return float(np.median([spearmanr(*pair).statistic for pair in moved]))


def main():
    warnings.simplefilter("ignore")
    results = {"machine": machine(), "data": {}}
    for name, load in DATA.items():
        X, y = load()
        for count in COUNTS:
            model = KMExClassifier(count, max_iter=300, random_state=0)
            psem, seconds = repeated(lambda m=model, X=X, y=y: m.fit(X, y))
            floor = refitted(psem, X, y, np.ones(len(X), dtype=bool))
            floor = float(np.mean(floor == psem.predict(X)))
            found = {str(share): forgotten(psem, X, y, share) for share in SHARES}
            found |= {"fit_seconds": seconds, "noise_floor": floor}
            if len(X) < 10_000:
                found["rank_correlation"] = ranked(psem, X, y)
            results["data"][f"{name}, {count} prototypes"] = found
            for share in SHARES:
                one = found[str(share)]
                print(
                    f"{name}, {count} prototypes, without {share:.0%}: "
                    f"{100 * one['seconds'] / seconds:.2f} % of a fit, same "
                    f"predictions {one['same_predictions']:.4f}; with the rest "
                    f"{one['same_with_rest']:.4f} "
                    f"({100 * one['seconds_with_rest'] / seconds:.1f} % of a fit); "
                    f"noise floor {floor:.4f}, "
                    f"rank correlation {found.get('rank_correlation')}",
                    flush=True,
                )
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
