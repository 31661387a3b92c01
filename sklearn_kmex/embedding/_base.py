"""What all embedders share: a model that is never fitted, copied or changed."""

from abc import ABC, abstractmethod
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import Tags
from sklearn.utils.validation import validate_data

from sklearn_kmex._base import KMExBaseEstimator, unchanged_on_error
from sklearn_kmex._compat import _fit_context, share_callbacks
from sklearn_kmex._data.jobs import fit_task


class BaseEmbedder(
    ClassNamePrefixFeaturesOutMixin, TransformerMixin, KMExBaseEstimator, ABC
):
    """A stateless transformer over a frozen model."""

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: ArrayLike, y: ArrayLike | None = None) -> Self:
        """Check the input and the width of the embedding; the model is not trained.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            Samples that the model takes; only the first is run through it.

        y : None
            Ignored.

        Returns
        -------
        self
            The embedder.
        """
        with unchanged_on_error(self), fit_task(self, 0, X, y, None):
            checked = self._check_input(X, reset=True)
            self._n_features_out = self._embed(self._first(checked)).shape[1]
        return self

    def transform(self, X: ArrayLike) -> Any:
        """Embed X.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            Samples that the model takes. For torch models, also tensors, lists of
            them and torch Datasets, whose labels are left out.

        Returns
        -------
        {ndarray, sparse matrix} of shape (n_samples, n_features_out)
            Embeddings.
        """
        return self._embed(self._check_input(X, reset=False))

    def black_box_output(self, X: ArrayLike) -> NDArray:
        """Run the whole model, which need not be the one that explains.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            Samples that the model takes.

        Returns
        -------
        ndarray of shape (n_samples, n_outputs)
            What the model says, for a classifier one score for each class.
        """
        return self._output(self._check_input(X, reset=False))

    def embed_with_output(self, X: ArrayLike) -> tuple[Any, NDArray]:
        """Embed X and run the whole model, in one pass where that is possible.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            Samples that the model takes.

        Returns
        -------
        embeddings : {ndarray, sparse matrix} of shape (n_samples, n_features_out)
            As `transform` gives them.

        output : ndarray of shape (n_samples, n_outputs)
            As `black_box_output` gives it, but for rounding.
        """
        checked = self._check_input(X, reset=False)
        return self._embed_with_output(checked)

    def _embed_with_output(self, X: Any) -> tuple[Any, NDArray]:
        """Embed checked input and run the whole model on it."""
        return self._embed(X), self._output(X)

    def _first(self, X: Any) -> Any:
        """Take the first sample of checked input, as input of its own."""
        return X[:1]

    @abstractmethod
    def _embed(self, X: Any) -> Any:
        """Embed checked input."""

    @abstractmethod
    def _output(self, X: Any) -> NDArray:
        """Run the whole model on checked input."""

    def _content(self) -> dict[str, Any]:
        """Hand over all that the embeddings depend on."""
        return self.get_params(deep=False)

    def _check_input(self, X: Any, reset: bool) -> Any:
        """Rows of a table; embedders of other input check it themselves."""
        return validate_data(self, X, dtype=[np.float64, np.float32], reset=reset)

    def __sklearn_clone__(self) -> Self:
        """Share the model: a copy of its weights would be another black box."""
        return share_callbacks(self, type(self)(**self.get_params(deep=False)))

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        return tags
