"""FunctionEmbedder: embed samples by a function."""

import sys
from typing import Any

import numpy as np
from scipy import sparse
from sklearn import get_config
from sklearn.preprocessing import FunctionTransformer

from sklearn_kmex._data.chunked import is_dask
from sklearn_kmex._data.samples import as_array, len_of


class FunctionEmbedder(FunctionTransformer):
    """`FunctionTransformer` that checks the shape of the embeddings."""

    def transform(self, X: Any) -> Any:
        """Call the function, and check the shape of what it returns."""
        embeddings = self.func(X, **(self.kw_args or {}))
        if is_dask(embeddings):
            return embeddings
        shape = _shape(embeddings)
        known = hasattr(X, "shape") or isinstance(X, list)  # the number of samples
        n_samples = len_of(X) if known else "n_samples"
        if len(shape) != 2 or (known and shape[0] != n_samples):
            name = getattr(self.func, "__name__", type(self.func).__name__)
            what = f"{type(embeddings).__name__} of shape {shape}"
            raise ValueError(
                f"model must return embeddings of shape ({n_samples}, n_features) for "
                f"X; the function {name} returned "
                f"{'None' if embeddings is None else what}."
            )
        kept = get_config()["array_api_dispatch"] or hasattr(embeddings, "columns")
        return embeddings if kept else as_embeddings(embeddings)


def _shape(embeddings: Any) -> tuple[int, ...]:
    if isinstance(embeddings, list | tuple):
        embeddings = [as_array(row) for row in embeddings]
    shape = getattr(embeddings, "shape", None)
    return np.shape(embeddings) if shape is None else tuple(shape)


def as_embeddings(embeddings: Any) -> Any:
    """Convert embeddings of any library to an array, or keep a sparse matrix.

    Parameters
    ----------
    embeddings : array-like, sparse matrix, frame, tensor or list of tensors
        Embeddings.

    Returns
    -------
    {ndarray, sparse matrix} of shape (n_samples, n_features_out)
        The same numbers.
    """
    if sparse.issparse(embeddings):
        return embeddings
    if isinstance(embeddings, list | tuple):
        embeddings = [as_array(row) for row in embeddings]
    torch = sys.modules.get("torch")
    if torch and isinstance(embeddings, torch.Tensor):
        embeddings = as_array(embeddings.to_dense())
    rows = np.asarray(embeddings)
    return rows.astype(np.float64) if rows.dtype.hasobject else rows
