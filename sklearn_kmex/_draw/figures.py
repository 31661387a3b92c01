"""Where displays draw, and labels that fit there."""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sklearn_kmex._draw.html import clipped
from sklearn_kmex.utils import check_dependency

# Told apart also by those who see few colours (M. A. Petroff, arXiv:2107.02270).
PREDICTED, RUNNER_UP, OTHER = "#3f90da", "#ffa90e", "#94a4a2"
FONT: dict[str, Any] = {"fontsize": 8, "parse_math": False}  # a $ is a dollar


# Ten colours told apart also by those who see few (M. A. Petroff, arXiv:2107.02270).
COLOURS = (
    "#3f90da", "#ffa90e", "#bd1f01", "#94a4a2", "#832db6",
    "#a96b59", "#e76300", "#b9ac70", "#717581", "#92dadd",
)  # fmt: skip
MARKERS = "os^DvPX*<>"


class Labels(NamedTuple):
    """Names for places along an axis of matplotlib, in order."""

    axis: Any
    places: Sequence[float]
    names: Sequence[str]
    rotations: tuple[int, ...] = (0,)


def new_figure(display: str, size: tuple[float, float]) -> Any:
    """Make a figure with pyplot."""
    pyplot = check_dependency("matplotlib.pyplot", caller=display, extra="plot")
    return pyplot.figure(figsize=size, layout="constrained")


def check_axes(ax: Any) -> None:
    """Refuse what is not one axes."""
    if not (ax is None or is_axes(ax)):
        raise TypeError(
            f"ax must be one matplotlib Axes; got {type(ax).__name__}. Of a grid of "
            "subplots, pass one."
        )


def one_axes(display: str, ax: Any, size: tuple[float, float]) -> Any:
    """Take the axes given, or make one of this size in inches."""
    check_axes(ax)
    return new_figure(display, size).subplots() if ax is None else ax


def class_texts(classes: NDArray, class_names: Iterable[Any] | None) -> list[str]:
    """Name the classes, in lines of their own."""
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
    """Colour and marker of a class, of which no two of a hundred share both."""
    n = len(COLOURS)
    return {"color": COLOURS[code % n], "marker": MARKERS[(code + code // n) % n]}


def set_labels(*labels: Labels) -> None:
    """Label axes of one figure; turn labels, and leave some out, until they fit."""
    for one in labels:
        for rotation in one.rotations:
            draw_labels(one, rotation, 1)
            if len(one.rotations) == 1 or stride(one.axis) == 1:
                break
    update_layout(labels[0].axis)
    for one in labels:
        step = stride(one.axis, layout=False)
        if step > 1:
            draw_labels(one, one.rotations[-1], step)


def draw_labels(labels: Labels, rotation: int, step: int) -> None:
    axis, places, names, _ = labels
    axis.set_ticks(places[::step], names[::step], rotation=rotation, **FONT)
    axis.set_tick_params(length=0)


def stride(axis: Any, *, layout: bool = True) -> int:
    """Every which label may stay, so that none overlaps the next."""
    if layout:
        update_layout(axis)
    labels = axis.get_ticklabels()
    boxes = [label.get_window_extent().padded(2.5) for label in labels]
    step = 1
    while any(one.overlaps(other) for one, other in pairwise(boxes[::step])):
        step += 1
    return step


def update_layout(artist: Any) -> None:
    """Put everything in its place, without a picture."""
    artist.figure.canvas.figure.draw_without_rendering()


def size_of(ax: Any) -> NDArray[np.float64]:
    """Width and height of axes, in points."""
    return ax.get_window_extent().size * 72 / ax.figure.canvas.figure.dpi


def grid_of_axes(
    where: Any, n_rows: int, n_columns: int, heading: str = "", **ratios: Any
) -> Any:
    """Make (n_rows, n_columns) axes in a figure, or where one axes is.

    That axes is then hidden, and keeps the place.
    """
    if is_axes(where):
        grid = divided(where, heading).subgridspec(n_rows, n_columns, **ratios)
        return grid.subplots(squeeze=False)
    if heading:
        where.suptitle(heading)
    return where.subplots(n_rows, n_columns, squeeze=False, **ratios)


def divided(ax: Any, heading: str) -> Any:
    """Hide an axes, and return its place, below the heading if there is one."""
    place = ax.get_subplotspec()
    if place is None:
        raise ValueError(
            "ax must stand in a grid of subplots, so that its place can be divided; "
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


def is_axes(thing: Any) -> bool:
    """Tell one axes from a figure."""
    return hasattr(thing, "get_subplotspec")
