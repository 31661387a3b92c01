"""Rows of length one, whose products are cosine similarities."""

from typing import Any

import numpy as np
from scipy import sparse
from sklearn.preprocessing import normalize
from sklearn.utils import check_array

from sklearn_kmex._compat import get_namespace_and_device
from sklearn_kmex._data.arrays import squared_norms
from sklearn_kmex._data.samples import as_array


def as_rows(Z: Any, name: str) -> Any:
    """Return embeddings as an array or CSR matrix of finite floating-point numbers.

    An error calls the embeddings by `name`.
    """
    if not sparse.issparse(Z):
        Z = np.asarray(as_array(Z))
        Z = Z.reshape(len(Z), -1)
    dtypes = [np.float64, np.float32]
    return check_array(Z, accept_sparse="csr", dtype=dtypes, input_name=name)


def unit_rows(X: Any) -> Any:
    """Divide each row by its length, in its dtype; a row of zeros stays as it is."""
    if sparse.issparse(X):
        return normalize(normalize(X, norm="max"))
    xp, *_ = get_namespace_and_device(X)
    with np.errstate(invalid="ignore"):
        return xp.where((largest_values(X) == 0)[:, None], X, divide_by_length(X))


def divide_by_length(X: Any) -> Any:
    """Divide each row of an array by its length; a row of zeros becomes nan."""
    xp, *_ = get_namespace_and_device(X)
    largest = largest_values(X)[:, None]
    end = float(xp.finfo(X.dtype).max) ** 0.25  # squares neither over- nor underflow
    safe = (largest < end) & (largest > 1 / end) | (largest == 0)
    unsafe = xp.where(safe, xp.ones_like(largest), largest)
    X = X / 2.0 ** xp.floor(xp.log2(unsafe))  # exact
    return X / xp.sqrt(squared_norms(X))[:, None]


def largest_values(X: Any) -> Any:
    """Return the largest absolute value of each row, sparse or not."""
    if sparse.issparse(X):
        return abs(X).max(axis=1).toarray().ravel()
    xp, *_ = get_namespace_and_device(X)
    return xp.max(abs(X), axis=1)
