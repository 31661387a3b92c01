"""What embedders of torch models take: rows, images, tensors and Datasets."""

from typing import Any

import numpy as np
from sklearn.utils import Tags
from sklearn.utils.validation import check_array, validate_data

from sklearn_kmex._data.samples import as_samples
from sklearn_kmex.embedding._base import BaseEmbedder
from sklearn_kmex.utils import check_dependency


class TorchInputEmbedder(BaseEmbedder):
    """Hands arrays to a torch model as float32, and torch's own objects as they are."""

    input_shape: tuple[int, ...] | None

    def _check_input(self, X: Any, reset: bool) -> Any:
        """Arrays as float32 in the shape the model takes; torch objects as given."""
        if _is_of_torch(X) or getattr(self, "preprocess", None) is not None:
            X = as_samples(X)
            return np.asarray(X) if hasattr(X, "iloc") else X
        if isinstance(X, list | tuple):
            if len(X) and _is_of_torch(X[0]):
                return X
            X = np.asarray(X)
        if getattr(X, "ndim", 2) > 2:
            X = check_array(X, dtype=np.float32, allow_nd=True)
        else:
            X = validate_data(self, X, dtype=np.float32, reset=reset)
        if self.input_shape is None:
            return X
        if np.prod(X.shape[1:]) != np.prod(self.input_shape):
            raise ValueError(
                f"X must hold samples of input_shape {tuple(self.input_shape)}; got "
                f"samples of shape {X.shape[1:]}."
            )
        return X.reshape(-1, *self.input_shape)

    def _first(self, X: Any) -> Any:
        check_dependency("torch", caller=type(self).__name__, extra="torch")
        from sklearn_kmex._torch.run import first

        return first(X)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = []  # always float32
        return tags


def _is_of_torch(X: Any) -> bool:
    """Tell tensors, Datasets and skorch's slices of them, without importing torch."""
    packages = {base.__module__.partition(".")[0] for base in type(X).__mro__}
    return bool(packages & {"torch", "skorch"})
