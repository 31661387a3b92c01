"""EmbeddingHead: the class probabilities of a black box, from its embeddings."""

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, softmax

from sklearn_kmex._base import KMExBaseEstimator
from sklearn_kmex._model.protocol import innermost


class EmbeddingHead(KMExBaseEstimator):
    """The last layer of the model behind an embedder, as a `teacher`.

    Parameters
    ----------
    embedder : transformer
        Embedder, or steps that end in one.
    """

    # Where it has no probabilities for the classes of y, labels are used.
    required = False

    def __init__(self, embedder: Any) -> None:
        self.embedder = embedder

    def predict_proba(self, Z: ArrayLike) -> NDArray | None:
        """Compute class probabilities of embeddings.

        Parameters
        ----------
        Z : array-like of shape (n_samples, n_features)
            Embeddings.

        Returns
        -------
        ndarray of shape (n_samples, n_classes) or None
            Probabilities, or None if the model does not compute its output from
            embeddings of this kind alone.
        """
        embedder = self._innermost()
        if not hasattr(embedder, "_probabilities"):
            return None
        return embedder._probabilities(np.asarray(Z))

    @property
    def classes_(self) -> NDArray:
        """Class labels of the model, if it has them."""
        known = getattr(self.embedder, "output_classes", None)
        if known is None:
            raise AttributeError("The model behind the embedder has no classes_.")
        return np.asarray(known)

    def _innermost(self) -> Any:
        """Return the embedder inside pipelines and caches."""
        found = innermost(self.embedder)
        return innermost(getattr(found, "embedder", found))

    def __sklearn_clone__(self) -> Self:
        """Share the model, which is fitted."""
        return self


def probabilities_of_scores(scores: NDArray) -> NDArray:
    """Return the softmax of scores; one column is that of the second of two classes."""
    if scores.shape[1] == 1:
        second = expit(scores)
        return np.hstack([1 - second, second])
    return softmax(scores, axis=1)
