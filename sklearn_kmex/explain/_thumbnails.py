"""Pictures small enough to lie inside the output of a notebook."""

from importlib.util import find_spec

import numpy as np
from numpy.typing import NDArray

from sklearn_kmex._draw.pictures import (
    Scale,
    as_file,
    channels_last,
    data_uri,
    in_unit_range,
    value_range,
)

SIDE = 48  # pixels
QUALITY = 80


def thumbnails(*groups: NDArray | None) -> list[list[str] | None]:
    """Return data URIs of pictures, on one scale, and None for what is none.

    They need Pillow, which comes with matplotlib; without it there are none.
    """
    pictures = [
        channels_last(group, None) if group is not None and group.size else None
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


def _thumbnail(unit: NDArray[np.float64]) -> str:
    """Write a small file: JPEG of colours, PNG of all else."""
    in_colour = unit.ndim == 3 and unit.shape[-1] == 3
    return data_uri(as_file(unit, SIDE, QUALITY if in_colour else None))
