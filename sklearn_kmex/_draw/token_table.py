"""Pairs of words of two texts: as a table, and in sentences."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from sklearn_kmex._draw.table import Table, printable
from sklearn_kmex._draw.terminal import text_of

MAX_WORDS = 20  # of each text
N_PAIRS = 5


class TokenTableLike(Protocol):
    """What is shown of two texts."""

    @property
    def texts(self) -> tuple[str, str]: ...
    @property
    def product(self) -> float: ...
    def words(self) -> tuple[list[str], list[str], NDArray[np.float64]]: ...


def pairs_table(found: TokenTableLike) -> Table:
    """Write what each pair of words contributes: a row for each word of the first text.

    Of long texts, the words that contribute most are shown, in their order.
    """
    words, others, values = found.words()
    rows, columns = _largest(values.sum(axis=1)), _largest(values.sum(axis=0))
    shown = [
        [words[i], *(f"{values[i, j]:+.2g}" for j in columns)] for i in rows.tolist()
    ]
    caption = f"What pairs of words add to the similarity, {found.product:.3g}"
    if len(rows) < len(words) or len(columns) < len(others):
        caption += (
            f"; {len(rows)} of {len(words)} and {len(columns)} of {len(others)} words"
        )
    head = ["", *(printable(others[j], 40) for j in columns)]
    return Table(caption, head, shown)


def pairs_lines(found: TokenTableLike) -> list[str]:
    """Say how similar two texts are, and which pairs of words make them so."""
    words, others, values = found.words()
    first, second = (text_of(text) for text in found.texts)
    lines = [f'Similarity {found.product:.3g} of "{first}" and "{second}".']
    for kind, sign in (("more", 1), ("less", -1)):
        pairs = _pairs(words, others, sign * values)
        if pairs:
            lines.append(f"Pairs that make them {kind} similar: {'; '.join(pairs)}.")
    return lines


def _pairs(words: Sequence[str], others: Sequence[str], sizes: NDArray) -> list[str]:
    """Name the pairs of the largest sizes above 0."""
    order = np.argsort(-sizes, axis=None, kind="stable")[:N_PAIRS]
    places = zip(*np.unravel_index(order, sizes.shape), strict=True)
    return [
        f"{text_of(words[i])} and {text_of(others[j])} ({sizes[i, j]:.2g})"
        for i, j in places
        if sizes[i, j] > 0
    ]


def _largest(sizes: NDArray) -> NDArray[np.intp]:
    """Return the places of the largest sizes, in their order."""
    return np.sort(np.argsort(-np.abs(sizes), kind="stable")[:MAX_WORDS])
