"""Copies planted in test rows: how many are found, and how many are named wrongly.

One in ten test rows is replaced by a copy of a training row: saved as JPEG of quality
75, moved by 2 pixels, cropped, or with one number changed by 1 %. Beside these, clean
test rows, and halves of the adult training set. Results are written to
`benchmarks/results/leaks.json`.
"""

import io
import json
import time
from pathlib import Path

import numpy as np
from data_sets import DATA
from PIL import Image
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from sklearn_kmex import KMExClassifier
from sklearn_kmex.metrics import find_leaks

RESULTS = Path(__file__).parent / "results" / "leaks.json"
SHARE = 0.1  # of test rows that are replaced


def jpeg(image, rng):
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=75)
    return np.asarray(Image.open(file))


def shift(image, rng):
    """Move by 2 pixels along one axis; the edge is repeated."""
    axis, step = rng.randint(2), rng.choice([-2, 2])
    places = np.clip(np.arange(image.shape[axis]) - step, 0, image.shape[axis] - 1)
    return np.take(image, places, axis=axis)


def crop(image, rng):
    """Cut one pixel in sixteen off one side of each axis, and scale back."""
    height, width = image.shape[:2]
    y, x = (rng.choice([0, size // 16]) for size in (height, width))
    part = image[y : height - height // 16 + y, x : width - width // 16 + x]
    return np.asarray(Image.fromarray(part).resize((width, height), Image.BILINEAR))


def one_column(row, rng, n_numbers=6):
    """Change a number other than 0 by 1 %."""
    row = row.copy()
    row[rng.choice(np.flatnonzero(row[:n_numbers]))] *= 1.01
    return row


def images(name):
    with np.load(DATA / name) as z:
        return [z[key] for key in ("x_train", "y_train", "x_test")]


def adult():
    """Six numbers, and eight columns of codes as numbers that are far apart."""
    with np.load(DATA / "tab_adult.npz") as z:
        parts = [
            np.hstack([z[f"num_{part}"].astype(float), z[f"cat_{part}"]])
            for part in ("train", "test")
        ]
        return parts[0], z["y_train"], parts[1]


def as_table(rows):
    """Return a frame whose categories are texts."""
    import pandas as pd

    numbers = {f"number {j}": rows[:, j] for j in range(6)}
    codes = {f"code {j}": rows[:, j].astype(int).astype(str) for j in range(6, 14)}
    return pd.DataFrame(numbers | codes)


def flat(X):
    X = np.asarray(X)
    return X.reshape(len(X), -1).astype(np.float32)


def numeric(X):
    return np.asarray(X, dtype=np.float64)


def measure(X, y, X_test, change, container=np.asarray, first=flat):
    """Plant copies; return recall, the share of clean rows named, and seconds."""
    rng = np.random.RandomState(0)
    n_copies = round(SHARE * len(X_test))
    copied = rng.choice(len(X), n_copies, replace=False)
    planted = X_test.copy()
    if change is not None:
        planted[:n_copies] = [change(X[row], rng) for row in copied]
    steps = [FunctionTransformer(first), PCA(min(50, X[0].size), random_state=0)]
    psem = make_pipeline(*steps, KMExClassifier(5, random_state=0))
    psem.fit(container(X), y)
    start = time.process_time()
    found = find_leaks(psem, container(X), container(planted))
    seconds = time.process_time() - start
    named = found.pairs.test_row
    clean = np.sum(named >= n_copies) if change is not None else len(named)
    return {
        "n_train": len(X),
        "n_test": len(X_test),
        "recall": None
        if change is None
        else float(np.isin(range(n_copies), named).mean()),
        "false": float(clean / (len(X_test) - (n_copies if change is not None else 0))),
        "expected": found.n_expected,
        "equal_test": found.equal.test_share,
        "equal_train": found.equal.train_share,
        "seconds": round(seconds, 1),
    }


def main():
    found = {}
    for name, file in (("UTKFace", "utkface_64_2500.npz"), ("MNIST", "mnist.npz")):
        X, y, X_test = images(file)
        for change in (None, jpeg, shift, crop):
            key = f"{name}, {change.__name__ if change else 'clean'}"
            found[key] = measure(X, y, X_test, change)
            print(key, found[key], flush=True)
    X, y, X_test = adult()
    table = {"container": as_table, "first": numeric}
    for name, change in (("clean", None), ("one column", one_column)):
        found[f"adult, {name}"] = measure(X, y, X_test, change, **table)
        print(name, found[f"adult, {name}"], flush=True)
    coarse = np.delete(X, 1, axis=1)  # without the weight of the row
    half = np.random.RandomState(0).permutation(len(X))
    ends = half[: len(X) // 2], half[len(X) // 2 :]
    for name, rows in (("halves", X), ("halves of coarse columns", coarse)):
        found[f"adult, {name}"] = measure(
            rows[ends[0]], y[ends[0]], rows[ends[1]], None
        )
        print(name, found[f"adult, {name}"], flush=True)
    RESULTS.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
