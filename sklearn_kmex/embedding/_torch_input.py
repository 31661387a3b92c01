"""Input of embedders of torch models: rows, images, tensors, texts and Datasets."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from numbers import Number
from types import NoneType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_array, validate_data

from sklearn_kmex._data.samples import as_array, as_samples, is_dataset
from sklearn_kmex.embedding._attribution import Attribution, attribution, check_method
from sklearn_kmex.embedding._reference import (
    NETWORK_METHODS,
    evenly_spaced,
    least_alike,
    reference_of,
)
from sklearn_kmex.embedding._torch_model import TorchModelEmbedder
from sklearn_kmex.utils import check_dependency

if TYPE_CHECKING:
    from sklearn_kmex._torch.encoder import Network

ROWS_EXPLAINED = 256  # at a time


class TorchInputEmbedder(TorchModelEmbedder):
    """Embedder that takes arrays of numbers, and other samples as they are.

    Arrays are floats, or int64 if they hold integers that the network takes.
    """

    layer: str | None
    input_shape: tuple[int, ...] | None
    pooling: str

    def _encoder(self, batch_size: int) -> Network:
        """Return the network up to the embedding, with this batch size."""
        from sklearn_kmex._torch.encoder import Network
        from sklearn_kmex._torch.run import RunSettings

        settings = RunSettings(
            batch_size,
            getattr(self, "device", "auto"),
            "float32",
            getattr(self, "preprocess", None),
            getattr(self, "num_workers", 0),
            getattr(self, "verbose", False),
        )
        return Network(self._network(), self.layer, self.pooling, settings)

    def _set_reference(self, X: Any) -> None:
        """Keep rows of a table; forget those of a table before other samples."""
        self.__dict__.pop("reference_", None)
        is_own = getattr(self, "preprocess", None) is None  # no input of a function
        if is_own and (table := as_table(X)) is not None:
            self.reference_ = np.array(evenly_spaced(table))

    def _attribute(
        self, X: Any, slope: NDArray[np.float64], *, method: str = "auto"
    ) -> Attribution | None:
        """Split a linear function of the embedding over the columns of a table."""
        X = as_table(self._check_input(X, reset=False))
        if X is None or getattr(self, "preprocess", None) is not None:
            return None
        chosen = check_method(method, NETWORK_METHODS, "a network")
        Z = self._embed(X)
        if chosen != NETWORK_METHODS[0]:
            check_dependency("zennit", caller=f"method={method!r}", extra="explain")
            from sklearn_kmex._torch.attribution import explain_linear

            parts = explain_linear(self._encoder(ROWS_EXPLAINED), X, slope, chosen)
            return attribution(parts, np.zeros(len(X)), chosen, slope, Z)
        from sklearn_kmex._torch.encoder import NoGradientsError

        try:
            parts, base = self._integrate(X, slope, Z)
        except NoGradientsError:
            if method == "auto":
                return None
            raise
        return attribution(parts, base, chosen, slope, Z)

    def _integrate(
        self, X: NDArray, slope: NDArray[np.float64], Z: NDArray
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Split a linear function of embeddings Z by integrated gradients."""
        from sklearn_kmex._torch.paths import integrated_gradients

        reference = reference_of(self, X.shape[1])
        rows, base = least_alike(slope, self._embed(reference.astype(X.dtype)))
        encoder, change = (
            self._encoder(ROWS_EXPLAINED),
            np.einsum("ij,ij->i", slope, Z) - base,
        )
        parts = integrated_gradients(encoder, X, slope, reference[rows], change)
        return parts, base

    def _check_input(self, X: Any, reset: bool) -> Any:
        """Return an array in `input_shape`, and samples of other kinds as given."""
        preprocess = getattr(self, "preprocess", None)
        if isinstance(X, list | tuple) and preprocess is None:
            X = _as_array(X)
        if preprocess is None and _is_tensor(X) and _holds_ids(X):
            X = as_array(X)
        if preprocess is not None or _is_of_torch(X) or _holds_objects(X):
            X = as_samples(X)
            if _is_tensor(X) and preprocess is None:
                X = self._reshaped(X)
            return np.asarray(X) if hasattr(X, "iloc") else X
        if getattr(X, "ndim", 2) > 2:
            dtype = self._row_dtype()
            rows = check_array(X, dtype=dtype, allow_nd=True, input_name="X")
        else:
            rows = validate_data(self, X, dtype=self._row_dtype(), reset=reset)
        return self._as_network_takes(self._reshaped(rows), X)

    def _reshaped(self, X: Any) -> Any:
        if self.input_shape is None:
            return X
        if np.prod(X.shape[1:]) != np.prod(self.input_shape):
            raise ValueError(
                f"X must have samples of input_shape {tuple(self.input_shape)}; got "
                f"samples of shape {X.shape[1:]}. Reshape X, or change input_shape."
            )
        return X.reshape(-1, *self.input_shape)

    def _as_network_takes(self, rows: NDArray, X: Any) -> NDArray:
        """Return rows as integers if X holds integers, and the network takes these.

        Bytes are ids only if it takes no floats, since they are mostly pictures.
        """
        if not _holds_integers(X):
            return rows
        ids = np.asarray(X, dtype=np.int64).reshape(rows.shape)
        if getattr(X, "dtype", None) != np.uint8 and self._runs(ids):
            return ids
        return ids if self._embeds_ids() and not self._runs(rows) else rows

    def _runs(self, X: Any) -> bool:
        """Whether the network takes the first of these samples."""
        try:
            self._embed(self._first(X))
        except Exception:  # a network can raise any error
            return False
        return True

    def _embeds_ids(self) -> bool:
        """Whether the network has a layer that looks up integers."""
        from sklearn_kmex._torch.layers import has_lookup

        return has_lookup(self._network())

    def _row_dtype(self) -> type:
        """Return the dtype of arrays: float64 for a network of that, else float32."""
        if sys.modules.get("torch") is None:  # an error of its own will tell
            return np.float32
        first = next(self._network().parameters(), None)
        is_double = str(getattr(first, "dtype", None)) == "torch.float64"
        return np.float64 if is_double else np.float32

    def _first(self, X: Any) -> Any:
        check_dependency("torch", caller=type(self).__name__, extra="torch")
        from sklearn_kmex._torch.run import first_sample

        return first_sample(X)


def as_table(X: Any) -> NDArray | None:
    """Return an array or tensor of floats with two axes as an array; else None."""
    is_tensor = _is_tensor(X)
    if not (is_tensor or isinstance(X, np.ndarray)) or X.ndim != 2:
        return None
    X = as_array(X) if is_tensor else X
    return X if X.dtype.kind == "f" else None


def _is_of_torch(X: Any) -> bool:
    """Recognize tensors, Datasets and skorch's slices of them without torch."""
    packages = {base.__module__.partition(".")[0] for base in type(X).__mro__}
    return bool(packages & {"torch", "skorch"}) or is_dataset(X)


def _is_tensor(X: Any) -> bool:
    """Recognize tensors without torch."""
    return str(getattr(X, "dtype", "")).startswith("torch.")


def _holds_ids(X: Any) -> bool:
    """Whether a tensor is a table of integers."""
    return str(X.dtype).startswith(("torch.int", "torch.uint")) and X.ndim > 1


def _as_array(X: Any) -> Any:
    """Convert a list of numbers, or of arrays of one shape; leave other lists."""
    if len(X) > 0 and _is_object(X[0]):
        return X
    try:
        return np.asarray(X)
    except ValueError:  # samples of several shapes
        return X


def _holds_objects(X: Any) -> bool:
    """Whether samples are no numbers, but texts, dicts, or arrays of several shapes."""
    if isinstance(X, list | tuple | Mapping):
        return True
    kind = getattr(getattr(X, "dtype", None), "kind", "f")
    if kind not in "OUS" or getattr(X, "ndim", 0) != 1 or len(X) == 0:
        return False
    first = np.asarray(X)[0]
    return _is_object(first) or np.ndim(first) > 0


def _is_object(value: Any) -> bool:
    """Whether a sample is neither a number nor an array or list of numbers."""
    if isinstance(value, list | tuple):
        return any(map(_is_object, value))
    if isinstance(value, str | bytes):
        return True
    is_number = isinstance(value, Number | NoneType)
    is_array = hasattr(value, "__array__") or hasattr(value, "__array_interface__")
    return _is_of_torch(value) or not (is_number or is_array)


def _holds_integers(X: Any) -> bool:
    """Whether all values of an array or frame have an integer dtype."""
    dtypes = list(X.dtypes) if hasattr(X, "columns") else [getattr(X, "dtype", None)]
    return all(getattr(dtype, "kind", "f") in "iu" for dtype in dtypes)
