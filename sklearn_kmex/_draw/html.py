"""Tables as HTML, in which text of users is always shown as text."""

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
from sklearn_kmex._draw.words import WORD_STYLE, MarkedText, html_words

LONG = 10  # length from which on a value may be broken anywhere
# The colors are those of the notebook, light or dark. The class is repeated so that
# these rules come before those of the notebook.
STYLE = """<style>
.kmex-table.kmex-table { border-collapse: collapse; }
.kmex-table.kmex-table caption { padding: 0.3em 0.6em; text-align: left; }
.kmex-table.kmex-table :is(th, td) { border-top: 1px solid rgb(128 128 128 / 40%);
  padding: 0.4em 0.6em; text-align: left; vertical-align: top; }
.kmex-table.kmex-table img { height: 48px; image-rendering: pixelated; margin: 0.2em 0;
  max-width: none; object-fit: contain; width: 48px; }
.kmex-cards { display: flex; flex-wrap: wrap; gap: 0.4em 1.5em; }
.kmex-cards > div { max-width: 12em; }
div:has(> .kmex-cards) + div { margin-top: 0.5em; }
.kmex-long { overflow-wrap: anywhere; }
@media (min-width: 60em) {
  .kmex-table.kmex-table :is(th, td):has(.kmex-long) { min-width: 9em; }
}
</style>"""


def html_page(title: str, body: str) -> str:
    """Make an HTML document that refers to nothing outside itself."""
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f"<title>{escape(title)}</title>"
        "<style>body { font-family: sans-serif; }</style></head>"
        f"<body>{body}</body></html>\n"
    )


def html_table(table: Table) -> str:
    """Write a table, and how many samples it leaves out."""
    caption, head, rows, n_more = table
    body = "".join(
        f"<tr>{''.join(f'<td>{html_cell(cell)}</td>' for cell in row)}</tr>"
        for row in rows
    )
    names = "".join(f'<th scope="col">{escape(name)}</th>' for name in head)
    more = f"<p>{n_more} more samples; slice to see them.</p>" if n_more > 0 else ""
    return (
        f'{STYLE}{WORD_STYLE}<table class="kmex-table">'
        f"<caption>{escape(caption)}</caption>"
        f"<thead><tr>{names}</tr></thead><tbody>{body}</tbody></table>{more}"
    )


def html_cell(cell: Any) -> str:
    """Write a cell of any kind."""
    if isinstance(cell, MarkedText):
        return html_words(cell)
    if isinstance(cell, Picture):
        return _picture(cell)
    if isinstance(cell, Cards):
        return f'<div class="kmex-cards">{_lines(cell)}</div>'
    if isinstance(cell, list):
        return _lines(cell)
    if isinstance(cell, Line):
        return "".join(map(html_cell, cell))
    return escape(cell) if isinstance(cell, Words) else _value(cell)


def _lines(cells: Iterable[Any]) -> str:
    return "".join(f"<div>{html_cell(cell)}</div>" for cell in cells)


def _value(value: Any) -> str:
    """Write a value; its direction of writing does not affect the text around it."""
    shown = clipped(value, MAX_LENGTH)
    style = ' class="kmex-long"' if len(shown) > LONG else ""
    return f"<bdi{style}>{escape(shown)}</bdi>"


def _picture(picture: Picture) -> str:
    alt = ", ".join(clipped(value, MAX_LENGTH) for value in picture.described)
    return f'<img src="{escape(picture.source)}" alt="{escape(alt)}">'
