"""Rows of axes of several kinds in one figure."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from sklearn_kmex._draw.figures import grid_of_axes

PICTURE = (1.6, 2.15)  # inches, with lines of text above the picture
BARS = 6.4  # inches, with names beside the bars


class Cell(NamedTuple):
    """What to draw into one axes, and its size in inches."""

    draw: Callable[..., None]
    arguments: tuple[Any, ...]
    width: float
    height: float


Grid = list[list[Cell | None]]  # rows of cells


def bars_height(n_bars: int) -> float:
    """Return the height of axes with this number of bars, in inches."""
    return 0.9 + 0.24 * n_bars


def check_samples(n_samples: int, max_samples: int) -> None:
    """Check that there is something to draw."""
    if not (
        n_samples and isinstance(max_samples, int | np.integer) and max_samples > 0
    ):
        raise ValueError(
            "max_samples must be an int of at least 1, and there must be a sample to "
            f"draw; got max_samples={max_samples!r} and {n_samples} samples."
        )


def check_n_features(n_features: Any) -> None:
    """Check that there is a column to draw."""
    if not isinstance(n_features, int | np.integer) or n_features < 1:
        raise ValueError(
            f"n_features must be an int of at least 1; got {n_features!r}."
        )


def heading(n_shown: int, n_samples: int) -> str:
    """Say that only the first samples are drawn, if so."""
    if n_shown == n_samples:
        return ""
    return f"The first {n_shown} of {n_samples} samples; slice to see others"


def draw_grid(pyplot: Any, where: Any, grid: Grid, title: str) -> Any:
    """Draw cells into a figure, or into the place of one axes; return the axes.

    `where` is None for a new figure.
    """
    n_columns = max(map(len, grid))
    grid = [row + [None] * (n_columns - len(row)) for row in grid]
    widths = [
        max(c.width if c else 0 for c in cells) for cells in zip(*grid, strict=True)
    ]
    heights = [max(c.height if c else 0 for c in row) for row in grid]
    if where is None:
        size = (max(sum(widths), 4.0), sum(heights) + 0.4)
        where = pyplot.figure(figsize=size, layout="constrained")
    ratios = {"width_ratios": widths, "height_ratios": heights}
    axes = grid_of_axes(where, len(grid), n_columns, title, **ratios)
    for ax, cell in zip(axes.flat, (c for row in grid for c in row), strict=True):
        if cell is None:
            ax.set_axis_off()
        else:
            cell.draw(ax, *cell.arguments)
    return axes
