"""Texts with marked words, as HTML, Markdown and figures."""

import re
from html import unescape

import numpy as np
import pytest
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import make_pipeline

from sklearn_kmex import KMExClassifier
from sklearn_kmex._draw.words import (
    MarkedText,
    html_words,
    listed_words,
    most_relevant_part,
    part_of,
    reason_of,
)
from sklearn_kmex.explain import Explanation, explain, words

TEXTS = ["win a prize now", "prize waiting, call now", "see you at home", "at work"]
LABELS = ["spam", "spam", "ham", "ham"]


@pytest.fixture(scope="module")
def psem():
    steps = TfidfVectorizer(), TruncatedSVD(3, random_state=0)
    return make_pipeline(*steps, KMExClassifier(1, random_state=0)).fit(TEXTS, LABELS)


def marked(text, **sizes):
    """Mark the first occurrence of words."""
    spans = [(text.index(word), text.index(word) + len(word)) for word in sizes]
    order = np.argsort([start for start, _ in spans])
    values = np.array(list(sizes.values()), dtype=float)
    return MarkedText(text, np.array(spans)[order], values[order])


def text_of(html):
    return unescape(re.sub("<[^>]*>", "", html))


def test_words_are_marked_by_more_than_color():
    html = html_words(marked("a free home", free=2.0, home=-1.0))
    assert re.search('<span class="kmex-for kmex-strong"[^>]*>free</span>', html)
    assert re.search('<span class="kmex-against"[^>]*>home</span>', html)
    assert text_of(html) == "a free homefor: “free” +2; against: “home” -1"
    assert 'dir="auto"' in html


def test_text_of_users_is_text():
    html = html_words(marked("<script>x()</script> & \x00\u202e", script=1.0))
    assert "<script" not in html
    assert "[U+0000][U+202E]" in html


def test_marks_keep_the_text():
    text = "שלום \U0001f468\u200d\U0001f469 cafe\u0301 prize"
    html = html_words(marked(text, prize=1.0, שלום=-1.0))
    assert text_of(html).startswith(text)


def test_long_texts_are_folded_around_the_best_part():
    text = "some words " * 2000 + "prize " + "more words " * 2000
    html = html_words(marked(text, prize=1.0))
    head, _, folded = html.partition("<details")
    assert len(text_of(head)) < 400
    assert "prize" in text_of(head)
    assert f"Whole text, {len(text):,} characters" in folded
    assert text in text_of(folded)


def test_parts_do_not_cut_graphemes():
    family = "\U0001f468\u200d\U0001f469\u200d\U0001f467"
    text = family * 200
    start, end = most_relevant_part(MarkedText(text, [(0, 5)], [1.0]), 101)
    assert start % 5 == end % 5 == 0


def test_part_of_moves_spans():
    text = "filler " * 100 + "free prize " + "filler " * 100
    part = part_of(marked(text, free=1.0, prize=2.0), 60)
    found = [part.text[start:end] for start, end in part.spans]
    assert found == ["free", "prize"]
    assert part.text.startswith("… ")


def test_spellings_are_listed_together():
    text = MarkedText("Prize prize PRIZE", [(0, 5), (6, 11), (12, 17)], [1.0, 1.0, 2.0])
    assert listed_words(text) == [("for", [("Prize", 4.0)])]


def test_nothing_to_say():
    assert reason_of("a", MarkedText("", np.zeros((0, 2)), np.zeros(0), {}), 3) == (
        "no word decides"
    )
    assert "(empty text)" in html_words(MarkedText(" ", np.zeros((0, 2)), np.zeros(0)))


def test_explanations_show_texts(psem):
    found = explain(psem, ["a prize at home"], X_train=TEXTS, y_train=LABELS)
    html = found.to_html()
    assert "a prize at home" in html
    assert TEXTS[found.predicted_training_row[0]] in html
    assert found.member_samples[0].tolist()[0] in TEXTS
    assert "kmex-for" not in html.partition("</style><table")[2]


def test_explanations_mark_the_words_of_both(psem):
    found = explain(
        psem, ["a prize now", ""], X_train=TEXTS, y_train=LABELS, reasons=True
    )
    assert found.reasons[0].startswith("similar to spam in “prize” and “now”")
    html = found.to_html()
    assert html.count('title="+') > 3  # words of the sample, the example and members
    assert "prize" in found.to_markdown()
    members = found.member_words[0]
    assert members.texts.tolist() == found.member_samples[0].tolist()
    assert (members.labels == "spam").all()
    assert (found.example_words.labels == psem[-1].prototype_classes_).all()
    assert found.frame()["reasons"][0] == found.reasons[0]


def test_explanations_of_texts_are_read_back(psem):
    found = explain(psem, TEXTS, X_train=TEXTS, y_train=LABELS, reasons=True)[[1, 3]]
    again = Explanation.from_json(found.to_json())
    assert again.to_json() == found.to_json()
    assert again.words.words == found.words.words
    assert again.member_words[1].relevance[0].tolist() == (
        found.member_words[1].relevance[0].tolist()
    )


def test_figures(psem):
    pyplot = pytest.importorskip("matplotlib.pyplot")
    found = words(psem, ["a $prize$ at home now", "", "see " * 300])
    axes = found.plot(max_samples=2)
    assert [ax.get_title(loc="left").partition(":")[0] for ax in axes] == [
        "sample 0", "sample 1",
    ]  # fmt: skip
    axes[0].figure.canvas.draw()
    both = explain(psem, TEXTS[:2], X_train=TEXTS, y_train=LABELS, reasons=True)
    titles = [ax.get_title(loc="left") for ax in both.plot().flat]
    assert any("runner-up" in title for title in titles)
    assert any("predicted" in title for title in titles)
    alone = explain(psem, TEXTS[:1]).plot()
    assert alone.shape == (1, 2)
    pyplot.close("all")
    with pytest.raises(ValueError, match="max_samples"):
        found.plot(max_samples=0)
