"""Words: what each word of texts adds to a score."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_kmex._draw.table import Table
from sklearn_kmex._draw.text_figures import plot_words
from sklearn_kmex._draw.words import (
    marked_of,
    reason_of,
    words_table,
)
from sklearn_kmex._model.decision import Decision
from sklearn_kmex.explain._records import SHARED, Records
from sklearn_kmex.explain._scores import Asked
from sklearn_kmex.explain._text_words import TextWords
from sklearn_kmex.utils import check_dependency


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Words(Records):
    """What each word of texts adds to a score.

    It is returned by :func:`words`. It has a length, can be iterated over, and can be
    indexed like an array, by a number, a slice, a mask or a list of numbers; the result
    is a Words of these texts.

    For each text, `relevance[i].sum() + sum(absent[i].values()) + rest[i]` is
    `score[i]`.

    Read more in the :ref:`User Guide <words>`.

    Parameters
    ----------
    sample_indices : ndarray of shape (n_texts,), dtype=intp
        Row of each text in the X that was explained; kept when slicing.

    texts : ndarray of shape (n_texts,), dtype=object
        The texts.

    spans : ndarray of shape (n_texts,), dtype=object
        An array of shape (n_words, 2) and dtype intp for each text: the first character
        of each word, and the one after its last, counted in the text. They are in order
        and do not overlap.

    relevance : ndarray of shape (n_texts,), dtype=object
        An array of shape (n_words,) and dtype float64 for each text: what each word
        adds to the score. Positive values increase it. A word that the model does not
        know has 0.

    unplaced : ndarray of shape (n_texts,), dtype=object
        A dict for each text, from terms of the text that were not located, such as
        those of an analyzer of your own, to what they add to the score.

    absent : ndarray of shape (n_texts,), dtype=object
        A dict for each text, from words that it lacks, to what their absence adds to
        the score.

    rest_parts : ndarray of shape (n_texts,), dtype=object
        A dict for each text, from names to what else adds to the score: "other words
        not said", and "constant", which is the same whatever the text says; for
        networks, special tokens and biases.

    collisions : ndarray of shape (n_texts,), dtype=object
        A list for each text, of terms that share a column of a `HashingVectorizer`. The
        value of the column is shared by their counts.

    score : ndarray of shape (n_texts,), dtype=float64
        The score that is explained.

    labels : ndarray of shape (n_texts,)
        Class that is explained: that of the prototype for the target "similarity".

    against : ndarray of shape (n_texts,)
        Class that the margin compares it with.

    prototypes : ndarray of shape (n_texts,), dtype=intp
        Most similar prototype of `labels`, or the prototype that is explained.

    against_prototypes : ndarray of shape (n_texts,), dtype=intp
        Most similar prototype of `against`.

    target : str
        Score that is explained: "margin", "class" or "similarity".

    method : str
        How it was split, as in :func:`words`.

    Attributes
    ----------
    words : list of list of str
        The words of each text, as they are written there.

    rest : ndarray of shape (n_texts,), dtype=float64
        Sum of `unplaced` and `rest_parts`.

    See Also
    --------
    words : Returns a Words.

    Examples
    --------
    >>> from sklearn.feature_extraction.text import CountVectorizer
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn_kmex import KMExClassifier
    >>> from sklearn_kmex.explain import words
    >>> texts, y = ["free prize", "at home"], ["spam", "ham"]
    >>> psem = make_pipeline(CountVectorizer(), KMExClassifier(1)).fit(texts, y)
    >>> words(psem, ["a prize at my home"])[0].frame()[["word", "relevance"]].head(3)
        word  relevance
    0  prize       -2.0
    1     at        2.0
    2   home        2.0
    """

    texts: NDArray[np.object_]
    spans: NDArray[np.object_]
    relevance: NDArray[np.object_]
    unplaced: NDArray[np.object_]
    absent: NDArray[np.object_]
    rest_parts: NDArray[np.object_]
    collisions: NDArray[np.object_]
    score: NDArray[np.float64]
    labels: NDArray
    against: NDArray
    prototypes: NDArray[np.intp]
    against_prototypes: NDArray[np.intp]
    target: str = field(metadata=SHARED)
    method: str = field(metadata=SHARED)

    @property
    def words(self) -> list[list[str]]:
        """The words of each text."""
        pairs = zip(self.texts, self.spans, strict=True)
        return [[text[start:end] for start, end in spans] for text, spans in pairs]

    @property
    def rest(self) -> NDArray[np.float64]:
        """What else adds to the score of each text, (n_texts,)."""
        pairs = zip(self.unplaced, self.rest_parts, strict=True)
        sums = [sum(a.values()) + sum(b.values()) for a, b in pairs]
        return np.array(sums, dtype=np.float64)

    def reasons(self, n_words: int = 3) -> NDArray[np.object_]:
        """Say in which words each text is similar to its class, and in which not.

        Parameters
        ----------
        n_words : int, default=3
            Largest number of words to name: of those for, against, and not said.

        Returns
        -------
        ndarray of shape (n_texts,), dtype=object
            A phrase for each text, such as "similar to spam in win and prize, unlike it
            in home".
        """
        return as_objects(
            [
                reason_of(self.labels[i], marked_of(self, i), n_words)
                for i in range(len(self))
            ]
        )

    def frame(self) -> Any:
        """Return what adds to the scores as a pandas DataFrame.

        Returns
        -------
        pandas.DataFrame
            A row for each word of each text, the largest absolute relevance first, then
            rows of the other parts: columns `sample`, `label`, `against`, `part`
            ("said", "unplaced", "not said" or "rest"), `word`, `start`, `end` (-1 if it
            is not in the text), `relevance`, and `score` of the text.

        Raises
        ------
        MissingDependencyError
            If pandas is not installed.
        """
        pandas = check_dependency("pandas", caller="frame", extra="all")
        rows = [
            (
                self.sample_indices[i],
                self.labels[i],
                self.against[i],
                *one,
                self.score[i],
            )
            for i in range(len(self))
            for one in self._parts(i)
        ]
        names = ["sample", "label", "against", "part", "word", "start", "end"]
        return pandas.DataFrame(rows, columns=[*names, "relevance", "score"])

    def _parts(self, i: int) -> list[tuple[str, str, int, int, float]]:
        order = np.argsort(-np.abs(self.relevance[i]), kind="stable")
        text, spans = self.texts[i], self.spans[i]
        parts = [
            ("said", text[start:end], int(start), int(end), float(self.relevance[i][n]))
            for n, (start, end) in zip(order, spans[order], strict=True)
        ]
        others = {
            "unplaced": self.unplaced[i],
            "not said": self.absent[i],
            "rest": self.rest_parts[i],
        }
        return parts + [
            (part, name, -1, -1, size)
            for part, sizes in others.items()
            for name, size in sizes.items()
        ]

    def plot(self, *, max_samples: int = 10, figure: Any = None) -> NDArray:
        """Draw each text with its words in color.

        Blue words support the class and are underlined, orange words oppose it and are
        dashed. The texts are cut around their most relevant words.

        Parameters
        ----------
        max_samples : int, default=10
            Largest number of texts to draw, the first ones; slice to draw others.

        figure : matplotlib.figure.Figure or SubFigure, default=None
            Where to draw. None makes a new one with pyplot.

        Returns
        -------
        ndarray of shape (n_rows,), dtype=object
            The matplotlib Axes, one for each text.

        Raises
        ------
        MissingDependencyError
            If matplotlib is not installed.

        ValueError
            If there is no text to draw.

        TypeError
            If `figure` is not a figure.
        """
        pyplot = check_dependency(
            "matplotlib.pyplot", caller="Words.plot", extra="plot"
        )
        return plot_words(pyplot, self, max_samples, figure)

    def _table(self, n_rows: int) -> Table:
        return words_table(self, n_rows)


def make_words(
    split: list[TextWords], method: str, found: Decision, asked: Asked
) -> Words:
    """Put together what was found for each text."""
    columns: dict[str, list[Any]] = {
        "texts": [one.text for one in split],
        "spans": [one.spans for one in split],
        "relevance": [one.relevance for one in split],
        "unplaced": [one.unplaced for one in split],
        "absent": [one.absent for one in split],
        "rest_parts": [one.rest for one in split],
        "collisions": [one.collisions for one in split],
    }
    return Words(
        sample_indices=np.arange(len(split)),
        **{name: as_objects(values) for name, values in columns.items()},
        score=np.array([total(one) for one in split]),
        labels=found.classes[found.owners[asked.prototypes]],
        against=found.classes[found.owners[asked.against]],
        prototypes=asked.prototypes,
        against_prototypes=asked.against,
        target=asked.kind,
        method=method,
    )


def total(one: TextWords) -> float:
    """Sum all parts of the score of a text."""
    parts = [one.unplaced, one.absent, one.rest]
    return float(one.relevance.sum() + sum(sum(part.values()) for part in parts))


def as_objects(values: list[Any]) -> NDArray[np.object_]:
    """Make an array of any objects, without looking into them."""
    array = np.empty(len(values), dtype=object)
    for place, value in enumerate(values):
        array[place] = value
    return array
