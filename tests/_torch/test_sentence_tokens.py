"""Relevance of tokens by all-MiniLM-L6-v2, if it is installed."""

import copy

import numpy as np
import pytest
from numpy.testing import assert_allclose

torch = pytest.importorskip("torch")
pytest.importorskip("sentence_transformers")
pytest.importorskip("zennit")

from sklearn.pipeline import make_pipeline

from sklearn_kmex import KMExClassifier
from sklearn_kmex.embedding import TextEmbedder
from sklearn_kmex.explain import token_table, words
from sklearn_kmex.explain._target import find_scores

NEUTRAL = ["we", "went", "to", "the", "station", "and", "waited", "for", "a", "late"]
NEUTRAL += ["train", "because", "of", "snow", "while", "my", "sister", "read", "books"]
PLANTED = np.array(["elephant", "volcano"])


def planted(n_texts, seed):
    """Texts of two classes that differ by one word, put in a random place."""
    generator = np.random.default_rng(seed)
    texts, labels = [], np.arange(n_texts) % 2
    for label in labels:
        text = list(generator.choice(NEUTRAL, 9))
        text.insert(generator.integers(len(text) + 1), PLANTED[label])
        texts.append(" ".join(text))
    return texts, labels


def psem_of(encoder, **settings):
    classifier = KMExClassifier(1, random_state=0, **settings)
    return make_pipeline(TextEmbedder(encoder), classifier).fit(*planted(60, 0))


@pytest.mark.parametrize("target", ["class", "margin"])
@pytest.mark.parametrize("method", [None, "epsilon_cp"])
def test_a_planted_word_ranks_first(sentence_encoder, method, target):
    psem = psem_of(sentence_encoder)
    texts, labels = planted(40, 1)
    found = words(psem, texts, target=target, labels=labels, method=method)
    first = [
        own[relevance.argmax()]
        for own, relevance in zip(found.words, found.relevance, strict=True)
    ]
    assert np.mean(np.array(first) == PLANTED[labels]) >= 0.95


def test_tokens_and_positions_have_all_relevance_without_biases(sentence_encoder):
    encoder = copy.deepcopy(sentence_encoder).double()
    for name, weight in encoder.named_parameters():
        if "bias" in name:
            torch.nn.init.zeros_(weight)
    psem, texts = psem_of(encoder), planted(6, 1)[0]
    for target in ("class", "margin", "similarity"):
        scores, _ = find_scores(psem, texts, [], target)
        for _, relevance, rest in psem[0]._attribute_tokens(
            texts, scores, "epsilon_cp"
        ):
            parts = np.abs([relevance.sum(), *rest.values()]).sum()
            assert abs(rest["biases"]) < 1e-6 * parts


def test_all_parts_are_the_score(sentence_encoder):
    psem, texts = psem_of(sentence_encoder), planted(6, 1)[0]
    scores, _ = find_scores(psem, texts, [], "class")
    found = psem[0]._attribute_tokens(texts, scores, None)
    total = [relevance.sum() + sum(rest.values()) for _, relevance, rest in found]
    assert_allclose(total, psem.transform(texts).max(axis=1), rtol=1e-3)


def test_the_closest_text_shares_the_planted_word(sentence_encoder):
    psem, texts = psem_of(sentence_encoder), planted(20, 1)[0]
    found = token_table(psem, "a volcano near the station", texts)
    own, others, values = found.words()
    place = np.unravel_index(values.argmax(), values.shape)
    assert own[place[0]] == "volcano"
    assert others[place[1]] == "volcano"
    one, other = psem[0].transform(list(found.texts)).astype(float)
    assert_allclose(found.product, one @ other, rtol=1e-5)
    assert_allclose(found.squared_distance, ((one - other) ** 2).sum(), rtol=1e-4)
