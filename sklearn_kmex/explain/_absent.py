"""What words that a text lacks add to its score."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.compose import ColumnTransformer
from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import Normalizer
from sklearn.utils import gen_batches

from sklearn_kmex._data.arrays import BLOCK_ELEMENTS
from sklearn_kmex._model.rule import Rule
from sklearn_kmex.explain._probe import (
    MOST_ELEMENTS,
    is_identity,
    rows_of,
    transform_silently,
)
from sklearn_kmex.explain._scores import Asked, in_metric
from sklearn_kmex.explain._terms import opened


class Expected(NamedTuple):
    """The words of prototypes, in the columns of a vectorizer."""

    words: NDArray[np.float64]  # (n_prototypes, n_columns), how often they have words
    slopes: NDArray[np.float64]  # (n_prototypes, n_columns), product with each column

    def offsets(self, asked: Asked) -> NDArray[np.float64]:
        """Return what each column adds to the score of a text that lacks all words."""
        own, other = asked.prototypes, asked.against
        if asked.kind != "margin":
            return -self.slopes[own] * self.words[own]
        slope = self.slopes[own] - self.slopes[other]
        return -slope * (self.words[own] + self.words[other])


def expected_words(
    names: NDArray | None, steps: list[tuple[str, Any]], rule: Rule
) -> Expected | None:
    """Take prototypes back to the words of columns; None if impossible."""
    if names is None or all(name is None for name in names):
        return None
    prototypes = np.asarray(rule.prototypes, dtype=np.float64)
    if len(names) * prototypes.shape[1] > MOST_ELEMENTS and steps:
        return None
    plain = [opened(step) for _, step in steps]
    plain = [one for one in plain if not is_identity(one)]
    words = _inverted(plain, prototypes)
    slopes = _slopes(plain, in_metric(rule, prototypes), len(names))
    if words is None or slopes is None or words.shape != slopes.shape:
        return None
    return Expected(words, slopes)


def column_words(step: Any) -> NDArray[np.object_] | None:
    """Return the word of each output column of a step, None for other columns."""
    step = opened(step)
    if isinstance(step, CountVectorizer):
        return step.get_feature_names_out().astype(object)
    if isinstance(step, Pipeline):
        kept = [one for _, one in step.steps if not is_identity(one)]
        return column_words(kept[0]) if len(kept) == 1 else None
    if isinstance(step, FeatureUnion):
        blocks = [one for _, one in step.transformer_list if one != "drop"]
        found = [names for one in blocks if (names := column_words(one)) is not None]
        return np.concatenate(found) if len(found) == len(blocks) else None
    if isinstance(step, ColumnTransformer):
        return _words_of_columns(step)
    return None


def _words_of_columns(step: ColumnTransformer) -> NDArray[np.object_]:
    names = np.full(max(one.stop for one in step.output_indices_.values()), None)
    for name, one, _ in step.transformers_:
        words = None if isinstance(one, str) else column_words(one)
        if words is not None:
            names[step.output_indices_[name]] = words
    return names


def _inverted(steps: list[Any], points: NDArray) -> NDArray[np.float64] | None:
    """Invert steps; rows are not multiplied by their lengths."""
    try:
        for step in reversed(steps):
            if isinstance(step, TfidfTransformer) and step.use_idf:
                points = points / step.idf_
            elif not isinstance(step, Normalizer | TfidfTransformer):
                points = rows_of(step.inverse_transform(points)).astype(np.float64)
    except Exception:  # a step may have no inverse
        return None
    return points


def _slopes(
    steps: list[Any], slopes: NDArray, n_columns: int
) -> NDArray[np.float64] | None:
    """Return the product of slopes, (n, n_features), and the image of each column."""
    if not steps:
        return slopes
    parts = []
    for columns in gen_batches(n_columns, max(1, BLOCK_ELEMENTS // slopes.shape[1])):
        rows: Any = sparse.eye(n_columns, format="csr")[columns]
        try:
            for step in steps:
                rows = _image(step, rows)
        except Exception:  # not defined for these rows
            return None
        parts.append(rows_of(rows) @ slopes.T)
    return np.concatenate(parts).T


def _image(step: Any, rows: Any) -> Any:
    """Run the linear part of a step, without division of rows by their lengths."""
    if isinstance(step, Normalizer):
        return rows
    if isinstance(step, TfidfTransformer):
        return rows.multiply(step.idf_).tocsr() if step.use_idf else rows
    zero = sparse.csr_matrix((1, rows.shape[1]))
    if not sparse.issparse(rows):
        zero = zero.toarray()
    return transform_silently(step, rows) - transform_silently(step, zero)
