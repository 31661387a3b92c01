"""Shapley values of the words of a text, for any model of texts."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from sklearn_kmex._data.samples import chunks
from sklearn_kmex._model.steps import run_steps
from sklearn_kmex.explain._exact_words import TextModel
from sklearn_kmex.explain._probe import rows_of
from sklearn_kmex.explain._sampling import N_PAIRS
from sklearn_kmex.explain._scores import Asked, linear_score
from sklearn_kmex.explain._spans import Span, words_in
from sklearn_kmex.explain._text_words import TextWords, as_spans

MOST_GROUPS = 100  # of words that are left out together
MOST_TEXTS = 1024  # embedded at a time
EMPTY = "text without words"


def sampled_words(model: TextModel, X: list[str], asked: Asked) -> list[TextWords]:
    """Split the scores of texts over their words, by leaving words out."""
    found = []
    for row, text in enumerate(X):
        one = asked.take(slice(row, row + 1))

        def score(texts: list[str], one: Asked = one) -> NDArray[np.float64]:
            Z = rows_of(run_steps(model.steps, texts)).astype(np.float64)
            rows = Asked(one.kind, *(np.repeat(part, len(Z)) for part in one[1:]))
            return linear_score(Z, model.rule, rows).score(Z)

        found.append(_sampled(text, score))
    return found


def _sampled(text: str, score: Callable) -> TextWords:
    words = words_in(text)
    groups = np.array_split(np.arange(len(words)), min(len(words), MOST_GROUPS) or 1)
    parts, base = np.zeros(len(groups)), 0.0
    rng = np.random.RandomState(0)
    orders = [rng.permutation(len(groups)) for _ in range(N_PAIRS)]
    orders += [order[::-1] for order in orders]
    kept = {}
    for order in orders:
        for n in range(len(order) + 1):
            kept.setdefault(frozenset(order[:n].tolist()), len(kept))
    shown = [np.concatenate([groups[g] for g in sorted(some)] or [[]]) for some in kept]
    texts = [_with_words(text, words, set(some.astype(int).tolist())) for some in shown]
    scores = np.concatenate([score(list(some)) for some in chunks(texts, MOST_TEXTS)])
    base = float(scores[kept[frozenset()]])
    for order in orders:
        before = base
        for n, group in enumerate(order, 1):
            after = scores[kept[frozenset(order[:n].tolist())]]
            parts[group] += (after - before) / len(orders)
            before = after
    relevance = np.zeros(len(words))
    for part, group in zip(parts, groups, strict=True):
        relevance[group] = part / max(len(group), 1)
    return TextWords(text, as_spans(words), relevance, {}, {}, {EMPTY: base}, [])


def _with_words(text: str, words: list[Span], kept: set[int]) -> str:
    """Leave words out of a text."""
    pieces, place = [], 0
    for number, (start, end) in enumerate(words):
        pieces.append(text[place:start])
        if number in kept:
            pieces.append(text[start:end])
        place = end
    return "".join([*pieces, text[place:]])
