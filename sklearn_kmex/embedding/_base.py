"""Base class of embedders, whose model is never fitted, copied or changed."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import Tags, get_tags
from sklearn.utils.validation import validate_data

from sklearn_kmex._base import KMExBaseEstimator, new_state
from sklearn_kmex._compat import _fit_context, share_callbacks
from sklearn_kmex._data.jobs import fit_task
from sklearn_kmex.embedding._attribution import Attribution


class BaseEmbedder(
    ClassNamePrefixFeaturesOutMixin, TransformerMixin, KMExBaseEstimator, ABC
):
    """A stateless transformer over a frozen model."""

    # Whether rows that the model was fitted on look more alike than new rows.
    _memorizes: ClassVar[bool] = False

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: ArrayLike, y: ArrayLike | None = None) -> Self:
        """Check the input, and find the width of the embedding, without training.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            Samples that the model takes. Only the first one is embedded.

        y : None
            Ignored.

        Returns
        -------
        self
            The embedder.
        """
        with new_state(self) as new, fit_task(new, 0, X, y, None):
            checked = new._check_input(X, reset=True)
            new._n_features_out = new._embed(new._first(checked)).shape[1]
            new._set_reference(checked)
        return self

    def transform(self, X: ArrayLike) -> Any:
        """Embed X.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            Samples that the model takes. Torch models also take tensors, texts, lists
            of samples, and torch Datasets, whose labels are ignored. The parts of a
            tuple or dict are arguments of the network.

        Returns
        -------
        {ndarray, sparse matrix} of shape (n_samples, n_features_out)
            Embeddings.
        """
        embeddings = self._embed(self._check_input(X, reset=False))
        if not hasattr(self, "_n_features_out"):  # names of columns need it
            self._n_features_out = embeddings.shape[1]
        return embeddings

    def black_box_output(self, X: ArrayLike) -> NDArray:
        """Compute the output of the whole model, the black box.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            Samples that the model takes.

        Returns
        -------
        ndarray of shape (n_samples, n_outputs)
            Output of the model; for a classifier, one score for each class.
        """
        return self._output(self._check_input(X, reset=False))

    @property
    def output_classes(self) -> Any:
        """Class labels of the outputs of the model, None if it has none."""
        held = self.get_params(deep=False).values()
        known = [one.classes_ for one in held if hasattr(one, "classes_")]
        several = known and isinstance(known[0], list) and np.ndim(known[0][0]) > 0
        return None if several or not known else known[0]

    def embed_with_output(self, X: ArrayLike) -> tuple[Any, NDArray]:
        """Embed X and compute the output of the whole model, in one pass if possible.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            Samples that the model takes.

        Returns
        -------
        embeddings : {ndarray, sparse matrix} of shape (n_samples, n_features_out)
            Embeddings, as from `transform`.

        output : ndarray of shape (n_samples, n_outputs)
            Output, as from `black_box_output` up to rounding.
        """
        checked = self._check_input(X, reset=False)
        return self._embed_with_output(checked)

    def _embed_with_output(self, X: Any) -> tuple[Any, NDArray]:
        """Embed checked input and run the whole model on it."""
        return self._embed(X), self._output(X)

    def _first(self, X: Any) -> Any:
        """Return the first sample of checked input as input for `_embed`."""
        return X[:1]

    def _probabilities(self, Z: NDArray) -> NDArray | None:
        """Return class probabilities of embeddings, if these determine the output."""
        return None

    def _set_reference(self, X: Any) -> None:
        """Keep some rows of checked input, from which contributions are measured."""

    def _attribute(
        self, X: Any, slope: NDArray[np.float64], *, method: str = "auto"
    ) -> Attribution | None:
        """Split `(slope * transform(X)).sum(axis=1)` over the columns of X.

        `slope` has the shape of the embeddings. None means that this is not known.
        """
        return None

    @abstractmethod
    def _embed(self, X: Any) -> Any:
        """Embed checked input."""

    @abstractmethod
    def _output(self, X: Any) -> NDArray:
        """Run the whole model on checked input."""

    def _content(self) -> dict[str, Any]:
        """Return everything that the embeddings depend on."""
        return self.get_params(deep=False)

    def _check_input(self, X: Any, reset: bool) -> Any:
        """Check rows of a table; overridden for other input."""
        return validate_data(
            self,
            X,
            dtype=[np.float64, np.float32],
            accept_sparse=["csr", "csc"] if get_tags(self).input_tags.sparse else False,
            reset=reset,
        )

    def __sklearn_clone__(self) -> Self:
        """Share the model, which is fitted."""
        return share_callbacks(self, type(self)(**self.get_params(deep=False)))

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        return tags
