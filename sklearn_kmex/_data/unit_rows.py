"""Embeddings as rows of length one, whose products are cosine similarities."""

from typing import Any

import numpy as np
from scipy import sparse
from sklearn.preprocessing import normalize
from sklearn.utils import check_array

from sklearn_kmex._data.samples import as_array


def as_rows(Z: Any, name: str) -> Any:
    """Return embeddings as an array or CSR matrix of finite numbers, without a copy.

    An error calls the embeddings by `name`.
    """
    if not sparse.issparse(Z):
        Z = np.asarray(as_array(Z))
        Z = Z.reshape(len(Z), -1)
    return check_array(Z, accept_sparse="csr", input_name=name)


def unit_rows(rows: Any) -> Any:
    """Scale rows to length one, in float64; rows of zeros stay as they are."""
    return normalize(rows.astype(np.float64), copy=False)
