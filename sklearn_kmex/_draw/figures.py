"""Figures and axes of displays, colors, and labels that fit."""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sklearn_kmex._draw.table import clipped
from sklearn_kmex.utils import check_dependency

FONT: dict[str, Any] = {"fontsize": 8, "parse_math": False}  # "$" starts no formula
# Colors that people with color vision deficiency can distinguish (M. A. Petroff,
# arXiv:2107.02270).
PREDICTED, RUNNER_UP, OTHER = "#3f90da", "#ffa90e", "#94a4a2"
COLOURS = (
    "#3f90da", "#ffa90e", "#bd1f01", "#94a4a2", "#832db6",
    "#a96b59", "#e76300", "#b9ac70", "#717581", "#92dadd",
)  # fmt: skip
MARKERS = "os^DvPX*<>"


class Labels(NamedTuple):
    """Names of positions along an axis of matplotlib, in order."""

    axis: Any
    places: Sequence[float]
    names: Sequence[str]
    rotations: tuple[int, ...] = (0,)


def new_figure(display: str, size: tuple[float, float]) -> Any:
    """Make a figure with pyplot."""
    pyplot = check_dependency("matplotlib.pyplot", caller=display, extra="plot")
    return pyplot.figure(figsize=size, layout="constrained")


def check_axes(ax: Any) -> None:
    """Check that it is one axes, or None."""
    if not (ax is None or _is_axes(ax)):
        raise TypeError(
            f"ax must be one matplotlib Axes; got {type(ax).__name__}. Pass one of the "
            "axes of a grid of subplots."
        )


def check_figure(figure: Any) -> None:
    """Check that it is a figure, or None."""
    if not (figure is None or hasattr(figure, "add_subplot")):
        raise TypeError(
            "figure must be a matplotlib Figure or SubFigure, or None for a new one; "
            f"got {figure!r}."
        )


def one_axes(display: str, ax: Any, size: tuple[float, float]) -> Any:
    """Return the axes given, or make one of this size in inches."""
    check_axes(ax)
    return new_figure(display, size).subplots() if ax is None else ax


def class_texts(classes: NDArray, class_names: Iterable[Any] | None) -> list[str]:
    """Return the names of the classes, each on one line."""
    names = classes.tolist() if class_names is None else list(class_names)
    if len(names) != len(classes):
        raise ValueError(
            f"class_names must give one name for each of the {len(classes)} classes, "
            f"in the order of classes_; got {len(names)}."
        )
    return [" ".join(str(name).split()) for name in names]


def short(name: Any) -> str:
    return clipped(name, 18)


def style(code: int) -> dict[str, Any]:
    """Return color and marker of a class; the first hundred pairs are distinct."""
    n = len(COLOURS)
    return {"color": COLOURS[code % n], "marker": MARKERS[(code + code // n) % n]}


def set_labels(*labels: Labels) -> None:
    """Label axes of one figure; rotate or leave out labels until they fit."""
    for one in labels:
        for rotation in one.rotations:
            _draw_labels(one, rotation, 1)
            if len(one.rotations) == 1 or _stride(one.axis) == 1:
                break
    update_layout(labels[0].axis)
    for one in labels:
        step = _stride(one.axis, layout=False)
        if step > 1:
            _draw_labels(one, one.rotations[-1], step)


def _draw_labels(labels: Labels, rotation: int, step: int) -> None:
    axis, places, names, _ = labels
    axis.set_ticks(places[::step], names[::step], rotation=rotation, **FONT)
    axis.set_tick_params(length=0)


def _stride(axis: Any, *, layout: bool = True) -> int:
    """Return the smallest step between labels at which no two overlap."""
    if layout:
        update_layout(axis)
    labels = axis.get_ticklabels()
    boxes = [label.get_window_extent().padded(2.5) for label in labels]
    step = 1
    while any(one.overlaps(other) for one, other in pairwise(boxes[::step])):
        step += 1
    return step


def update_layout(artist: Any) -> None:
    """Compute the layout of the figure without drawing it."""
    artist.figure.canvas.figure.draw_without_rendering()


def size_of(ax: Any) -> NDArray[np.float64]:
    """Return width and height of axes, in points."""
    return ax.get_window_extent().size * 72 / ax.figure.canvas.figure.dpi


def grid_of_axes(
    where: Any, n_rows: int, n_columns: int, heading: str = "", **ratios: Any
) -> Any:
    """Make (n_rows, n_columns) axes in a figure, or in the place of one axes.

    That axes is then hidden.
    """
    if _is_axes(where):
        grid = _divided(where, heading).subgridspec(n_rows, n_columns, **ratios)
        return grid.subplots(squeeze=False)
    if heading:
        where.suptitle(heading)
    return where.subplots(n_rows, n_columns, squeeze=False, **ratios)


def _divided(ax: Any, heading: str) -> Any:
    """Hide an axes, and return its place below the heading."""
    place = ax.get_subplotspec()
    if place is None:
        raise ValueError(
            "ax must be part of a grid of subplots, so that its place can be divided; "
            "got axes placed by hand. Make them with plt.subplots or "
            "Figure.add_subplot."
        )
    ax.set_axis_off()
    if not heading:
        return place
    top, below = place.subgridspec(2, 1, height_ratios=(1, 1000))
    bar = ax.figure.add_subplot(top)
    bar.set_axis_off()
    bar.set_title(heading, fontsize=10)
    return below


def _is_axes(thing: Any) -> bool:
    """Tell whether it is one axes rather than a figure."""
    return hasattr(thing, "get_subplotspec")
