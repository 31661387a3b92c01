"""dask arrays, in chunks of rows, computed by the dask scheduler in use.

They are recognised by their attributes: dask is imported only if X is a dask array.
"""

import functools
import uuid
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted, validate_data


def is_dask(X: Any) -> bool:
    """Return whether X is a dask collection."""
    graph = getattr(X, "__dask_graph__", None)
    return graph is not None and graph() is not None


def in_memory(values: Any) -> Any:
    """Compute labels or weights that are a dask collection."""
    return values.compute() if is_dask(values) else values


def _check_chunks(X: Any) -> Any:
    """Validate a dask array of numbers, and put all columns into one chunk."""
    if not isinstance(getattr(X, "chunks", None), tuple):
        raise ValueError(
            f"X must be a dask array; got a dask {type(X).__name__}. Convert it, for "
            "example a DataFrame with X.to_dask_array(lengths=True)."
        )
    dense = isinstance(getattr(X, "_meta", None), np.ndarray)
    if X.ndim != 2 or X.dtype.kind not in "biuf" or not dense:
        raise ValueError(
            "X must be a dask array of numbers with 2 dimensions, in chunks of numpy; "
            f"got {X}. Reshape or convert it."
        )
    return X if X.numblocks[1] == 1 else X.rechunk({1: -1})


def check_known_chunks(X: Any) -> Any:
    """Validate a dask array whose number of rows is known."""
    X = _check_chunks(X)
    if np.isnan(X.shape).any():
        raise ValueError(
            f"X must have chunks of known size; got shape {X.shape}. Call "
            "X.compute_chunk_sizes() first."
        )
    if X.shape[0] == 0:
        raise ValueError(f"X must have at least one row; got shape {X.shape}.")
    return X


def map_parts(
    work: Sequence[tuple[Callable[[list[NDArray]], Any], NDArray]],
    X: Any,
    in_turn: bool,
) -> Iterable[Any]:
    """Call each function of `work` with its rows of X, in a separate dask task.

    A function gets the rows as a list of parts, one for each chunk. With `in_turn`,
    each result is yielded as soon as it is computed.
    """
    import dask

    (X,) = dask.optimize(X)
    layer = f"classes-{uuid.uuid4().hex}"
    graph: dict[Any, tuple] = {}
    keys = [f"{layer}-{number}" for number in range(len(work))]
    for key, (call, rows) in zip(keys, work, strict=True):
        parts = {
            (f"take-{key}", k): part for k, part in _parts_of_rows(X, rows).items()
        }
        graph |= parts
        graph[key] = (call, list(parts))
    tasks = _one_graph(layer, graph, X, keys)
    if in_turn:
        return (task.compute() for task in dask.persist(*tasks))
    return dask.compute(*tasks)


def _one_graph(layer: str, graph: dict, X: Any, keys: list[str]) -> list[Any]:
    """Return the tasks of one graph: a graph for each task would be slow."""
    from dask.delayed import Delayed
    from dask.highlevelgraph import HighLevelGraph

    graphs = HighLevelGraph.from_collections(layer, graph, dependencies=[X])
    return [Delayed(key, graphs, layer=layer) for key in keys]


def _parts_of_rows(X: Any, rows: NDArray) -> dict[int, tuple]:
    """Return tasks that take ascending rows, by the number of the chunk they are in."""
    starts = np.cumsum([0, *X.chunks[0]])
    where = np.searchsorted(starts, rows, side="right") - 1
    chunks, first = np.unique(where, return_index=True)
    pieces = zip(chunks.tolist(), np.split(rows, first[1:]), strict=True)
    return {k: (np.take, (X.name, k, 0), own - starts[k], 0) for k, own in pieces}


def compute_rows(X: Any, rows: NDArray) -> NDArray:
    """Compute a few rows of X, in any order."""
    order = np.argsort(rows)
    (values,) = map_parts([(np.concatenate, rows[order])], X, in_turn=False)
    return values[np.argsort(order)]


def chunkwise(method: Callable[[Any, Any], NDArray]) -> Callable[[Any, Any], Any]:
    """Decorate a row-wise method: for a dask array, it returns a lazy dask array."""

    @functools.wraps(method)
    def of_chunks(self: Any, X: Any) -> Any:
        if not is_dask(X):
            return method(self, X)
        check_is_fitted(self)
        X = _check_chunks(X)
        validate_data(self, X, reset=False, skip_check_array=True)
        return _lazy(self, method.__name__, X)

    return of_chunks


def _lazy(estimator: Any, name: str, X: Any) -> Any:
    """Return a dask array that calls a method on each chunk of X."""
    import dask

    like = _of_block(np.empty((0, X.shape[1]), X.dtype), estimator, name)
    width: dict[str, Any] = {"drop_axis": 1}
    if like.ndim == 2:
        width = {"chunks": (X.chunks[0], (like.shape[1],))}
    sent_once = dask.delayed(estimator, pure=False, traverse=False)
    return X.map_blocks(_of_block, sent_once, name, meta=like, **width)


def _of_block(block: NDArray, estimator: Any, name: str) -> NDArray:
    """Call a method, and return an array also if `set_output` asks for a frame.

    Methods refuse arrays without rows: for an empty chunk, they get a prototype.
    """
    rows = block if len(block) else estimator.prototypes_[:1].astype(block.dtype)
    return np.asarray(getattr(estimator, name)(rows))[: len(block)]
