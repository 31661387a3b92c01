"""The terms of texts, and what each adds to the output of a step that takes texts."""

from typing import Any

import numpy as np
from scipy import sparse
from sklearn.compose import ColumnTransformer
from sklearn.feature_extraction import FeatureHasher
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer
from sklearn.pipeline import FeatureUnion, Pipeline

from sklearn_kmex.explain import _probe
from sklearn_kmex.explain._blocks import blocks
from sklearn_kmex.explain._spans import Reader, Reading, words_in
from sklearn_kmex.explain._terms import (
    Field,
    Term,
    Terms,
    divided_by_norm,
    is_sum,
    opened,
    pushed,
    rescaled,
)


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


def _of_vectorizer(step: Any, X: list[Any]) -> Terms:
    """List the terms of each text, with what each adds to the output."""
    reader, counts = Reader(step), sparse.csr_matrix(step.transform(X))
    texts = [step.decode(text) for text in X]
    readings = [reader.read(text) for text in texts]
    terms, columns = _listed(step, readings)
    found = _sparse_terms(texts, readings, terms, columns, counts)
    if getattr(step, "norm", None) is None:
        return found
    lengths = _probe.row_lengths(counts, step.norm)  # which are 1
    return divided_by_norm(counts, step.norm, found).scaled(lengths)


def _listed(step: Any, readings: list[Reading]) -> tuple[list[Term], list[int]]:
    """List the terms of all texts that have a column, and these columns."""
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
    return terms, columns


def _sparse_terms(
    texts: list[str],
    readings: list[Reading],
    terms: list[Term],
    columns: list[int],
    counts: Any,
) -> Terms:
    """Make terms whose embedding has one value, that of their column."""
    places = np.array(columns, dtype=np.intp)
    rows = np.array([term.row for term in terms], dtype=np.intp)
    values = np.zeros(0)
    if terms:  # no rows are selected as a matrix
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
    found, fields = [], []
    seen: dict[tuple[int, ...], int] = {}
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
        found.append(
            terms.scaled(np.full(terms.constant.shape[0], float(block.weight)))
        )
        fields.append(place)
    if not seen:
        return None
    return _side_by_side(found, fields)


def _holds_texts(X: Any) -> bool:
    values = np.asarray(X)
    return values.dtype.kind in "US" or (
        values.dtype == object
        and all(isinstance(one, str | bytes) for one in values.flat)
    )


def _side_by_side(found: list[Terms], fields: list[int]) -> Terms:
    """Put the columns of several outputs beside each other."""
    terms: list[Term] = []
    kept: dict[int, Field] = {}
    for one, place in zip(found, fields, strict=True):
        terms += [term._replace(field=term.field + place) for term in one.terms]
        for n, field in enumerate(one.fields):
            known = kept.setdefault(n + place, field)
            kept[n + place] = _joined(known, field) if known is not field else field
    diagonal = sparse.block_diag(
        [sparse.csr_matrix(one.matrix) for one in found], "csr"
    )
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
    names = sorted(
        {text[slice(*one)] for text, some in zip(X, spans, strict=True) for one in some}
    )
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
    return unscaled if is_sum(unscaled, Z) else rescaled(Z, unscaled)
