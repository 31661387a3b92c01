"""The protocol of prototypical self-explainable models, and the model in a wrapper."""

import copy
from collections.abc import Iterator
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, is_classifier
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from sklearn_kmex._base import KMExBaseEstimator, with_state

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
        If it lacks a part of the protocol, is a search that holds no model, or its
        arrays are not NumPy arrays.

    NotFittedError
        If it is a classifier that is not fitted.
    """
    model = innermost(estimator)
    missing = _missing_parts(model)
    if not missing:
        _check_on_host(model)
        return model
    _check_fitted_if_possible(model)
    check_refitted(model)
    what = _name_of(model)
    if model is not estimator:
        place = "the last step of" if isinstance(estimator, Pipeline) else "inside"
        what += f", {place} the {_name_of(estimator)},"
    raise TypeError(
        "The model must decide by prototypes, as a fitted KMExClassifier or a Pipeline "
        f"that ends in one does; {what} has no {', '.join(missing)}. Convert a trained "
        "model with make_kmex."
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


def of_one_state(model: Any) -> Any:
    """Return a model with the same attributes, which a later fit does not replace."""
    if isinstance(model, KMExBaseEstimator):
        return with_state(model, model.__dict__)
    if not isinstance(model, Pipeline):
        return model
    *before, (name, last) = model.steps
    model = copy.copy(model)
    model.steps = [*before, (name, of_one_state(last))]
    return model


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


def check_refitted(model: Any) -> None:
    """Raise an error for a fitted search that did not fit its best candidate again."""
    if hasattr(model, "cv_results_") and not getattr(model, "refit", True):
        raise TypeError(
            f"The model must hold a fitted estimator; {_name_of(model)} was fitted "
            f"with refit={model.refit!r} and has no best_estimator_. Fit it with "
            "refit=True or, for several scores, with the name of one."
        )


def _name_of(thing: Any) -> str:
    """Return the name of the type of an object, or of a class."""
    if thing is None:
        return "None"
    if isinstance(thing, type):
        return f"the class {thing.__name__}"
    return type(thing).__name__
