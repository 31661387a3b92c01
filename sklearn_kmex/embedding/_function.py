"""FunctionEmbedder: embed samples by a function."""

from typing import Any

import numpy as np
from sklearn.preprocessing import FunctionTransformer

from sklearn_kmex._data.chunked import is_dask
from sklearn_kmex._data.samples import len_of


class FunctionEmbedder(FunctionTransformer):
    """`FunctionTransformer` that checks the shape of the embeddings."""

    def transform(self, X: Any) -> Any:
        """Call the function, and check the shape of what it returns."""
        embeddings = super().transform(X)
        if is_dask(embeddings):
            return embeddings
        shape = getattr(embeddings, "shape", None)
        shape = np.shape(embeddings) if shape is None else tuple(shape)
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
        return embeddings
