"""What the words of one text add to its score."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sklearn_kmex.explain._spans import Span, overlapping


class TextWords(NamedTuple):
    """The score of a text is the sum of `relevance` and of the values of the dicts."""

    text: str
    spans: NDArray[np.intp]  # (n_words, 2), in order
    relevance: NDArray[np.float64]  # (n_words,)
    unplaced: dict[str, float]  # terms that were not located
    absent: dict[str, float]  # words that the text lacks
    rest: dict[str, float]
    collisions: list[str]  # words in one column of a HashingVectorizer


class Sharing:
    """Shares sizes among the words of a text.

    Parameters
    ----------
    words : list of (start, end)
        Spans of the words, in order.
    """

    def __init__(self, words: list[Span]) -> None:
        self.words = words
        self.relevance = np.zeros(len(words))
        self.unplaced: dict[str, float] = {}

    def add(self, name: str, size: float, occurrences: list[list[Span]]) -> None:
        """Share a size equally by occurrences, and each part by its words."""
        for spans in occurrences:
            part = size / len(occurrences)
            places = sorted({n for one in spans for n in overlapping(one, self.words)})
            if places:
                self.relevance[places] += part / len(places)
            else:
                self.unplaced[name] = self.unplaced.get(name, 0.0) + part


def as_spans(words: list[Span]) -> NDArray[np.intp]:
    """Return spans as an array, (n_words, 2)."""
    return np.array(words, dtype=np.intp).reshape(-1, 2)
