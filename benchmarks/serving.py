"""Time of an exported graph in onnxruntime, compared with `predict`.

The graph returns labels, probabilities and the nearest prototypes; `predict` only
returns labels. Both use the same number of threads. Repeats alternate. Medians and
ratios are printed, and written to benchmarks/results/serving.json.
"""

import argparse
import json
import platform
from pathlib import Path

import numpy as np
import onnxruntime
import sklearn
import torch
from fit import alternate, make_embeddings, table
from threadpoolctl import threadpool_limits

import sklearn_kmex
from sklearn_kmex import KMExClassifier
from sklearn_kmex.export import to_onnx, to_torch

RESULTS = Path(__file__).parent / "results" / "serving.json"
MODULES = (sklearn_kmex, sklearn, np, onnxruntime, torch)


def start_session(graph, n_threads):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = n_threads
    return onnxruntime.InferenceSession(graph.SerializeToString(), options)


def contest(psem, X, n_threads, repeats):
    """Time all outputs of the graph, and the labels alone, in turns."""
    session = start_session(to_onnx(psem, X), n_threads)
    module, rows = to_torch(psem), torch.from_numpy(X)
    torch.set_num_threads(n_threads)

    def run_torch():
        with torch.inference_mode():
            module(rows)

    same = (session.run(["label"], {"X": X})[0] == psem.predict(X)).all()
    assert same, "the graph must give the labels that predict gives"
    with threadpool_limits(n_threads):
        return alternate(
            {
                "predict": lambda: psem.predict(X),
                "predict_proba": lambda: psem.predict_proba(X),
                "nearest_prototypes(n=3)": lambda: psem.nearest_prototypes(X, n=3),
                "to_onnx, onnxruntime": lambda: session.run(None, {"X": X}),
                "the same, labels alone": lambda: session.run(["label"], {"X": X}),
                "to_torch": run_torch,
            },
            repeats,
        )


def main(n_samples, n_features, n_threads, repeats):
    result = {
        "rows": n_samples,
        "features": n_features,
        "prototypes": 50,
        "threads": n_threads,
        "machine": f"{platform.machine()}, {platform.system()}",
        "versions": {module.__name__: module.__version__ for module in MODULES},
    }
    X, y = make_embeddings(n_samples, n_features)
    for dtype in ("float32", "float64"):
        rows = X.astype(dtype)
        psem = KMExClassifier(5, n_init=1, random_state=0).fit(rows, y)
        medians = contest(psem, rows, n_threads, repeats)
        title = f"{n_samples} x {n_features}, {dtype}"
        result[dtype] = table(title, medians, "predict")
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(result, indent=2) + "\n")
    print(f"\nwritten to {RESULTS}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--features", type=int, default=512)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=15)
    arguments = parser.parse_args()
    main(arguments.rows, arguments.features, arguments.threads, arguments.repeats)
