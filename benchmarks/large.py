"""Time, peak memory and inertia of fits to a memory-mapped file.

The contestants are loops over the classes with scikit-learn's KMeans, and with faiss if
it is installed. Each runs in a process of its own, with the file in the page cache and
one thread, then two; with `n_jobs=2`, in two processes of one thread. Ratios compare
with KMeans of as many threads and processes. Repeats alternate between the contestants.

`--full` uses data of the size of ImageNet: 1.28 million x 2,048 float32 in 1,000
classes, which need 10.5 GB of disk during the run. Results are written to
benchmarks/results/large.json, or large_full.json with `--full`.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import sklearn
from fit import machine
from joblib import Parallel, delayed
from sklearn.cluster import KMeans

import sklearn_kmex
from sklearn_kmex import KMExClassifier

RESULTS = Path(__file__).parent / "results"
SIZES = {False: (128_000, 512, 100), True: (1_281_167, 2_048, 1_000)}
N_PROTOTYPES, MIB = 5, 2**20


def write_embeddings(folder, n_rows, n_features, n_classes):
    """Write classes of eight modes each, in shuffled order, block by block."""
    rng = np.random.default_rng(0)
    modes = 0.6 * rng.standard_normal((n_classes, 8, n_features), dtype=np.float32)
    y = rng.integers(n_classes, size=n_rows)
    np.save(folder / "y.npy", y)
    shape = n_rows, n_features
    X = np.lib.format.open_memmap(folder / "X.npy", "w+", np.float32, shape)
    for start in range(0, n_rows, 10_000):
        labels = y[start : start + 10_000]
        noise = rng.standard_normal((len(labels), n_features), dtype=np.float32)
        noise += modes[labels, rng.integers(8, size=len(labels))]
        X[start : start + 10_000] = noise


def rows_of_classes(y):
    order = np.argsort(y, kind="stable")
    return np.split(order, np.cumsum(np.bincount(y))[:-1])


def kmex(**settings):
    def fit(X, y):
        psem = KMExClassifier(N_PROTOTYPES, random_state=0, **settings).fit(X, y)
        return np.split(psem.prototypes_, np.cumsum(psem.n_prototypes_)[:-1])

    return fit


def kmeans(n_init, n_jobs=1):
    def fit(X, y):
        jobs = (delayed(centers_of)(X, rows, n_init) for rows in rows_of_classes(y))
        return Parallel(n_jobs)(jobs)

    return fit


def centers_of(X, rows, n_init):
    model = KMeans(N_PROTOTYPES, n_init=n_init, random_state=0)
    return model.fit(X[rows]).cluster_centers_


def faiss_kmeans(X, y):
    import faiss

    centers = []
    for rows in rows_of_classes(y):
        # Otherwise faiss would subsample large classes.
        size = {"max_points_per_centroid": len(rows), "seed": 1}
        model = faiss.Kmeans(X.shape[1], N_PROTOTYPES, **size)
        model.train(X[rows])
        centers.append(model.centroids)
    return centers


def read_once(X, y):
    for start in range(0, len(X), 10_000):
        X[start : start + 10_000].sum()


CONTESTANTS = {
    "KMExClassifier": kmex(),
    "KMExClassifier, n_jobs=2": kmex(n_jobs=2),
    "KMExClassifier, temperature=1.0": kmex(temperature=1.0),
    "KMExClassifier, n_init=1": kmex(n_init=1),
    "KMeans(n_init=1) of each class": kmeans(1),
    "KMeans(n_init=1) of each class, n_jobs=2": kmeans(1, n_jobs=2),
    "KMeans(n_init=10) of each class": kmeans(10),
    "faiss.Kmeans of each class": faiss_kmeans,
    "one read of the file": read_once,
}


def inertia(X, y, centers):
    """Sum the squared distances of rows to the nearest center of their class."""
    total = 0.0
    for rows, own in zip(rows_of_classes(y), centers, strict=True):
        mean = own.mean(axis=0, dtype=np.float64)
        values, own = X[rows] - mean, own - mean
        apart = (own**2).sum(axis=1) - 2 * values @ own.T
        total += np.vdot(values, values) + apart.min(axis=1).sum()
    return float(total)


def family(pid):
    """Return a process and its descendants."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(each for child in children for each in family(int(child)))]


def memory():
    """Return the memory of a process and its descendants without files, in MiB."""
    kilobytes = 0
    for pid in family(os.getpid()):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith(("RssAnon", "RssShmem")):
                kilobytes += int(line.split()[1])
    return kilobytes / 1024


def watch(peak, done):
    while not done.wait(0.01):
        try:
            peak[0] = max(peak[0], memory())
        except FileNotFoundError:  # a process has just ended; none off Linux
            continue


def run_one(name, folder):
    """Run a contestant in this process, and print the measurements as JSON."""
    X, y = np.load(folder / "X.npy", mmap_mode="r"), np.load(folder / "y.npy")
    peak, done = [0.0], threading.Event()
    watcher = threading.Thread(target=watch, args=(peak, done))
    watcher.start()
    start = time.perf_counter()
    centers = CONTESTANTS[name](X, y)
    seconds = time.perf_counter() - start
    done.set()
    watcher.join()
    of_centers = inertia(X, y, centers) if centers else None
    print(json.dumps({"seconds": seconds, "MiB": peak[0], "inertia": of_centers}))


def compare(names, folder, repeats, threads):
    found = {name: [] for name in names}
    limits = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), str(threads))
    for turn in range(repeats):
        for name in names:
            print(f"  {turn + 1}/{repeats} {name}, threads: {threads}", flush=True)
            command = [sys.executable, __file__, "--one", name, "--folder", str(folder)]
            ran = subprocess.run(
                command, capture_output=True, check=True, env=os.environ | limits
            )
            found[name].append(json.loads(ran.stdout))
    return {
        name: {
            "seconds": statistics.median(run["seconds"] for run in runs),
            "MiB": max(run["MiB"] for run in runs),
            "inertia": runs[0]["inertia"],
        }
        for name, runs in found.items()
    }


def reference(name, found):
    """Return the result of KMeans with as many processes, if it was measured."""
    suffix = ", n_jobs=2" if "n_jobs" in name else ""
    return found.get(f"KMeans(n_init=1) of each class{suffix}", found[name])


def show(title, found):
    print(f"\n{title}\n{'':44}{'seconds':>9}{'ratio':>7}{'peak MiB':>10}{'inertia':>9}")
    for name, row in found.items():
        peer = reference(name, found)
        cells = f"{row['seconds']:9.1f}{row['seconds'] / peer['seconds']:7.2f}"
        more = row["inertia"] and row["inertia"] / peer["inertia"] - 1
        print(f"{name:44}{cells}{row['MiB']:10.0f}{more or 0:9.2%}")


def main(full, repeats, names, folder, kept):
    size = SIZES[full]
    if kept:
        return measure(full, repeats, names, kept)
    with tempfile.TemporaryDirectory(dir=folder) as created:
        print(f"writing {size[0]} x {size[1]} to {created}", flush=True)
        write_embeddings(Path(created), *size)
        measure(full, repeats, names, Path(created))


def measure(full, repeats, names, folder):
    size = SIZES[full]
    found = {}
    for threads in (1, 2):
        chosen = [name for name in names if threads == 1 or "n_jobs" not in name]
        found[threads] = compare(chosen, folder, repeats, threads)
        title = f"fit, {size[0]} x {size[1]}, {size[2]} classes, threads: {threads}"
        show(title, found[threads])
    result = {
        **dict(zip(("rows", "features", "classes"), size, strict=True)),
        "prototypes": N_PROTOTYPES,
        "repeats": repeats,
        "machine": machine(),
        "versions": {m.__name__: m.__version__ for m in (sklearn_kmex, sklearn, np)},
        "fit": found,
    }
    path = RESULTS / ("large_full.json" if full else "large.json")
    path.write_text(json.dumps(result, indent=2) + "\n")
    print(f"\nwritten to {path}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--full", action="store_true", help="the size of ImageNet")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--only", nargs="+", choices=CONTESTANTS, metavar="NAME")
    parser.add_argument("--folder", type=Path, help="folder for the data file")
    parser.add_argument(
        "--kept",
        type=Path,
        help="folder with X.npy and y.npy of an interrupted run",
    )
    parser.add_argument("--one", choices=CONTESTANTS, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        run_one(given.one, given.folder)
    else:
        there = find_spec("faiss") is not None
        chosen = given.only or [n for n in CONTESTANTS if there or "faiss" not in n]
        main(given.full, given.repeats, chosen, given.folder, given.kept)
