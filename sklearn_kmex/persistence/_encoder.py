"""The torch encoder of a model, which files keep apart from the rest."""

import copy
from collections.abc import Iterator
from typing import Any

from sklearn_kmex._model.steps import copy_model, parts_of, without_cache
from sklearn_kmex.embedding import CachedEmbedder, SkorchEmbedder, TorchEmbedder


def without_module(model: Any) -> Any:
    """Copy a model without the modules of its torch embedders, and without caches."""
    return copy_model(model, saved_embedder)


def saved_embedder(model: Any) -> Any:
    """Return what is saved in place of an embedder; None for any other model."""
    if isinstance(model, CachedEmbedder):
        return without_module(without_cache(model))
    if isinstance(model, SkorchEmbedder):
        raise TypeError(
            "psem must embed by a TorchEmbedder to be saved; got a SkorchEmbedder. Set "
            "its step to TorchEmbedder(net.module_) with set_params."
        )
    if not isinstance(model, TorchEmbedder):
        return None
    return copy.copy(model).set_params(module=None)


def torch_embedders(model: Any) -> Iterator[TorchEmbedder]:
    """Find the torch embedders in a model."""
    if isinstance(model, TorchEmbedder):
        yield model
    for part in parts_of(model):
        yield from torch_embedders(part)
