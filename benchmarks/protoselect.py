"""Time and accuracy of alibi's ProtoSelect, compared with k-means.

Both find the same number of prototypes of MNIST digits, which are evaluated by the
nearest prototype on 10,000 test rows. ProtoSelect compares all rows with each other, so
only few rows are used. Its radius comes from alibi's own cross-validation on 1,000
rows, which is not timed. alibi needs numpy < 2: SKLEARN_KMEX_ALIBI names the Python
executable of an environment with alibi (`pip install alibi`). Repeats alternate.
Results are written to benchmarks/results/protoselect.json.
"""

import argparse
import json
import os
import statistics
import subprocess
import tempfile
import time
from functools import partial
from pathlib import Path

import numpy as np

RESULTS = Path(__file__).parent / "results" / "protoselect.json"
ALIBI = os.environ.get("SKLEARN_KMEX_ALIBI")
PER_CLASS, RADIUS_ROWS = 5, 1000


def clock(run):
    start = time.perf_counter()
    found = run()
    return time.perf_counter() - start, found


def select(folder):
    """Run ProtoSelect in its own environment, and print the results as JSON."""
    import alibi
    from alibi.prototypes import ProtoSelect
    from alibi.prototypes.protoselect import cv_protoselect_euclidean
    from alibi.utils.kernel import EuclideanDistance

    X, y = np.load(folder / "X.npy"), np.load(folder / "y.npy")
    count = PER_CLASS * len(np.unique(y))
    some = X[:RADIUS_ROWS], y[:RADIUS_ROWS]
    eps = cv_protoselect_euclidean(some, num_prototypes=count, quantiles=(0.0, 0.5))
    model = ProtoSelect(EuclideanDistance(), eps=eps["best_eps"])
    seconds, found = clock(lambda: model.fit(X, y).summarise(count))
    rows = [int(row) for row in found.data["prototype_indices"]]
    print(json.dumps({"seconds": seconds, "rows": rows, "version": alibi.__version__}))


def start_alibi(folder):
    command = [ALIBI, __file__, "--select", str(folder)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def compare(X, y, test, repeats):
    from sklearn.neighbors import KNeighborsClassifier

    from sklearn_kmex import KMExClassifier

    kmex = partial(KMExClassifier, PER_CLASS, temperature=1.0, random_state=0)
    models = {
        "KMExClassifier": kmex(),
        'KMExClassifier, prototype="medoid"': kmex(prototype="medoid"),
        "ProtoSelect": KNeighborsClassifier(1),
    }
    seconds = {name: [] for name in models}
    with tempfile.TemporaryDirectory() as folder:
        np.save(Path(folder, "X.npy"), X)
        np.save(Path(folder, "y.npy"), y)
        for turn in range(repeats):
            print(f"  {turn + 1}/{repeats} of {len(X)} rows", flush=True)
            for name in list(models)[:2]:
                model = models[name]
                seconds[name].append(clock(lambda model=model: model.fit(X, y))[0])
            selected = start_alibi(folder)
            seconds["ProtoSelect"].append(selected["seconds"])
    models["ProtoSelect"].fit(X[selected["rows"]], y[selected["rows"]])
    return {
        "seconds": {name: statistics.median(s) for name, s in seconds.items()},
        "accuracy": {name: model.score(*test) for name, model in models.items()},
        "prototypes of ProtoSelect": len(selected["rows"]),
    }, selected["version"]


def show(n_rows, result):
    print(f"\n{n_rows} rows\n{'':36}{'seconds':>9}{'ratio':>9}{'accuracy':>10}")
    first = next(iter(result["seconds"].values()))
    for name, seconds in result["seconds"].items():
        accuracy = result["accuracy"][name]
        print(f"{name:36}{seconds:9.3f}{seconds / first:9.2f}{accuracy:10.4f}")


def main(sizes, repeats):
    from data_sets import pixels
    from fit import machine

    X, y = pixels("mnist.npz")
    test = pixels("mnist.npz", "x_test", "y_test")
    result = {"machine": machine(), "rows": {}}
    for size in sizes:
        found, version = compare(X[:size], y[:size], test, repeats)
        show(size, found)
        result["rows"][size] = found
        result["alibi"] = version
    RESULTS.write_text(json.dumps(result, indent=2) + "\n")
    print(f"\nwritten to {RESULTS}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, nargs="+", default=[1000, 2000, 4000])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--select", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.select:
        select(given.select)
    elif ALIBI:
        main(given.rows, given.repeats)
    else:
        print("skipped: SKLEARN_KMEX_ALIBI does not name a Python with alibi")
