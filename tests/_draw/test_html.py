"""Tables for notebooks: anything is text, and stays in its place."""

from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sklearn_kmex._draw.html import Html, cards, html_table, lines, picture, text


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
    reader = Reader(html_table("of", ["name"], [[value], [[value, value]]], 0))
    assert "".join(reader.words).count(value) >= 3
    assert [tag for tag, _ in reader.tags if tag in ("img", "script", "a", "b")] == []


@given(st.text(min_size=1, max_size=60))
def test_any_text_describes_a_picture(value):
    ((tag, attributes),) = Reader(f"</style>{picture('data:,', value, 3)}").tags
    assert tag == "img"
    assert attributes["alt"] == f"{value}, 3"


def test_directions_do_not_leak():
    assert text("\u202eevil") == "<bdi>\u202eevil</bdi>"


def test_long_text_is_cut_and_may_be_broken():
    shown = text("x" * 10_000)
    assert len(shown) < 120
    assert shown == f'<bdi class="kmex-long">{"x" * 79}…</bdi>'
    assert len(picture("data:,", "x" * 10_000)) < 120
    assert text(0.00349) == "<bdi>0.00349</bdi>"


def test_what_is_html_stays_html():
    made = Html(f"{text('a<b')}!")
    assert text(made) == made == "<bdi>a&lt;b</bdi>!"
    assert lines([made, "<i>"]) == (f"<div>{made}</div><div><bdi>&lt;i&gt;</bdi></div>")
    assert text(f"{made}").startswith('<bdi class="kmex-long">&lt;bdi')
    assert cards([["a"], ["b"]]).count("<div>") == 4


@pytest.mark.parametrize(("n_more", "said"), [(0, False), (3, True)])
def test_what_is_not_shown_is_said(n_more, said):
    html = html_table("of", ["a"], [], n_more)
    assert ("3 more samples" in html) is said
