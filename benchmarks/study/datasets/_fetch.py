"""The image sets, as a table, and how one of them is read."""

from pathlib import Path
from typing import NamedTuple

from sklearn.utils import Bunch

from study.datasets._files import Copy, read, save
from study.datasets._sources import (
    Source,
    celeba,
    cifar10,
    nowhere,
    openml,
    quickdraw,
    stl10,
    svhn,
)


class ImageSet(NamedTuple):
    """An image set: its title, its source, and the copies of it that are known."""

    title: str
    fetch: Source
    copies: tuple[Copy, ...] = ()
    copy_is: str = "complete, official split and order"


def fetch(name: str, folder: Path, *, download_if_missing: bool = True) -> Bunch:
    """Read an image set from a folder; download it into the folder if it is missing.

    Images are uint8 of shape (n, height, width, channels), `X_train` and `X_test`;
    `y_train` and `y_test` are indices into `target_names`. `DESCR` says which copy it
    is. Raises OSError if the set is missing and cannot be downloaded, and ValueError if
    a file of a known name has unknown content.
    """
    images = IMAGE_SETS[name]
    fetched = Copy(f"{name}-fetched.npz")
    for copies, which in (images.copies, images.copy_is), ((fetched,), "fetched"):
        if copies and all((folder / copy.file).exists() for copy in copies):
            return _bunch(read(folder, copies), f"{images.title}: {which}")
    if not download_if_missing:
        raise OSError(_missing(images, folder, "is not to be fetched"))
    try:
        arrays = images.fetch(folder)
    except (OSError, RuntimeError) as error:
        raise OSError(
            _missing(images, folder, f"could not be fetched: {error}")
        ) from error
    save(folder / fetched.file, arrays)
    return _bunch(arrays, f"{images.title}: fetched")


def _missing(images: ImageSet, folder: Path, why: str) -> str:
    files = " and ".join(copy.file for copy in images.copies)
    remedy = f"put {files} there" if files else "allow a network"
    return f"{images.title} is not in {folder} and {why}; {remedy}."


def _bunch(arrays: dict, description: str) -> Bunch:
    """Rename what every set has; pass on what only some have."""
    made = Bunch(DESCR=description)
    made.target_names = [str(name) for name in arrays.pop("class_names")]
    for split in ("train", "test"):
        X = arrays.pop(f"x_{split}")
        made[f"X_{split}"] = X if X.ndim == 4 else X[..., None]
        made[f"y_{split}"] = arrays.pop(f"y_{split}").astype("intp")
    made.update(arrays)
    return made


IMAGE_SETS = {
    "mnist": ImageSet(
        "MNIST",
        openml("mnist_784", ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]),
        (
            Copy(
                "mnist.npz",
                "3b2b9eca6af5dcb26e70ec4a7e8965fbe6611922efd06d4c926c4fd6ff1f98b1",
            ),
        ),
    ),
    "fashion_mnist": ImageSet(
        "Fashion-MNIST",
        openml(
            "Fashion-MNIST",
            [
                *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
                *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
            ],
        ),
        (
            Copy(
                "fashion_mnist.npz",
                "681c5e92cf994d09374a017f37bb28b0828a9e45bd410279d34fd80b5dbc6038",
            ),
        ),
    ),
    "cifar10": ImageSet(
        "CIFAR-10",
        cifar10,
        (
            Copy(
                "cifar10_jpeg_train12k.npz",
                "64df74264ced2d0852f65e7a8c8b8166255e0427b1517670fc4b81311643df63",
                "_train",
            ),
            Copy(
                "cifar10_jpeg_test10k.npz",
                "6fd182cf891a162cde359c5adca333567aa356d29faf8f26f763b364316a15ee",
                "_test",
            ),
        ),
        "12,000 training and all test images, after JPEG of quality 75",
    ),
    "svhn": ImageSet("SVHN", svhn),
    "stl10": ImageSet("STL-10", stl10),
    "quickdraw": ImageSet(
        "QuickDraw, six categories",
        quickdraw,
        (
            Copy(
                "quickdraw6.npz",
                "4e506ef2284273d68dfa189ba6d5e63c5751ed2089d9bd2518b341ebc2271c37",
            ),
        ),
        "the first 3,000 drawings of each, 500 of them for testing",
    ),
    "celeba": ImageSet("CelebA, male and female", celeba),
    "utkface": ImageSet(
        "UTKFace, male and female",
        nowhere,
        (
            Copy(
                "utkface_64_2500.npz",
                "9d027bb97c17eaa83aa8cd7e2ee735c60418bdff3442f3a3f9bc970d9d078497",
            ),
        ),
        "2,500 of 23,703 images, 500 of them for testing",
    ),
}
