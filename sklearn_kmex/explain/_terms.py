"""Embeddings of texts as sums over terms, and steps that keep them sums."""

import copy
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import Normalizer

from sklearn_kmex._model.steps import without_cache
from sklearn_kmex.explain import _probe
from sklearn_kmex.explain._spans import Span


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
        return np.bincount(entries.row, sizes, len(self.terms)).astype(np.float64)

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


def pushed(steps: list[tuple[str, Any]], X: Any, terms: Terms) -> Terms | None:
    """Run terms through the steps that are affine or divide rows by their length."""
    for _, step in steps:
        Z = X if _probe.is_identity(step) else opened(step).transform(X)
        found = _pushed(opened(step), X, Z, terms)
        if found is None:
            return None
        X, terms = Z, found
    return terms


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
    return _affine(step, X, Z, terms) or rescaled(Z, terms)


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


def rescaled(Z: Any, terms: Terms) -> Terms | None:
    """Multiply terms, if the step multiplies each row by a number."""
    total = _probe.rows_of(terms.total())
    Z = _probe.rows_of(Z).astype(np.float64)
    if Z.shape != total.shape:
        return None
    squares = np.einsum("ij,ij->i", total, total)
    factor = np.einsum("ij,ij->i", total, Z) / np.where(squares > 0, squares, 1)
    mean = _is_mean(factor, terms)
    if (Z.shape[1] == 1 and not mean) or not is_sum(terms.scaled(factor), Z):
        return None  # a single number is a multiple of any other
    lengths = np.sqrt(squares)
    if not mean:
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
    return Z.dtype.kind == "f" and _probe.is_same(
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
