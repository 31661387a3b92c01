"""Several axes, in a figure or in the place of one axes."""

from typing import Any


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
