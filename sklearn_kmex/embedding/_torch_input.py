"""Input of embedders of torch models: rows, images, tensors and Datasets."""

import copy
import sys
from abc import abstractmethod
from typing import Any, Self

import numpy as np
from sklearn.utils import Tags
from sklearn.utils.validation import check_array, validate_data

from sklearn_kmex._data.samples import as_samples
from sklearn_kmex.embedding._base import BaseEmbedder
from sklearn_kmex.utils import check_dependency


class TorchInputEmbedder(BaseEmbedder):
    """Embedder that takes arrays as floats, and objects of torch as they are."""

    input_shape: tuple[int, ...] | None

    @abstractmethod
    def _network(self) -> Any:
        """Return the network."""

    def _check_input(self, X: Any, reset: bool) -> Any:
        """Return arrays as floats in `input_shape`, and objects of torch as given."""
        if _is_of_torch(X) or getattr(self, "preprocess", None) is not None:
            X = as_samples(X)
            return np.asarray(X) if hasattr(X, "iloc") else X
        if isinstance(X, list | tuple):
            if len(X) and _is_of_torch(X[0]):
                return X
            X = np.asarray(X)
        if getattr(X, "ndim", 2) > 2:
            X = check_array(X, dtype=self._row_dtype(), allow_nd=True, input_name="X")
        else:
            X = validate_data(self, X, dtype=self._row_dtype(), reset=reset)
        if self.input_shape is None:
            return X
        if np.prod(X.shape[1:]) != np.prod(self.input_shape):
            raise ValueError(
                f"X must have samples of input_shape {tuple(self.input_shape)}; got "
                f"samples of shape {X.shape[1:]}. Reshape X, or change input_shape."
            )
        return X.reshape(-1, *self.input_shape)

    def _row_dtype(self) -> type:
        """Return the dtype of arrays: float64 for a network of that, else float32."""
        first = next(self._network().parameters(), None)
        is_double = str(getattr(first, "dtype", None)) == "torch.float64"
        return np.float64 if is_double else np.float32

    def _first(self, X: Any) -> Any:
        check_dependency("torch", caller=type(self).__name__, extra="torch")
        from sklearn_kmex._torch.run import first_sample

        return first_sample(X)

    def _attributes(self) -> dict[str, Any]:
        """Return everything that the embedder holds, by name."""
        return self.__dict__

    def __copy__(self) -> Self:
        twin = object.__new__(type(self))
        twin.__dict__.update(self.__dict__)
        return twin

    def __deepcopy__(self, memo: dict) -> Self:
        """Copy the model too, but share what cannot be copied."""
        check_dependency("torch", caller=type(self).__name__, extra="torch")
        from sklearn_kmex._torch.copying import copy_or_share

        twin = memo[id(self)] = copy.copy(self)
        twin.__dict__.update(copy_or_share(self.__dict__, memo))
        return twin

    def __getstate__(self) -> dict[str, Any]:
        """Name what cannot be sent to another process."""
        if "torch" in sys.modules:  # else there is no model
            from sklearn_kmex._torch.copying import check_pickled

            check_pickled(self._attributes(), type(self).__name__)
        return super().__getstate__()

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = []  # always float32
        return tags


def _is_of_torch(X: Any) -> bool:
    """Recognize tensors, Datasets and skorch's slices of them without torch."""
    packages = {base.__module__.partition(".")[0] for base in type(X).__mro__}
    return bool(packages & {"torch", "skorch"})
