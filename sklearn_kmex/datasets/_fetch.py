"""The sets, as a table, and the one way in which each is read."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from sklearn.utils import Bunch

from sklearn_kmex.datasets._files import Copy, find_folder, read, save
from sklearn_kmex.datasets._sources import (
    Source,
    celeba,
    cifar10,
    nowhere,
    openml,
    quickdraw,
    stl10,
    svhn,
)

_DOC = """Load {title}.

    Images as they were published, with the split into training and test images.

    Read more in the :ref:`User Guide <datasets>`.

    Parameters
    ----------
    data_home : str or path-like, default=None
        Folder of the files. None is that of the environment variable
        SKLEARN_KMEX_DATA, or else a folder among the data of scikit-learn.

    download_if_missing : bool, default=True
        Whether to fetch what is not in the folder; it is kept there.

    Returns
    -------
    Bunch
        `X_train` and `X_test` : uint8 ndarray of shape (n, {shape}).
        `y_train` and `y_test` : intp ndarray of shape (n,), indices into
        `target_names`, a list of str. `DESCR` : str, which copy it is.{further}

    Raises
    ------
    OSError
        If it is not in the folder and is not to be, or cannot be, fetched.

    ValueError
        If a file is known by its name and has another content.

    See Also
    --------
    {also} : The same for another set.

    Examples
    --------
    >>> from sklearn_kmex.datasets import fetch_{name}
    >>> images = fetch_{name}()  # doctest: +SKIP
    >>> images.X_train.shape[1:]  # doctest: +SKIP
    ({shape})
    """


class ImageSet(NamedTuple):
    """A set: what it is, copies of it in a folder, and where else it comes from."""

    name: str
    title: str
    shape: str
    fetch: Source
    copies: tuple[Copy, ...] = ()
    copy_is: str = "complete, official split and order"
    further: str = ""


def _make_fetcher(images: ImageSet) -> Callable[..., Bunch]:
    """Make the public function of a set."""

    def fetch(
        *, data_home: str | Path | None = None, download_if_missing: bool = True
    ) -> Bunch:
        folder = find_folder(data_home)
        fetched = Copy(f"{images.name}-fetched.npz")
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

    fetch.__name__ = fetch.__qualname__ = f"fetch_{images.name}"
    also = "fetch_fashion_mnist" if images.name == "mnist" else "fetch_mnist"
    fetch.__doc__ = _DOC.format(also=also, **images._asdict())
    return fetch


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


fetch_mnist = _make_fetcher(
    ImageSet(
        "mnist",
        "MNIST",
        "28, 28, 1",
        openml("mnist_784", ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]),
        (
            Copy(
                "mnist.npz",
                "3b2b9eca6af5dcb26e70ec4a7e8965fbe6611922efd06d4c926c4fd6ff1f98b1",
            ),
        ),
    )
)
fetch_fashion_mnist = _make_fetcher(
    ImageSet(
        "fashion_mnist",
        "Fashion-MNIST",
        "28, 28, 1",
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
    )
)
fetch_cifar10 = _make_fetcher(
    ImageSet(
        "cifar10",
        "CIFAR-10",
        "32, 32, 3",
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
    )
)
fetch_svhn = _make_fetcher(ImageSet("svhn", "SVHN", "32, 32, 3", svhn))
fetch_stl10 = _make_fetcher(ImageSet("stl10", "STL-10", "96, 96, 3", stl10))
fetch_quickdraw = _make_fetcher(
    ImageSet(
        "quickdraw",
        "QuickDraw, six categories",
        "28, 28, 1",
        quickdraw,
        (
            Copy(
                "quickdraw6.npz",
                "4e506ef2284273d68dfa189ba6d5e63c5751ed2089d9bd2518b341ebc2271c37",
            ),
        ),
        "the first 3,000 drawings of each, 500 of them for testing",
    )
)
fetch_celeba = _make_fetcher(
    ImageSet(
        "celeba",
        "CelebA, male and female",
        "64, 64, 3",
        celeba,
        further=(
            "\n        `attributes_train` and `attributes_test` : uint8 ndarray of "
            "shape (n, 40).\n        `attribute_names` : ndarray of 40 str."
        ),
    )
)
fetch_utkface = _make_fetcher(
    ImageSet(
        "utkface",
        "UTKFace, male and female",
        "64, 64, 3",
        nowhere,
        (
            Copy(
                "utkface_64_2500.npz",
                "9d027bb97c17eaa83aa8cd7e2ee735c60418bdff3442f3a3f9bc970d9d078497",
            ),
        ),
        "2,500 of 23,703 images, 500 of them for testing",
        "\n        `race_train`, `race_test` : indices into `race_names`.\n"
        "        `age_train`, `age_test` : years.",
    )
)
