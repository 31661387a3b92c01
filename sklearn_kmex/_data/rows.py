"""Rows of classes out of X: in memory, in a mapped file, or in chunks on a cluster."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.parallel import delayed

from sklearn_kmex._data.arrays import rows_at
from sklearn_kmex._data.chunked import is_dask, map_parts, take_rows
from sklearn_kmex._data.jobs import Task, follow, run
from sklearn_kmex._data.mapped import MappedArray, file_behind, usable


def take(X: Any, rows: NDArray) -> Any:
    """Gather some rows here, in any order."""
    if is_dask(X):
        return usable(take_rows(X, rows))
    return rows_at(X, rows) if file_behind(X) is None else usable(X[rows])


def map_classes(
    function: Callable[..., Any],
    X: Any,
    weights: NDArray,
    groups: Sequence[NDArray],
    arguments: Iterable[tuple],
    *,
    n_jobs: int | None = None,
    first_row: int = 0,
    task: Task | None = None,
    names: Sequence[str] = (),
) -> list[Any]:
    """Call a function with the rows of each class that has some, and its arguments.

    The rows of a class are gathered when its turn comes, and where it is worked on:
    of a mapped file by the process, of a dask array by the worker.
    """
    work = [
        (partial(on_rows, function, rows + first_row, weights[rows], own), rows)
        for rows, own in zip(groups, arguments, strict=True)
        if len(rows)
    ]
    if is_dask(X):
        calls = [partial(on_parts, call) for call, _ in work]
        results = map_parts(calls, X, [rows for _, rows in work], task is not None)
        return list(follow(results, task, names))
    if file_behind(X) is not None:
        file = MappedArray(X)
        jobs = (delayed(on_file)(call, file, rows) for call, rows in work)
    else:
        jobs = (delayed(call)(rows_at(X, rows)) for call, rows in work)
    return run(jobs, n_jobs, task, names)


def on_rows(
    function: Callable[..., Any],
    numbers: NDArray,
    weights: NDArray,
    arguments: tuple,
    values: Any,
) -> Any:
    return function(Rows(values, numbers, weights), *arguments)


def on_file(call: Callable[[Any], Any], file: MappedArray, rows: NDArray) -> Any:
    return call(file.take(rows))


def on_parts(call: Callable[[Any], Any], parts: list[NDArray]) -> Any:
    return call(usable(np.concatenate(parts)))


class Rows(NamedTuple):
    """Rows of one class: their values, row numbers in the training set and weights.

    The values are a CSR matrix, or an array of any library.
    """

    values: Any
    numbers: NDArray[np.intp]
    weights: NDArray[np.float64]

    def take(self, positions: NDArray) -> "Rows":
        numbers, weights = self.numbers[positions], self.weights[positions]
        return Rows(rows_at(self.values, positions), numbers, weights)
