"""The base class of all estimators, whose state a failed fit leaves unchanged."""

from collections.abc import Iterator
from contextlib import contextmanager

from sklearn.base import BaseEstimator

from sklearn_kmex._compat import CALLBACK_STATE, CallbackSupportMixin


class KMExBaseEstimator(CallbackSupportMixin, BaseEstimator):
    """Adds callbacks, and the link from the HTML of an estimator to its API page."""

    _doc_link_module = "sklearn_kmex"
    _doc_link_template = (
        "https://sklearn-kmex.readthedocs.io/en/stable/api/"
        "{estimator_module}.{estimator_name}.html"
    )


@contextmanager
def unchanged_on_error(estimator: BaseEstimator) -> Iterator[None]:
    """Restore the attributes of the estimator if the block raises an error.

    The state of callbacks is kept: scikit-learn needs it to tear them down.
    """
    before = vars(estimator).copy()
    try:
        yield
    except BaseException:
        now = vars(estimator).copy()
        vars(estimator).clear()
        vars(estimator).update(before)
        vars(estimator).update((k, now[k]) for k in CALLBACK_STATE if k in now)
        raise
