"""Pairs of words of two texts in notebooks and terminals."""

import re

import numpy as np

from sklearn_kmex.explain import TokenTable


def table_of(text, other, values):
    spans, other_spans = (
        np.array([found.span() for found in re.finditer(r"\S+", one)])
        for one in (text, other)
    )
    values = np.asarray(values, dtype=float)
    return TokenTable(
        texts=(text, other),
        index=None,
        spans=spans,
        other_spans=other_spans,
        values=values,
        product=values.sum(),
        rest=0.0,
        squared_distance=0.4,
    )


def test_a_notebook_shows_each_pair_of_words():
    page = table_of("free lunch", "lunch now", [[0.1, -0.3], [0.7, 0.25]])._repr_html_()
    rows = re.findall(r"<tr>(.*?)</tr>", page)
    cells = [re.sub(r"<[^>]+>", " ", row).split() for row in rows]
    assert cells == [
        ["lunch", "now"],
        ["free", "+0.1", "-0.3"],
        ["lunch", "+0.7", "+0.25"],
    ]
    assert "add to the similarity, 0.75</caption>" in page


def test_words_are_text_and_few():
    words = " ".join(f"word{number}" for number in range(50))
    found = table_of(words, "a<b>x", np.linspace(0, 1, 50)[:, np.newaxis])
    page = found._repr_html_()
    assert page.count("<tr>") == 21
    assert ">word49<" in page
    assert "20 of 50 and" in page
    assert "<b>" not in page
    empty = table_of("free", "lunch", [[0.5]])
    page = TokenTable(**{**vars(empty), "texts": ("", "")})._repr_html_()
    assert "add to the similarity" in page


def test_a_terminal_says_which_pairs():
    found = table_of("free lunch", "lunch now", [[0.1, -0.3], [0.7, 0.25]])
    assert " ".join(str(found).split()) == (
        'Similarity 0.75 of "free lunch" and "lunch now". Pairs that make them more '
        "similar: lunch and lunch (0.7); lunch and now (0.25); free and lunch (0.1). "
        "Pairs that make them less similar: free and now (0.3)."
    )
    assert max(map(len, str(found).splitlines())) <= 80
