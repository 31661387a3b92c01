"""The content of a report as a page or as a model card."""

import secrets
from html import escape
from pathlib import Path
from typing import Any

from sklearn_kmex._draw.words import LEGEND, WORD_STYLE
from sklearn_kmex.report import _text, _words
from sklearn_kmex.utils import check_dependency

TEMPLATES = Path(__file__).parent / "templates"
SPECIAL = set("\\`*_[]|~$!")  # in Markdown, within a line


def render_html(content: dict[str, Any]) -> str:
    """Render the page, with identifiers of its own."""
    page = environment(autoescape=True).get_template("report.html")
    # The uid is part of all ids of the page, and the nonce of its only script.
    return page.render(**content, uid=f"r{secrets.token_hex(6)}")


def render_markdown(content: dict[str, Any]) -> str:
    """Render the card, with names from users escaped."""
    card = environment(autoescape=False, finalize=markdown_text)
    return card.get_template("card.md").render(**content)


def environment(**settings: Any) -> Any:
    """Return an environment whose templates raise an error for missing names."""
    jinja2 = check_dependency("jinja2", caller="SEMReport", extra="report")
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        **settings,
    )
    helpers = ("are", "counted", "hits", "interval", "listed", "percent", "points")
    made.filters.update({name: getattr(_text, name) for name in helpers})
    made.filters["at"] = lambda place, some: some[place]
    safe = jinja2.utils.markupsafe.Markup
    for name in ("marked_text", "marked_part"):
        write = getattr(_words, name)
        made.filters[name] = lambda *given, write=write: safe(write(*given))
    made.globals |= {"word_style": safe(WORD_STYLE), "word_legend": LEGEND}
    return made


def markdown_text(value: Any) -> str:
    """Escape Markdown and HTML."""
    text = escape(str(value), quote=False)
    return "".join(f"\\{one}" if one in SPECIAL else one for one in text)
