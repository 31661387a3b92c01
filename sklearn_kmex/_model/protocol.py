"""What a prototypical self-explainable model is, and where a wrapper holds it."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, is_classifier
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

PROTOCOL = ("classes_", "prototypes_", "prototype_classes_", "transform")


def find_sem(estimator: Any) -> Any:
    """Return the prototypical self-explainable model that an estimator ends in.

    Parameters
    ----------
    estimator : object
        Fitted classifier with `classes_`, `prototypes_`, `prototype_classes_` and
        `transform`; or a `Pipeline` that ends in one, a fitted search over one, a
        `FrozenEstimator` or a `RejectingClassifier` around one, nested or not.

    Returns
    -------
    object
        The classifier itself.

    Raises
    ------
    TypeError
        If it lacks a part of the protocol, or was fitted to arrays of another library
        than NumPy.

    NotFittedError
        If it is a classifier that was not fitted.
    """
    model = innermost(estimator)
    missing = missing_parts(model)
    if not missing:
        check_on_host(model)
        return model
    check_fitted_if_possible(model)
    what = name_of(model)
    if model is not estimator:
        place = "the last step of" if isinstance(estimator, Pipeline) else "inside"
        what += f", {place} the {name_of(estimator)},"
    raise TypeError(
        f"estimator must be a prototypical self-explainable model; {what} lacks "
        f"{', '.join(missing)}, which a fitted KMExClassifier has."
    )


def levels(model: Any) -> Iterator[Any]:
    """Yield a model, then what it decides by, down to the classifier itself."""
    yield model
    while (model := inner_model(model)) is not None:
        yield model


def innermost(model: Any) -> Any:
    """Return the classifier that a model decides by."""
    *_, last = levels(model)
    return last


def inner_model(model: Any) -> Any:
    """Return the fitted model that a wrapper decides by; None if it is no wrapper."""
    if isinstance(model, Pipeline):
        return model.steps[-1][1]
    if isinstance(model, FrozenEstimator):
        return model.estimator
    if hasattr(model, "best_estimator_"):  # a search
        return model.best_estimator_
    return getattr(model, getattr(model, "_decides_by", ""), None)


def missing_parts(model: Any) -> list[str]:
    """List what a model lacks of the protocol."""
    return [name for name in PROTOCOL if not hasattr(model, name)]


def check_on_host(model: Any) -> None:
    """Refuse a model whose arrays are on a device: tools read them with NumPy."""
    kind = type(model.prototypes_)
    if hasattr(kind, "__dlpack__") and not issubclass(kind, np.ndarray):
        raise TypeError(
            f"{name_of(model)} holds a {kind.__module__}.{kind.__name__} in "
            "prototypes_, where NumPy is needed. Move it first: "
            'sklearn.utils._array_api.move_estimator_to(estimator, numpy, "cpu").'
        )


def check_fitted_if_possible(model: Any) -> None:
    """Refuse a model that may follow the protocol once it is fitted."""
    could = hasattr(model, "transform") or hasattr(model, "estimator")
    if could and isinstance(model, BaseEstimator) and is_classifier(model):
        check_is_fitted(model)


def name_of(thing: Any) -> str:
    """Name an object by its type, and a class as one."""
    if isinstance(thing, type):
        return f"the class {thing.__name__}"
    return type(thing).__name__
