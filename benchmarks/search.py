"""Time of a search over prototype settings, compared with one pass of the encoder.

The search is a GridSearchCV over ten values of n_prototypes with five folds, on a
trained ResNet-20 and the 10,000 CIFAR-10 test images. With make_kmex(memory=...), it is
compared with the sum of its parts: one pass of the encoder, and the same search on
embeddings computed before. Results are written to benchmarks/results/search.json.
"""

import argparse
import json
import platform
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import resnet20
import torch
from fit import alternate, table
from paper import RULE
from sklearn.model_selection import GridSearchCV

from sklearn_kmex import KMExClassifier, make_kmex
from sklearn_kmex.embedding import TorchEmbedder

RESULTS = Path(__file__).parent / "results" / "search.json"
VALUES = list(range(1, 11))
PASS, FITS, SEARCH = (
    "one pass of the encoder",
    "search on embeddings",
    "search on images",
)


def search_embeddings(embeddings, y):
    kmex = KMExClassifier(random_state=0)
    return GridSearchCV(kmex, {"n_prototypes": VALUES}).fit(embeddings, y)


def search_images(network, X, y):
    with TemporaryDirectory() as memory:
        psem = make_kmex(network, memory=memory, **RULE, random_state=0)
        return GridSearchCV(psem, {"kmex__n_prototypes": VALUES}).fit(X, y)


def main(n_samples, repeats):
    found = resnet20.load_cifar10()
    if found is None:
        return
    network, _, test = found
    X = resnet20.standardize(test["x"][:n_samples])
    y = test["y"][:n_samples]
    embedder = TorchEmbedder(network)
    embeddings = embedder.transform(X)
    searches = {}
    contestants = {
        PASS: lambda: embedder.transform(X),
        FITS: lambda: searches.update({FITS: search_embeddings(embeddings, y)}),
        SEARCH: lambda: searches.update({SEARCH: search_images(network, X, y)}),
    }
    seconds = alternate(contestants, repeats)
    scores = [searches[name].cv_results_["mean_test_score"] for name in (FITS, SEARCH)]
    ratio = seconds[SEARCH] / (seconds[PASS] + seconds[FITS])
    result = {
        "machine": f"{platform.machine()}, {torch.get_num_threads()} threads",
        **table(f"ResNet-20, {n_samples} images, 10 values, 5 folds", seconds, PASS),
        "search on images by the sum of both parts": ratio,
        "largest difference of scores": float(np.abs(scores[0] - scores[1]).max()),
    }
    print(f"\nsearch on images, relative to the sum of both parts: {ratio:.2f}")
    RESULTS.write_text(json.dumps(result, indent=2) + "\n")
    print(f"written to {RESULTS}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, default=10_000)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    main(arguments.samples, arguments.repeats)
