"""Time of answers about rows, as ratios of their matrix product and of peers.

`predict` is compared with the product X @ prototypes.T in the same dtype, other answers
with `predict` and the ONNX graph of the model, and small data with `NearestCentroid`.
Repeats alternate. Medians and ratios are printed, and written to
benchmarks/results/predict.json.
"""

import argparse
import json
from pathlib import Path

import numpy as np
from fit import alternate, machine, make_embeddings, table
from serving import start_session
from sklearn.datasets import load_digits, load_iris
from sklearn.neighbors import NearestCentroid
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from sklearn_kmex import KMExClassifier
from sklearn_kmex.export import to_onnx

RESULTS = Path(__file__).parent / "results" / "predict.json"


def embeddings(n_samples, n_threads, repeats):
    """Time all answers about float32 rows of 512 columns, with 50 prototypes."""
    X, y = make_embeddings(n_samples, 512)
    psem = KMExClassifier(5, n_init=1, random_state=0).fit(X[:10_000], y[:10_000])
    session = start_session(to_onnx(psem, X[:2]), n_threads)
    with threadpool_limits(n_threads):
        return alternate(
            {
                "X @ prototypes.T": lambda: X @ psem.prototypes_.T,
                "predict": lambda: psem.predict(X),
                "predict_proba": lambda: psem.predict_proba(X),
                "nearest_prototypes": lambda: psem.nearest_prototypes(X),
                "nearest_prototypes(n=3)": lambda: psem.nearest_prototypes(X, n=3),
                "transform": lambda: psem.transform(X),
                "to_onnx, onnxruntime": lambda: session.run(None, {"X": X}),
            },
            repeats,
        )


def small(repeats):
    """Yield the times of `predict` and of `NearestCentroid` on small data."""
    X, y = load_digits(return_X_y=True)
    scaled = StandardScaler().fit_transform(X)
    data = {
        "digits": (X, y, X),
        "digits, scaled": (scaled, y, scaled),
        "iris": (*load_iris(return_X_y=True), load_iris().data),
        "one row": (X, y, X[:1]),
    }
    for name, (rows, labels, asked) in data.items():
        psem = KMExClassifier(5, random_state=0).fit(rows, labels)
        peer = NearestCentroid().fit(rows, labels)
        contestants = {
            "NearestCentroid": lambda peer=peer, asked=asked: peer.predict(asked),
            "KMExClassifier": lambda psem=psem, asked=asked: psem.predict(asked),
        }
        with threadpool_limits(1), np.errstate(all="ignore"):
            yield name, alternate(contestants, 10 * repeats)


def main(sizes, threads, repeats):
    result = {"machine": machine(), "embeddings": {}, "small": {}}
    for n_samples in sizes:
        for n_threads in threads:
            medians = embeddings(n_samples, n_threads, repeats)
            title = f"{n_samples} x 512, {n_threads} threads"
            told = table(title, medians, "X @ prototypes.T")
            result["embeddings"][title] = told
    for name, medians in small(repeats):
        result["small"][name] = table(name, medians, "NearestCentroid")
    RESULTS.write_text(json.dumps(result, indent=2) + "\n")
    print(f"\nwritten to {RESULTS}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 60_000])
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--repeats", type=int, default=15)
    arguments = parser.parse_args()
    main(arguments.rows, arguments.threads, arguments.repeats)
