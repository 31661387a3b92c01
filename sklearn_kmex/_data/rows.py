"""The training rows of each class, in memory, in a mapped file or in a dask array."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sklearn_kmex._data.arrays import rows_at
from sklearn_kmex._data.chunked import compute_rows, is_dask, map_parts
from sklearn_kmex._data.jobs import Task, fit_task, follow, run_jobs
from sklearn_kmex._data.mapped import MappedArray, check_values, file_behind


class Rows(NamedTuple):
    """Some training rows: values, row numbers in the training set, and weights.

    The values are a CSR matrix, or an array of any library.
    """

    values: Any
    numbers: NDArray[np.intp]
    weights: NDArray[np.float64]

    def take(self, positions: NDArray) -> "Rows":
        numbers, weights = self.numbers[positions], self.weights[positions]
        return Rows(rows_at(self.values, positions), numbers, weights)


class Training(NamedTuple):
    """A training set split by class, and how its classes are worked on."""

    X: Any
    y: NDArray
    weights: NDArray[np.float64]
    classes: NDArray  # labels, sorted
    groups: Sequence[NDArray[np.intp]]  # rows of each class, without those of weight 0
    names: Sequence[str]  # of the groups, for callbacks
    first_row: int = 0  # row number of the first row of X, in a stream
    n_jobs: int | None = None
    task: Task | None = None  # reported to callbacks
    prepare: Callable[[Any], Any] | None = None  # applied to the rows of a class


def split_by_class(
    X: Any, y: NDArray, weights: NDArray, classes: NDArray, **settings: Any
) -> Training:
    """Group the rows by class, in the order of `classes`."""
    rows = np.flatnonzero(weights)
    codes = np.searchsorted(classes, y[rows])
    order = np.argsort(codes, kind="stable")
    bounds = np.searchsorted(codes[order], np.arange(1, len(classes)))
    groups = np.split(rows[order], bounds)
    names = [f"class-{label}" for label in classes]
    return Training(X, y, weights, classes, groups, names, **settings)


@contextmanager
def open_task(estimator: Any, training: Training, n_more: int) -> Iterator[Training]:
    """Report a fit to callbacks: a subtask for each class, and `n_more` others."""
    data = training.X, training.y, training.weights
    with fit_task(estimator, len(training.classes) + n_more, *data) as task:
        yield training._replace(task=task)


def gather(X: Any, rows: NDArray) -> Any:
    """Read some rows of X into memory, in any order."""
    if is_dask(X):
        return check_values(compute_rows(X, rows))
    return rows_at(X, rows) if file_behind(X) is None else check_values(X[rows])


def map_classes(
    function: Callable[..., Any], training: Training, *arguments: Iterable[Any]
) -> list[Any]:
    """Call a function with the rows of each class, in parallel; skip empty classes.

    Each of `arguments` has one item for each class, passed after the rows.
    """
    own = list(zip(*arguments, strict=True)) or [()] * len(training.groups)
    full = [code for code, rows in enumerate(training.groups) if len(rows)]
    work = [(function, [code], own[code]) for code in full]
    return _map(work, training, list)


def map_batches(
    function: Callable[..., list[Any]],
    training: Training,
    arguments: Sequence[Any],
    sizes: Sequence[float],
) -> list[Any]:
    """Call a function with the rows of several classes, in parallel; skip empty ones.

    The function gets the rows of a batch of classes, one after another, their numbers
    in the batch, and the arguments of its classes. It returns one result for each. The
    sizes of the classes of a batch are at most 1 in all.
    """
    full = [code for code, rows in enumerate(training.groups) if len(rows)]
    batches = _batches(full, sizes)
    work = []
    for batch in batches:
        counts = [len(training.groups[code]) for code in batch]
        owners = np.repeat(np.arange(len(batch)), counts)
        work.append((function, batch, (owners, [arguments[code] for code in batch])))

    def unpack(results: Iterable[Any]) -> Iterator[Any]:
        ready: dict[int, Any] = {}
        found = zip(batches, results, strict=True)
        for code in full:
            while code not in ready:
                ready.update(zip(*next(found), strict=True))
            yield ready.pop(code)

    return _map(work, training, unpack)


def _batches(codes: Sequence[int], sizes: Sequence[float]) -> list[list[int]]:
    """Put classes into batches of a size of at most 1; larger ones are alone."""
    batches: list[list[int]] = []
    filling: list[int] = []
    room = 0.0
    for code in codes:
        size = sizes[code]
        if size >= 1:
            batches.append([code])
        elif size <= room:
            filling.append(code)
            room -= size
        else:
            filling, room = [code], 1 - size
            batches.append(filling)
    return batches


def _map(
    work: Sequence[tuple[Callable[..., Any], list[int], Sequence[Any]]],
    training: Training,
    unpack: Callable[[Iterable[Any]], Iterable[Any]],
) -> list[Any]:
    """Call functions with the rows of classes and further arguments, in parallel.

    The rows are read just before the call, by the process that makes the call: a
    worker process for a mapped file, a dask worker for a dask array.
    """
    X, task, groups = training.X, training.task, training.groups
    names = [n for n, rows in zip(training.names, groups, strict=True) if len(rows)]

    def calls() -> Iterator[tuple[Callable[..., Any], NDArray]]:
        for function, codes, own in work:
            rows = groups[codes[0]]
            if len(codes) > 1:
                rows = np.concatenate([groups[code] for code in codes])
            numbers, weights = rows + training.first_row, training.weights[rows]
            prepare = training.prepare
            yield partial(_on_rows, function, numbers, weights, own, prepare), rows

    if is_dask(X):
        parts = [
            (partial(_on_parts, call, rows.argsort().argsort()), np.sort(rows))
            for call, rows in calls()
        ]
        results = map_parts(parts, X, in_turn=task is not None)
        return list(follow(unpack(results), task, names))
    if file_behind(X) is not None:
        file = MappedArray(X)
        jobs = (partial(_on_file, call, file, rows) for call, rows in calls())
    else:
        jobs = (partial(call, rows_at(X, rows)) for call, rows in calls())
    return run_jobs(jobs, len(work), training.n_jobs, task, names, unpack)


def _on_rows(
    function: Callable[..., Any],
    numbers: NDArray,
    weights: NDArray,
    arguments: Sequence[Any],
    prepare: Callable[[Any], Any] | None,
    values: Any,
) -> Any:
    values = values if prepare is None else prepare(values)
    return function(Rows(values, numbers, weights), *arguments)


def _on_file(call: Callable[[Any], Any], file: MappedArray, rows: NDArray) -> Any:
    return call(file.take(rows))


def _on_parts(
    call: Callable[[Any], Any], order: NDArray[np.intp], parts: list[NDArray]
) -> Any:
    """Call a function with parts of ascending rows, put into the order asked for."""
    return call(check_values(np.concatenate(parts))[order])
