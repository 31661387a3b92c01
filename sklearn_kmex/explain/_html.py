"""Small tables for notebooks, of text that may hold anything."""

from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

MAX_ROWS = 20


def html_table(
    caption: str, head: Sequence[str], rows: Iterable[Sequence[Any]], n_more: int
) -> str:
    """Lay out rows of cells; a cell that is a list gets one line for each item."""
    body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows)
    names = "".join(f"<th>{escape(name)}</th>" for name in head)
    more = f"<p>{n_more} more samples; slice to see them.</p>" if n_more > 0 else ""
    return (
        f"<table><caption>{escape(caption)}</caption><thead><tr>{names}</tr></thead>"
        f"<tbody>{body}</tbody></table>{more}"
    )


def clipped(value: Any, length: int) -> str:
    """Return a value as text of at most some length."""
    text = str(value)
    return text if len(text) <= length else f"{text[: length - 1]}…"


def _cell(value: Any) -> str:
    lines = value if isinstance(value, list) else [value]
    text = "<br>".join(escape(str(line)) for line in lines)
    return f'<td style="text-align: left; vertical-align: top">{text}</td>'
