"""The base class of all estimators, whose state is replaced at once by a fit."""

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from sklearn.base import BaseEstimator

from sklearn_kmex._compat import (
    CALLBACK_STATE,
    CallbackSupportMixin,
    RemembersNames,
)

Estimator = TypeVar("Estimator", bound=BaseEstimator)


class KMExBaseEstimator(CallbackSupportMixin, RemembersNames):
    """Adds callbacks, and the link from the HTML of an estimator to its API page."""

    _doc_link_module = "sklearn_kmex"
    _doc_link_template = (
        "https://sklearn-kmex.readthedocs.io/en/stable/api/"
        "{estimator_module}.{estimator_name}.html"
    )


@contextmanager
def new_state(estimator: Estimator) -> Iterator[Estimator]:
    """Yield a copy to be fitted; the estimator takes its attributes at the end.

    Other threads meet the attributes of one fit. After an error, they are unchanged,
    but for the state of callbacks: scikit-learn needs it to tear them down.
    """
    new = with_state(estimator, vars(estimator).copy())
    try:
        yield new
    except BaseException:
        state = vars(new)
        vars(estimator).update((k, state[k]) for k in CALLBACK_STATE if k in state)
        raise
    estimator.__dict__ = vars(new)


def of_one_fit(method: Callable[..., Any]) -> Callable[..., Any]:
    """Decorate a method that reads several attributes: a refit does not mix them."""

    @functools.wraps(method)
    def of_state(self: Any, *args: Any, **kwargs: Any) -> Any:
        return method(with_state(self, vars(self)), *args, **kwargs)

    return of_state


def with_state(estimator: Estimator, state: dict[str, Any]) -> Estimator:
    """Return an estimator of the same class with these attributes."""
    other = object.__new__(type(estimator))
    other.__dict__ = state
    return other
