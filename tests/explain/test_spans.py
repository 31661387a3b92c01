"""Words and terms are found in the text of the user."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.feature_extraction.text import CountVectorizer

from sklearn_kmex.explain._spans import Reader, trace, words_in

TEXTS = [
    "Hello   World, the free PRIZE!! ",
    "İstanbul ΟΔΟΣ straße café e\u0301t\u00e9 don't",
    "हिन्दी में \U0001f468\u200d\U0001f469 \U0001f1e9\U0001f1ea ok",
    "שלום עולם hello 日本語です",
    "",
    "a",
    " \t\n",
]
SETTINGS = [
    {},
    {"ngram_range": (1, 3)},
    {"ngram_range": (2, 3), "stop_words": "english"},
    {"analyzer": "char", "ngram_range": (1, 4)},
    {"analyzer": "char_wb", "ngram_range": (2, 5)},
    {"analyzer": "char_wb", "ngram_range": (5, 9)},
    {"analyzer": "char", "ngram_range": (2, 3), "strip_accents": "unicode"},
    {"strip_accents": "ascii"},
    {"lowercase": False, "token_pattern": r"(?u)\b(\w)\w*\b"},
    {"tokenizer": str.split, "token_pattern": None},
    {"preprocessor": lambda text: text.replace("free", "gratis").upper()},
    {"analyzer": str.split},
]


@pytest.mark.parametrize("kwargs", SETTINGS)
def test_terms_are_those_of_the_analyzer(kwargs):
    vectorizer = CountVectorizer(**kwargs)
    reader, analyze = Reader(vectorizer), vectorizer.build_analyzer()
    for text in TEXTS:
        terms = reader.read(text).terms
        assert {name: len(some) for name, some in terms.items()} == Counter(
            analyze(text)
        )
        spans = [one for some in terms.values() for own in some for one in own]
        assert all(0 <= start < end <= len(text) for start, end in spans)


@settings(max_examples=60, deadline=None)
@given(text=st.text(max_size=30), n=st.integers(0, 10))
def test_any_text(text, n):
    vectorizer = CountVectorizer(**SETTINGS[n])
    reader, analyze = Reader(vectorizer), vectorizer.build_analyzer()
    terms = reader.read(text).terms
    assert {name: len(some) for name, some in terms.items()} == Counter(analyze(text))


def shown(reader, text):
    found = reader.read(text).terms.items()
    return {name: [text[a:b] for a, b in some[0]] for name, some in found}


def test_spans_are_of_the_original_text():
    accents = Reader(CountVectorizer(strip_accents="unicode"))
    assert shown(accents, "CAF\u00c9 İstanbul Straße") == {
        "cafe": ["CAF\u00c9"], "istanbul": ["İstanbul"], "straße": ["Straße"],
    }  # fmt: skip
    pairs = Reader(CountVectorizer(ngram_range=(2, 2), stop_words=["the"]))
    assert shown(pairs, "Win THE Big Prize") == {
        "win big": ["Win", "Big"], "big prize": ["Big", "Prize"],
    }  # fmt: skip
    letters = Reader(CountVectorizer(analyzer="char_wb", ngram_range=(3, 3)))
    assert shown(letters, "Ab  c") == {" ab": ["Ab"], "ab ": ["Ab"], " c ": ["c"]}
    replaced = Reader(
        CountVectorizer(preprocessor=lambda t: t.replace("free", "GRATIS"))
    )
    assert shown(replaced, "a free prize")["GRATIS"] == ["free"]
    stems = Reader(CountVectorizer(tokenizer=lambda t: [w[:4] for w in t.split()]))
    assert shown(stems, "Running late") == {"runn": ["Running"], "late": ["late"]}


def test_removed_words_do_not_move_others():
    origin = trace("see the prize the meeting", "see prize meeting")
    assert [origin[4], origin[8], origin[10]] == [(8, 9), (12, 13), (18, 19)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Don't stop, me!", ["Don't", "stop", ",", "me", "!"]),
        ("हिन्दी में", ["हिन्दी", "में"]),
        ("cafe\u0301 ok", ["cafe\u0301", "ok"]),
        ("a\U0001f468\u200d\U0001f469b", ["a", "\U0001f468\u200d\U0001f469", "b"]),
        (
            "\U0001f1e9\U0001f1ea\U0001f1eb\U0001f1f7",
            ["\U0001f1e9\U0001f1ea", "\U0001f1eb\U0001f1f7"],
        ),
        ("\U0001f44d\U0001f3fd", ["\U0001f44d\U0001f3fd"]),
        ("日本 ab", ["日", "本", "ab"]),
        ("\u0301", ["\u0301"]),
        ("", []),
    ],
)
def test_words_never_cut_a_grapheme(text, expected):
    assert [text[start:end] for start, end in words_in(text)] == expected


@settings(max_examples=100, deadline=None)
@given(text=st.text(max_size=40))
def test_words_are_in_order_and_leave_only_spaces(text):
    spans = np.array(words_in(text)).reshape(-1, 2)
    assert (spans[:, 0] < spans[:, 1]).all()
    assert (spans[1:, 0] >= spans[:-1, 1]).all()
    covered = {place for start, end in spans for place in range(start, end)}
    assert all(c.isspace() for n, c in enumerate(text) if n not in covered)
