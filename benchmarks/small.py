"""Time of fits and searches on small tables and many classes, against scikit-learn.

KMExClassifier is compared with one and ten restarts of scikit-learn's KMeans on each
class, and with its NearestCentroid, KNeighborsClassifier and LogisticRegression.
Further parts are the inertia over ten seeds, growth with the number of classes, tables
of 1 to 10,000 classes, searches, and the import of the package. Repeats alternate
between the contestants. Medians and ratios are printed, and written to
benchmarks/results/small.json.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import sklearn
from fit import machine
from sklearn.cluster import KMeans
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, load_wine
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsClassifier, NearestCentroid

import sklearn_kmex
from sklearn_kmex import KMExClassifier, KMExClassifierCV

RESULTS = Path(__file__).parent / "results" / "small.json"
OURS, FIXED = "KMExClassifier", "KMExClassifier, temperature=1.0"
ONE, TEN = "KMeans(n_init=1) of each class", "KMeans(n_init=10) of each class"
LARGEST, SEEDS = "1,600 x 5", 10
# Whether to measure processor time, which others on the machine change less.
BUSY = "--busy" in sys.argv
# Rows of the largest table of the grid; classes beyond which scikit-learn's logistic
# regression and ten restarts take minutes.
MOST_ROWS, MANY_CLASSES = 50_000, 500
COUNTS = range(1, 11)
SEARCH, CV, TEN_EACH = (
    "GridSearchCV, 10 counts, 5 folds",
    "KMExClassifierCV(10)",
    "KMExClassifier(10)",
)
# Import times: the package, the modules of scikit-learn that it needs, and the package
# that holds them.
IMPORTS = {
    "sklearn_kmex": "import sklearn_kmex",
    "what it imports of scikit-learn": "import sklearn.cluster, sklearn.pipeline, "
    "sklearn.model_selection, sklearn.preprocessing, sklearn.frozen",
    "sklearn": "import sklearn",
    "numpy": "import numpy",
    "nothing": "",
}


def small_classes(n_classes, n_rows, n_features=64):
    """Generate float32 rows of classes of equal size, with eight modes each."""
    rng = np.random.default_rng(0)
    modes = 0.6 * rng.standard_normal((n_classes, 8, n_features))
    y = np.repeat(np.arange(n_classes), n_rows)
    X = modes[y, rng.integers(8, size=len(y))]
    return (X + rng.standard_normal(X.shape)).astype(np.float32), y


TABLES = {
    "iris": (lambda: load_iris(return_X_y=True), 5),
    "wine": (lambda: load_wine(return_X_y=True), 5),
    "digits": (lambda: load_digits(return_X_y=True), 5),
    "breast cancer": (lambda: load_breast_cancer(return_X_y=True), 5),
    "10 x 200": (lambda: small_classes(10, 200), 5),
    "400 x 5": (lambda: small_classes(400, 5), 2),
    LARGEST: (lambda: small_classes(1600, 5), 2),
}


def kmeans_of_classes(X, y, n_clusters, n_init, seed=0):
    """Fit scikit-learn's KMeans to each class; return the sum of the inertia."""
    models = [
        KMeans(n_clusters, n_init=n_init, random_state=seed).fit(X[y == label])
        for label in np.unique(y)
    ]
    return sum(model.inertia_ for model in models)


def fits(X, y, n_prototypes):
    """The contestants of `fit`, and the fitted models of those that predict."""
    models = {
        OURS: KMExClassifier(n_prototypes, random_state=0),
        FIXED: KMExClassifier(n_prototypes, temperature=1.0, random_state=0),
        "NearestCentroid": NearestCentroid(),
        "KNeighborsClassifier": KNeighborsClassifier(1),
    }
    runs = {name: (lambda m=model: m.fit(X, y)) for name, model in models.items()}
    runs[ONE] = lambda: kmeans_of_classes(X, y, n_prototypes, 1)
    runs[TEN] = lambda: kmeans_of_classes(X, y, n_prototypes, 10)
    if len(np.unique(y)) < MANY_CLASSES:
        models["LogisticRegression"] = LogisticRegression()
        runs["LogisticRegression"] = lambda: models["LogisticRegression"].fit(X, y)
    return runs, models


def processor_time():
    """Return the seconds that this process and its children have computed."""
    used = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(of.ru_utime + of.ru_stime for of in used)


def alternate(contestants, repeats):
    """Run the contestants in turns, once unmeasured; return the median seconds."""
    now = processor_time if BUSY else time.perf_counter
    seconds = {name: [] for name in contestants}
    for turn in range(repeats + 1):
        for name, run in contestants.items():
            start = now()
            run()
            if turn or repeats == 1:
                seconds[name].append(now() - start)
    return {name: statistics.median(times) for name, times in seconds.items()}


def report(title, seconds, reference):
    print(f"\n{title}\n{'':44}{'ms':>10}{'ratio':>8}")
    for name, median in seconds.items():
        print(f"{name:44}{1e3 * median:10.2f}{median / seconds[reference]:8.2f}")
    sys.stdout.flush()
    return {"seconds": seconds, "reference": reference}


def table_times(tables, repeats):
    """Times of `fit` and of `predict` for each table."""
    found = {"fit": {}, "predict": {}, "predict one row": {}}
    for title in tables:
        load, n_prototypes = TABLES[title]
        X, y = load()
        turns = 1 if len(np.unique(y)) >= MANY_CLASSES else repeats
        runs, models = fits(X, y, n_prototypes)
        found["fit"][title] = report(f"fit, {title}", alternate(runs, turns), ONE)
        for what, rows in (("predict", X), ("predict one row", X[:1])):
            runs = {
                name: (lambda m=model, rows=rows: m.predict(rows))
                for name, model in models.items()
                if name != FIXED
            }
            seconds = alternate(runs, 5 * turns)
            found[what][title] = report(f"{what}, {title}", seconds, "NearestCentroid")
    return found


def inertia(tables, seeds):
    """Mean excess inertia of KMExClassifier over ten restarts of KMeans."""
    found = {}
    for title in [name for name in tables if name != LARGEST]:
        load, n_prototypes = TABLES[title]
        X, y = load()
        pairs = []
        for seed in range(seeds):
            psem = KMExClassifier(n_prototypes, temperature=1.0, random_state=seed)
            theirs = kmeans_of_classes(X, y, n_prototypes, 10, seed)
            pairs.append((float(psem.fit(X, y).inertia_.sum()), theirs))
        ours, theirs = np.mean(pairs, axis=0)
        found[title] = ours / theirs - 1
        print(f"{title:44}{found[title]:+10.3%} inertia over {TEN}", flush=True)
    return found


def clock(run, repeats=1):
    return alternate({"": run}, repeats)[""]


def growth(sizes, repeats):
    """Seconds of a fit by the number of classes of five rows, and the exponent."""
    tables = [small_classes(size, 5) for size in sizes]
    psem = KMExClassifier(2, random_state=0)
    turns = [
        [clock(lambda of=of: psem.fit(*of)) for of in tables] for _ in range(repeats)
    ]
    best = np.min(turns, axis=0)
    slope = float(np.polyfit(np.log(sizes), np.log(best), 1)[0])
    for size, seconds in zip(sizes, best, strict=True):
        print(f"{size:7} classes of 5 rows{1e3 * seconds:12.1f} ms")
    print(f"exponent in the number of classes: {slope:.2f}", flush=True)
    return {"sizes": sizes, "seconds": best.tolist(), "exponent": slope}


def grid(classes, rows, most):
    """Seconds of a fit, and of one restart of KMeans, by classes and rows of each."""
    found = []
    for n_classes in classes:
        for n_rows in rows:
            if n_classes * n_rows > most:
                continue
            X, y = small_classes(n_classes, n_rows)
            n_prototypes = min(5, n_rows)
            psem = KMExClassifier(n_prototypes, random_state=0)
            runs = {
                OURS: lambda m=psem, X=X, y=y: m.fit(X, y),
                ONE: lambda n=n_prototypes, X=X, y=y: kmeans_of_classes(X, y, n, 1),
            }
            seconds = alternate(runs, 1)
            found.append({"classes": n_classes, "rows": n_rows, "seconds": seconds})
            ratio = seconds[OURS] / seconds[ONE]
            size = f"{n_classes:,} classes of {n_rows:,} rows"
            print(f"{size:34}{1e3 * seconds[OURS]:12.1f} ms{ratio:8.2f}", flush=True)
    return found


def searches(repeats):
    """Seconds of searches on digits, relative to a fit with ten prototypes."""
    X, y = load_digits(return_X_y=True)
    search = GridSearchCV(
        KMExClassifier(random_state=0), {"n_prototypes": COUNTS}, cv=5
    )
    chosen, ten = KMExClassifierCV(10, random_state=0), KMExClassifier(10)
    runs = {
        TEN_EACH: lambda: ten.set_params(random_state=0).fit(X, y),
        CV: lambda: chosen.fit(X, y),
        SEARCH: lambda: search.fit(X, y),
    }
    return report("searches on digits", alternate(runs, repeats), TEN_EACH)


def imports(repeats):
    """Seconds of imports, each in a process of its own."""
    runs = {
        name: (lambda code=code: subprocess.run([sys.executable, "-c", code]))
        for name, code in IMPORTS.items()
    }
    reference = "what it imports of scikit-learn"
    return report("import", alternate(runs, repeats), reference)


def parts(quick, tables=None):
    """The parts of the benchmark by name."""
    tables = tables or [name for name in TABLES if not quick or name != LARGEST]
    repeats = 3 if quick else 9
    sizes = [10, 40, 160, 640] if quick else [10, 100, 1000, 10_000]
    classes = [2, 20, 200] if quick else [2, 10, 100, 1000, 10_000]
    rows = [5, 50] if quick else [5, 50, 500, 5000]
    return {
        "times": lambda: table_times(tables, repeats),
        "inertia": lambda: inertia(tables, 2 if quick else SEEDS),
        "growth": lambda: growth(sizes, 3),
        "grid": lambda: grid(classes, rows, MOST_ROWS),
        "searches": lambda: searches(1 if quick else 3),
        "import": lambda: imports(repeats),
    }


def main(names, tables, quick):
    warnings.simplefilter("ignore", ConvergenceWarning)
    warnings.filterwarnings("ignore", "self.within_class_std_dev_", UserWarning)
    chosen = parts(quick, tables)
    result = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    result["machine"] = machine() + ", processor time" * BUSY
    modules = (sklearn_kmex, sklearn, np)
    result["versions"] = {m.__name__: m.__version__ for m in modules}
    for name in names or chosen:
        result[name] = chosen[name]()
        if not quick and not tables:
            RESULTS.write_text(json.dumps(result, indent=2) + "\n")
            print(f"\nwritten to {RESULTS}", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--parts",
        nargs="+",
        choices=list(parts(quick=True)),
        help="what to measure; other results are kept",
    )
    parser.add_argument(
        "--tables",
        nargs="+",
        choices=list(TABLES),
        help="tables of times and inertia; nothing is written",
    )
    parser.add_argument(
        "--quick", action="store_true", help="about a minute; nothing is written"
    )
    parser.add_argument(
        "--busy", action="store_true", help="measure processor time; use one thread"
    )
    given = parser.parse_args()
    main(given.parts, given.tables, given.quick)
