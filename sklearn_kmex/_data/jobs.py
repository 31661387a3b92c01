"""Progress: of a fit, told to the callbacks of scikit-learn 1.9 and later; and bars.

Callbacks are called where `fit` was called, in the order of the tasks, wherever these
are run: they need not be thread-safe, nor reach the process or machine of a worker.
"""

import warnings
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any, NamedTuple

from sklearn import config_context, get_config
from sklearn.base import BaseEstimator
from sklearn.utils.parallel import Parallel

from sklearn_kmex._compat import has_callbacks, open_fit_task


class Task(NamedTuple):
    """A part of a fit, which callbacks are told of."""

    estimator: BaseEstimator
    context: Any


@contextmanager
def fit_task(
    estimator: BaseEstimator, n_subtasks: int, X: Any, y: Any, weights: Any
) -> Iterator[Task | None]:
    """Run the block as the task "fit"; None where the estimator has no callbacks.

    At its end the estimator is fitted, and callbacks may score it.
    """
    if not has_callbacks(estimator):
        yield None
        return
    context = open_fit_task(estimator, n_subtasks)
    metadata = None if weights is None else {"sample_weight": weights}
    given = {"X": X, "y": y, "metadata": metadata}
    context.call_on_fit_task_begin(estimator=estimator, **given)
    yield Task(estimator, context)
    context.call_on_fit_task_end(
        estimator=estimator, reconstruction_attributes={}, **given
    )


@contextmanager
def subtask(task: Task | None, name: str, n_subtasks: int = 0) -> Iterator[Task | None]:
    """Run the block as a part of a task, if there is one to tell of."""
    if task is None:
        yield None
        return
    estimator = task.estimator
    context = task.context.subcontext(task_name=name, max_subtasks=n_subtasks)
    context.call_on_fit_task_begin(estimator=estimator)
    yield Task(estimator, context)
    context.call_on_fit_task_end(estimator=estimator)


def follow(
    results: Iterable[Any], task: Task | None, names: Sequence[str]
) -> Iterator[Any]:
    """Make a subtask of the wait for each result."""
    waiting = iter(results)
    for name in names if task else ():
        with subtask(task, name):
            result = next(waiting)
        yield result
    yield from waiting


def run(
    jobs: Iterable[Any], n_jobs: int | None, task: Task | None, names: Sequence[str]
) -> list[Any]:
    """Run jobs of joblib, each of them a subtask."""
    results = pool(n_jobs, in_turn=task is not None)(configured(jobs))
    try:
        return list(follow(results, task, names))
    finally:
        if isinstance(results, Generator):
            drop(results)


def configured(jobs: Iterable[Any]) -> Iterator[Any]:
    """Draw jobs in the configuration of this thread: joblib's own threads draw them."""
    config, waiting = get_config(), iter(jobs)

    def draw() -> Any:
        with config_context(**config):
            return next(waiting, None)

    return iter(draw, None)


def drop(results: Generator[Any, None, None]) -> None:
    """Give up results that a failing callback left, without a word of joblib's."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        results.close()


def pool(n_jobs: int | None, in_turn: bool) -> Parallel:
    """Several at a time; `in_turn` hands out each result as soon as it is there."""
    if in_turn:
        try:
            return Parallel(n_jobs=n_jobs, return_as="generator")
        except ValueError:  # a backend that hands out all results at once
            pass
    return Parallel(n_jobs=n_jobs)


def ignore(_: Any) -> None:
    """Stand for a method of a progress bar."""


@contextmanager
def progress_bar(total: int, unit: str, **settings: Any) -> Iterator[Any]:
    """Show a progress bar by tqdm; where that is not installed, show nothing."""
    try:
        from tqdm.auto import tqdm
    except ImportError:
        yield SimpleNamespace(update=ignore, set_description=ignore)
        return
    with tqdm(total=total, unit=unit, **settings) as bar:
        yield bar
