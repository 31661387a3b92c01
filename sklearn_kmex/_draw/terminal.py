"""Plain text for a terminal: at most 80 columns wide, without control characters."""

import unicodedata
from collections.abc import Iterable, Sequence
from numbers import Real
from textwrap import wrap
from typing import Any

from sklearn_kmex._draw.table import (
    Cards,
    Line,
    Picture,
    Table,
    printable,
    shown_value,
)

WIDTH = 80
MAX_SHOWN = 5  # samples, or items of a list
MAX_LENGTH = 60  # of a value


def text_of(value: Any, length: int = MAX_LENGTH) -> str:
    """Write a value on one line, clipped, so that nothing controls the terminal."""
    line = " ".join(shown_value(value).split())
    if len(line) > length:
        line = f"{line[: length - 3]}..."
    return printable(line)


def listed_items(items: Sequence[Any], most: int = MAX_SHOWN) -> str:
    """List the first items, and say how many more there are."""
    shown = ", ".join(text_of(item) for item in items[:most])
    n_more = len(items) - most
    return f"{shown} and {n_more:,} more" if n_more > 0 else shown


def paragraphs(blocks: Iterable[Sequence[str]], more: str = "") -> str:
    """Write blocks of lines: the first as it is, the others below, indented.

    Lines are wrapped at 80 columns. `more` is a last line, about what is not shown.
    """
    written = []
    for first, *others in blocks:
        lines = wrap(first, WIDTH, subsequent_indent="  ") or [""]
        for line in others:
            lines += wrap(line, WIDTH, initial_indent="  ", subsequent_indent="    ")
        written.append("\n".join(lines))
    return "\n\n".join([*written, more] if more else written)


def more_samples(n_more: int) -> str:
    """Say how many samples are not shown."""
    if n_more <= 0:
        return ""
    return f"... and {n_more:,} more sample{'s' * (n_more > 1)}; slice to see others."


def table_blocks(table: Table) -> list[list[str]]:
    """Write each row of a table as a block of its cells, without pictures."""
    return [
        [
            f"{name.capitalize()}: {text}"
            for name, cell in zip(table.head, row, strict=True)
            if (text := _cell_text(cell))
        ]
        for row in table.rows
    ]


def _cell_text(cell: Any) -> str:
    if isinstance(cell, Picture):
        return ""
    if isinstance(cell, Line):
        return text_of("".join(map(shown_value, cell)))
    if isinstance(cell, Cards | list):
        separator = "; " if isinstance(cell, Cards) else ", "
        return separator.join(filter(None, map(_cell_text, cell)))
    return text_of(cell)


def aligned(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Write a table whose columns are aligned, numbers to the right.

    Columns that do not fit into 80 are clipped, the widest first.
    """
    cells = [[text_of(value) for value in row] for row in [head, *rows]]
    widths = [max(map(_width, column)) for column in zip(*cells, strict=True)]
    room = WIDTH - 2 * (len(widths) - 1)
    while sum(widths) > room and max(widths) > 4:
        widths[widths.index(max(widths))] -= 1
    numeric = [all(isinstance(row[j], Real) for row in rows) for j in range(len(head))]
    lines = ["  ".join(map(_fitted, row, widths, numeric)).rstrip() for row in cells]
    return "\n".join(lines)


def _fitted(text: str, width: int, right: bool) -> str:
    """Clip or pad a text to a width."""
    if _width(text) > width:
        while _width(text) > width - 3:
            text = text[:-1]
        text += "..."
    space = " " * (width - _width(text))
    return space + text if right else text + space


def _width(text: str) -> int:
    """Return the number of columns of a text: two for wide characters."""
    wide = sum(unicodedata.east_asian_width(one) in "WF" for one in text)
    combining = sum(unicodedata.combining(one) > 0 for one in text)
    return len(text) + wide - combining
