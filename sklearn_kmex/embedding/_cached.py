"""CachedEmbedder: embed each distinct sample only once."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, ClassVar, Self

from joblib import Memory
from numpy.typing import ArrayLike, NDArray
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    clone,
)
from sklearn.frozen import FrozenEstimator
from sklearn.utils import Tags, get_tags
from sklearn.utils.metaestimators import available_if

from sklearn_kmex._base import KMExBaseEstimator, new_state
from sklearn_kmex._compat import HasMethods, _fit_context
from sklearn_kmex._data.samples import as_samples, chunk_rows, chunks, len_of, run_part
from sklearn_kmex.embedding._base import BaseEmbedder
from sklearn_kmex.embedding._digests import row_digests
from sklearn_kmex.embedding._fingerprint import fingerprint
from sklearn_kmex.embedding._pipeline import EmbeddingPipeline
from sklearn_kmex.embedding._store import Store, pack, unpack

FROZEN = (BaseEmbedder, EmbeddingPipeline, FrozenEstimator)


def _has_black_box(self: CachedEmbedder) -> bool:
    return hasattr(self.embedder, "black_box_output")


def _embeds_training_rows_apart(embedder: Any) -> bool:
    """Whether `fit_transform` may differ from `transform`, as of a forest."""
    last = embedder[-1] if isinstance(embedder, EmbeddingPipeline) else embedder
    return bool(getattr(last, "out_of_bag", False))


class CachedEmbedder(
    ClassNamePrefixFeaturesOutMixin, TransformerMixin, KMExBaseEstimator
):
    """Embed samples, and cache each embedding on disk.

    The key of an embedding is a hash of the sample and of the weights, layer and
    settings of the encoder. Each distinct sample is embedded once, for all folds,
    candidates and processes of a search. A changed sample or weight has another key.

    Read more in the :ref:`User Guide <embedding_cache>`.

    Parameters
    ----------
    embedder : estimator
        The frozen encoder: an embedder of this package, or a `FrozenEstimator`.

    memory : str, os.PathLike or joblib.Memory, default=None
        Folder of the cache. None disables the cache.

    Attributes
    ----------
    embedder_ : estimator
        The encoder, after a check of X.

    n_features_in_ : int
        Number of columns seen during fit, if the encoder has this attribute.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns seen during fit, if all of them are strings.

    See Also
    --------
    embed_to_file : Embeds a data set larger than memory into a file.
    sklearn_kmex.make_kmex : Adds a cache if `memory` is given.

    Notes
    -----
    Embeddings are stored in one SQLite file inside the folder of `memory`, which
    `joblib.Memory.clear` empties. While one process runs the encoder, other processes
    that need it wait. The key of a path is the content of its file.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.decomposition import PCA
    >>> from sklearn.frozen import FrozenEstimator
    >>> from sklearn_kmex.embedding import CachedEmbedder
    >>> X, y = load_iris(return_X_y=True)
    >>> with TemporaryDirectory() as folder:
    ...     embedder = CachedEmbedder(FrozenEstimator(PCA(2).fit(X)), folder)
    ...     embedder.fit_transform(X).shape
    (150, 2)
    """

    _parameter_constraints: ClassVar[dict] = {
        "embedder": [HasMethods(["transform"])],
        "memory": [str, os.PathLike, Memory, None],
    }

    def __init__(
        self,
        embedder: BaseEstimator,
        memory: str | os.PathLike | Memory | None = None,
    ) -> None:
        self.embedder = embedder
        self.memory = memory

    def fit(self, X: ArrayLike, y: ArrayLike | None = None) -> Self:
        """Embed X and cache the embeddings, without training the encoder.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            Samples that the encoder takes.

        y : None
            Ignored.

        Returns
        -------
        self
            The embedder.
        """
        self.fit_transform(X)
        return self

    @_fit_context(prefer_skip_nested_validation=True)
    def fit_transform(self, X: ArrayLike, y: ArrayLike | None = None) -> Any:
        """Check the encoder and X, and embed X.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            Samples that the encoder takes.

        y : None
            Ignored.

        Returns
        -------
        {ndarray, sparse matrix} of shape (n_samples, n_features_out)
            Embeddings.
        """
        if not isinstance(self.embedder, FROZEN):
            raise TypeError(
                "embedder must be frozen: an embedder of sklearn_kmex or a "
                f"FrozenEstimator; got {type(self.embedder).__name__}. Wrap a fitted "
                "transformer in FrozenEstimator."
            )
        X = as_samples(X)
        with new_state(self) as new:
            new.embedder_ = clone(self.embedder)
            if isinstance(new.embedder_, BaseEmbedder):
                new.embedder_._check_input(X, reset=True)
            for name in ("n_features_in_", "feature_names_in_"):
                if hasattr(new.embedder_, name):
                    setattr(new, name, getattr(new.embedder_, name))
            embeddings = new._cached(X, "transform")
            new._n_features_out = embeddings.shape[1]
            if _embeds_training_rows_apart(new.embedder_):
                return new.embedder_.fit_transform(X)  # as without a cache
            return embeddings

    def transform(self, X: ArrayLike) -> Any:
        """Embed X, and run the encoder only on samples that are not in the cache.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            Samples that the encoder takes.

        Returns
        -------
        {ndarray, sparse matrix} of shape (n_samples, n_features_out)
            Embeddings.

        Raises
        ------
        TypeError
            If the encoder contains objects that cannot be hashed.
        """
        return self._cached(X, "transform")

    @available_if(_has_black_box)
    def black_box_output(self, X: ArrayLike) -> NDArray:
        """Compute the output of the whole model, and cache it.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            Samples that the model takes.

        Returns
        -------
        ndarray of shape (n_samples, n_outputs)
            Output of the model; for a classifier, one score for each class.
        """
        return self._cached(X, "black_box_output")

    def _cached(self, X: Any, method: str) -> Any:
        """Read cached results, and run the encoder on other samples in chunks."""
        X = as_samples(X)
        encoder = getattr(self, "embedder_", self.embedder)
        compute, store = getattr(encoder, method), self._store()
        if store is None or len_of(X) == 0:
            return compute(X)
        keys = row_digests(X, method.encode() + fingerprint(self.embedder))
        first_rows: dict[bytes, int] = {}
        for row, key in enumerate(keys):
            first_rows.setdefault(key, row)
        cached = store.read(list(first_rows))
        missing = [key for key in first_rows if key not in cached]
        for chunk in chunks(missing, chunk_rows(X)):
            with store.writing(chunk) as entries:
                new = [key for key in chunk if key not in entries]
                if new:
                    embeddings = run_part(compute, X, [first_rows[key] for key in new])
                    entries.update(zip(new, pack(embeddings), strict=True))
            cached.update(entries)
        return unpack([cached[key] for key in keys])

    def _content(self) -> tuple[Any]:
        """Return everything that the embeddings depend on."""
        return (self.embedder,)

    def _store(self) -> Store | None:
        memory = self.memory
        if not isinstance(memory, Memory):
            memory = Memory(memory and os.fspath(memory))
        backend = memory.store_backend
        if backend is None:
            return None
        return Store(Path(backend.location) / "sklearn_kmex" / "embeddings.sqlite")

    def __sklearn_tags__(self) -> Tags:
        tags, inner = super().__sklearn_tags__(), get_tags(self.embedder)
        tags.input_tags = inner.input_tags
        tags.transformer_tags = inner.transformer_tags
        tags.requires_fit = False
        return tags
