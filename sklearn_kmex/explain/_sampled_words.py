"""Shapley values of the words of a text, for any model of texts."""

import warnings
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from sklearn_kmex._data.samples import chunks
from sklearn_kmex._model.steps import run_steps
from sklearn_kmex.exceptions import KMExWarning
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
    """Split the scores of texts over their words, by leaving words out.

    Warnings of the embedder, such as those of long texts, were given for the texts.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", KMExWarning)
        return [
            _sampled(text, _scorer(model, asked.take(slice(row, row + 1))))
            for row, text in enumerate(X)
        ]


def _scorer(model: TextModel, asked: Asked) -> Callable[[list[str]], NDArray]:
    """Return a function that scores versions of one text."""

    def score(texts: list[str]) -> NDArray[np.float64]:
        Z = rows_of(run_steps(model.steps, texts)).astype(np.float64)
        rows = Asked(asked.kind, *(np.repeat(part, len(Z)) for part in asked[1:]))
        return linear_score(Z, model.rule, rows).score(Z)

    return score


def _sampled(text: str, score: Callable[[list[str]], NDArray]) -> TextWords:
    """Average what words add over random orders of the words and their opposites."""
    words = words_in(text)
    groups = np.array_split(np.arange(len(words)), min(len(words), MOST_GROUPS) or 1)
    rng = np.random.RandomState(0)
    orders = [rng.permutation(len(groups)) for _ in range(N_PAIRS)]
    orders += [order[::-1] for order in orders]
    masks = np.concatenate([_growing(order, groups, len(words)) for order in orders])
    different, places = np.unique(masks, axis=0, return_inverse=True)
    texts = [_with_words(text, words, mask) for mask in different]
    scores = np.concatenate([score(list(some)) for some in chunks(texts, MOST_TEXTS)])
    paths = scores[places.ravel()].reshape(len(orders), len(groups) + 1)
    parts = np.zeros(len(groups))
    for order, path in zip(orders, paths, strict=True):
        parts[order] += np.diff(path) / len(orders)
    sizes = [len(group) for group in groups]
    relevance = np.repeat(parts / np.maximum(sizes, 1), sizes)
    base = {EMPTY: float(paths[0, 0])}
    return TextWords(text, as_spans(words), relevance, {}, {}, base, [])


def _growing(
    order: NDArray[np.intp], groups: list[NDArray], n_words: int
) -> NDArray[np.bool_]:
    """Mark the words of the first groups of an order, of none, one, two and so on."""
    masks = np.zeros((len(order) + 1, n_words), dtype=bool)
    for n, group in enumerate(order, 1):
        masks[n:, groups[group]] = True
    return masks


def _with_words(text: str, words: list[Span], kept: NDArray[np.bool_]) -> str:
    """Leave words out of a text."""
    pieces, place = [], 0
    for (start, end), is_kept in zip(words, kept, strict=True):
        pieces += [text[place:start], text[start:end] if is_kept else ""]
        place = end
    return "".join([*pieces, text[place:]])
