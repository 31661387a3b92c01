"""The protocol: what makes a model a prototypical self-explainable one."""

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, is_classifier
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

PROTOCOL = ("classes_", "prototypes_", "prototype_classes_", "transform")


def find_sem(estimator: Any) -> Any:
    """Return the prototypical self-explainable model that an estimator ends in.

    Parameters
    ----------
    estimator : object
        Fitted classifier with `classes_`, `prototypes_`, `prototype_classes_` and
        `transform`, or a `Pipeline`, nested or not, that ends in one.

    Returns
    -------
    object
        The classifier itself: the last step of a `Pipeline`.

    Raises
    ------
    TypeError
        If it lacks a part of the protocol, or was fitted to arrays of another library
        than NumPy.

    NotFittedError
        If it is a classifier with `transform` that was not fitted.
    """
    model = estimator
    while isinstance(model, Pipeline):
        model = model.steps[-1][1]
    missing = [name for name in PROTOCOL if not hasattr(model, name)]
    if not missing:
        check_on_host(model)
        return model
    if isinstance(model, BaseEstimator) and is_classifier(model):
        _check_is_fitted(model)
    what = _name(model)
    if model is not estimator:
        what += f", the last step of the {_name(estimator)},"
    raise TypeError(
        f"estimator must be a prototypical self-explainable model; {what} lacks "
        f"{', '.join(missing)}, which a fitted KMExClassifier has."
    )


def check_on_host(model: Any) -> None:
    """Refuse a model whose arrays are on a device: tools look at them with NumPy."""
    kind = type(model.prototypes_)
    if hasattr(kind, "__dlpack__") and not issubclass(kind, np.ndarray):
        raise TypeError(
            f"{_name(model)} holds a {kind.__module__}.{kind.__name__} in prototypes_, "
            "where NumPy is needed. Move it first: sklearn.utils._array_api."
            'move_estimator_to(estimator, numpy, "cpu").'
        )


def _check_is_fitted(model: BaseEstimator) -> None:
    """Refuse a model that may be one once it is fitted."""
    if hasattr(model, "transform"):
        check_is_fitted(model)


def _name(thing: Any) -> str:
    if isinstance(thing, type):
        return f"the class {thing.__name__}"
    return type(thing).__name__
