"""Cost and quality of the search for the number of prototypes; cost of the scorers.

The data are 128 features of Fashion-MNIST by a small convolutional network, which is
trained here for two epochs. The benchmark measures the time of KMExClassifierCV for 1
to 20 prototypes, compared with one 5-fold cross-validation at 20; the accuracy of its
choice in the full grid; and the time of each of sem_scorers() on 10,000 rows, compared
with one predict. Results are written to benchmarks/results/counts.json.
"""

import argparse
import json
import platform
from pathlib import Path

import numpy as np
import torch
from fit import alternate, table
from paper import RULE
from resnet20 import DATA
from sklearn.model_selection import GridSearchCV, StratifiedKFold, cross_val_score
from torch import nn

from sklearn_kmex import KMExClassifier, KMExClassifierCV, make_kmex
from sklearn_kmex.metrics import sem_scorers

RESULTS = Path(__file__).parent / "results" / "counts.json"
MOST = 20
SINGLE, SEARCH = f"5 folds at {MOST} prototypes", f"KMExClassifierCV({MOST})"


def train_network(images, y, epochs=2, seed=0):
    torch.manual_seed(seed)
    network = nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(1568, 128),
        nn.ReLU(),
        nn.Linear(128, 10),
    )
    optimizer = torch.optim.Adam(network.parameters(), 1e-3)
    X, y = torch.from_numpy(images), torch.from_numpy(y.astype(np.int64))
    for _ in range(epochs):
        for rows in torch.randperm(len(X)).split(256):
            optimizer.zero_grad()
            nn.functional.cross_entropy(network(X[rows]), y[rows]).backward()
            optimizer.step()
    return network.eval()


def time_search(Z, y, repeats):
    cv = StratifiedKFold(5)
    largest = KMExClassifier(MOST, random_state=0)
    search = KMExClassifierCV(MOST, cv=cv, scoring="accuracy", **RULE, random_state=0)
    seconds = alternate(
        {
            SINGLE: lambda: cross_val_score(largest, Z, y, cv=cv),
            SEARCH: lambda: search.fit(Z, y),
        },
        repeats,
    )
    return search, table(f"{len(Z)} x {Z.shape[1]}", seconds, SINGLE)


def full_grid(Z, y, search):
    """Find the choice in the grid that clusters again for each number."""
    kmex = KMExClassifier(temperature=1.0, random_state=0)
    counts = {"n_prototypes": list(range(1, MOST + 1))}
    grid = GridSearchCV(kmex, counts, cv=StratifiedKFold(5), refit=False).fit(Z, y)
    mean = grid.cv_results_["mean_test_score"]
    best = int(mean.argmax())
    result = {
        "chosen": int(search.n_prototypes_[0]),
        "accuracy of the choice": float(mean[search.n_prototypes_[0] - 1]),
        "accuracy of the choice, as the search fits it": float(
            search.cv_results_["mean_test_score"][search.n_prototypes_[0] - 1]
        ),
        "best": best + 1,
        "accuracy of the best": float(mean[best]),
        # GridSearchCV reports the population standard deviation.
        "standard error": float(grid.cv_results_["std_test_score"][best] / 2),
    }
    for name, value in result.items():
        print(f"{name:30}{value:10.4f}")
    return result


def time_scorers(network, X, y, X_test, y_test, repeats):
    psem = make_kmex(network, n_prototypes=5, **RULE, random_state=0).fit(X, y)
    contestants = {"predict": lambda: psem.predict(X_test)}
    for name, scorer in sem_scorers().items():
        contestants[name] = lambda scorer=scorer: scorer(psem, X_test, y_test)
    seconds = alternate(contestants, repeats)
    return table(f"scorers on {len(X_test)} rows", seconds, "predict")


def main(n_samples, repeats, parts):
    path = DATA / "fashion_mnist.npz"
    if not path.exists():
        print(f"no {path.name} in {DATA}: set SKLEARN_KMEX_DATA")
        return
    data = np.load(path)
    X, X_test = (
        (data[f"x_{part}"][:, np.newaxis] / 255).astype(np.float32)
        for part in ("train", "test")
    )
    X, y = X[:n_samples], data["y_train"][:n_samples]
    network = train_network(X, y)
    result = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    result["machine"] = f"{platform.machine()}, {torch.get_num_threads()} threads"
    if "scorers" in parts:
        result["scorers"] = time_scorers(
            network, X[:5000], y[:5000], X_test, data["y_test"], repeats
        )
    if "search" in parts:
        Z = make_kmex(network)["embed"].transform(X)
        search, result["search"] = time_search(Z, y, repeats)
        if "grid" in parts:
            result["choice"] = full_grid(Z, y, search)
    RESULTS.write_text(json.dumps(result, indent=2) + "\n")
    print(f"\nwritten to {RESULTS}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, default=60_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument(
        "--parts",
        nargs="+",
        default=["scorers", "search", "grid"],
        help="what to measure; other results are kept",
    )
    arguments = parser.parse_args()
    main(arguments.samples, arguments.repeats, arguments.parts)
