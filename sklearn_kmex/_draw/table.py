"""Tables of samples and the kinds of their cells, for HTML and Markdown alike."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

MAX_ROWS = 20  # of a table in a notebook
MAX_LENGTH = 80  # of a name or value


class Table(NamedTuple):
    """Rows of cells.

    A cell is a value, a `Line`, a `Picture`, `Cards`, or a list with a cell for each
    of its lines.
    """

    caption: str
    head: Sequence[str]
    rows: Sequence[Sequence[Any]]
    n_more: int = 0  # samples left out


class Words(str):
    """Text of this package; any other text may come from a user."""


class Line(tuple):
    """Values and Words, written one after the other."""


class Picture(NamedTuple):
    """A picture as a data URI, and values that describe it; left out of Markdown."""

    source: str
    described: tuple[Any, ...]


class Cards(list):
    """Lists of cells, written side by side."""


def shown_value(value: Any) -> str:
    """Return a value of a table as text: a float with four digits or without decimals.

    Amounts such as incomes keep all digits before the point.
    """
    if not isinstance(value, float | np.floating):
        return str(value)
    number = float(value)
    return f"{number:.0f}" if 1e4 <= abs(number) < 1e15 else f"{number:.4g}"


def how_typical(share: float, among: str | None) -> str:
    """Say what share of the rows of its class a sample is more similar than."""
    if among is None or share != share:
        return ""
    rounded = f"{100 * share:.0f}"
    if rounded in ("0", "100") and share not in (0, 1):
        rounded = "below 1" if share < 0.5 else "above 99"
    return f"more similar than {rounded}\N{NO-BREAK SPACE}% of {among} of this class"


def clipped(value: Any, length: int) -> str:
    """Return a value as text of at most some length."""
    text = str(value)
    return text if len(text) <= length else f"{text[: length - 1]}…"


def printable(value: Any, length: int = 1000) -> str:
    """Return clipped text in which nothing can control a terminal."""
    return "".join(
        one if one.isprintable() else one.encode("unicode_escape").decode()
        for one in clipped(value, length)
    )
