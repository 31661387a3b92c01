"""Pictures small enough to lie inside the output of a notebook."""

from base64 import b64encode
from importlib.util import find_spec
from io import BytesIO

import numpy as np
from numpy.typing import NDArray

from sklearn_kmex.explain._pictures import (
    Scale,
    channels_last,
    in_unit_range,
    value_range,
)

SIDE = 48


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
        None if some is None else [_data_uri(in_unit_range(one, *ends)) for one in some]
        for some in pictures
    ]


def _data_uri(unit: NDArray[np.float64]) -> str:
    """Write values in [0, 1] as a small file: JPEG of colours, PNG of all else."""
    from PIL import Image

    image = Image.fromarray((255 * unit + 0.5).astype(np.uint8))
    image.thumbnail((SIDE, SIDE))
    kind = "jpeg" if image.mode == "RGB" else "png"
    file = BytesIO()
    image.save(file, kind)
    return f"data:image/{kind};base64,{b64encode(file.getvalue()).decode()}"
