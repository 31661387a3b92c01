"""The parts of a model for both exports: classifier, steps and torch encoder."""

from typing import TYPE_CHECKING, Any

import numpy as np

from sklearn_kmex._model.layout import check_n_prototypes
from sklearn_kmex._model.protocol import levels
from sklearn_kmex._model.steps import find_kmex, uncached_steps
from sklearn_kmex._rejecting import RejectingClassifier
from sklearn_kmex.embedding import SkorchEmbedder, TextEmbedder, TorchEmbedder

if TYPE_CHECKING:
    from sklearn_kmex._torch.encoder import Encoder
    from sklearn_kmex._torch.types import Tensor


def exported_parts(psem: Any, n_prototypes: Any) -> tuple[Any, list[Any], int]:
    """Return the classifier, the steps before it, and the number of prototypes."""
    kmex = find_kmex(psem)
    if any(isinstance(level, RejectingClassifier) for level in levels(psem)):
        raise TypeError(
            "psem must classify all samples to be exported; got a RejectingClassifier, "
            "which rejects some. Export its estimator_, and compare the similarities "
            "or probabilities that it returns with thresholds_."
        )
    steps = [step for _, step in uncached_steps(psem)]
    if any(isinstance(step, TextEmbedder) for step in steps):
        raise TypeError(
            "psem must take arrays to be exported; its TextEmbedder takes texts. "
            "Export the steps after it, psem[1:], and pass them what psem[0].transform "
            "returns."
        )
    return kmex, steps, check_n_prototypes(n_prototypes, kmex)


def is_torch(step: Any) -> bool:
    return isinstance(step, SkorchEmbedder | TorchEmbedder)


def sample_of(embedder: Any, X: Any) -> "Tensor":
    """Return the first sample in the form that the copied network takes.

    The copy does not include `preprocess`, and includes `input_shape` without it.
    """
    from sklearn_kmex._torch.serving import first_input

    samples = embedder._check_input(X, reset=False)
    preprocess = getattr(embedder, "preprocess", None)
    shape = None if _input_shape_of(embedder) is None else np.shape(X)[1:]
    dtype = getattr(X, "dtype", None) if preprocess is None else None
    return first_input(samples, shape, preprocess, dtype)


def make_encoder(embedder: Any, sample: "Tensor | None", width: int) -> "Encoder":
    """Copy the network of an embedder up to the embedding, which has this width."""
    from sklearn_kmex._torch.serving import encoder_of

    return encoder_of(
        embedder._network(),
        embedder.layer,
        embedder.pooling,
        _input_shape_of(embedder),
        sample,
        width,
    )


def _input_shape_of(embedder: Any) -> Any:
    """Return the shape to which the copied network reshapes rows, if it does."""
    preprocess = getattr(embedder, "preprocess", None)
    return embedder.input_shape if preprocess is None else None
