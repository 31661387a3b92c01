"""The steps and the classifier of a model, whatever wraps them.

These wrappers are opened: a `Pipeline`, nested or not, a `FrozenEstimator`, a fitted
search, a `RejectingClassifier` and a cache.
"""

import copy
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline

from sklearn_kmex._data.arrays import to_numpy
from sklearn_kmex._model.predictor import PrototypePredictor
from sklearn_kmex._model.protocol import find_sem, levels
from sklearn_kmex._model.rule import rule_of

# Attributes of wrappers that hold other models.
HELD_IN = ("estimator", "estimator_", "best_estimator_", "embedder", "embedder_")


def find_kmex(psem: Any) -> Any:
    """Return the KMExClassifier inside a model."""
    sem = find_sem(psem)
    if not isinstance(sem, PrototypePredictor):
        raise TypeError(
            "psem must be a fitted KMExClassifier, or a Pipeline that ends in one; got "
            f"{type(sem).__name__}."
        )
    return sem


def steps_before(psem: Any, whole: str = "") -> list[tuple[str, Any]]:
    """List names and transformers before the classifier, also of nested Pipelines.

    A Pipeline that has an attribute `whole` is one step.
    """
    return [
        pair
        for level in levels(psem)
        if isinstance(level, Pipeline)
        for name, step in level.steps[:-1]
        for pair in _opened(name, step, whole)
    ]


def uncached_steps(psem: Any) -> list[tuple[str, Any]]:
    """List the steps before the classifier, with embedders in place of caches."""
    return [
        pair
        for name, step in steps_before(psem)
        for pair in _opened(name, without_cache(step))
    ]


def _opened(name: str, step: Any, whole: str = "") -> Iterator[tuple[str, Any]]:
    """Yield a step, or the steps of a Pipeline that has no attribute `whole`."""
    inner = step.estimator if isinstance(step, FrozenEstimator) else step
    if isinstance(inner, Pipeline) and not (whole and hasattr(inner, whole)):
        for part, one in inner.steps:
            yield from _opened(f"{name}__{part}", one, whole)
    elif hasattr(inner, "transform"):  # neither "passthrough" nor a sampler
        yield name, inner


def without_cache(step: Any) -> Any:
    """Return the embedder inside a cache, the fitted one if there is one."""
    while hasattr(step, "embedder"):
        step = getattr(step, "embedder_", step.embedder)
    return step


def memorizes(psem: Any) -> bool:
    """Whether rows that the encoder was fitted on look more alike than new rows."""
    return any(getattr(step, "_memorizes", False) for _, step in uncached_steps(psem))


def embed(psem: Any, X: Any) -> Any:
    """Run the steps before the classifier."""
    return run_steps(steps_before(psem), X)


def embeds_apart(psem: Any) -> bool:
    """Whether `fit` embedded the training rows otherwise than new rows.

    A forest embeds its own rows by the trees that do not know them.
    """
    return any(getattr(step, "out_of_bag_", False) for _, step in uncached_steps(psem))


def embed_training(psem: Any, X: Any) -> Any:
    """Embed all training rows, in their order, as `fit` did; None for other rows."""
    for _, step in uncached_steps(psem):
        apart = getattr(step, "out_of_bag_", False)
        X = step._embed_known(X) if apart else step.transform(X)
        if X is None:
            return None
    return X


def compare(psem: Any, X: Any) -> Any:
    """Compute the similarity of each sample to each prototype."""
    return find_sem(psem).transform(embed(psem, X))


def activations(psem: Any, X: Any) -> NDArray[np.intp]:
    """Find the prototype of the largest weighted similarity for each sample."""
    similar = to_numpy(compare(psem, X))
    return rule_of(find_sem(psem)).weigh(similar).argmax(axis=1)


def predict(psem: Any, X: Any) -> Any:
    """Predict with the classifier itself, without the rejections of a wrapper."""
    return find_sem(psem).predict(embed(psem, X))


def run_steps(steps: list[tuple[str, Any]], X: Any) -> Any:
    """Run transformers one after the other."""
    for _, step in steps:
        X = step.transform(X)
    return X


def parts_of(model: Any) -> list[Any]:
    """List the models inside a model: steps of a Pipeline, or the wrapped model."""
    if isinstance(model, Pipeline):
        return [step for _, step in model.steps]
    if not isinstance(model, BaseEstimator):
        return []
    return [value for name, value in vars(model).items() if name in HELD_IN]


def copy_model(model: Any, replace: Callable[[Any], Any]) -> Any:
    """Copy a model and the models inside it.

    `replace` is called with each of them. It returns the model that takes its place,
    or None for a shallow copy, whose own parts are then copied in the same way.
    """
    new = replace(model)
    if new is not None or not isinstance(model, BaseEstimator):
        return model if new is None else new
    new = copy.copy(model)
    if isinstance(model, Pipeline):
        new.steps = [(name, copy_model(step, replace)) for name, step in model.steps]
        return new
    for name, value in vars(model).items():
        if name in HELD_IN:
            setattr(new, name, copy_model(value, replace))
    return new
