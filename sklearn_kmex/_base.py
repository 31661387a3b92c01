"""What every estimator of the package shares."""

from collections.abc import Iterator
from contextlib import contextmanager

from sklearn.base import BaseEstimator

from sklearn_kmex._compat import CALLBACK_STATE, CallbackSupportMixin


class KMExBaseEstimator(CallbackSupportMixin, BaseEstimator):
    """Takes callbacks, and has a page in the docs that its HTML links to."""

    _doc_link_module = "sklearn_kmex"
    _doc_link_template = (
        "https://sklearn-kmex.readthedocs.io/en/stable/api/"
        "{estimator_module}.{estimator_name}.html"
    )


@contextmanager
def unchanged_on_error(estimator: BaseEstimator) -> Iterator[None]:
    """Give the estimator its former attributes back when the block raises.

    Callbacks that the block set up are left for scikit-learn to end.
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
