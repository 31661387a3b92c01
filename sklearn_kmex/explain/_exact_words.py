"""Exact contributions of words, for vectorizers and steps that are sums over terms."""

from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.utils import gen_batches

from sklearn_kmex._data.arrays import BLOCK_ELEMENTS
from sklearn_kmex._data.samples import len_of, take
from sklearn_kmex._model.rule import Rule
from sklearn_kmex.explain._absent import Expected, column_words, expected_words
from sklearn_kmex.explain._probe import row_lengths, rows_of
from sklearn_kmex.explain._read_terms import terms_of
from sklearn_kmex.explain._scores import Asked, Linear, linear_score
from sklearn_kmex.explain._spans import (
    Span,
    merged,
    overlapping,
    taken_back,
    trace,
    words_in,
)
from sklearn_kmex.explain._terms import Term, Terms, divided_by_norm, pushed
from sklearn_kmex.explain._text_words import Sharing, TextWords, as_spans
from sklearn_kmex.explain._walk import forward, walk_back

EXACT = "exact"
MOST_TEXTS = 256  # at a time
OTHER, CONSTANT = "other words not said", "constant"


class TextModel(NamedTuple):
    """Steps and rule of a model of texts, and how many absent words to name."""

    steps: list[tuple[str, Any]]
    rule: Rule
    n_absent: int


class Sizes(NamedTuple):
    """The parts of scores of some texts."""

    terms: Terms
    of_terms: NDArray[np.float64]
    of_columns: NDArray[np.float64] | None  # (n_texts, n_columns), of absent words
    scores: NDArray[np.float64]
    method: str


def exact_words(
    model: TextModel, X: Any, asked: Asked, method: str | None
) -> tuple[list[TextWords], str] | None:
    """Split the scores of texts over their words; None if this is not possible."""
    place, docs = _first_table(model.steps, X)
    if place is None:
        return None
    after = model._replace(steps=model.steps[place:])
    (_, first), *others = after.steps
    names = column_words(first)
    expected = expected_words(names, others, model.rule)
    found: list[TextWords] = []
    used = EXACT
    width = model.rule.prototypes.shape[1]
    size = int(np.clip(BLOCK_ELEMENTS // width, 1, MOST_TEXTS))
    for rows in gen_batches(len_of(docs), size):
        some = take(docs, range(rows.start, rows.stop))
        sizes = _sizes(after, some, asked.take(rows), expected, method)
        if sizes is None:
            return None
        used = sizes.method
        texts = X[rows] if place else None
        found += _placed(sizes, names, texts, model.n_absent)
    return found, used


def _first_table(steps: list[tuple[str, Any]], X: Any) -> tuple[int | None, Any]:
    """Find the step that makes a table of texts, and its input."""
    for place, (_, step) in enumerate(steps):
        some = step.transform(take(X, [0]))
        if len(getattr(some, "shape", ())) == 2:
            return place, X
        X = step.transform(X)
    return None, X


def _sizes(
    model: TextModel,
    X: Any,
    asked: Asked,
    expected: Expected | None,
    method: str | None,
) -> Sizes | None:
    """Compute what each term of some texts adds to their scores."""
    (_, first), *others = model.steps
    inputs = forward(model.steps, X)[1:]
    Z = rows_of(inputs[-1]).astype(np.float64)
    linear = linear_score(Z, model.rule, asked)
    terms = terms_of(first, X)
    if terms is None:
        return None
    if method in (None, EXACT):
        known = pushed(others, inputs[0], terms)
        if known is not None:
            offsets = None if expected is None else expected.offsets(asked)
            absent = _where_absent(offsets, inputs[0])
            if model.rule.metric.unit:
                lengths = row_lengths(Z, "l2")
                known = divided_by_norm(Z, "l2", known).scaled(lengths)
            sizes = known.relevance(linear.slope)
            return Sizes(terms, sizes, absent, linear.score(Z), EXACT)
    return _sizes_of_columns(others, inputs, terms, linear, method)


def _sizes_of_columns(
    steps: list[tuple[str, Any]],
    inputs: list[Any],
    terms: Terms,
    linear: Linear,
    method: str | None,
) -> Sizes | None:
    """Share what the columns of the vectorizer add, by the method of an embedder."""
    Z = rows_of(inputs[-1])
    split, left = walk_back(steps, inputs, linear.split(Z), method or "auto")
    if left or (method is not None and method != split.method):
        return None
    counts = rows_of(inputs[0]).astype(np.float64)
    present = counts != 0
    each = np.divide(split.parts, counts, out=np.zeros(counts.shape), where=present)
    return Sizes(
        terms,
        terms.along(each),
        np.where(present, 0.0, split.parts),
        linear.score(Z),
        split.method,
    )


def _where_absent(offsets: NDArray | None, X: Any) -> NDArray[np.float64] | None:
    """Set to zero what words add that the texts have."""
    if offsets is None:
        return None
    offsets = offsets.copy()
    offsets[sparse.csr_matrix(X).nonzero()] = 0
    return offsets


def _placed(
    sizes: Sizes, names: NDArray | None, texts: Any, n_absent: int
) -> list[TextWords]:
    """Share the sizes of terms among the words of each text."""
    order = np.argsort(sizes.terms.rows, kind="stable")
    ends = np.searchsorted(sizes.terms.rows[order], np.arange(len(sizes.scores) + 1))
    found = []
    for row, (start, end) in enumerate(pairwise(ends)):
        some = [(sizes.terms.terms[n], sizes.of_terms[n]) for n in order[start:end]]
        text, sharing = _shared(sizes.terms, row, some, texts)
        absent, others = _absent(sizes.of_columns, names, row, n_absent)
        rest = {OTHER: others} if others else {}
        known = [sharing.relevance.sum(), others, *absent.values()]
        known += sharing.unplaced.values()
        rest[CONSTANT] = float(sizes.scores[row] - sum(known))
        found.append(
            TextWords(
                text,
                as_spans(sharing.words),
                sharing.relevance,
                sharing.unplaced,
                absent,
                rest,
                _collisions([term for term, _ in some]),
            )
        )
    return found


def _shared(
    terms: Terms, row: int, some: list[tuple[Term, float]], texts: Any
) -> tuple[str, Sharing]:
    """Share sizes among words in the text of the user, in which they are located."""
    starts, text, words = [], "", []
    for place, field in enumerate(terms.fields):
        text += "\n" * (place > 0)
        starts.append(len(text))
        own = merged(field.tokens[row], field.texts[row])
        if field.of_characters:
            others = words_in(field.texts[row])
            own = sorted([*own, *(one for one in others if not overlapping(one, own))])
        words += [(start + starts[-1], end + starts[-1]) for start, end in own]
        text += field.texts[row]
    moved = _Moved(starts, None)
    if texts is not None and texts[row] != text:
        moved = _Moved(starts, trace(texts[row], text))
        text = texts[row]
        words = merged(moved.back(words), text)
    sharing = Sharing(words)
    for term, size in some:
        occurrences = [moved.spans(term.field, one) for one in term.occurrences]
        sharing.add(term.name, float(size), occurrences)
    return text, sharing


class _Moved(NamedTuple):
    """Where the fields of a text start, and where its characters come from."""

    starts: list[int]
    origin: list[Span] | None

    def spans(self, field: int, spans: list[Span]) -> list[Span]:
        start = self.starts[field]
        return self.back([(one + start, end + start) for one, end in spans])

    def back(self, spans: list[Span]) -> list[Span]:
        return spans if self.origin is None else taken_back(spans, self.origin)


def _absent(
    of_columns: NDArray | None, names: NDArray | None, row: int, n_absent: int
) -> tuple[dict[str, float], float]:
    """Name the words not said that count most, and sum the others."""
    if names is None or of_columns is None:
        return {}, 0.0
    values = of_columns[row]
    are_words = np.array([name is not None for name in names])
    order = np.flatnonzero(are_words & (values != 0))
    order = order[np.argsort(-np.abs(values[order]), kind="stable")]
    named, others = order[:n_absent], order[n_absent:]
    absent: dict[str, float] = {}
    for column in named:
        name = str(names[column])
        absent[name] = absent.get(name, 0.0) + float(values[column])
    return absent, float(values[others].sum())


def _collisions(terms: list[Term]) -> list[str]:
    """Name the terms that share a column."""
    groups = {
        tuple(sorted((term.name, *term.shared_with)))
        for term in terms
        if term.shared_with
    }
    return [", ".join(group) for group in sorted(groups)]
