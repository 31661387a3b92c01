"""Tables for notebooks: anything is text, and stays in its place."""

from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sklearn_kmex._draw.html import html_cell, html_page, html_table
from sklearn_kmex._draw.table import Cards, Line, Picture, Table, Words


class Reader(HTMLParser):
    """Tags and text of a document, but for its style."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.words = [], []
        self.feed(html.partition("</style>")[2])
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.words.append(data)


@given(st.text(max_size=60))
def test_any_text_is_text(value):
    reader = Reader(html_table(Table("of", ["name"], [[value], [[value, value]]])))
    assert "".join(reader.words).count(value) >= 3
    assert [tag for tag, _ in reader.tags if tag in ("img", "script", "a", "b")] == []


@given(st.text(min_size=1, max_size=60))
def test_any_text_describes_a_picture(value):
    ((tag, attributes),) = Reader(
        f"</style>{html_cell(Picture('data:,', (value, 3)))}"
    ).tags
    assert tag == "img"
    assert attributes["alt"] == f"{value}, 3"


def test_directions_do_not_leak():
    assert html_cell("\u202eevil") == "<bdi>\u202eevil</bdi>"


def test_long_text_is_cut_and_may_be_broken():
    shown = html_cell("x" * 10_000)
    assert len(shown) < 120
    assert shown == f'<bdi class="kmex-long">{"x" * 79}…</bdi>'
    assert len(html_cell(Picture("data:,", ("x" * 10_000,)))) < 120
    assert html_cell(0.00349) == "<bdi>0.00349</bdi>"


def test_cells_of_all_kinds():
    line = Line(["a<b", Words("!")])
    assert html_cell(line) == "<bdi>a&lt;b</bdi>!"
    both = html_cell([line, "<i>"])
    assert both == (f"<div>{html_cell(line)}</div><div><bdi>&lt;i&gt;</bdi></div>")
    assert html_cell(Words("<i>")) == "&lt;i&gt;"
    assert html_cell(Cards([["a"], ["b"]])).count("<div>") == 4


def test_a_page_is_a_document_of_its_own():
    page = html_page("<i>", "<p>text</p>")
    assert page.startswith("<!DOCTYPE html>")
    assert "<title>&lt;i&gt;</title>" in page
    assert "<p>text</p></body></html>" in page


@pytest.mark.parametrize(("n_more", "said"), [(0, False), (3, True)])
def test_what_is_not_shown_is_said(n_more, said):
    html = html_table(Table("of", ["a"], [], n_more))
    assert ("3 more samples" in html) is said
