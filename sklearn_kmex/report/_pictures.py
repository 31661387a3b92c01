"""Pictures of samples, as small files inside the page."""

from collections.abc import Iterable, Mapping
from numbers import Integral
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import column_or_1d

from sklearn_kmex._data.samples import as_samples, len_of, stacked, take
from sklearn_kmex._draw.pictures import (
    Scale,
    as_file,
    channels_last,
    data_uri,
    in_unit_range,
    value_range,
)
from sklearn_kmex.utils import check_dependency

BUDGET = 2_400_000  # bytes of all pictures on a page
N_TRIED = 50  # pictures by which to tell whether all fit
# Tried in turn until the pictures fit: longest side, and quality of JPEG or None.
SIZES = (
    (128, None),
    (96, None),
    (128, 90),
    (96, 88),
    (64, 85),
    (48, 80),
    (32, 75),
    (24, 70),
)


class Rows(NamedTuple):
    """Samples or training rows, their labels, and what makes pictures of them."""

    X: Any
    y: Any  # labels, or None
    given: Any  # pictures, a function that makes them, a shape, or None

    def pictures(self, rows: Iterable[int]) -> NDArray | None:
        """Return pictures (n, h, w[, channels]) of some rows; None if rows are none."""
        numbers = np.asarray(list(rows), dtype=np.intp)
        if self.given is None:
            return as_pictures(stacked(self.X, numbers))
        if isinstance(self.given, tuple):
            X = np.asarray(self.X) if hasattr(self.X, "columns") else self.X
            return folded(stacked(X, numbers), self.given)
        if callable(self.given):
            made = np.asarray(self.given(take(self.X, numbers)))
            return must_be_pictures(made, len(numbers))
        return must_be_pictures(stacked(self.given, numbers), len(numbers))


def check_rows(X: Any, y: ArrayLike | None, images: Any, kind: str = "") -> Rows:
    """Check rows, labels and pictures as far as can be done before any work."""
    X = as_samples(X)
    if not len_of(X):
        raise ValueError(f"X{kind} must hold at least one row; got none.")
    labels = None if y is None else column_or_1d(y)
    if labels is not None and len(labels) != len_of(X):
        raise ValueError(
            f"y{kind} must hold a label for each row of X{kind}; got {len(labels)} "
            f"labels for {len_of(X)} rows."
        )
    if not (images is None or callable(images) or is_shape(images)):
        check_number(images, X)
        images = list(images) if isinstance(images, tuple) else images
    rows = Rows(X, labels, images)
    rows.pictures([0])
    return rows


def is_shape(images: Any) -> bool:
    """Whether pictures are given as their shape, and not one by one."""
    sizes = isinstance(images, tuple) and all(isinstance(n, Integral) for n in images)
    return sizes and len(images) > 0


def check_number(images: Any, X: Any) -> None:
    if len_of(images) != len_of(X):
        raise ValueError(
            "images must hold one picture for each row, be the shape of the pictures "
            "that flat rows hold, or a function that makes pictures of rows; got "
            f"{len_of(images)} pictures for {len_of(X)} rows."
        )


def as_pictures(arrays: NDArray | None) -> NDArray | None:
    return None if arrays is None else channels_last(arrays, None)


def folded(rows: NDArray | None, shape: tuple[int, ...]) -> NDArray | None:
    """Fold flat rows into pictures, or say why that cannot be."""
    if rows is None:
        raise ValueError(
            "images must not be a shape where rows are not numbers of one length; got "
            f"{shape}. Pass pictures, or a function that makes them."
        )
    try:
        return channels_last(rows, shape)
    except ValueError as error:
        message = str(error).replace("image_shape", "images")
        raise ValueError(message) from None


def must_be_pictures(made: NDArray | None, n_rows: int) -> NDArray:
    """Refuse what was given as pictures and is none."""
    pictures = as_pictures(made)
    if pictures is None or len(pictures) != n_rows:
        got = "no array" if made is None else f"an array of shape {made.shape}"
        raise ValueError(
            "images must give one picture of shape (h, w), (h, w, 1), (h, w, 3), "
            f"(h, w, 4), (1, h, w) or (3, h, w) for each row; got {got} for "
            f"{n_rows} rows. Of flat rows, pass the shape of a picture as a tuple."
        )
    return pictures


def encode(
    pictures: dict[str, NDArray], heat: dict[str, NDArray], uses: Mapping[str, int]
) -> dict[str, str]:
    """Encode pictures as data URIs, all by one scale, in as good a size as fits.

    Relevance maps are drawn over the pictures of the same keys, in one scale of theirs.
    A picture counts as often as the page uses it.
    """
    if not pictures:
        return {}
    check_dependency("PIL.Image", caller="SEMReport", extra="report")
    ends = value_range(list(pictures.values()), Scale())
    units = {key: in_unit_range(picture, *ends) for key, picture in pictures.items()}
    largest = max((float(np.abs(one).max()) for one in heat.values()), default=0)
    for key, relevance in heat.items():
        units[f"{key}-relevance"] = overlay(units[key], relevance, largest)
    files = best_files(units, uses)
    return {key: data_uri(file) for key, file in files.items()}


def best_files(units: dict[str, NDArray], uses: Mapping[str, int]) -> dict[str, bytes]:
    """Write files in the first size that fits, of which some are tried before all."""
    some = list(units)[:: -(-len(units) // N_TRIED)]
    for size, quality in SIZES:
        files = {key: as_file(units[key], size, quality) for key in some}
        rough = weight(files, uses) * len(units) / len(some)
        if rough > 1.2 * BUDGET and (size, quality) != SIZES[-1]:
            continue
        files = {
            key: files.get(key) or as_file(unit, size, quality)
            for key, unit in units.items()
        }
        if weight(files, uses) <= BUDGET:
            break
    return files


def weight(files: dict[str, bytes], uses: Mapping[str, int]) -> int:
    return sum(len(data) * uses.get(key, 1) for key, data in files.items())


def overlay(picture: NDArray, heat: NDArray, largest: float) -> NDArray[np.float64]:
    """Colour what speaks for in red and what speaks against in blue, over grey."""
    colormaps = check_dependency("matplotlib", caller="SEMReport", extra="report")
    grey = picture[..., :3].mean(axis=-1) if picture.ndim == 3 else picture
    colours = colormaps.colormaps["RdBu_r"]((heat / (largest or 1) + 1) / 2)[..., :3]
    strength = 0.75 * np.abs(heat / (largest or 1))[..., np.newaxis] ** 0.5
    return (1 - strength) * grey[..., np.newaxis] + strength * colours
