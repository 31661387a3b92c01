"""What files treat apart in a model: its classifier, and its torch encoder."""

import copy
from collections.abc import Iterator
from typing import Any

from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from sklearn_kmex import RejectingClassifier
from sklearn_kmex._model.protocol import find_sem
from sklearn_kmex.embedding import CachedEmbedder, SkorchEmbedder, TorchEmbedder


def parts_of(model: Any) -> list[str]:
    """Name the attributes of a wrapper that hold models."""
    if isinstance(model, RejectingClassifier):
        return ["estimator", "estimator_"]
    return ["estimator"] if isinstance(model, FrozenEstimator) else []


def levels(model: Any) -> Iterator[Any]:
    """Yield a model and what it ends in, down to the classifier with the prototypes."""
    yield model
    if isinstance(model, RejectingClassifier):
        check_is_fitted(model)
    if isinstance(model, Pipeline):
        yield from levels(model.steps[-1][1])
    for name in parts_of(model)[-1:]:
        yield from levels(getattr(model, name))


def classifier_of(model: Any) -> Any:
    """Find the classifier with the prototypes, also in one that refuses rows."""
    return find_sem(list(levels(model))[-1])


def without_module(model: Any) -> Any:
    """Copy a model as far as its torch embedders, which lose their module.

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
    for name in parts_of(model):
        setattr(twin, name, without_module(getattr(model, name)))
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
    for name in parts_of(model):
        yield from torch_embedders(getattr(model, name))
