"""Relevance of tokens, merged to words: with an embedder that has no network."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from sklearn_kmex import KMExClassifier
from sklearn_kmex.explain import words


class Pieces(TransformerMixin, BaseEstimator):
    """Embeds counts of two letters; tokens are given by `cut`."""

    def __init__(self, cut):
        self.cut = cut

    def fit(self, X, y=None):
        return self

    def transform(self, X):
        return np.array([[text.count("a"), text.count("b")] for text in X], dtype=float)

    def _attribute_tokens(self, texts, scores, method):
        self.scores_ = scores
        found = []
        for text in texts:
            spans = self.cut(text)
            sizes = [float(end - start) for start, end in spans]
            found.append((np.array(spans), np.array(sizes), {"[CLS]": 0.5}))
        return found


def by(*spans):
    return lambda text: list(spans)


def model(cut, *before):
    psem = make_pipeline(*before, Pieces(cut), KMExClassifier(1))
    return psem.fit(["a a", "b b", "a", "b"], [0, 1, 0, 1])


CASES = {
    "word pieces": ("playing chess", by((0, 4), (4, 7), (8, 13)), [7, 5]),
    "with spaces": ("to be", by((0, 2), (2, 5)), [2, 3]),
    "over two words": ("to be", by((0, 5)), [2.5, 2.5]),
    "punctuation": ("no, no", by((0, 2), (2, 3), (3, 6)), [2, 1, 3]),
    "combining": ("cafe\u0301 a", by((0, 4), (4, 5), (6, 7)), [5, 1]),
    "emoji": ("\U0001f468\u200d\U0001f469 a", by((0, 1), (1, 3), (4, 5)), [3, 1]),
    "right to left": ("שלום עולם", by((0, 2), (2, 4), (5, 9)), [4, 4]),
    "no spaces": ("日本", by((0, 2)), [1, 1]),
    "apostrophe": ("don't go", by((0, 3), (3, 4), (4, 5), (6, 8)), [5, 2]),
    "truncated": ("a b c", by((0, 1)), [1, 0, 0]),
}


@pytest.mark.parametrize("name", CASES)
def test_tokens_merge_to_words(name):
    text, cut, expected = CASES[name]
    found = words(model(cut), [text])
    assert_allclose(found.relevance[0], expected)
    assert_allclose(found.rest, 0.5)
    assert_allclose(found.score, sum(expected) + 0.5)
    assert len(found.words[0]) == len(expected)


def test_tokens_without_text_are_part_of_the_rest():
    found = words(model(by((0, 1), (1, 1), (1, 2))), ["a "])
    assert found.relevance[0].tolist() == [1]
    assert found.rest_parts[0] == {"tokens without text": 1.0, "[CLS]": 0.5}


def test_spans_are_of_the_text_of_the_user():
    clean = FunctionTransformer(lambda X: [text.replace("<i>", "") for text in X])
    found = words(model(by((0, 1), (2, 3)), clean), ["<i>a <i>b"])
    at = dict(zip(map(tuple, found.spans[0].tolist()), found.relevance[0], strict=True))
    assert at[(3, 4)] == at[(8, 9)] == 1


def test_the_embedder_is_told_what_is_explained():
    psem = model(by())
    words(psem, ["a", "b"], target="similarity", prototypes=[1, 1])
    scores = psem[0].scores_
    assert scores.kind == "similarity"
    assert scores.prototypes.tolist() == [[1], [1]]
    words(psem, ["a", "b"], method="epsilon")
    scores = psem[0].scores_
    assert scores.kind == "margin"
    assert scores.codes.tolist() == [0, 1]
    assert scores.rivals.tolist() == [1, 0]
    assert scores.layers == []
