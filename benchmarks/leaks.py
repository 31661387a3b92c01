"""Copies planted in test rows: how many are found, and how many are named wrongly.

One in ten test rows is replaced by a copy of a training row: saved as JPEG of quality
75, moved by 2 pixels, cropped, mirrored, or with one number changed by 1 %; or the
training row is replaced by a crop of the test row. Beside these, clean test rows,
halves of training sets, and training sets in which every row occurs twice. Results are
written to `benchmarks/results/leaks.json`.
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
REAL = {"UTKFace": (59, 70, 114, 190, 465)}  # test images that are training images too


def jpeg(image, rng):
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=75)
    return np.asarray(Image.open(file))


def shift(image, rng):
    """Move by 2 pixels along one axis; the edge is repeated."""
    axis, step = rng.randint(2), rng.choice([-2, 2])
    places = np.clip(np.arange(image.shape[axis]) - step, 0, image.shape[axis] - 1)
    return np.take(image, places, axis=axis)


def centered_crop(image, rng):
    """Cut out nine tenths of each side at the center, and scale back."""
    height, width = image.shape[:2]
    sides = round(0.9 * height), round(0.9 * width)
    return cut(image, (height - sides[0]) // 2, (width - sides[1]) // 2, *sides)


def crop(image, rng):
    """Cut out 80 to 95 % of each side anywhere, and scale back."""
    height, width = image.shape[:2]
    share = rng.uniform(0.8, 0.95)
    sides = round(share * height), round(share * width)
    top, left = rng.randint(height - sides[0] + 1), rng.randint(width - sides[1] + 1)
    return cut(image, top, left, *sides)


def cut(image, top, left, height, width):
    part = Image.fromarray(image[top : top + height, left : left + width])
    return np.asarray(part.resize(image.shape[1::-1], Image.BILINEAR))


def mirror(image, rng):
    return image[:, ::-1]


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


def plant(X, X_test, change, of_training):
    """Return training and test rows, of which the first are copies of training rows.

    Training rows are not changed where `find_leaks` draws its reference, by seed 0.
    """
    rng = np.random.RandomState(int(of_training))
    n_copies = round(SHARE * len(X_test)) if change is not None else 0
    copied = rng.choice(len(X), n_copies, replace=False)
    X, X_test = X.copy(), X_test.copy()
    originals = X[copied]
    if n_copies:
        changed = np.array([change(row, rng) for row in originals])
        X_test[:n_copies] = originals if of_training else changed
        X[copied] = changed if of_training else originals
    return X, X_test, n_copies


def measure(
    X,
    y,
    X_test,
    change,
    container=np.asarray,
    first=flat,
    of_training=False,
    twice=False,
    real=(),
):
    """Plant copies; return recall, the share of clean rows named, and seconds.

    The test rows of `real` are copies anyway, and are not counted.
    """
    X, planted, n_copies = plant(X, X_test, change, of_training)
    if twice:
        X, y = np.concatenate([X, X]), np.concatenate([y, y])
    steps = [FunctionTransformer(first), PCA(min(50, X[0].size), random_state=0)]
    psem = make_pipeline(*steps, KMExClassifier(5, random_state=0))
    psem.fit(container(X), y)
    start = time.process_time()
    found = find_leaks(psem, container(X), container(planted))
    seconds = time.process_time() - start
    named = found.pairs.test_row
    others = np.setdiff1d(np.arange(n_copies, len(X_test)), real)
    return {
        "n_train": len(X),
        "n_test": len(X_test),
        "recall": float(np.isin(range(n_copies), named).mean()) if n_copies else None,
        "false": float(np.isin(others, named).mean()),
        "expected": found.n_expected,
        "equal_test": found.equal.test_share,
        "equal_train": found.equal.train_share,
        "seconds": round(seconds, 1),
    }


def measure_images(name, X, y, X_test):
    """Yield names and results."""
    real = REAL.get(name, ())
    for change in (None, jpeg, shift, centered_crop, crop, mirror):
        key = change.__name__.replace("_", " ") if change else "clean"
        yield key, measure(X, y, X_test, change, real=real)
    yield (
        "training images cropped",
        measure(X, y, X_test, centered_crop, of_training=True, real=real),
    )
    ends = halves(X)
    yield "halves", measure(X[ends[0]], y[ends[0]], X[ends[1]], None)
    if name == "UTKFace":
        for change in (None, centered_crop):
            key = change.__name__.replace("_", " ") if change else "clean"
            yield (
                f"{key}, training twice",
                measure(X, y, X_test, change, twice=True, real=real),
            )


def measure_tables(X, y, X_test):
    """Yield names and results."""
    table = {"container": as_table, "first": numeric}
    for name, change in (("clean", None), ("one column", one_column)):
        yield name, measure(X, y, X_test, change, **table)
        yield (
            f"{name}, training twice",
            measure(X, y, X_test, change, **table, twice=True),
        )
    coarse = np.delete(X, 1, axis=1)  # without the weight of the row
    a, b = halves(X)
    for name, rows in (("halves", X), ("halves of coarse columns", coarse)):
        yield name, measure(rows[a], y[a], rows[b], None)
        yield (
            f"{name}, training twice",
            measure(rows[a], y[a], rows[b], None, twice=True),
        )


def halves(X):
    order = np.random.RandomState(0).permutation(len(X))
    return order[: len(X) // 2], order[len(X) // 2 :]


def main():
    found = {}
    parts = {
        "UTKFace": measure_images("UTKFace", *images("utkface_64_2500.npz")),
        "MNIST": measure_images("MNIST", *images("mnist.npz")),
        "adult": measure_tables(*adult()),
    }
    for name, results in parts.items():
        for what, result in results:
            found[f"{name}, {what}"] = result
            print(name, what, result, flush=True)
    RESULTS.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
