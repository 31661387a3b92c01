"""Small tables for notebooks, of text that may hold anything."""

from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

MAX_ROWS = 20
MAX_LENGTH = 80  # of a name or value
LONG = 10  # of one that may be broken anywhere
# Colours are those of the notebook, light or dark; the class stands twice to come
# before the notebook's own rules for tables.
STYLE = """<style>
.kmex-table.kmex-table { border-collapse: collapse; }
.kmex-table.kmex-table caption { padding: 0.3em 0.6em; text-align: left; }
.kmex-table.kmex-table :is(th, td) { border-top: 1px solid rgb(128 128 128 / 40%);
  padding: 0.4em 0.6em; text-align: left; vertical-align: top; }
.kmex-table.kmex-table img { height: 48px; image-rendering: pixelated; margin: 0.2em 0;
  max-width: none; object-fit: contain; width: 48px; }
.kmex-cards { display: flex; flex-wrap: wrap; gap: 0.4em 1.5em; }
.kmex-cards > div { max-width: 12em; }
.kmex-long { overflow-wrap: anywhere; }
</style>"""


class Html(str):
    """Text that is HTML already; all other text is escaped where it is shown."""


def html_table(
    caption: str, head: Sequence[str], rows: Iterable[Sequence[Any]], n_more: int
) -> str:
    """Lay out rows of cells; a cell that is a list gets one line for each item."""
    body = "".join(
        f"<tr>{''.join(f'<td>{lines(cell)}</td>' for cell in row)}</tr>" for row in rows
    )
    names = "".join(f'<th scope="col">{escape(name)}</th>' for name in head)
    more = f"<p>{n_more} more samples; slice to see them.</p>" if n_more > 0 else ""
    return (
        f'{STYLE}<table class="kmex-table"><caption>{escape(caption)}</caption>'
        f"<thead><tr>{names}</tr></thead><tbody>{body}</tbody></table>{more}"
    )


def lines(values: Any) -> Html:
    """Write one value, or the values of a list below each other."""
    if isinstance(values, list):
        return Html("".join(f"<div>{text(value)}</div>" for value in values))
    return text(values)


def text(value: Any) -> Html:
    """Write a value, the marks of which change no direction but its own."""
    if isinstance(value, Html):
        return value
    shown = clipped(value, MAX_LENGTH)
    style = ' class="kmex-long"' if len(shown) > LONG else ""
    return Html(f"<bdi{style}>{escape(shown)}</bdi>")


def cards(values: Iterable[Sequence[Any]]) -> Html:
    """Write lists of values beside each other, as many as fit."""
    beside = "".join(f"<div>{lines(list(value))}</div>" for value in values)
    return Html(f'<div class="kmex-cards">{beside}</div>')


def picture(source: str, *described: Any) -> Html:
    """Show a picture, described by some values."""
    alt = ", ".join(clipped(value, MAX_LENGTH) for value in described)
    return Html(f'<img src="{escape(source)}" alt="{escape(alt)}">')


def clipped(value: Any, length: int) -> str:
    """Return a value as text of at most some length."""
    text = str(value)
    return text if len(text) <= length else f"{text[: length - 1]}…"
