"""What every estimator of the package shares."""

from collections.abc import Iterator, Sequence
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


class RowsError(ValueError):
    """What is wrong with some samples, by their numbers.

    Parameters
    ----------
    before, after : str
        Message around the numbers.

    rows : sequence of int
        Numbers of the samples.
    """

    def __init__(self, before: str, rows: Sequence[int] = (), after: str = "") -> None:
        self.before, self.rows, self.after = before, rows, after
        more = ", ..." if len(rows) > 5 else ""
        super().__init__(f"{before}{', '.join(map(str, rows[:5]))}{more}{after}")


@contextmanager
def numbered(rows: Sequence[int]) -> Iterator[None]:
    """Name samples by their numbers in X, where the block sees those rows of it."""
    try:
        yield
    except RowsError as error:
        there = [int(rows[row]) for row in error.rows]
        raise RowsError(error.before, there, error.after) from error.__cause__
