"""CachedEmbedder: each distinct sample meets the encoder once."""

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

from sklearn_kmex._base import KMExBaseEstimator, unchanged_on_error
from sklearn_kmex._compat import HasMethods, _fit_context
from sklearn_kmex._data.samples import as_samples, chunk_rows, chunks, len_of, run_part
from sklearn_kmex.embedding._base import BaseEmbedder
from sklearn_kmex.embedding._digests import row_digests
from sklearn_kmex.embedding._fingerprint import fingerprint
from sklearn_kmex.embedding._pipeline import EmbeddingPipeline
from sklearn_kmex.embedding._store import Store, pack, unpack

FROZEN = (BaseEmbedder, EmbeddingPipeline, FrozenEstimator)


def has_black_box(self: "CachedEmbedder") -> bool:
    return hasattr(self.embedder, "black_box_output")


class CachedEmbedder(
    ClassNamePrefixFeaturesOutMixin, TransformerMixin, KMExBaseEstimator
):
    """Embed samples, and keep each embedding on disk for the next time.

    Embeddings are kept by the content of the sample together with the weights, layer
    and settings of the encoder, so that each distinct sample meets the encoder once,
    whatever the folds, candidates and processes of a search, and a changed sample
    or weight is never answered by what was kept.

    Read more in the :ref:`User Guide <embedding_cache>`.

    Parameters
    ----------
    embedder : estimator
        The frozen encoder: an embedder of this package, or a `FrozenEstimator`.

    memory : str, os.PathLike or joblib.Memory, default=None
        Where embeddings are kept. None keeps nothing.

    Attributes
    ----------
    embedder_ : estimator
        The encoder, checked against X.

    n_features_in_ : int
        Number of columns seen during fit, where the encoder counts them.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns seen during fit, where they are all strings.

    See Also
    --------
    embed_to_file : Embed a set larger than memory into a file.
    sklearn_kmex.make_kmex : Makes one of these where `memory` is given.

    Notes
    -----
    Embeddings are in one SQLite file inside the folder of `memory`, which
    `joblib.Memory.clear` empties. While one process runs the encoder, others that
    need it wait. Samples of a list of paths are told by what the files hold.

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
        """Embed X, so that it is kept; the encoder is not trained.

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
        """Embed X, as `transform` does, after a check of encoder and input.

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
                f"FrozenEstimator; got {type(self.embedder).__name__}."
            )
        X = as_samples(X)
        with unchanged_on_error(self):
            self.embedder_ = clone(self.embedder)
            if isinstance(self.embedder_, BaseEmbedder):
                self.embedder_._check_input(X, reset=True)
            for name in ("n_features_in_", "feature_names_in_"):
                if hasattr(self.embedder_, name):
                    setattr(self, name, getattr(self.embedder_, name))
            embeddings = self._cached(X, "transform")
            self._n_features_out = embeddings.shape[1]
            return embeddings

    def transform(self, X: ArrayLike) -> Any:
        """Embed X; run the encoder on samples that are not kept yet.

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
            If the encoder holds what cannot be hashed.
        """
        return self._cached(X, "transform")

    @available_if(has_black_box)
    def black_box_output(self, X: ArrayLike) -> NDArray:
        """Run the whole model on samples whose output is not kept yet.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            Samples that the model takes.

        Returns
        -------
        ndarray of shape (n_samples, n_outputs)
            What the model says, for a classifier one score for each class.
        """
        return self._cached(X, "black_box_output")

    def _cached(self, X: Any, method: str) -> Any:
        """Read what is kept, and run the encoder on the rest, a chunk at a time."""
        X = as_samples(X)
        encoder = getattr(self, "embedder_", self.embedder)
        run, store = getattr(encoder, method), self._store()
        if store is None or len_of(X) == 0:
            return run(X)
        keys = row_digests(X, method.encode() + fingerprint(self.embedder))
        samples: dict[bytes, int] = {}
        for row, key in enumerate(keys):
            samples.setdefault(key, row)
        kept = store.read(list(samples))
        missing = [key for key in samples if key not in kept]
        for some in chunks(missing, chunk_rows(X)):
            with store.writing(some) as rows:
                new = [key for key in some if key not in rows]
                if new:
                    embeddings = run_part(run, X, [samples[key] for key in new])
                    rows.update(zip(new, pack(embeddings), strict=True))
            kept.update(rows)
        return unpack([kept[key] for key in keys])

    def _content(self) -> tuple[Any]:
        """Hand over all that the embeddings depend on."""
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
