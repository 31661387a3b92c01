"""Embeddings of texts as sums over the terms of a vectorizer."""

import copy
from collections.abc import Callable
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.feature_extraction import FeatureHasher
from sklearn.feature_extraction.text import (
    CountVectorizer,
    HashingVectorizer,
    TfidfTransformer,
)
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import Normalizer

from sklearn_kmex._data.samples import len_of
from sklearn_kmex._model.steps import without_cache
from sklearn_kmex.explain import _probe
from sklearn_kmex.explain._blocks import blocks
from sklearn_kmex.explain._spans import Reader, Span, words_in


class Term(NamedTuple):
    """A term of one text."""

    row: int  # of the text
    field: int  # column of texts that it is in
    name: str
    occurrences: list[list[Span]]  # spans of the words of each
    shared_with: tuple[str, ...] = ()  # other terms of the text in its column
    share: float = 1.0


class Field(NamedTuple):
    """A column of texts, and what is read in it."""

    texts: list[str]
    tokens: list[list[Span]]  # words of each text
    of_characters: bool


class Terms(NamedTuple):
    """Embeddings as a constant and a sum over terms: `Z[row]` is the sum of both."""

    fields: list[Field]
    terms: list[Term]
    matrix: Any  # (n_terms, n_features)
    constant: Any  # (n_texts, n_features)
    # Share of each term in what its text was last divided by; NaN if it was not.
    shares: NDArray[np.float64]  # (n_terms,)
    blocks: NDArray[np.intp]  # (n_terms,), parts of the row divided on their own

    @property
    def rows(self) -> NDArray[np.intp]:
        """Row of the text of each term."""
        return np.array([term.row for term in self.terms], dtype=np.intp)

    def total(self) -> Any:
        """Sum the terms of each text, and the constant."""
        n_texts, n_terms = self.constant.shape[0], len(self.terms)
        ones = (np.ones(n_terms), (self.rows, np.arange(n_terms)))
        return sparse.csr_matrix(ones, (n_texts, n_terms)) @ self.matrix + self.constant

    def scaled(self, factor: NDArray[np.float64]) -> Self:
        """Multiply the embedding of each text by a number."""
        rows = self.rows
        return self._replace(
            matrix=sparse.diags(factor[rows]) @ self.matrix,
            constant=sparse.diags(factor) @ self.constant,
        )

    def along(self, slope: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the product of each term and the slope of its text."""
        if not sparse.issparse(self.matrix):
            return np.einsum("ij,ij->i", self.matrix, slope[self.rows])
        entries = self.matrix.tocoo()
        sizes = entries.data * slope[self.rows[entries.row], entries.col]
        return np.bincount(entries.row, sizes, minlength=len(self.terms))

    def divided(self, gradient: NDArray[np.float64], lengths: NDArray) -> Self:
        """Divide rows by their lengths, whose gradient by the row is given."""
        sizes, rows = self.along(gradient), self.rows
        totals = np.bincount(rows, sizes, minlength=len(lengths))
        mostly = (totals > lengths / 2) & (lengths > 0)  # words make up the length
        totals = np.where(mostly, totals, np.nan)
        nothing = np.zeros(len(rows), dtype=np.intp)
        found = self._replace(shares=sizes / totals[rows], blocks=nothing)
        return found.scaled(1 / np.where(lengths > 0, lengths, 1))

    def relevance(self, slope: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return what each term adds to the product of embedding and slope.

        A term adds to the product, and also to the length that the row is divided by.
        """
        sizes = self.along(slope)
        groups = self.rows * (self.blocks.max(initial=0) + 1) + self.blocks
        totals = np.bincount(groups, sizes)[groups] if len(sizes) else sizes
        return np.where(np.isnan(self.shares), sizes, 2 * sizes - totals * self.shares)


def terms_of(step: Any, X: Any) -> Terms | None:
    """Split the output of a step that takes texts; None if it is no sum over terms."""
    step = opened(step)
    if isinstance(step, Pipeline):
        (_, first), *others = step.steps
        if _probe.is_identity(first) and others:
            return terms_of(Pipeline(others), X)
        found = terms_of(first, X)
        return None if found is None else pushed(others, first.transform(X), found)
    if isinstance(step, CountVectorizer | HashingVectorizer):
        return _of_vectorizer(step, list(X))
    if isinstance(step, FeatureUnion):
        return _of_union(step, X)
    if isinstance(step, ColumnTransformer):
        return _of_columns(step, X)
    return _of_words(step, list(X))


def pushed(steps: list[tuple[str, Any]], X: Any, terms: Terms) -> Terms | None:
    """Run terms through the steps that are affine or divide rows by their length."""
    found: Terms | None = terms
    for _, step in steps:
        Z = X if _probe.is_identity(step) else opened(step).transform(X)
        found = _pushed(opened(step), X, Z, found)
        if found is None:
            return None
        X = Z
    return found


def opened(step: Any) -> Any:
    """Return the step inside a cache or a `FrozenEstimator`."""
    step = step.estimator if isinstance(step, FrozenEstimator) else step
    return without_cache(step)


def _pushed(step: Any, X: Any, Z: Any, terms: Terms) -> Terms | None:
    if _probe.is_identity(step):
        return terms
    if isinstance(step, Pipeline):
        return pushed(step.steps, X, terms)
    if isinstance(step, Normalizer):
        return divided_by_norm(X, step.norm, terms)
    if isinstance(step, TfidfTransformer) and step.norm is not None:
        bare = copy.copy(step)
        bare.norm = None
        weighted = bare.transform(X)
        found = _pushed(bare, X, weighted, terms)
        return None if found is None else divided_by_norm(weighted, step.norm, found)
    return _affine(step, X, Z, terms) or _rescaled(Z, terms)


def divided_by_norm(X: Any, norm: str, terms: Terms) -> Terms:
    """Divide the terms of each row of X by the norm of the row."""
    rows = _probe.rows_of(X).astype(np.float64)
    sizes = np.abs(rows)
    if norm == "l1":
        lengths, gradient = sizes.sum(axis=1), np.sign(rows)
    elif norm == "max":
        lengths = sizes.max(axis=1)
        first = np.arange(rows.shape[1]) == sizes.argmax(axis=1)[:, np.newaxis]
        gradient = np.sign(rows) * first
    else:
        lengths = np.linalg.norm(rows, axis=1)
        gradient = rows / np.where(lengths > 0, lengths, 1)[:, np.newaxis]
    return terms.divided(gradient, lengths)


def _affine(step: Any, X: Any, Z: Any, terms: Terms) -> Terms | None:
    """Push terms through a step; None if they do not sum to its output."""
    try:
        zero = _like(X, np.zeros((1, X.shape[1])))
        offset = _run(step, zero)
        matrix = _run(step, _like(X, terms.matrix))
        if _probe.rows_of(offset).any():
            matrix = _probe.rows_of(matrix) - _probe.rows_of(offset)
        constant = _run(step, _like(X, terms.constant))
    except Exception:  # not defined for these rows, so not affine
        return None
    found = terms._replace(matrix=matrix, constant=constant)
    return found if is_sum(found, Z) else None


def _rescaled(Z: Any, terms: Terms) -> Terms | None:
    """Multiply terms, if the step multiplies each row by a number."""
    total = _probe.rows_of(terms.total())
    Z = _probe.rows_of(Z).astype(np.float64)
    if Z.shape != total.shape:
        return None
    squares = np.einsum("ij,ij->i", total, total)
    factor = np.einsum("ij,ij->i", total, Z) / np.where(squares > 0, squares, 1)
    if not is_sum(terms.scaled(factor), Z):
        return None
    lengths = np.sqrt(squares)
    if np.allclose(factor * lengths, 1) or not _is_mean(factor, terms):
        return divided_by_norm(total, "l2", terms).scaled(factor * lengths)
    counts = np.bincount(terms.rows, minlength=len(factor))
    return terms._replace(shares=1 / counts[terms.rows]).scaled(factor)


def _is_mean(factor: NDArray, terms: Terms) -> bool:
    """Tell whether terms are divided by their number."""
    counts = np.bincount(terms.rows, minlength=len(factor))
    return np.allclose((factor * counts)[counts > 0], 1)


def is_sum(terms: Terms, Z: Any) -> bool:
    """Compare the sum of terms with embeddings, to half the digits of their dtype."""
    Z = _probe.rows_of(Z)
    return Z.dtype.kind == "f" and _probe._same(
        _probe.rows_of(terms.total()), Z, Z.dtype
    )


def _run(step: Any, X: Any) -> Any:
    """Run a step, without warnings about unusual rows."""
    Z = step.transform(X)
    return Z.tocsr() if sparse.issparse(Z) else np.asarray(Z, dtype=np.float64)


def _like(X: Any, rows: Any) -> Any:
    """Convert rows to the kind and dtype of X."""
    dtype = X.dtype if X.dtype == np.float32 else np.float64
    if sparse.issparse(X):
        return sparse.csr_matrix(rows, dtype=dtype)
    return _probe.rows_of(rows).astype(dtype)


def _of_vectorizer(step: Any, X: list[Any]) -> Terms:
    """List the terms of each text, with their columns."""
    reader, counts = Reader(step), sparse.csr_matrix(step.transform(X))
    texts = [step.decode(text) for text in X]
    readings = [reader.read(text) for text in texts]
    place_of = _places(step, {name for one in readings for name in one.terms})
    terms: list[Term] = []
    columns: list[int] = []
    for row, reading in enumerate(readings):
        names: dict[int, list[Any]] = {}
        for name in reading.terms:
            if name in place_of:
                names.setdefault(place_of[name][0], []).append(name)
        for column, some in names.items():
            shares = _shares(some, reading.terms, place_of)
            for name, share in zip(some, shares, strict=True):
                others = tuple(str(other) for other in some if other != name)
                found = reading.terms[name]
                terms.append(Term(row, 0, str(name), found, others, share))
                columns.append(column)
    found = _sparse_terms(texts, readings, terms, columns, counts)
    if getattr(step, "norm", None) is None:
        return found
    lengths = _probe.row_lengths(counts, step.norm)  # which are 1
    return divided_by_norm(counts, step.norm, found).scaled(lengths)


def _sparse_terms(
    texts: list[str],
    readings: list[Any],
    terms: list[Term],
    columns: list[int],
    counts: Any,
) -> Terms:
    """Make terms whose embedding has one value, that of their column."""
    places = np.array(columns, dtype=np.intp)
    rows = np.array([term.row for term in terms], dtype=np.intp)
    values = np.asarray(counts[rows, places], dtype=np.float64).ravel()
    values = values * np.array([term.share for term in terms])
    entries = (values, (np.arange(len(terms)), places))
    shape = (len(terms), counts.shape[1])
    return Terms(
        [
            Field(
                texts,
                [reading.tokens for reading in readings],
                any(reading.of_characters for reading in readings),
            )
        ],
        terms,
        sparse.csr_matrix(entries, shape),
        sparse.csr_matrix(counts.shape),
        np.full(len(terms), np.nan),
        np.zeros(len(terms), dtype=np.intp),
    )


def _places(step: Any, names: set[Any]) -> dict[Any, tuple[int, float]]:
    """Return the column of each term that has one, and its sign."""
    if isinstance(step, CountVectorizer):
        known = step.vocabulary_
        return {name: (known[name], 1.0) for name in names if name in known}
    settings = ("n_features", "dtype", "alternate_sign")
    hasher = FeatureHasher(
        input_type="string", **{name: getattr(step, name) for name in settings}
    )
    some = list(names)
    if not some:
        return {}
    hashed = hasher.transform([name] for name in some).tocsr()
    pairs = zip(hashed.indices.tolist(), hashed.data.tolist(), strict=True)
    return dict(zip(some, pairs, strict=True))


def _shares(
    names: list[Any], terms: dict[Any, list[Any]], place_of: dict[Any, Any]
) -> list[float]:
    """Share a column among its terms, by their signed counts."""
    counts = np.array([place_of[name][1] * len(terms[name]) for name in names])
    total = counts.sum()
    if total == 0:  # they cancel out
        return [1 / len(names)] * len(names)
    shares: list[float] = (counts / total).tolist()
    return shares


def _of_union(step: FeatureUnion, X: Any) -> Terms | None:
    found, weights = [], step.transformer_weights or {}
    for name, one in step.transformer_list:
        if isinstance(one, str) and one == "drop":
            continue
        terms = terms_of(one, X)
        if terms is None:
            return None
        weight = float(weights.get(name, 1))
        found.append(terms.scaled(np.full(terms.constant.shape[0], weight)))
    return _side_by_side(found, [0] * len(found)) if found else None


def _of_columns(step: ColumnTransformer, X: Any) -> Terms | None:
    """Split the columns of texts; other columns are constants."""
    found, fields, seen = [], [], {}
    for block in blocks(step, X):
        terms = None
        if len(block.columns) == 1 and _holds_texts(block.X):
            texts = np.asarray(block.X, dtype=object)[:, 0].tolist()
            terms = terms_of(block.step, texts)
        if terms is None:
            constant = _probe.rows_of(block.Z).astype(np.float64)
            empty = np.zeros((0, constant.shape[1]))
            none = np.zeros(0, dtype=np.intp)
            terms = Terms([], [], empty, constant, np.zeros(0), none)
        place = seen.setdefault(tuple(block.columns), len(seen)) if terms.fields else 0
        found.append(terms.scaled(np.full(terms.constant.shape[0], float(block.weight))))
        fields.append(place)
    if not seen:
        return None
    return _side_by_side(found, fields)


def _holds_texts(X: Any) -> bool:
    values = np.asarray(X)
    return values.dtype.kind in "US" or (
        values.dtype == object and all(isinstance(one, str | bytes) for one in values.flat)
    )


def _side_by_side(found: list[Terms], fields: list[int]) -> Terms:
    """Put the columns of several outputs beside each other."""
    terms, kept = [], {}
    for one, place in zip(found, fields, strict=True):
        terms += [term._replace(field=term.field + place) for term in one.terms]
        for n, field in enumerate(one.fields):
            known = kept.setdefault(n + place, field)
            kept[n + place] = _joined(known, field) if known is not field else field
    diagonal = sparse.block_diag([sparse.csr_matrix(one.matrix) for one in found], "csr")
    constant = sparse.hstack([sparse.csr_matrix(one.constant) for one in found], "csr")
    shares = np.concatenate([one.shares for one in found])
    most = max(one.blocks.max(initial=0) for one in found) + 1
    blocks_of = [one.blocks + n * most for n, one in enumerate(found)]
    return Terms(
        [kept[n] for n in sorted(kept)],
        terms,
        diagonal,
        constant,
        shares,
        np.concatenate(blocks_of),
    )


def _joined(one: Field, other: Field) -> Field:
    tokens = [[*a, *b] for a, b in zip(one.tokens, other.tokens, strict=True)]
    return Field(one.texts, tokens, one.of_characters or other.of_characters)


def _of_words(step: Any, X: list[Any]) -> Terms | None:
    """Split a mean or sum of the vectors of words, such as static embeddings.

    The words are those between spaces and punctuation, and each is embedded alone.
    """
    if not all(isinstance(text, str) for text in X):
        return None
    spans = [words_in(text) for text in X]
    names = sorted({text[slice(*one)] for text, some in zip(X, spans, strict=True) for one in some})
    try:
        Z = _probe.rows_of(step.transform(X)).astype(np.float64)
        vectors = _probe.rows_of(step.transform(names)).astype(np.float64)
    except Exception:  # a step may not take single words
        return None
    if not names or Z.ndim != 2:
        return None
    place = {name: n for n, name in enumerate(names)}
    terms = [
        Term(row, 0, text[slice(*span)], [[span]])
        for row, text in enumerate(X)
        for span in spans[row]
    ]
    matrix = vectors[[place[term.name] for term in terms]]
    fields = [Field(X, spans, False)]
    nothing = np.zeros(len(terms), dtype=np.intp)
    unscaled = Terms(
        fields, terms, matrix, np.zeros(Z.shape), np.full(len(terms), np.nan), nothing
    )
    return unscaled if is_sum(unscaled, Z) else _rescaled(Z, unscaled)
