"""Glue to dask: arrays in chunks of rows, on the scheduler that the user runs.

Found by their attributes: nothing is imported before there is such an array.
"""

import functools
import uuid
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted, validate_data


def is_dask(X: Any) -> bool:
    """Whether X is a collection of dask."""
    graph = getattr(X, "__dask_graph__", None)
    return graph is not None and graph() is not None


def in_memory(values: Any) -> Any:
    """Compute what is small: one label or weight a row."""
    return values.compute() if is_dask(values) else values


def check_chunks(X: Any) -> Any:
    """Validate a dask array of numbers; the columns of a row are put in one chunk."""
    if not isinstance(getattr(X, "chunks", None), tuple):
        raise ValueError(
            f"X must be a dask array; got a {type(X).__name__} of dask. Turn it into "
            "one, for example with X.to_dask_array(lengths=True)."
        )
    dense = isinstance(getattr(X, "_meta", None), np.ndarray)
    if X.ndim != 2 or X.dtype.kind not in "biuf" or not dense:
        raise ValueError(
            "X must be a dask array of numbers with 2 dimensions, in chunks of numpy; "
            f"got {X}. Reshape or convert it."
        )
    return X if X.numblocks[1] == 1 else X.rechunk({1: -1})


def check_known_chunks(X: Any) -> Any:
    """Validate a dask array whose rows have numbers."""
    X = check_chunks(X)
    if np.isnan(X.shape).any():
        raise ValueError(
            "X must have chunks of known size, for rows to have numbers; got shape "
            f"{X.shape}. Call X.compute_chunk_sizes() first."
        )
    return X


def map_parts(
    calls: Sequence[Callable[[list[NDArray]], Any]],
    X: Any,
    groups: Sequence[NDArray],
    in_turn: bool,
) -> Iterable[Any]:
    """Make each call a task, on some rows of X, those of each chunk taken by a task.

    `in_turn` hands out each result as soon as it is there.
    """
    import dask

    (X,) = dask.optimize(X)
    layer = f"classes-{uuid.uuid4().hex}"
    graph: dict[Any, tuple] = {}
    keys = [f"{layer}-{number}" for number in range(len(calls))]
    for key, call, rows in zip(keys, calls, groups, strict=True):
        parts = {(f"take-{key}", k): part for k, part in taken(X, rows).items()}
        graph |= parts
        graph[key] = (call, list(parts))
    tasks = one_graph(layer, graph, X, keys)
    if in_turn:
        return (task.compute() for task in dask.persist(*tasks))
    return dask.compute(*tasks)


def one_graph(layer: str, graph: dict, X: Any, keys: list[str]) -> list[Any]:
    """Tasks of one graph; a graph for each would take longer than they do."""
    from dask.delayed import Delayed
    from dask.highlevelgraph import HighLevelGraph

    graphs = HighLevelGraph.from_collections(layer, graph, dependencies=[X])
    return [Delayed(key, graphs, layer=layer) for key in keys]


def taken(X: Any, rows: NDArray) -> dict[int, tuple]:
    """Take ascending rows out of the chunks that have some: a task for each."""
    starts = np.cumsum([0, *X.chunks[0]])
    where = np.searchsorted(starts, rows, side="right") - 1
    chunks, first = np.unique(where, return_index=True)
    pieces = zip(chunks.tolist(), np.split(rows, first[1:]), strict=True)
    return {k: (np.take, (X.name, k, 0), own - starts[k], 0) for k, own in pieces}


def take_rows(X: Any, rows: NDArray) -> NDArray:
    """Compute a few rows of X, in any order."""
    order = np.argsort(rows)
    (values,) = map_parts([np.concatenate], X, [rows[order]], in_turn=False)
    return values[np.argsort(order)]


def chunkwise(method: Callable[[Any, Any], NDArray]) -> Callable[[Any, Any], Any]:
    """Make a method of each row lazy where the rows are a dask array."""

    @functools.wraps(method)
    def of_chunks(self: Any, X: Any) -> Any:
        if not is_dask(X):
            return method(self, X)
        check_is_fitted(self)
        X = check_chunks(X)
        validate_data(self, X, reset=False, skip_check_array=True)
        return lazy(self, method.__name__, X)

    return of_chunks


def lazy(estimator: Any, name: str, X: Any) -> Any:
    """Call a method on each chunk, when it is asked for."""
    import dask

    like = of_block(estimator.prototypes_[:1].astype(X.dtype), estimator, name)
    width: dict[str, Any] = {"drop_axis": 1}
    if like.ndim == 2:
        width = {"chunks": (X.chunks[0], (like.shape[1],))}
    sent_once = dask.delayed(estimator, pure=False, traverse=False)
    return X.map_blocks(of_block, sent_once, name, meta=like[:0], **width)


def of_block(block: NDArray, estimator: Any, name: str) -> NDArray:
    """Call a method; an array, whatever `set_output` asks for."""
    return np.asarray(getattr(estimator, name)(block))
