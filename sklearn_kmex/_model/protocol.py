"""The protocol of prototypical self-explainable models, and the model in a wrapper."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, is_classifier
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

PROTOCOL = ("classes_", "prototypes_", "prototype_classes_", "transform")


def find_sem(estimator: Any) -> Any:
    """Return the prototypical self-explainable model inside an estimator.

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
        If it lacks a part of the protocol, or its arrays are not NumPy arrays.

    NotFittedError
        If it is a classifier that is not fitted.
    """
    model = innermost(estimator)
    missing = _missing_parts(model)
    if not missing:
        _check_on_host(model)
        return model
    _check_fitted_if_possible(model)
    what = _name_of(model)
    if model is not estimator:
        place = "the last step of" if isinstance(estimator, Pipeline) else "inside"
        what += f", {place} the {_name_of(estimator)},"
    raise TypeError(
        f"estimator must be a prototypical self-explainable model; {what} lacks "
        f"{', '.join(missing)}, which a fitted KMExClassifier has."
    )


def levels(model: Any) -> Iterator[Any]:
    """Yield a model, then the models that its wrappers hold, down to the classifier."""
    yield model
    while (model := _inner_model(model)) is not None:
        yield model


def innermost(model: Any) -> Any:
    """Return the classifier inside all wrappers."""
    *_, last = levels(model)
    return last


def _inner_model(model: Any) -> Any:
    """Return the fitted model that a wrapper holds, or None if it is no wrapper."""
    if isinstance(model, Pipeline):
        return model.steps[-1][1]
    if isinstance(model, FrozenEstimator):
        return model.estimator
    if hasattr(model, "best_estimator_"):  # a search
        return model.best_estimator_
    return getattr(model, getattr(model, "_decides_by", ""), None)


def _missing_parts(model: Any) -> list[str]:
    """List the parts of the protocol that a model lacks."""
    return [name for name in PROTOCOL if not hasattr(model, name)]


def _check_on_host(model: Any) -> None:
    """Raise an error if the arrays of a model are not NumPy arrays."""
    kind = type(model.prototypes_)
    if hasattr(kind, "__dlpack__") and not issubclass(kind, np.ndarray):
        raise TypeError(
            f"{_name_of(model)} holds a {kind.__module__}.{kind.__name__} in "
            "prototypes_, where a NumPy array is needed. Move it first: "
            'sklearn.utils._array_api.move_estimator_to(estimator, numpy, "cpu").'
        )


def _check_fitted_if_possible(model: Any) -> None:
    """Raise `NotFittedError` for a model that may follow the protocol once fitted."""
    could = hasattr(model, "transform") or hasattr(model, "estimator")
    if could and isinstance(model, BaseEstimator) and is_classifier(model):
        check_is_fitted(model)


def _name_of(thing: Any) -> str:
    """Return the name of the type of an object, or of a class."""
    if isinstance(thing, type):
        return f"the class {thing.__name__}"
    return type(thing).__name__
