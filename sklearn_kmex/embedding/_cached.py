"""CachedEmbedder: embed each distinct sample only once."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

from joblib import Memory
from numpy.typing import ArrayLike, NDArray
from sklearn import config_context
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
from sklearn_kmex._model.protocol import innermost
from sklearn_kmex.embedding._base import BaseEmbedder
from sklearn_kmex.embedding._digests import row_digests
from sklearn_kmex.embedding._fingerprint import fingerprint
from sklearn_kmex.embedding._function import as_embeddings
from sklearn_kmex.embedding._pipeline import EmbeddingPipeline
from sklearn_kmex.embedding._probe import check_stored
from sklearn_kmex.embedding._store import (
    CacheBusyError,
    Entries,
    Entry,
    Store,
    pack,
    unpack,
)
from sklearn_kmex.exceptions import KMExWarning

FROZEN = (BaseEmbedder, EmbeddingPipeline, FrozenEstimator)


def _has_black_box(self: CachedEmbedder) -> bool:
    return hasattr(self.embedder, "black_box_output")


def _has_names(self: CachedEmbedder) -> bool:
    return hasattr(self.embedder, "get_feature_names_out")


def _embeds_training_rows_apart(embedder: Any) -> bool:
    """Whether `fit_transform` may differ from `transform`, as of a forest."""
    last = innermost(embedder)
    parts = [one for _, one in getattr(last, "transformer_list", [("", last)])]
    return any(getattr(innermost(one), "out_of_bag", False) for one in parts)


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

    version : str, default=None
        Your name for the state of whatever the encoder has that cannot be hashed, such
        as an open file, or code that calls `eval`. Change it whenever that changes.
        Weights, settings and code that can be hashed are part of the key all the same.
        None means that such an encoder is refused.

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
    `joblib.Memory.clear` empties. Each has a hash, and a damaged one is computed again,
    with a warning. The first time that a process finds embeddings of an encoder, up to
    three of them are computed again and compared. While one process runs the encoder,
    other processes that need it wait. If it gives no sign of life for 30 seconds, they
    warn, and embed without the cache. The key of a path is the content of its file.

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
        "version": [str, None],
    }

    def __init__(
        self,
        embedder: BaseEstimator,
        memory: str | os.PathLike | Memory | None = None,
        *,
        version: str | None = None,
    ) -> None:
        self.embedder = embedder
        self.memory = memory
        self.version = version

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

    @available_if(_has_names)
    def get_feature_names_out(self, input_features: Any = None) -> NDArray:
        """Return the names of the embedding's columns.

        Parameters
        ----------
        input_features : None
            Ignored.

        Returns
        -------
        ndarray of str
            "cachedembedder0", "cachedembedder1", ...
        """
        return super().get_feature_names_out(input_features)

    def set_output(
        self, *, transform: Literal["default", "pandas", "polars"] | None = None
    ) -> Self:
        """Set the type of embeddings, unless they are those of a function.

        Parameters
        ----------
        transform : {"default", "pandas", "polars"}, default=None
            As in `sklearn.preprocessing.FunctionTransformer.set_output`.

        Returns
        -------
        self
            The embedder.
        """
        if _has_names(self):
            super().set_output(transform=transform)
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
                checked = new.embedder_._check_input(X, reset=True)
                new.embedder_._set_reference(checked)
            for name in ("n_features_in_", "feature_names_in_"):
                if hasattr(new.embedder_, name):
                    setattr(new, name, getattr(new.embedder_, name))
            embeddings = new._cached(X, "transform")
            new._n_features_out = embeddings.shape[1]
            if _embeds_training_rows_apart(new.embedder_):
                return _computed(new.embedder_, "fit_transform")(X)  # not cached
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
            If the encoder contains objects that cannot be hashed, and `version` is
            None.

        ValueError
            If the encoder gives other embeddings than the cache.

        OSError
            If the file of the cache is not one, or cannot be written.
        """
        embeddings = self._cached(X, "transform")
        if not hasattr(self, "_n_features_out"):  # names of columns need it
            self._n_features_out = embeddings.shape[1]
        return embeddings

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

    @property
    def output_classes(self) -> Any:
        """Class labels of the outputs of the model, None if it has none."""
        return getattr(self.embedder, "output_classes", None)

    def _cached(self, X: Any, method: str) -> Any:
        """Read cached results, and run the encoder on other samples in chunks."""
        X = as_samples(X)
        compute = _computed(getattr(self, "embedder_", self.embedder), method)
        memory = self._memory()
        if memory is None or len_of(X) == 0:
            return compute(X)
        try:
            store = Store(memory / "sklearn_kmex" / "embeddings.sqlite")
            model = method.encode() + fingerprint(self.embedder, self.version)
            keys = row_digests(X, model)
            cached = store.read(list(dict.fromkeys(keys)))
            check_stored(store.path, model, keys, cached, compute, X)
            return unpack(_completed(store, cached, keys, compute, X))
        except CacheBusyError as error:
            warnings.warn(
                f"{error} X is embedded without it.", KMExWarning, stacklevel=3
            )
            return compute(X)

    def _content(self) -> tuple[Any, ...]:
        """Return everything that the embeddings depend on."""
        return (self.embedder, self.version)

    def _memory(self) -> Path | None:
        memory = self.memory
        if not isinstance(memory, Memory):
            memory = Memory(memory and os.fspath(memory))
        backend = memory.store_backend
        return None if backend is None else Path(backend.location)

    def __sklearn_tags__(self) -> Tags:
        tags, inner = super().__sklearn_tags__(), get_tags(self.embedder)
        tags.input_tags = inner.input_tags
        tags.transformer_tags = inner.transformer_tags
        tags.requires_fit = False
        return tags


def _computed(encoder: Any, method: str) -> Callable[[Any], Any]:
    """Return a method that returns arrays, whatever output is configured."""

    def compute(X: Any) -> Any:
        with config_context(transform_output="default"):
            return as_embeddings(getattr(encoder, method)(X))

    return compute


def _completed(
    store: Store, cached: Entries, keys: list[bytes], compute: Callable, X: Any
) -> list[Entry]:
    """Entries of all keys, after those that are missing were computed and stored."""
    rows = dict(zip(reversed(keys), reversed(range(len(keys))), strict=True))
    missing = [key for key in dict.fromkeys(keys) if key not in cached]
    for chunk in chunks(missing, chunk_rows(X)):
        with store.writing(chunk) as entries:
            new = [key for key in chunk if key not in entries]
            if new:
                embeddings = run_part(compute, X, [rows[key] for key in new])
                entries.update(zip(new, pack(embeddings), strict=True))
        cached.update(entries)
    return [cached[key] for key in keys]
