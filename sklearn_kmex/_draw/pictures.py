"""Arrays as pictures: which arrays are pictures, and how their values are drawn."""

from base64 import b64encode
from importlib.util import find_spec
from io import BytesIO
from numbers import Real
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sklearn_kmex._draw.shapes import as_lines, as_strips, is_signal

SIDE = 48  # pixels
QUALITY = 80


class Scale(NamedTuple):
    """Shape of the pictures in flat samples, and the values drawn black and white."""

    image_shape: tuple[int, ...] | None = None
    vmin: float | None = None
    vmax: float | None = None


def make_scale(image_shape: Any, vmin: Any, vmax: Any) -> Scale:
    """Make a Scale from what users pass, after checking it."""
    check_image_shape(image_shape)
    for name, value in (("vmin", vmin), ("vmax", vmax)):
        if value is not None and not isinstance(value, Real):
            raise ValueError(f"{name} must be a number or None; got {value!r}.")
    return Scale(image_shape, vmin, vmax)


def check_image_shape(image_shape: Any) -> None:
    """Refuse an image shape that is neither None nor a tuple of positive int."""
    if image_shape is None:
        return
    is_tuple = isinstance(image_shape, tuple) and len(image_shape) > 0
    whole = (int, np.integer)
    if not is_tuple or not all(isinstance(n, whole) and n > 0 for n in image_shape):
        raise ValueError(
            "image_shape must be a tuple of int, such as (h, w) or (h, w, 3); got "
            f"{image_shape!r}."
        )


def channels_last(
    arrays: NDArray, image_shape: tuple[int, ...] | None
) -> NDArray | None:
    """Return (n, h, w) or (n, h, w, 3 or 4), or None if these are not pictures.

    The shape decides: (h, w); or 1, 3 or 4 channels last; or 1 or 3 channels first;
    otherwise volumes and videos are strips of some of their slices or frames.
    """
    if image_shape is not None:
        if np.prod(image_shape) != np.prod(arrays.shape[1:]):
            raise ValueError(
                f"image_shape must have the {int(np.prod(arrays.shape[1:]))} values "
                f"of a sample; got {image_shape}."
            )
        arrays = arrays.reshape(len(arrays), *image_shape)
    arrays = as_strips(arrays)
    if arrays.ndim == 4 and arrays.shape[-1] not in (1, 3, 4):
        arrays = np.moveaxis(arrays, 1, -1)
    if arrays.ndim == 4 and arrays.shape[-1] == 1:
        arrays = arrays[..., 0]
    is_picture = arrays.ndim in (3, 4)
    if image_shape is not None and not is_picture:
        raise ValueError(
            "image_shape must be (h, w), (h, w, 1), (h, w, 3), (h, w, 4), (1, h, w) or "
            "(3, h, w), or have one more axis for slices or frames; got "
            f"{image_shape}."
        )
    return arrays if is_picture else None


def value_range(pictures: list[NDArray], scale: Scale) -> tuple[float, float]:
    """Return the values of black and white, from the dtype or from all pictures."""
    dtype = pictures[0].dtype
    if dtype in (np.uint8, np.bool_):
        low, high = 0.0, 255.0 if dtype == np.uint8 else 1.0
    else:
        colours = [some[..., :3] if some.ndim == 4 else some for some in pictures]
        low = min(float(np.nanmin(some)) for some in colours)
        high = max(float(np.nanmax(some)) for some in colours)
    low = low if scale.vmin is None else scale.vmin
    high = high if scale.vmax is None else scale.vmax
    return low, high if high > low else low + 1


def in_unit_range(picture: NDArray, low: float, high: float) -> NDArray[np.float64]:
    """Map `low` to 0 and `high` to 1; opacity is only scaled for uint8.

    Signals are drawn as lines.
    """
    unit = (picture.astype(np.float64) - low) / (high - low)
    if picture.ndim == 3 and picture.shape[-1] == 4 and picture.dtype != np.uint8:
        unit[..., 3] = picture[..., 3]
    unit = np.clip(np.nan_to_num(unit), 0, 1)
    return as_lines(unit) if is_signal(unit.shape) else unit


def as_heat(maps: NDArray, sample_shape: tuple[int, ...], scale: Scale) -> NDArray:
    """Return relevance as (n, h, w): channels are summed, flat maps reshaped."""
    if maps.shape[1:] != sample_shape:
        return maps  # of shape (h, w) already
    folded = channels_last(maps, scale.image_shape)
    assert folded is not None  # the samples are pictures
    return folded.sum(axis=-1) if folded.ndim == 4 else folded


def as_file(unit: NDArray, side: int, quality: int | None) -> bytes:
    """Write values in [0, 1] as a picture of at most this side length, in pixels.

    PNG if no quality of JPEG is given.
    """
    from PIL import Image

    image = Image.fromarray((255 * unit + 0.5).astype(np.uint8))
    image.thumbnail((side, side))
    file = BytesIO()
    if quality is None:
        image.save(file, "png", optimize=True)
    else:
        image.convert("RGB").save(file, "jpeg", quality=quality, subsampling=0)
    return file.getvalue()


def data_uri(file: bytes) -> str:
    kind = "png" if file.startswith(b"\x89PNG") else "jpeg"
    return f"data:image/{kind};base64,{b64encode(file).decode()}"


def thumbnails(
    *groups: NDArray | None, image_shape: tuple[int, ...] | None = None
) -> list[list[str] | None]:
    """Return data URIs of groups of pictures, on one scale; None for other arrays.

    Pillow is needed, which comes with matplotlib; without it, all are None.
    """
    check_image_shape(image_shape)
    pictures = [
        None
        if group is None or not _is_numeric(group)
        else channels_last(group, image_shape)
        for group in groups
    ]
    known = [some for some in pictures if some is not None]
    if not known or find_spec("PIL") is None:
        return [None] * len(groups)
    ends = value_range(known, Scale())
    return [
        None
        if some is None
        else [_thumbnail(in_unit_range(one, *ends)) for one in some]
        for some in pictures
    ]


def _is_numeric(group: NDArray) -> bool:
    return group.size > 0 and group.dtype.kind in "biuf"


def _thumbnail(unit: NDArray[np.float64]) -> str:
    """Write a small file: JPEG for colors, otherwise PNG."""
    in_colour = unit.ndim == 3 and unit.shape[-1] == 3
    return data_uri(as_file(unit, SIDE, QUALITY if in_colour else None))
