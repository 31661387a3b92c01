"""Images of samples, as small files inside the page."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import column_or_1d

from sklearn_kmex._data.samples import as_samples, len_of, stacked, take
from sklearn_kmex._draw.pictures import (
    Scale,
    as_file,
    channels_last,
    check_image_shape,
    data_uri,
    in_unit_range,
    value_range,
)
from sklearn_kmex._draw.shapes import picture_note, stretched
from sklearn_kmex.report._text import as_name
from sklearn_kmex.utils import check_dependency

BUDGET = 2_400_000  # bytes of all images on a page, at most
N_TRIED = 50  # images from which the size of all is estimated
# Tried in turn until the images fit: longest side, and quality of JPEG or None for PNG.
SIZES = (
    (256, None),
    (384, 90),
    (256, 90),
    (192, 88),
    (160, 88),
    (128, 88),
    (96, 88),
    (64, 85),
    (48, 80),
    (32, 75),
    (24, 70),
)


class Heat(NamedTuple):
    """A relevance map, and the picture below it if that is not the image itself."""

    values: NDArray  # (h, w)
    ground: NDArray | None = None  # (h, w[, channels])


class SampleSet(NamedTuple):
    """Test or training samples, their labels, and how they are shown as images."""

    X: Any
    y: Any  # labels, or None
    images: Any = None  # of the samples, a function that makes them, or None
    image_shape: tuple[int, ...] | None = None  # of the image in a flat row

    def id(self, row: int) -> str | None:
        """Return the label of a row in the index of a frame, if it is no counter."""
        index = getattr(self.X, "index", None)
        if not hasattr(self.X, "iloc") or index is None:
            return None
        counted = getattr(index, "start", None) == 0 and index.step == 1
        return None if counted else as_name(index[row])

    def pictures(self, rows: Iterable[int]) -> NDArray | None:
        """Return images of some rows, (n, h, w[, channels]), or None without images."""
        numbers = np.asarray(list(rows), dtype=np.intp)
        if self.images is None and self.image_shape is not None:
            X = np.asarray(self.X) if hasattr(self.X, "columns") else self.X
            return folded(stacked(X, numbers), self.image_shape)
        if self.images is None:
            return as_pictures(stacked(self.X, numbers))
        if callable(self.images):
            made = np.asarray(self.images(take(self.X, numbers)))
            return check_pictures(made, len(numbers))
        return check_pictures(stacked(self.images, numbers), len(numbers))

    def picture_note(self) -> str:
        """Say how samples that are no pictures are shown as pictures."""
        if self.image_shape is not None:
            return picture_note(self.image_shape)
        source = self.X if self.images is None else self.images
        shown = source(take(self.X, [0])) if callable(source) else stacked(source, [0])
        return "" if shown is None else picture_note(np.shape(shown)[1:])


def check_samples(
    X: Any,
    y: ArrayLike | None,
    images: Any,
    image_shape: tuple[int, ...] | None,
    suffix: str = "",
) -> SampleSet:
    """Check samples, labels and images as far as that is cheap.

    The names X and y in messages end in the suffix, "" or "_train".
    """
    X = as_samples(X)
    if not len_of(X):
        raise ValueError(f"X{suffix} must hold at least one row; got none.")
    labels = None if y is None else column_or_1d(y)
    if labels is not None and len(labels) != len_of(X):
        raise ValueError(
            f"y{suffix} must hold a label for each row of X{suffix}; got {len(labels)} "
            f"labels for {len_of(X)} rows."
        )
    if images is not None and not callable(images):
        check_number(images, X, "train_images" if suffix else "images")
        images = list(images) if isinstance(images, tuple) else images
    samples = SampleSet(X, labels, images, image_shape)
    samples.pictures([0])
    return samples


def check_image_arguments(images: Any, image_shape: Any) -> None:
    """Refuse an image shape that is not a tuple of int, or is given with images."""
    if image_shape is None:
        return
    if images is not None:
        raise ValueError(
            "images and image_shape must not be given together; got image_shape="
            f"{image_shape!r} and {type(images).__name__} images. Leave one out."
        )
    check_image_shape(image_shape)


def check_number(images: Any, X: Any, name: str) -> None:
    """Check that there are as many images as rows."""
    has_length = hasattr(images, "__len__") and getattr(images, "ndim", 1) > 0
    if not has_length or len_of(images) != len_of(X):
        got = f"{len_of(images)} images" if has_length else repr(images)
        raise ValueError(
            f"{name} must hold one image for each row, or be a function that makes "
            f"images; got {got} for {len_of(X)} rows. For the shape of images in flat "
            "rows, use image_shape."
        )


def as_pictures(arrays: NDArray | None) -> NDArray | None:
    return None if arrays is None else channels_last(arrays, None)


def folded(rows: NDArray | None, image_shape: tuple[int, ...]) -> NDArray | None:
    """Reshape flat rows to images."""
    if rows is None:
        raise ValueError(
            "image_shape must be None unless rows are numeric and of one length; got "
            f"{image_shape}. Pass images, or a function that makes them, with images."
        )
    return channels_last(rows, image_shape)


def check_pictures(made: NDArray | None, n_rows: int) -> NDArray:
    """Return images with channels last, or refuse arrays of another shape."""
    pictures = as_pictures(made)
    if pictures is None or len(pictures) != n_rows:
        got = "no array" if made is None else f"an array of shape {made.shape}"
        raise ValueError(
            "images must give one image of shape (h, w), (h, w, 1), (h, w, 3), "
            f"(h, w, 4), (1, h, w) or (3, h, w) for each row; got {got} for "
            f"{n_rows} rows. For flat rows, use image_shape."
        )
    return pictures


def encode(
    pictures: dict[str, NDArray],
    heat: dict[str, Heat],
    uses: Mapping[str, int],
    budget: int = BUDGET,
) -> dict[str, str]:
    """Encode images as data URIs, with one scale for all, in the best size that fits.

    Relevance maps are drawn over the images of the same keys, each on its own scale.
    `uses` counts how often the page shows each image, `budget` are the bytes of all.
    """
    if not pictures:
        return {}
    check_dependency("PIL.Image", caller="SEMReport", extra="report")
    ends = value_range(list(pictures.values()), Scale())
    units = {key: in_unit_range(picture, *ends) for key, picture in pictures.items()}
    for key, (relevance, ground) in heat.items():
        unit = units[key]
        if ground is not None:
            unit = in_unit_range(ground, *value_range([ground], Scale()))
        units[f"{key}-relevance"] = overlay(unit, relevance)
    files = best_files(units, uses, budget)
    return {key: data_uri(file) for key, file in files.items()}


def best_files(
    units: dict[str, NDArray], uses: Mapping[str, int], budget: int
) -> dict[str, bytes]:
    """Write files in the first size that fits; a part is tried before all."""
    some = list(units)[:: -(-len(units) // N_TRIED)]
    for size, quality in SIZES:
        files = {key: as_file(units[key], size, quality) for key in some}
        rough = weight(files, uses) * len(units) / len(some)
        if rough > 1.2 * budget and (size, quality) != SIZES[-1]:
            continue
        files = {
            key: files.get(key) or as_file(unit, size, quality)
            for key, unit in units.items()
        }
        if weight(files, uses) <= budget:
            break
    return files


def weight(files: dict[str, bytes], uses: Mapping[str, int]) -> int:
    return sum(len(data) * uses.get(key, 1) for key, data in files.items())


def overlay(picture: NDArray, heat: NDArray) -> NDArray[np.float64]:
    """Draw positive relevance in red and negative in blue over a grey image.

    Each map has its own scale: those of unusual samples may be a thousand times as
    strong as all others.
    """
    colormaps = check_dependency("matplotlib", caller="SEMReport", extra="report")
    grey = picture[..., :3].mean(axis=-1) if picture.ndim == 3 else picture
    heat = stretched(heat / (np.abs(heat).max() or 1), grey.shape)
    colours = colormaps.colormaps["RdBu_r"]((heat + 1) / 2)[..., :3]
    strength = 0.75 * np.abs(heat)[..., np.newaxis] ** 0.5
    return (1 - strength) * grey[..., np.newaxis] + strength * colours
