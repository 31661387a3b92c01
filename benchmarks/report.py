"""Time to make a report, compared with one `predict` of the same rows.

The data are embeddings, and images with a small network. Repeats alternate. Medians and
ratios are printed, and written to benchmarks/results/report.json.
"""

import argparse
import json
import platform
from pathlib import Path

import numpy as np
import sklearn
import torch
from fit import alternate, make_embeddings, table
from paper import RULE

import sklearn_kmex
from sklearn_kmex import KMExClassifier, make_kmex
from sklearn_kmex.report import SEMReport

RESULTS = Path(__file__).parent / "results" / "report.json"
N_CLASSES, N_PROTOTYPES = 10, 5


def make_images(n_samples, size):
    """Generate noise around a pattern for each class, float32 (n, 3, size, size)."""
    rng = np.random.default_rng(0)
    patterns = rng.standard_normal((N_CLASSES, 3, size, size))
    y = rng.integers(N_CLASSES, size=n_samples)
    X = patterns[y] + rng.standard_normal((n_samples, 3, size, size))
    return X.astype(np.float32), y


def make_network():
    torch.manual_seed(0)
    return torch.nn.Sequential(
        torch.nn.Conv2d(3, 16, 3, padding=1, stride=2),
        torch.nn.ReLU(),
        torch.nn.Conv2d(16, 32, 3, padding=1, stride=2),
        torch.nn.ReLU(),
        torch.nn.AdaptiveAvgPool2d(2),
        torch.nn.Flatten(),
        torch.nn.Linear(128, N_CLASSES),
    )


def contest(psem, X, y, X_train, y_train, repeats):
    """Time predict, collect and draw in turns, and measure the size of the page."""
    made = {}

    def collect():
        made["report"] = SEMReport(psem, X, y)
        made["report"].to_dict()

    def draw():
        made["page"] = made["report"].to_html()

    def with_training():
        SEMReport(psem, X, y, X_train=X_train, y_train=y_train).to_dict()

    medians = alternate(
        {
            "predict": lambda: psem.predict(X),
            "SEMReport": collect,
            "SEMReport.to_html": draw,
            "SEMReport, with as many training rows": with_training,
        },
        repeats,
    )
    return medians, len(made["page"])


def main(n_samples, repeats):
    X, y = make_embeddings(2 * n_samples, 512, N_CLASSES)
    images, labels = make_images(2 * n_samples, 64)
    rows = KMExClassifier(N_PROTOTYPES, random_state=0)
    network = make_kmex(
        make_network(), n_prototypes=N_PROTOTYPES, **RULE, random_state=0
    )
    result = {
        "rows": n_samples,
        "prototypes": N_CLASSES * N_PROTOTYPES,
        "machine": f"{platform.machine()}, {platform.system()}",
        "versions": {
            m.__name__: m.__version__ for m in (sklearn_kmex, sklearn, np, torch)
        },
    }
    cases = {
        "embeddings of 512": (rows, X, y),
        "images, 3 x 64 x 64": (network, images, labels),
    }
    for name, (psem, data, of) in cases.items():
        train, test = slice(n_samples), slice(n_samples, None)
        psem.fit(data[train], of[train])
        medians, size = contest(
            psem, data[test], of[test], data[train], of[train], repeats
        )
        result[name] = table(f"{name}, {n_samples} rows", medians, "predict")
        result[name]["megabytes of the page"] = round(size / 1e6, 3)
        print(f"{'page':44}{size / 1e6:9.2f} MB")
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(result, indent=2) + "\n")
    print(f"\nwritten to {RESULTS}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    main(arguments.rows, arguments.repeats)
