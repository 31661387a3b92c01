"""What all embedders share: a model that is never fitted, copied or changed."""

from abc import ABC, abstractmethod
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_array, validate_data

from sklearn_kmex._base import KMExBaseEstimator, unchanged_on_error
from sklearn_kmex._compat import _fit_context


class BaseEmbedder(
    ClassNamePrefixFeaturesOutMixin, TransformerMixin, KMExBaseEstimator, ABC
):
    """A stateless transformer over a frozen model."""

    input_shape: tuple[int, ...] | None

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: ArrayLike, y: ArrayLike | None = None) -> Self:
        """Check the input and the width of the embedding; the model is not trained.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            Rows, or images; only the first is run through the model.

        y : None
            Ignored.

        Returns
        -------
        self
            The embedder.
        """
        with unchanged_on_error(self):
            checked = self._check_input(X, reset=True)
            self._n_features_out = self._embed(self._first(checked)).shape[1]
        return self

    def transform(self, X: ArrayLike) -> NDArray[np.float32]:
        """Embed X.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            Rows, or images in the shape that the model takes. Tensors, lists of
            them and torch Datasets are used as they are; of samples with a label,
            the label is left out.

        Returns
        -------
        ndarray of shape (n_samples, n_features_out), dtype=float32
            Embeddings, C-contiguous.
        """
        return self._embed(self._check_input(X, reset=False))

    def black_box_output(self, X: ArrayLike) -> NDArray:
        """Run the whole model, which need not be the one that explains.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            Rows, or images in the shape that the model takes.

        Returns
        -------
        ndarray of shape (n_samples, n_outputs)
            What the model says, for a classifier one score for each class.
        """
        return self._output(self._check_input(X, reset=False))

    @abstractmethod
    def _first(self, X: Any) -> Any:
        """Take the first sample of checked input, as input of its own."""

    @abstractmethod
    def _embed(self, X: Any) -> NDArray[np.float32]:
        """Embed checked input."""

    @abstractmethod
    def _output(self, X: Any) -> NDArray:
        """Run the whole model on checked input."""

    def _check_input(self, X: Any, reset: bool) -> Any:
        """Arrays as float32 in the shape the model takes; torch objects as given."""
        if _is_of_torch(X) or getattr(self, "preprocess", None) is not None:
            return X
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

    def __sklearn_clone__(self) -> Self:
        """Share the model: a copy of its weights would be another black box."""
        return type(self)(**self.get_params(deep=False))

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        tags.transformer_tags.preserves_dtype = []  # always float32
        return tags


def _is_of_torch(X: Any) -> bool:
    """Tell tensors, Datasets and skorch's slices of them, without importing torch."""
    packages = {base.__module__.partition(".")[0] for base in type(X).__mro__}
    return bool(packages & {"torch", "skorch"})
