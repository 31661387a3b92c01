"""The torch encoder among the steps, ready to be part of a graph."""

from typing import TYPE_CHECKING, Any

import numpy as np

from sklearn_kmex.embedding._torch_input import TorchInputEmbedder
from sklearn_kmex.utils import check_dependency

if TYPE_CHECKING:
    from sklearn_kmex._torch.serving import Encoder
    from sklearn_kmex._torch.types import Tensor


def is_torch(step: Any) -> bool:
    return isinstance(step, TorchInputEmbedder)


def make_encoder(embedder: Any, X: Any, caller: str) -> "tuple[Encoder, Tensor | None]":
    """Copy a network up to its embedding; give a sample as the copy takes it.

    What `preprocess` does to a sample is left to the caller.
    """
    check_dependency("torch", caller=caller, extra="torch")
    from sklearn_kmex._torch.serving import encoder_of, sample_of

    preprocess = getattr(embedder, "preprocess", None)
    shape = embedder.input_shape if preprocess is None else None
    sample = None
    if X is not None:
        given = None if shape is None else np.shape(X)[1:]
        sample = sample_of(embedder._check_input(X, reset=False), given, preprocess)
    network = embedder._network()
    encoder = encoder_of(network, embedder.layer, embedder.pooling, shape, sample)
    return encoder, sample
