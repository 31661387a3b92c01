"""Where sets come from when they are not at hand: arrays, channels last."""

import importlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from urllib.request import urlretrieve

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import fetch_openml

Source = Callable[[Path], dict[str, NDArray]]

_DRAWINGS = "https://storage.googleapis.com/quickdraw_dataset/full/numpy_bitmap/"
_CATEGORIES = "apple", "bicycle", "cat", "diamond", "eye", "fish"


def openml(name: str, class_names: Sequence[str]) -> Source:
    """Make a source of 28 x 28 images out of a set of OpenML."""

    def fetch(folder: Path) -> dict[str, NDArray]:
        found = fetch_openml(name, version=1, data_home=folder, as_frame=False)
        X = found.data.reshape(-1, 28, 28).astype(np.uint8)
        y = found.target.astype(np.uint8)
        train, test = slice(None, 60_000), slice(60_000, None)
        return _arrays(X[train], y[train], X[test], y[test], class_names)

    return fetch


def cifar10(folder: Path) -> dict[str, NDArray]:
    """Fetch all of CIFAR-10."""
    make = _torchvision().CIFAR10
    train, test = (make(folder, train=of, download=True) for of in (True, False))
    return _arrays(train.data, train.targets, test.data, test.targets, train.classes)


def svhn(folder: Path) -> dict[str, NDArray]:
    """Fetch SVHN, cropped digits, without the extra images."""
    make = _torchvision().SVHN
    train, test = (make(folder, split=of, download=True) for of in ("train", "test"))
    digits = [str(digit) for digit in range(10)]
    return _channels_last(train, test, digits)


def stl10(folder: Path) -> dict[str, NDArray]:
    """Fetch STL-10, the labelled images."""
    make = _torchvision().STL10
    train, test = (make(folder, split=of, download=True) for of in ("train", "test"))
    return _channels_last(train, test, train.classes)


def quickdraw(folder: Path) -> dict[str, NDArray]:
    """Fetch the first 3,000 drawings of six categories, 500 of them for testing."""
    folder.mkdir(parents=True, exist_ok=True)
    drawings = []
    for category in _CATEGORIES:
        path = folder / f"quickdraw-{category}.npy"
        if not path.exists():
            urlretrieve(f"{_DRAWINGS}{category}.npy", path)
        drawings.append(np.load(path, mmap_mode="r")[:3000].reshape(-1, 28, 28))
    X = np.concatenate([images[:2500] for images in drawings])
    X_test = np.concatenate([images[2500:] for images in drawings])
    y, y_test = (
        np.repeat(np.arange(6), [len(images[part]) for images in drawings])
        for part in (slice(None, 2500), slice(2500, None))
    )
    return _arrays(X, y, X_test, y_test, _CATEGORIES)


def celeba(folder: Path) -> dict[str, NDArray]:
    """Fetch CelebA, at 64 x 64 pixels, with its attributes."""
    make = _torchvision().CelebA
    arrays: dict[str, Any] = {"class_names": np.array(["female", "male"])}
    for split in ("train", "test"):
        faces = make(folder, split=split, target_type="attr", download=True)
        pictures = [np.asarray(image.resize((64, 64))) for image, _ in faces]
        arrays["attribute_names"] = np.array(faces.attr_names[:40])
        attributes = np.asarray(faces.attr, dtype=np.uint8)
        male = faces.attr_names.index("Male")
        arrays[f"x_{split}"] = np.stack(pictures)
        arrays[f"y_{split}"] = attributes[:, male]
        arrays[f"attributes_{split}"] = attributes
    return arrays


def nowhere(folder: Path) -> dict[str, NDArray]:
    """Refuse: this set has no public place to fetch it from."""
    raise OSError("there is no place to fetch it from")


def _torchvision() -> Any:
    return importlib.import_module("torchvision.datasets")


def _channels_last(train: Any, test: Any, names: Sequence[str]) -> dict[str, NDArray]:
    X, X_test = (np.moveaxis(images.data, 1, -1) for images in (train, test))
    return _arrays(X, train.labels, X_test, test.labels, names)


def _arrays(
    X: NDArray, y: Any, X_test: NDArray, y_test: Any, class_names: Sequence[str]
) -> dict[str, NDArray]:
    return {
        "x_train": X,
        "y_train": np.asarray(y),
        "x_test": X_test,
        "y_test": np.asarray(y_test),
        "class_names": np.array(class_names),
    }
