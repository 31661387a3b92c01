"""Nodes of decision trees, which compiled code follows without checking them."""

import json
from io import BytesIO
from typing import Any
from zipfile import ZipFile

import numpy as np
from numpy.typing import NDArray

from sklearn_kmex._compat import Tree
from sklearn_kmex.persistence._refusal import Refusal

LEAF = -1  # child of a node without children
STATE = {"max_depth", "node_count", "nodes", "values"}


def check_tree(node: dict[str, Any], archive: ZipFile) -> None:
    """Refuse a tree that scikit-learn cannot have grown."""
    args = node["__reduce__"]["args"]["content"]
    n_features, n_classes, n_outputs = (_value(arg, archive) for arg in args)
    state = node["content"]["content"]
    if set(state) != STATE:
        raise Refusal(f"a tree in it has the parts {sorted(state)}")
    found = {name: _value(part, archive) for name, part in state.items()}
    valid = {
        "n_classes": _is_table(n_classes, np.intp, (n_outputs,)) and min(n_classes) > 0,
        "nodes": _is_table(found["nodes"], _node_dtype(), (found["node_count"],))
        and len(found["nodes"]) > 0
        and _are_nodes(found["nodes"], n_features, found["max_depth"]),
    }
    valid["values"] = valid["n_classes"] and _is_table(
        found["values"], np.float64, (found["node_count"], n_outputs, max(n_classes))
    )
    wrong = [name for name, is_valid in valid.items() if not is_valid]
    if wrong:
        raise Refusal(f"a tree in it has impossible {', '.join(wrong)}")


def _value(node: dict[str, Any], archive: ZipFile) -> Any:
    """Return the array or the number of a node."""
    if node["__loader__"] == "JsonNode":
        return json.loads(node["content"])
    array = np.load(BytesIO(archive.read(node["file"])), allow_pickle=False)
    return array.item() if array.ndim == 0 else array


def _node_dtype() -> np.dtype:
    return Tree(1, np.ones(1, np.intp), 1).__getstate__()["nodes"].dtype


def _is_table(array: Any, dtype: Any, shape: tuple[Any, ...]) -> bool:
    known = isinstance(array, np.ndarray) and array.dtype == np.dtype(dtype)
    return known and array.shape == shape and bool(array.flags.c_contiguous)


def _are_nodes(nodes: NDArray, n_features: int, max_depth: int) -> bool:
    """Whether all nodes but the first have one parent, before them, as trees do."""
    left, right = nodes["left_child"], nodes["right_child"]
    inner = np.flatnonzero(left != LEAF)
    children = np.stack([left[inner], right[inner]])
    if not (children > inner).all() or (right[left == LEAF] != LEAF).any():
        return False
    if not np.array_equal(np.sort(children, axis=None), np.arange(1, len(nodes))):
        return False
    split_by = nodes["feature"][inner]
    return bool(((split_by >= 0) & (split_by < n_features)).all()) and (
        _depth_of(left, right) == max_depth
    )


def _depth_of(left: NDArray, right: NDArray) -> int:
    """Return the number of splits on the longest way to a leaf."""
    depth, level = -1, np.zeros(1, dtype=np.intp)
    while len(level):
        depth, inner = depth + 1, level[left[level] != LEAF]
        level = np.concatenate([left[inner], right[inner]])
    return depth
