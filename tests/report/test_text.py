"""Text and numbers as readers see them."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sklearn_kmex.report._text import (
    are,
    as_cell,
    as_name,
    as_number,
    as_text,
    counted,
    distinct,
    interval,
    listed,
    percent,
    points,
)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("two\n  lines\t and\u2028more ", "two lines and more"),
        ("NUL\0", "NUL[U+0000]"),
        ("\ud800 alone", "[U+D800] alone"),
        ("abc\u202egpj.exe", "abc[U+202E]gpj.exe"),
        ("\u2066isolated\u2069", "[U+2066]isolated[U+2069]"),
        ("mark\u200f", "mark[U+200F]"),
        ("\x1b[31mred", "[U+001B][31mred"),
        ("naïve 猫 👩‍🔬", "naïve 猫 👩‍🔬"),
        (3, "3"),
        (None, "None"),
    ],
)
def test_text_is_one_line_that_can_be_seen(value, text):
    assert as_text(value) == text


@given(st.text(st.characters()))
def test_any_text_can_be_written_to_a_file(value):
    text = as_text(value)
    assert text.encode("utf-8").decode("utf-8") == text
    assert len(text.splitlines()) <= 1
    assert json.loads(json.dumps(text)) == text
    assert as_text(text) == text


def test_names_and_cells_are_short():
    assert as_name("x" * 120) == "x" * 120
    assert as_name("x" * 10_000) == "x" * 119 + "…"
    assert as_cell("x" * 41) == "x" * 39 + "…"
    assert as_cell("a\nb") == "a b"
    assert as_cell(np.float32(1 / 3)) == as_cell(1 / 3) == "0.3333"
    assert as_cell(1234567.0) == "1234567"
    assert as_cell(1234567) == "1234567"
    assert as_cell(1e20) == "1e+20"
    assert as_cell(np.nan) == "nan"


def test_names_that_are_the_same_are_numbered():
    assert distinct(["cat", "dog", "cat"]) == ["cat [0]", "dog", "cat [2]"]
    assert distinct(iter("abc")) == ["a", "b", "c"]
    assert distinct([]) == []


def test_numbers_that_json_lacks_are_none():
    assert as_number(np.float32(0.5)) == 0.5
    assert type(as_number(np.float32(0.5))) is float
    assert [as_number(x) for x in (np.nan, np.inf, -np.inf)] == [None] * 3


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (None, "unknown"),
        (0, "0 %"),
        (1.0, "100 %"),
        (0.5, "50.0 %"),
        (0.12345, "12.3 %"),
        (0.0006, "0.1 %"),
        (0.0004, "below 0.1 %"),
        (0.9994, "99.9 %"),
        (0.9996, "above 99.9 %"),
    ],
)
def test_percent(share, text):
    assert percent(share) == text


@given(st.floats(0, 1))
def test_percent_says_all_or_none_only_where_it_is_so(share):
    assert (percent(share) == "100 %") == (share == 1)
    assert (percent(share) == "0 %") == (share == 0)


def test_points():
    shown = {points(x) for x in (0.0, -0.0, 0.0004, -0.0004)}
    assert shown == {"0.0"}
    assert points(0.0123) == "+1.2"
    assert points(-0.5) == "-50.0"


def test_interval():
    assert interval({"low": 0.1, "high": 1}) == "10.0 % to 100 %"
    assert interval({"low": None, "high": None}) == "unknown to unknown"


def test_counts_in_words():
    assert counted(0, "sample") == "0 samples"
    assert counted(1, "sample") == "1 sample"
    assert counted(12345, "row") == "12,345 rows"
    assert are(1, "row") == "1 row is"
    assert are(2, "row") == "2 rows are"


def test_lists_in_words():
    assert listed([]) == ""
    assert listed("abcde") == "a, b, c, d, e"
    assert listed("abcdefg") == "a, b, c, d, e and 2 more"
    assert listed(range(4), 2) == "0, 1 and 2 more"
