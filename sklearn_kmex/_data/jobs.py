"""Parallel jobs, and their progress: scikit-learn 1.9 callbacks and progress bars.

Callbacks run in the process and thread that called `fit`, in the order of the tasks.
They need not be thread-safe, and are never sent to a worker.
"""

import warnings
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any, NamedTuple

from joblib import effective_n_jobs
from sklearn import config_context, get_config
from sklearn.base import BaseEstimator
from sklearn.utils.parallel import Parallel, delayed

from sklearn_kmex._compat import has_callbacks, open_fit_task


class Task(NamedTuple):
    """A part of a fit that is reported to callbacks."""

    estimator: BaseEstimator
    context: Any


@contextmanager
def fit_task(
    estimator: BaseEstimator, n_subtasks: int, X: Any, y: Any, weights: Any
) -> Iterator[Task | None]:
    """Run the block as the task "fit"; yield None if the estimator has no callbacks.

    When the block ends, the estimator must be fitted: callbacks may score it.
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
    """Run the block as a part of a task, if there is a task."""
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
    """Yield the results; the wait for each of them is a subtask."""
    waiting = iter(results)
    for name in names if task else ():
        with subtask(task, name):
            result = next(waiting)
        yield result
    yield from waiting


def run_jobs(
    jobs: Iterable[Callable[[], Any]],
    total: int,
    n_jobs: int | None,
    task: Task | None,
    names: Sequence[str],
    unpack: Callable[[Iterable[Any]], Iterable[Any]],
) -> list[Any]:
    """Call jobs in parallel, one job or with one worker without joblib.

    Each result that `unpack` makes of those of the jobs is a subtask.
    """
    if total == 1 or effective_n_jobs(n_jobs) == 1:
        return list(follow(unpack(job() for job in jobs), task, names))
    parallel = _make_parallel(n_jobs, in_turn=task is not None)
    results = parallel(_configured(jobs))
    try:
        return list(follow(unpack(results), task, names))
    finally:
        if isinstance(results, Generator):
            _discard(results)


def _configured(jobs: Iterable[Callable[[], Any]]) -> Iterator[Any]:
    """Create the jobs with the scikit-learn configuration of this thread.

    joblib iterates over them in other threads, which have the default configuration.
    """
    config, waiting = get_config(), iter(jobs)

    def draw() -> Any:
        with config_context(**config):
            job = next(waiting, None)
            return None if job is None else delayed(job)()

    return iter(draw, None)


def _discard(results: Generator[Any, None, None]) -> None:
    """Discard the remaining results after a callback failed, without a warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        results.close()


def _make_parallel(n_jobs: int | None, in_turn: bool) -> Parallel:
    """Return a `Parallel`; with `in_turn`, one that yields results as they arrive."""
    if in_turn:
        try:
            return Parallel(n_jobs=n_jobs, return_as="generator")
        except ValueError:  # a backend that cannot yield results one by one
            pass
    return Parallel(n_jobs=n_jobs)


def _ignore(*_: Any, **__: Any) -> None:
    """Do nothing; replaces the methods of a progress bar."""


@contextmanager
def progress_bar(total: int, unit: str, **settings: Any) -> Iterator[Any]:
    """Show a progress bar of tqdm; show nothing if tqdm is not installed."""
    try:
        from tqdm.auto import tqdm
    except ImportError:
        yield SimpleNamespace(update=_ignore, set_description=_ignore)
        return
    with tqdm(total=total, unit=unit, **settings) as bar:
        yield bar
