"""Tables as Markdown, in which text of users is always shown as text."""

import unicodedata
from collections.abc import Iterable
from html import escape
from typing import Any

from sklearn_kmex._draw.table import (
    MAX_LENGTH,
    Cards,
    Line,
    Picture,
    Table,
    Words,
    clipped,
)
from sklearn_kmex._draw.words import LONG, MarkedText, line_of

SPECIAL = set("\\`*_[]|~$!")
# Characters that change the direction of the text after them.
DIRECTIONS = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}


def markdown_table(table: Table) -> str:
    """Write a table, and how many samples it leaves out."""
    head = _row(map(markdown_text, table.head))
    rule = _row("---" for _ in table.head)
    rows = [_row(map(markdown_cell, row)) for row in table.rows]
    lines = [markdown_text(table.caption), "", head, rule, *rows]
    if table.n_more > 0:
        lines += ["", f"{table.n_more} more samples; slice to see them."]
    return "\n".join(lines) + "\n"


def markdown_cell(cell: Any) -> str:
    """Write a cell of any kind, without pictures."""
    if isinstance(cell, Picture):
        return ""
    if isinstance(cell, Cards):
        return "<br>".join(_joined(card, ", ") for card in cell)
    if isinstance(cell, list):
        return _joined(cell, "<br>")
    if isinstance(cell, Line):
        return _joined(cell, "")
    if isinstance(cell, Words):
        return _escaped(cell)
    if isinstance(cell, MarkedText):
        listed = line_of(cell)
        text = markdown_text(clipped(cell.text, LONG))
        return f"{text} ({markdown_text(listed)})" if listed else text
    return markdown_text(clipped(cell, MAX_LENGTH))


def markdown_text(value: Any) -> str:
    """Write a value on one line, with markup and control characters escaped."""
    line = " ".join(str(value).split())
    seen = "".join(f"[U+{ord(c):04X}]" if _is_control(c) else c for c in line)
    return _escaped(seen)


def _escaped(text: str) -> str:
    html = escape(text, quote=False)
    return "".join(f"\\{one}" if one in SPECIAL else one for one in html)


def _is_control(character: str) -> bool:
    is_direction = unicodedata.bidirectional(character) in DIRECTIONS
    return is_direction or unicodedata.category(character) in ("Cc", "Cs")


def _joined(cells: Iterable[Any], separator: str) -> str:
    return separator.join(filter(None, map(markdown_cell, cells)))


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
