"""Sets of the study: images and tables, each split into training and test rows."""

import sys
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from study.datasets import fetch, find_folder

FOLDER = find_folder()
QUICK_TRAIN, QUICK_TEST = 3000, 1000


class Data(NamedTuple):
    """Images are float32 in [0, 1], (n, c, h, w); rows of tables float32, (n, p).

    Groups are attributes that are no label, each an array with a value for each row.
    """

    name: str
    X_train: NDArray
    y_train: NDArray
    X_test: NDArray
    y_test: NDArray
    class_names: list
    groups_train: dict
    groups_test: dict


@lru_cache(maxsize=1)
def load(name, *, quick=False, rows=None):
    """Load a set, all of it or, the same ones each time, some of its rows.

    `rows` is the largest number of training rows; `quick` keeps few of both splits.
    """
    data = SETS[name][0](name)
    rows = min(rows or len(data.X_train), QUICK_TRAIN if quick else len(data.X_train))
    return shortened(data, rows, QUICK_TEST if quick else None)


def names():
    """Names of the sets at hand; a line says which are not."""
    return [name for name in SETS if at_hand(name)]


def at_hand(name):
    files = SETS[name][1], f"{name}-fetched.npz"
    if name == "digits" or any((FOLDER / file).exists() for file in files if file):
        return True
    print(f"skipped: {name} is not in {FOLDER}", file=sys.stderr)
    return False


def images(name):
    """Read one of the image sets of `study.datasets`."""
    found = fetch(name, FOLDER, download_if_missing=False)
    X, X_test = (pixels(found[f"X_{split}"]) for split in ("train", "test"))
    groups = [groups_of(found, split) for split in ("train", "test")]
    return Data(
        name, X, found.y_train, X_test, found.y_test, found.target_names, *groups
    )


def pixels(pictures):
    return np.ascontiguousarray(np.moveaxis(pictures, -1, 1), np.float32) / 255


def groups_of(found, split):
    return {
        name: found[f"{name}_{split}"]
        for name in ("race", "age", "attributes")
        if f"{name}_{split}" in found
    }


def digits(name):
    """Scikit-learn's digits: there without any file."""
    X, y = load_digits(return_X_y=True)
    X = (X / 16).astype(np.float32).reshape(-1, 1, 8, 8)
    return Data(name, *split(X, y), [str(digit) for digit in range(10)], {}, {})


def table(name):
    """Read a table, categories one-hot; without an official split, 30 % are test."""
    with np.load(FOLDER / f"tab_{name}.npz") as archive:
        arrays = {key: archive[key] for key in archive.files}
    if "y_train" in arrays:
        X, X_test = (columns(arrays, f"_{part}") for part in ("train", "test"))
        parts = X, arrays["y_train"], X_test, arrays["y_test"]
    else:
        parts = split(columns(arrays), arrays["y"])
    X, y, X_test, y_test = parts
    names = ["common", "rare"]
    return Data(
        name, X, y.astype(np.intp), X_test, y_test.astype(np.intp), names, {}, {}
    )


def columns(arrays, suffix=""):
    if f"X{suffix}" in arrays:
        return arrays[f"X{suffix}"].astype(np.float32)
    one_hot = [
        np.eye(len(arrays[f"levels_{name}"]), dtype=np.float32)[codes]
        for name, codes in zip(
            arrays["cat_names"], arrays[f"cat{suffix}"].T, strict=True
        )
    ]
    return np.hstack([arrays[f"num{suffix}"].astype(np.float32), *one_hot])


def features(name):
    """Read embeddings made elsewhere, with `defect` as a group where it is known."""
    with np.load(FOLDER / f"{name}_features.npz") as archive:
        X, y = archive["features"].astype(np.float32), archive["labels"].astype(np.intp)
        class_names = archive["class_names"].tolist()
        groups = {key: archive[key] for key in ("defect",) if key in archive.files}
    train, test = train_test_split(
        np.arange(len(X)), test_size=0.3, stratify=y, random_state=0
    )
    found = [{key: of[rows] for key, of in groups.items()} for rows in (train, test)]
    return Data(name, X[train], y[train], X[test], y[test], class_names, *found)


def split(X, y):
    parts = train_test_split(X, y, test_size=0.3, stratify=y, random_state=0)
    return parts[0], parts[2], parts[1], parts[3]


def shortened(data, n_train, n_test):
    """Keep some training and some test rows, drawn at random; None keeps all."""
    return data._replace(
        **drawn(data, "train", n_train, np.random.default_rng(0)),
        **drawn(data, "test", n_test, np.random.default_rng(1)),
    )


def drawn(data, split, n_rows, rng):
    n_all = len(getattr(data, f"y_{split}"))
    if n_rows is None or n_rows >= n_all:
        return {}
    rows = rng.permutation(n_all)[:n_rows]
    arrays = {f"{key}_{split}": getattr(data, f"{key}_{split}")[rows] for key in "Xy"}
    groups = getattr(data, f"groups_{split}")
    return arrays | {f"groups_{split}": {key: of[rows] for key, of in groups.items()}}


# Each set: how it is read, and a file by which it is known to be at hand.
SETS = {
    "digits": (digits, None),
    "mnist": (images, "mnist.npz"),
    "fashion_mnist": (images, "fashion_mnist.npz"),
    "cifar10": (images, "cifar10_jpeg_train12k.npz"),
    "quickdraw": (images, "quickdraw6.npz"),
    "utkface": (images, "utkface_64_2500.npz"),
    "celeba": (images, None),
    "svhn": (images, None),
    "stl10": (images, None),
    "adult": (table, "tab_adult.npz"),
    "bank_marketing": (table, "tab_bank_marketing.npz"),
    "annthyroid": (table, "tab_annthyroid.npz"),
    "mammography": (table, "tab_mammography.npz"),
    "mvtec_resnet18": (features, "mvtec_resnet18_features.npz"),
    "cifar10_resnet18": (features, "cifar10_resnet18_features.npz"),
}
