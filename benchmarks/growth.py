"""Growth of time with rows, features, classes and prototypes: fitted exponents.

One size is doubled at a time. When classes are added, the rows of each class stay the
same. An exponent of 1 is linear growth. Repeats alternate between the sizes, and the
shortest time counts. Results are written to benchmarks/results/growth.json.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
import sklearn
from fit import machine, make_embeddings

import sklearn_kmex
from sklearn_kmex import KMExClassifier

RESULTS = Path(__file__).parent / "results" / "growth.json"
BASE = {"rows": 10_000, "features": 128, "classes": 10, "prototypes": 5}
DOUBLINGS = 4


def sizes(varied):
    """Return settings of which one is doubled repeatedly."""
    for doubling in range(DOUBLINGS + 1):
        size = dict(BASE)
        size[varied] *= 2**doubling
        if varied == "classes":
            size["rows"] *= 2**doubling
        yield size


def seconds(size):
    """Measure fit with a given temperature, fit with a fitted one, and predict."""
    X, y = make_embeddings(size["rows"], size["features"], size["classes"])
    taken = {}
    for name, temperature in (("fit", 1.0), ("fit, auto", "auto")):
        psem = KMExClassifier(size["prototypes"], temperature=temperature)
        taken[name] = clock(lambda psem=psem: psem.set_params(random_state=0).fit(X, y))
    taken["predict"] = clock(lambda: psem.predict(X))
    return taken


def clock(run):
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def growth(varied, repeats):
    tried = list(sizes(varied))
    turns = [[seconds(size) for size in tried] for _ in range(repeats)]
    found = {"sizes": [size[varied] for size in tried]}
    for what in turns[0][0]:
        best = np.min([[at[what] for at in turn] for turn in turns], axis=0)
        slope = np.polyfit(np.log(found["sizes"]), np.log(best), 1)[0]
        found[what] = {"seconds": best.tolist(), "exponent": float(slope)}
    return found


def show(varied, found):
    print(f"\n{varied:14}" + "".join(f"{s:>9}" for s in found["sizes"]) + " exponent")
    for what, row in found.items():
        if what != "sizes":
            times = "".join(f"{s:9.3f}" for s in row["seconds"])
            print(f"{what:14}{times}{row['exponent']:9.2f}")


def main(repeats):
    result = {
        "base": BASE,
        "machine": machine(),
        "versions": {m.__name__: m.__version__ for m in (sklearn_kmex, sklearn, np)},
    }
    for varied in BASE:
        result[varied] = growth(varied, repeats)
        show(varied, result[varied])
    RESULTS.write_text(json.dumps(result, indent=2) + "\n")
    print(f"\nwritten to {RESULTS}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3)
    main(parser.parse_args().repeats)
