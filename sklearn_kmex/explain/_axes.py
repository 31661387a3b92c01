"""Several axes, in a figure or in the place of one axes."""

from typing import Any


def grid_of_axes(where: Any, n_rows: int, n_columns: int, **ratios: Any) -> Any:
    """Make (n_rows, n_columns) axes in a figure, or where one axes is.

    That axes is then hidden: it keeps the place, and a title.
    """
    if not is_axes(where):
        return where.subplots(n_rows, n_columns, squeeze=False, **ratios)
    place = where.get_subplotspec()
    if place is None:
        raise ValueError(
            "ax must stand in a grid of subplots, so that its place can be divided; "
            "got axes placed by hand. Make them with plt.subplots or "
            "Figure.add_subplot."
        )
    where.set_axis_off()
    return place.subgridspec(n_rows, n_columns, **ratios).subplots(squeeze=False)


def is_axes(thing: Any) -> bool:
    """Tell one axes from a figure."""
    return hasattr(thing, "get_subplotspec")


def set_heading(where: Any, text: str) -> None:
    """Write above all that is drawn in a figure, or in the place of one axes."""
    if is_axes(where):
        where.set_title(text, parse_math=False)
    else:
        where.suptitle(text, parse_math=False)
