"""Tables in Markdown: any text is text, on one line, in its own column."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sklearn_kmex._draw.markdown import markdown_cell, markdown_table, markdown_text
from sklearn_kmex._draw.table import Cards, Line, Picture, Table, Words


@given(st.text(max_size=60))
def test_any_text_stays_in_its_cell(value):
    text = markdown_table(Table("of", ["name", "other"], [[value, [value, value]]]))
    row = text.splitlines()[4]
    assert len(text.splitlines()) == 5
    assert len(re.findall(r"(?<!\\)(?:\\\\)*\|", row)) == 3
    assert "<" not in row.replace("<br>", "")


def test_markup_is_escaped():
    assert markdown_text("*a*_b_<i>|`c`&") == (r"\*a\*\_b\_&lt;i&gt;\|\`c\`&amp;")
    assert markdown_text("\u202eevil\nnext") == r"\[U+202E\]evil next"


def test_cells_of_all_kinds():
    picture = Picture("data:,", ("a digit",))
    assert markdown_cell([1, picture, "b"]) == "1<br>b"
    assert markdown_cell(Line(["a", Words(" = "), 2])) == "a = 2"
    assert markdown_cell(Cards([[picture, "a", "b"], ["c"]])) == "a, b<br>c"
    assert markdown_cell("x" * 10_000) == f"{'x' * 79}…"


@pytest.mark.parametrize(("n_more", "said"), [(0, False), (3, True)])
def test_what_is_not_shown_is_said(n_more, said):
    text = markdown_table(Table("of", ["a"], [], n_more))
    assert ("3 more samples" in text) is said
