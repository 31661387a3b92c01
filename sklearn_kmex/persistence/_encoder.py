"""The torch encoder of a model, taken out before it is saved and put back after."""

import copy
from collections.abc import Iterator
from typing import Any

from sklearn.pipeline import Pipeline

from sklearn_kmex.embedding import CachedEmbedder, SkorchEmbedder, TorchEmbedder


def without_module(model: Any) -> Any:
    """Copy a model as far as its torch embedder, which loses its module.

    A cache stays where it is: what is saved is the embedder inside.
    """
    if isinstance(model, CachedEmbedder):
        return without_module(getattr(model, "embedder_", model.embedder))
    if isinstance(model, SkorchEmbedder):
        raise TypeError(
            "psem must embed by a TorchEmbedder to be saved; got a SkorchEmbedder. Set "
            "its step to TorchEmbedder(net.module_) with set_params."
        )
    twin = copy.copy(model)
    if isinstance(model, Pipeline):
        twin.steps = [(name, without_module(step)) for name, step in model.steps]
    elif isinstance(model, TorchEmbedder):
        twin.module = None
    return twin


def torch_embedders(model: Any) -> Iterator[TorchEmbedder]:
    """Find the torch embedders among the steps of a model."""
    if isinstance(model, Pipeline):
        for _, step in model.steps:
            yield from torch_embedders(step)
    elif isinstance(model, CachedEmbedder):
        yield from torch_embedders(model.embedder)
    elif isinstance(model, TorchEmbedder):
        yield model
