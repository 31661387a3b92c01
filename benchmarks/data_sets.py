"""The available data sets, as float32 rows and labels."""

import os
from pathlib import Path

import numpy as np
from fit import make_embeddings
from sklearn.datasets import load_digits
from sklearn.preprocessing import OneHotEncoder, StandardScaler

BESIDE = Path(__file__).parents[2] / "shared" / "data"
DATA = Path(os.environ.get("SKLEARN_KMEX_DATA", BESIDE))


def pixels(file, rows="x_train", labels="y_train"):
    with np.load(DATA / file) as data:
        X = data[rows].reshape(len(data[rows]), -1)
        return X.astype(np.float32) / 255, data[labels]


def features(file):
    with np.load(DATA / file) as data:
        return data["features"].astype(np.float32), data["labels"]


def numbers(file):
    with np.load(DATA / file) as data:
        return StandardScaler().fit_transform(data["X"]), data["y"]


def table(file, part=""):
    """Scale numbers to unit variance, and encode categories as one-hot columns."""
    with np.load(DATA / file) as data:
        scaled = StandardScaler().fit_transform(data[f"num{part}"])
        coded = OneHotEncoder(sparse_output=False).fit_transform(data[f"cat{part}"])
        return np.hstack([scaled, coded]).astype(np.float32), data[f"y{part}"]


def celeba():
    """Load all attributes but one as rows, and that one as the class."""
    with np.load(DATA / "celeba_attributes.npz") as data:
        values, male = data["attributes"], data["attribute_names"] == "Male"
        return values[:, ~male].astype(np.float32), values[:, male].ravel()


def digits():
    X, y = load_digits(return_X_y=True)
    return X.astype(np.float32), y


LOADERS = {
    "made, 1,281 x 2,048": lambda: make_embeddings(12_810, 2048),
    "made, 6,000 x 512": lambda: make_embeddings(60_000, 512),
    "digits": digits,
    "MNIST": lambda: pixels("mnist.npz"),
    "Fashion-MNIST": lambda: pixels("fashion_mnist.npz"),
    "Quick, Draw!": lambda: pixels("quickdraw6.npz"),
    "CIFAR-10 pixels": lambda: pixels("cifar10_jpeg_train12k.npz", "x", "y"),
    "UTKFace pixels": lambda: pixels("utkface_64_2500.npz"),
    "CIFAR-10 features": lambda: features("cifar10_resnet18_features.npz"),
    "MVTec-AD features": lambda: features("mvtec_resnet18_features.npz"),
    "CelebA attributes": celeba,
    "adult": lambda: table("tab_adult.npz", "_train"),
    "bank marketing": lambda: table("tab_bank_marketing.npz"),
    "thyroid": lambda: numbers("tab_annthyroid.npz"),
    "mammography": lambda: numbers("tab_mammography.npz"),
}


def classes_of(name, n_classes=None):
    """Load the rows of each of the first classes; none if the file is missing."""
    try:
        X, y = LOADERS[name]()
    except FileNotFoundError as missing:
        print(f"{name}: {missing.filename} is missing; set SKLEARN_KMEX_DATA")
        return []
    return [X[y == label] for label in np.unique(y)[:n_classes]]
