"""Do the leading columns of `contrast` matter more to the margin than others?

For each table and model, the three columns that contribute most to the margin of a row
are replaced by values drawn from the training rows, each column by itself. So are three
columns at random. The margin between the same two prototypes is then compared. The
results are written to benchmarks/results/deletions.json.
"""

import argparse
import json
import platform
import time
from pathlib import Path

import numpy as np
import pandas as pd
import sklearn
import torch
from data_sets import DATA
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import sklearn_kmex
from sklearn_kmex import KMExClassifier, make_kmex
from sklearn_kmex._model.rule import rule_of
from sklearn_kmex._model.steps import embed
from sklearn_kmex.embedding import TorchEmbedder
from sklearn_kmex.explain import contrast
from sklearn_kmex.explain._margin import split_margin
from sklearn_kmex.explain._probe import rows_of

RESULTS = Path(__file__).parent / "results" / "deletions.json"
TABLES = {"adult": "_train", "bank_marketing": "", "mammography": None}
N_COLUMNS, N_DRAWS = 3, 10


def load(name, part):
    """Load a table as a frame, with its categories as text."""
    with np.load(DATA / f"tab_{name}.npz") as data:
        if part is None:
            X = data["X"]
            return pd.DataFrame(X, columns=[f"x{k}" for k in range(X.shape[1])]), data[
                "y"
            ]
        frame = pd.DataFrame(data[f"num{part}"], columns=data["num_names"])
        for column, codes in zip(data["cat_names"], data[f"cat{part}"].T, strict=True):
            frame[column] = data[f"levels_{column}"][codes].astype(object)
        return frame, data[f"y{part}"]


def steps_before():
    """Scale numbers, and encode categories as one-hot columns."""
    encoder = OneHotEncoder(handle_unknown="ignore")
    return make_column_transformer(
        (StandardScaler(), make_column_selector(dtype_include="number")),
        (encoder, make_column_selector(dtype_include=object)),
        sparse_threshold=0,
    )


def train_torch(X, y, n_epochs=20):
    """Train a small network of torch on an array."""
    torch.manual_seed(0)
    net = torch.nn.Sequential(
        torch.nn.Linear(X.shape[1], 64),
        torch.nn.ReLU(),
        torch.nn.Linear(64, 32),
        torch.nn.ReLU(),
        torch.nn.Linear(32, 2),
    )
    optimizer = torch.optim.Adam(net.parameters(), 1e-3, weight_decay=1e-4)
    rows, labels = torch.as_tensor(X, dtype=torch.float32), torch.as_tensor(y).long()
    for _ in range(n_epochs):
        for some in torch.randperm(len(rows)).split(64):
            optimizer.zero_grad()
            loss = torch.nn.functional.cross_entropy(net(rows[some]), labels[some])
            loss.backward()
            optimizer.step()
    return net.eval()


def torch_model(X, y):
    before = steps_before().fit(X)
    return make_pipeline(before, TorchEmbedder(train_torch(before.transform(X), y)))


MODELS = {
    "MLP": MLPClassifier((64, 32), early_stopping=True, random_state=0),
    "torch": torch_model,
    "random forest": RandomForestClassifier(min_samples_leaf=5, random_state=0),
    "boosting": HistGradientBoostingClassifier(random_state=0),
    "no model": None,
}


def fit(model, X, y):
    """Train a model, and fit prototypes to its embeddings."""
    if model is None:
        kmex = KMExClassifier(5, metric="auto", random_state=0)
        return make_pipeline(steps_before(), kmex).fit(X, y)
    trained = (
        model(X, y)
        if model is torch_model
        else make_pipeline(steps_before(), sklearn.clone(model)).fit(X, y)
    )
    return make_kmex(trained, random_state=0).fit(X, y)


def margins(psem, X, found):
    """Margins of rows between the prototypes that `found` compares."""
    Z = rows_of(embed(psem, X))
    sides = found.prototypes, found.against_prototypes
    return split_margin(Z, rule_of(psem[-1]), *sides).parts.sum(axis=1)


def deleted(X, columns, X_train, rng):
    """Replace some columns of each row by values of training rows."""
    X = X.reset_index(drop=True).copy()
    for number, name in enumerate(X.columns):
        rows = np.flatnonzero((columns == number).any(axis=1))
        drawn = rng.integers(len(X_train), size=len(rows))
        X.loc[rows, name] = X_train[name].to_numpy()[drawn]
    return X


def compare(psem, X_train, X, found):
    """Return how much the margin falls without the leading columns, and others."""
    rng = np.random.default_rng(0)
    leading = np.argsort(-found.contributions, axis=1)[:, :N_COLUMNS]
    falls = {"leading": [], "random": []}
    for _ in range(N_DRAWS):
        others = rng.permuted(np.tile(np.arange(X.shape[1]), (len(X), 1)), axis=1)
        for name, columns in (("leading", leading), ("random", others[:, :N_COLUMNS])):
            after = margins(psem, deleted(X, columns, X_train, rng), found)
            falls[name].append(found.margin - after)
    return {name: np.mean(fall, axis=0) for name, fall in falls.items()}


def measure(X_train, X, y_train, y, model):
    """Fit a model, and delete columns of test rows."""
    psem = fit(model, X_train, y_train)
    start = time.perf_counter()
    found = contrast(psem, X)
    seconds = time.perf_counter() - start
    size = np.abs(found.contributions).sum(axis=1) + np.abs(found.base)
    falls = compare(psem, X_train, X, found)
    ahead = falls["leading"] - falls["random"]
    scale = np.abs(found.margin).mean()
    return {
        "space": found.space,
        "method": found.method,
        "accuracy": float(psem.score(X, y)),
        "error": float((found.error / size).max()),
        "seconds": seconds,
        "leading": float(falls["leading"].mean() / scale),
        "random": float(falls["random"].mean() / scale),
        "standard error": float(ahead.std() / len(ahead) ** 0.5 / scale),
        "rows": float((ahead > 0).mean()),
    }


def main(n_train, n_test, tables, models):
    versions = {
        "sklearn": sklearn.__version__,
        "sklearn_kmex": sklearn_kmex.__version__,
    }
    results = {"machine": platform.machine(), "versions": versions, "tables": {}}
    for table in tables:
        X, y = load(table, TABLES[table])
        split = train_test_split(
            X, y, train_size=n_train, test_size=n_test, stratify=y, random_state=0
        )
        cases = results["tables"][table] = {}
        for name in models:
            cases[name] = measure(*split, MODELS[name])
            print(table, name, cases[name], flush=True)
    RESULTS.write_text(json.dumps(results, indent=2) + "\n")
    print(f"written to {RESULTS}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--train", type=int, default=6_000)
    parser.add_argument("--test", type=int, default=500)
    parser.add_argument("--tables", nargs="+", default=list(TABLES), choices=TABLES)
    parser.add_argument("--models", nargs="+", default=list(MODELS), choices=MODELS)
    given = parser.parse_args()
    main(given.train, given.test, given.tables, given.models)
