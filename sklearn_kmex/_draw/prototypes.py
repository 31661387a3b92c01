"""Figures of prototypes: a line of pictures for each class, or a table of values."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sklearn_kmex._draw.figures import (
    FONT,
    Labels,
    grid_of_axes,
    new_figure,
    one_axes,
    set_labels,
    short,
    size_of,
    update_layout,
)
from sklearn_kmex._draw.pictures import in_unit_range
from sklearn_kmex._draw.shapes import is_signal
from sklearn_kmex._draw.table import clipped, shown_value

LARGEST = 2048  # pixels of a mosaic; larger pictures are shown at lower resolution
LABEL_WIDTH = 1.2  # inches
Groups = list[tuple[str, NDArray[np.intp]]]  # the name of a class, and its prototypes


class Gallery(NamedTuple):
    """A picture of each prototype, and the values drawn black and white."""

    pictures: NDArray  # (n_prototypes, h, w[, channels])
    vmin: float
    vmax: float


class Values(NamedTuple):
    """Values of each prototype, their ranks in the class, and names of the columns."""

    values: NDArray  # (n_prototypes, n_features)
    ranks: NDArray  # the same, in [0, 1]
    feature_names: Sequence[str]


def plot_gallery(gallery: Gallery, where: Any, groups: Groups) -> NDArray:
    """Draw a line of pictures for each class, in blocks side by side."""
    if is_signal(gallery.pictures.shape[1:]):
        drawn = [in_unit_range(one, *gallery[1:]) for one in gallery.pictures]
        gallery = Gallery(np.stack(drawn), 0, 1)
    n_columns = max(len(ids) for _, ids in groups)
    width = float(np.clip(12 / n_columns, 0.3, 0.6))
    height = width * gallery.pictures.shape[1] / gallery.pictures.shape[2]
    n_blocks = _count_blocks(len(groups), LABEL_WIDTH + n_columns * width, height)
    n_rows = -(-len(groups) // n_blocks)
    if where is None:
        size = (n_blocks * (LABEL_WIDTH + n_columns * width), n_rows * height + 0.3)
        where = new_figure("PrototypeDisplay", size)
    axes = grid_of_axes(where, 1, n_blocks)[0]
    blocks = [groups[i * n_rows : (i + 1) * n_rows] for i in range(n_blocks)]
    labels = [
        _draw_block(ax, gallery, block, n_rows, n_columns)
        for ax, block in zip(axes, blocks, strict=True)
    ]
    set_labels(*labels)
    return axes


def _count_blocks(n_lines: int, width: float, height: float) -> int:
    """Count the blocks that make a figure not taller than wide."""
    n_blocks = 1
    while -(-n_lines // n_blocks) * height > max(n_blocks * width, 6):
        n_blocks += 1
    n_rows = -(-n_lines // n_blocks)
    return -(-n_lines // n_rows)  # so that no block is empty


def _draw_block(
    ax: Any, gallery: Gallery, block: Groups, n_rows: int, n_columns: int
) -> Labels:
    """Draw pictures as one image, and return the labels of its lines."""
    canvas, gap = _mosaic(gallery, [ids for _, ids in block], n_rows, n_columns)
    ax.imshow(canvas)
    ax.set_xticks([])
    ax.spines[:].set_visible(False)
    step = len(canvas) / n_rows
    places = [(i + 0.5) * step - 0.5 - gap / 2 for i in range(len(block))]
    return Labels(ax.yaxis, places, [short(name) for name, _ in block])


def _mosaic(
    gallery: Gallery, groups: list[NDArray], n_rows: int, n_columns: int
) -> tuple[NDArray, int]:
    """Join pictures into one, in lines with transparent gaps; return it and the gap."""
    _, height, width = gallery.pictures.shape[:3]
    step = max(1, -(-max(n_rows * height, n_columns * width) // LARGEST))
    small = gallery.pictures[:, ::step, ::step]
    _, height, width = small.shape[:3]
    gap = max(1, width // 12)
    shape = (n_rows, n_columns, height + gap, width + gap, 4)
    canvas = np.zeros(shape, dtype=np.float32)
    for i, ids in enumerate(groups):
        for j, k in enumerate(ids):
            picture = in_unit_range(small[k], gallery.vmin, gallery.vmax)
            canvas[i, j, :height, :width] = _as_rgba(picture)
    return canvas.swapaxes(1, 2).reshape(shape[0] * shape[2], -1, 4), gap


def _as_rgba(picture: NDArray) -> NDArray:
    if picture.ndim == 2:
        picture = np.repeat(picture[..., np.newaxis], 3, axis=-1)
    if picture.shape[-1] == 4:
        return picture
    return np.pad(picture, ((0, 0), (0, 0), (0, 1)), constant_values=1)


def plot_table(table: Values, ax: Any, groups: Groups, max_features: int) -> Any:
    """Draw a line of values for each prototype; return axes, image and color bar."""
    order = np.concatenate([ids for _, ids in groups])
    ranks = table.ranks[order, :max_features]
    n_rows, n_columns = ranks.shape
    size = (3.0 + 0.64 * n_columns, 1.6 + float(np.clip(0.22 * n_rows, 1, 24)))
    ax = one_axes("PrototypeDisplay", ax, size)
    image = ax.imshow(ranks, cmap="cividis", vmin=0, vmax=1, aspect="auto")
    ends = np.cumsum([len(ids) for _, ids in groups])
    ax.hlines(ends[:-1] - 0.5, -0.5, n_columns - 0.5, color="white", linewidth=3)
    shrink = min(1.0, 216 / size_of(ax)[1])  # at most three inches
    bar = ax.figure.colorbar(
        image, ax=ax, shrink=shrink, aspect=15, anchor=(0, 1), pad=0.02
    )
    bar.set_label("share of the class's\nrows below", fontsize=8)
    bar.ax.tick_params(labelsize=8)
    n_features = len(table.feature_names)
    if n_features > n_columns:
        ax.set_title(f"The first {n_columns} of {n_features} columns", fontsize=10)
    ax.spines[:].set_visible(False)
    ax.xaxis.tick_top()
    middles = [end - (len(g[1]) + 1) / 2 for end, g in zip(ends, groups, strict=True)]
    names = [short(name) for name in table.feature_names[:n_columns]]
    set_labels(
        Labels(ax.xaxis, range(n_columns), names, (0, 90)),
        Labels(ax.yaxis, middles, [short(name) for name, _ in groups]),
    )
    _write_values(ax, table.values[order, :n_columns], ranks)
    return ax, image, bar


def _write_values(ax: Any, values: NDArray, ranks: NDArray) -> None:
    """Write values into the cells if there is room."""
    update_layout(ax)
    width, height = size_of(ax) / values.shape[::-1]
    if width < 44 or height < 10:
        return
    for (i, j), value in np.ndenumerate(values):
        colour = "white" if ranks[i, j] < 0.5 else "black"
        text = clipped(shown_value(value), 10)
        ax.text(j, i, text, ha="center", va="center", color=colour, **SMALL)


SMALL = FONT | {"fontsize": 7}
