"""Steps that run side by side: the input of each, and its output columns."""

import warnings
from collections import UserList
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import FeatureUnion
from sklearn.utils import _safe_indexing

from sklearn_kmex._compat import _get_column_indices
from sklearn_kmex.explain._probe import is_identity


class Block(NamedTuple):
    """One of the steps: its input, some columns of X, and its output."""

    step: Any
    X: Any
    Z: Any
    columns: NDArray[np.intp]  # of X
    out: slice  # of the output of all steps
    weight: float


def blocks(step: ColumnTransformer | FeatureUnion, X: Any) -> Iterator[Block]:
    """List the steps that have output columns."""
    if isinstance(step, FeatureUnion):
        return _of_union(step, X)
    return _of_columns(step, X)


def _of_columns(step: ColumnTransformer, X: Any) -> Iterator[Block]:
    for name, one, key in step.transformers_:
        columns = _columns(X, key)
        if len(columns) and not (isinstance(one, str) and one == "drop"):
            some = _safe_indexing(X, columns, axis=1)
            given = _safe_indexing(X, key, axis=1) if np.isscalar(key) else some
            Z = some if is_identity(one) else one.transform(given)
            weight = (step.transformer_weights or {}).get(name, 1)
            yield Block(one, some, Z, columns, step.output_indices_[name], weight)


def _columns(X: Any, key: Any) -> NDArray[np.intp]:
    """Return the indices of the columns in a key of a ColumnTransformer."""
    with warnings.catch_warnings():  # scikit-learn 1.6 warns about its own list
        warnings.simplefilter("ignore")
        key = list(key) if isinstance(key, UserList) else key
        return np.asarray(_get_column_indices(X, key), dtype=np.intp)


def _of_union(step: FeatureUnion, X: Any) -> Iterator[Block]:
    columns, start = np.arange(X.shape[1]), 0
    for name, one in step.transformer_list:
        if isinstance(one, str) and one == "drop":
            continue
        Z = X if is_identity(one) else one.transform(X)
        out = slice(start, start + Z.shape[1])
        weight = (step.transformer_weights or {}).get(name, 1)
        yield Block(one, X, Z, columns, out, weight)
        start = out.stop
