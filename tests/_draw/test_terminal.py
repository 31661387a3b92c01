"""Plain text for a terminal: width, characters, and what is left out."""

import numpy as np
import pytest

from sklearn_kmex._draw.table import Cards, Line, Picture, Table, Words
from sklearn_kmex._draw.terminal import (
    aligned,
    listed_items,
    more_samples,
    paragraphs,
    table_blocks,
    text_of,
)


def test_values_cannot_control_the_terminal():
    assert text_of("a\x1b[31mred\n\tb") == "a\\x1b[31mred b"
    assert text_of("left\u202eright") == "left\\u202eright"
    assert text_of("94\xa0%") == "94 %"
    assert text_of(np.float64(1 / 3)) == "0.3333"
    assert text_of("é漢") == "é漢"
    assert text_of("x" * 100, 10) == "xxxxxxx..."


def test_lines_are_wrapped_below_their_block():
    text = paragraphs([["First", "word " * 30], ["Second"]], "... and 3 more")
    lines = text.splitlines()
    assert lines[0] == "First"
    assert lines[1].startswith("  word")
    assert lines[2].startswith("    word")
    assert lines[-3:] == ["Second", "", "... and 3 more"]
    assert max(map(len, lines)) <= 80
    assert paragraphs([]) == ""


def test_it_says_how_many_are_left_out():
    assert listed_items([3, 1]) == "3, 1"
    assert listed_items(range(1_234)) == "0, 1, 2, 3, 4 and 1,229 more"
    assert more_samples(0) == ""
    assert more_samples(1) == "... and 1 more sample; slice to see others."
    assert more_samples(1_998).startswith("... and 1,998 more samples")


def test_any_table_can_be_written():
    cells = [
        7,
        ["yes", "p = 0.9", Picture("data:", ())],
        [Cards([["a", Words(" b")], ["c"]]), Line(["class ", 1])],
        Picture("data:", ()),
    ]
    table = Table("caption", ["sample", "prediction", "like", "picture"], [cells])
    assert table_blocks(table) == [
        ["Sample: 7", "Prediction: yes, p = 0.9", "Like: a, b; c, class 1"]
    ]


def test_columns_are_aligned():
    text = aligned(["group", "n", "recall"], [["漢字", 5, 0.25], ["café", 1234, 1.0]])
    assert text.splitlines() == [
        "group     n  recall",
        "漢字      5    0.25",
        "café   1234       1",
    ]


@pytest.mark.parametrize("long", ["x" * 300, "漢" * 300])
def test_tables_fit_into_80_columns(long):
    first, second = aligned(["a", "b", "c"], [[long, long, 2]]).splitlines()
    wide = sum(2 if one == "漢" else 1 for one in second)
    assert wide <= 80
    assert second.count("...") == 2
    assert second.endswith("  2")
    assert first.endswith("  c")
