"""Contributions of columns of tables behind trees: their sums, and what they are worth.

For each table, library and method: the largest error of the sum of contributions
relative to the largest margin, and how much the margin falls when the three leading
columns of a sample are replaced by those of random training rows, against three random
columns. Tables are in the folder SKLEARN_KMEX_DATA. Results are written to
benchmarks/results.
"""

import argparse
import importlib
import json
import time
from pathlib import Path

import numpy as np
import pandas as pd
from data_sets import DATA
from sklearn.ensemble import (
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.model_selection import train_test_split

from sklearn_kmex import make_kmex
from sklearn_kmex.explain import contrast

RESULTS = Path(__file__).parent / "results" / "tables.json"
TABLES = {
    "adult": ("tab_adult.npz", "_train"),
    "bank marketing": ("tab_bank_marketing.npz", ""),
    "mammography": ("tab_mammography.npz", None),
}
N_DRAWS = 10


def load(name, n_rows):
    """Load some rows of a table, with categories as such."""
    file, part = TABLES[name]
    with np.load(DATA / file) as data:
        if part is None:
            X, y = pd.DataFrame(data["X"]).add_prefix("x"), data["y"]
        else:
            X = pd.DataFrame(data[f"num{part}"], columns=data["num_names"])
            for k, column in enumerate(data["cat_names"]):
                X[str(column)] = pd.Categorical(data[f"cat{part}"][:, k])
            y = data[f"y{part}"]
    rows = np.random.RandomState(0).permutation(len(X))[:n_rows]
    return X.iloc[rows].reset_index(drop=True), y[rows]


def codes(X):
    return X.apply(lambda c: c.cat.codes if hasattr(c, "cat") else c).astype(float)


def models():
    """List models with whether they take categories."""
    found = {
        "random forest": (RandomForestClassifier(100, min_samples_leaf=5), False),
        "gradient boosting": (GradientBoostingClassifier(), False),
        "histogram boosting": (
            HistGradientBoostingClassifier(categorical_features="from_dtype"),
            True,
        ),
    }
    for package, kind, params in (
        ("xgboost", "XGBClassifier", {"n_jobs": 1, "enable_categorical": True}),
        ("lightgbm", "LGBMClassifier", {"n_jobs": 1, "verbose": -1}),
        (
            "catboost",
            "CatBoostClassifier",
            {"verbose": 0, "iterations": 100, "allow_writing_files": False},
        ),
    ):
        try:
            model = getattr(importlib.import_module(package), kind)(**params)
        except ImportError:
            continue
        found[package] = (model, package != "catboost")
    return found


def drop_of_margin(psem, why, X, X_train, columns, rng):
    """Mean fall of the margin when columns get the values of random training rows."""
    falls = []
    for _ in range(N_DRAWS):
        changed = X.copy()
        for j, name in enumerate(X.columns):
            rows = np.flatnonzero((columns == j).any(axis=1))
            drawn = X_train[name].iloc[rng.randint(len(X_train), size=len(rows))]
            changed.iloc[rows, j] = drawn.to_numpy()
        again = contrast(psem, changed, labels=why.labels, against=why.against)
        falls.append(why.margin - again.margin)
    return float(np.mean(falls) / np.abs(why.margin).mean())


def of_model(model, X_train, y_train, X):
    psem = make_kmex(model.fit(X_train, y_train), n_prototypes=5, random_state=0)
    psem.fit(X_train, y_train)
    rng = np.random.RandomState(0)
    random = np.stack([rng.permutation(X.shape[1])[:3] for _ in range(len(X))])
    result = {}
    for method in ("tree_shap", "path"):
        start = time.process_time()
        why = contrast(psem, X, method=method)
        seconds = time.process_time() - start
        leading = np.argsort(-why.contributions, axis=1)[:, :3]
        error = np.abs(why.contributions.sum(axis=1) + why.base - why.margin)
        result[method] = {
            "error": float((error / np.abs(why.margin).max()).max()),
            "seconds": seconds,
            "leading": drop_of_margin(psem, why, X, X_train, leading, rng),
            "random": drop_of_margin(psem, why, X, X_train, random, rng),
        }
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=4000, help="rows of a table")
    parser.add_argument("--explained", type=int, default=200)
    parser.add_argument("--out", type=Path, default=RESULTS)
    settings = parser.parse_args()
    found = {}
    for name in TABLES:
        X, y = load(name, settings.rows)
        X_train, X_test, y_train, _ = train_test_split(X, y, random_state=0, stratify=y)
        X_test = X_test.iloc[: settings.explained]
        for kind, (model, categories) in models().items():
            of = (lambda X: X) if categories else codes
            found[f"{name}, {kind}"] = of_model(model, of(X_train), y_train, of(X_test))
            print(name, kind, json.dumps(found[f"{name}, {kind}"]), flush=True)
            settings.out.write_text(json.dumps({"tables": found}, indent=1) + "\n")


if __name__ == "__main__":
    main()
