"""Trees of XGBoost and LightGBM, which their libraries follow without checking them."""

import json
import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_kmex.persistence._refusal import Refusal

LEAF = -1  # child of a leaf, in XGBoost
# Fields of a tree of XGBoost that have a value for each node.
NODES = (
    *("left_children", "right_children", "split_conditions", "split_indices"),
    *("split_type", "default_left", "parents", "loss_changes", "sum_hessian"),
)
# Fields of a tree of LightGBM, and by how much they are shorter than its leaves.
FIELDS = {"leaf_value": 0, "split_feature": 1, "threshold": 1, "decision_type": 1}
FIELDS |= {"left_child": 1, "right_child": 1}
NUMBERS = re.compile(r"(?:-?(?:\d+(?:\.\d+)?(?:e[-+]\d{1,3})?|inf|nan)(?: +|$))*")
INTEGERS = re.compile(r"(-?\d+)?( -?\d+)* *")


def check_xgboost(raw: bytes) -> None:
    """Refuse a model of XGBoost, in JSON, whose trees cannot be followed."""
    learner = json.loads(raw)["learner"]
    sizes = learner["learner_model_param"]
    n_features = int(sizes["num_feature"])
    n_groups = max(int(sizes["num_class"]), int(sizes["num_target"]), 1)
    booster = learner["gradient_booster"]
    name = booster["name"]
    if name == "gblinear":
        n_weights = (n_features + 1) * n_groups
        _require(len(booster["model"]["weights"]) == n_weights, "weights")
        return
    model = booster["gbtree"]["model"] if name == "dart" else booster["model"]
    trees, ends = model["trees"], np.array(model["iteration_indptr"])
    groups = np.array(model["tree_info"], dtype=np.int64)
    _require(len(trees) == len(groups) == int(model["gbtree_model_param"]["num_trees"]))
    _require(bool(((groups >= 0) & (groups < n_groups)).all()), "groups of trees")
    _require(
        ends[0] == 0 and ends[-1] == len(trees) and bool((np.diff(ends) >= 0).all()),
        "iterations",
    )
    if name == "dart":
        _require(len(booster["weight_drop"]) == len(trees), "weights of trees")
    for tree in trees:
        _check_xgboost_tree(tree, n_features, n_groups)


def _check_xgboost_tree(tree: dict[str, Any], n_features: int, n_groups: int) -> None:
    sizes = {name: int(value) for name, value in tree["tree_param"].items()}
    n_nodes, n_values = sizes["num_nodes"], max(sizes["size_leaf_vector"], 1)
    _require(all(len(tree[name]) == n_nodes for name in NODES), "nodes")
    _require(sizes["num_feature"] == n_features and n_nodes > 0, "columns")
    left, right = (np.array(tree[name], dtype=np.int64) for name in NODES[:2])
    inner = np.flatnonzero(left != LEAF)
    _require(_lead_down(np.stack([left[inner], right[inner]]), inner, n_nodes))
    split_by = np.array(tree["split_indices"], dtype=np.int64)[inner]
    _require(bool(((split_by >= 0) & (split_by < n_features)).all()), "columns")
    _require(n_values in (1, n_groups), "values")
    if n_values > 1:
        number = right[left == LEAF]
        n_leaves = len(tree["leaf_weights"]) // n_values
        _require(bool(((number >= 0) & (number < n_leaves)).all()), "leaves")
    nodes, starts, lengths = (
        np.array(tree[f"categories_{name}"], dtype=np.int64)
        for name in ("nodes", "segments", "sizes")
    )
    by_kind = np.flatnonzero(np.array(tree["split_type"])[inner])
    _require(np.array_equal(inner[by_kind], nodes), "categories")
    _require(len(nodes) == len(starts) == len(lengths), "categories")
    inside = (starts >= 0) & (lengths >= 0)
    inside &= starts + lengths <= len(tree["categories"])
    _require(bool(inside.all()), "categories")


def _lead_down(children: NDArray, parents: NDArray, n_nodes: int) -> bool:
    """Whether children are nodes after their parents, so that each way has an end."""
    return bool(((children > parents) & (children < n_nodes)).all())


def check_lightgbm(raw: bytes) -> None:
    """Refuse a model of LightGBM, in text, whose trees cannot be followed."""
    text = raw.decode()
    head, _, rest = text.partition("\n\n")
    header = dict(line.split("=", 1) for line in head.splitlines() if "=" in line)
    n_features = int(header["max_feature_idx"]) + 1
    n_classes, width = int(header["num_class"]), int(header["num_tree_per_iteration"])
    _require(n_classes > 0 and width == n_classes and n_features > 0, "classes")
    of_objective = re.findall(r"num_class:(\S+)", header.get("objective", ""))
    _require(of_objective in ([], [str(n_classes)]), "classes")
    for name in ("feature_names", "feature_infos"):
        _require(len(header[name].split()) == n_features, "columns")
    sizes = [int(size) for size in header["tree_sizes"].split()]
    body, place = rest.encode(), 0
    for number, size in enumerate(sizes):
        part = body[place : place + size].decode()
        _require(size > 0 and part.startswith(f"Tree={number}\n"), "trees")
        _check_lightgbm_tree(part, n_features)
        place += size
    _require(body[place:].startswith(b"end of trees\n"), "trees")
    _require(len(sizes) % width == 0, "trees")


def _check_lightgbm_tree(text: str, n_features: int) -> None:
    fields = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    for name, values in fields.items():
        _require(
            name.isidentifier() and NUMBERS.fullmatch(values) is not None, "values"
        )
    n_leaves = int(fields["num_leaves"])
    _require(n_leaves > 0, "leaves")
    found: dict[str, NDArray] = {
        name: _numbers(fields, name) for name in ("leaf_value", "threshold")
    }
    found |= {name: _integers(fields, name) for name in FIELDS if name not in found}
    if n_leaves > 1:
        for name, less in FIELDS.items():
            _require(len(found[name]) == n_leaves - less, name)
    _check_linear(fields, n_leaves, n_features)
    children = np.stack([found["left_child"], found["right_child"]])
    parents = np.arange(children.shape[1])
    inner = children >= 0
    _require(bool((-children[~inner] <= n_leaves).all()), "leaves")
    after = (children > parents) & (children < len(parents))
    _require(bool(after[inner].all()), "nodes")
    split_by = found["split_feature"]
    _require(bool(((split_by >= 0) & (split_by < n_features)).all()), "columns")
    n_kinds, by_kind = int(fields["num_cat"]), found["decision_type"] & 1
    places = found["threshold"][by_kind == 1]
    _require(bool(((places >= 0) & (places < max(n_kinds, 0))).all()), "categories")
    if n_kinds > 0:
        ends = _integers(fields, "cat_boundaries")
        n_words = len(_integers(fields, "cat_threshold"))
        _require(len(ends) == n_kinds + 1 and ends[0] == 0, "categories")
        _require(bool((np.diff(ends) >= 0).all()) and ends[-1] == n_words, "categories")


def _check_linear(fields: dict[str, str], n_leaves: int, n_features: int) -> None:
    """Check the linear models of leaves, if there are any."""
    if fields.get("is_linear", "0") == "0":
        return
    counts = _integers(fields, "num_features")
    _require(len(counts) == n_leaves == len(_numbers(fields, "leaf_const")), "leaves")
    for name in ("leaf_features", "leaf_coeff"):
        _require(len(_numbers(fields, name)) == counts.sum(), name)
    columns = _integers(fields, "leaf_features")
    _require(bool(((columns >= 0) & (columns < n_features)).all()), "columns")


def _numbers(fields: dict[str, str], name: str) -> NDArray[np.float64]:
    return np.array(fields.get(name, "").split(), dtype=np.float64)


def _integers(fields: dict[str, str], name: str) -> NDArray[np.int64]:
    """Read integers as LightGBM does: digits alone."""
    text = fields.get(name, "")
    _require(INTEGERS.fullmatch(text) is not None, name)
    return np.array(text.split(), dtype=np.int64)


def _require(valid: bool, what: str = "nodes") -> None:
    if not valid:
        raise Refusal(f"a boosted tree in it has impossible {what}")
