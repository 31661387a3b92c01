"""What every estimator of the package shares."""

from collections.abc import Iterator
from contextlib import contextmanager

from sklearn.base import BaseEstimator


class KMExBaseEstimator(BaseEstimator):
    """Links the HTML representation of an estimator to its page in the docs."""

    _doc_link_module = "sklearn_kmex"
    _doc_link_template = (
        "https://sklearn-kmex.readthedocs.io/en/stable/api/"
        "{estimator_module}.{estimator_name}.html"
    )


@contextmanager
def unchanged_on_error(estimator: BaseEstimator) -> Iterator[None]:
    """Give the estimator its former attributes back when the block raises."""
    before = vars(estimator).copy()
    try:
        yield
    except BaseException:
        vars(estimator).clear()
        vars(estimator).update(before)
        raise
