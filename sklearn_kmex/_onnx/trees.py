"""Trees of several libraries in one format."""

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sklearn_kmex._compat import histogram_nodes
from sklearn_kmex._onnx.graph import NoConverter
from sklearn_kmex.embedding._catboost import catboost_questions
from sklearn_kmex.embedding._leaves import (
    CATBOOST,
    HISTOGRAM,
    LIGHTGBM,
    PRUNED,
    XGBOOST,
    columns_of_trees,
    is_instance,
    xgboost_trees,
)

REMEDY = "Save the model with save_psem, or fit the ensemble again without it."


class Tree(NamedTuple):
    """Nodes of a tree: values at most the threshold, or below it, go left.

    A leaf has the left child -1, and a pruned node has the feature -1.
    """

    left: NDArray
    right: NDArray
    feature: NDArray
    threshold: NDArray
    missing_left: NDArray


class Trees(NamedTuple):
    """Trees of an ensemble, the mode of their nodes, and the dtype of thresholds."""

    trees: list[Tree]
    mode: str
    dtype: Any


def trees_of(ensemble: Any) -> Trees:
    """Read the trees that `predict` uses, in order."""
    if isinstance(ensemble, HISTOGRAM):
        return Trees(list(_of_histogram(ensemble)), "BRANCH_LEQ", np.float64)
    if is_instance(ensemble, LIGHTGBM):
        return Trees(_of_lightgbm(ensemble), "BRANCH_LEQ", np.float64)
    if is_instance(ensemble, XGBOOST):
        return Trees(list(_of_xgboost(ensemble)), "BRANCH_LT", np.float32)
    if is_instance(ensemble, CATBOOST):
        return Trees(list(_of_catboost(ensemble)), "BRANCH_LEQ", np.float32)
    trees = np.ravel(getattr(ensemble, "estimators_", ensemble))
    read = map(_of_forest, trees, columns_of_trees(ensemble))
    return Trees(list(read), "BRANCH_LEQ", np.float32)


def _of_catboost(ensemble: Any) -> Iterator[Tree]:
    """Make a node for each combination of answers, by depth; then the leaves.

    The first answer is the highest bit of the number of a leaf.
    """
    try:
        trees = list(catboost_questions(ensemble))
    except ValueError as error:
        raise _no_converter(ensemble, str(error)) from error
    for asked in trees:
        sizes = 2 ** np.arange(len(asked))  # of the levels above the leaves
        inner, ends = np.arange(sizes.sum()), np.full(sizes.sum() + 1, -1)
        columns, borders, to_left = (
            np.repeat([question[part] for question in asked], sizes)
            for part in range(3)
        )
        yield Tree(
            np.append(2 * inner + 1, ends),
            np.append(2 * inner + 2, ends),
            np.append(columns, 0 * ends).astype(np.int64),
            np.append(borders, 0.0 * ends).astype(np.float32),
            np.append(to_left, 0 * ends),
        )


def _of_forest(estimator: Any, columns: NDArray[np.intp]) -> Tree:
    tree = estimator.tree_
    return Tree(
        tree.children_left,
        tree.children_right,
        columns[np.maximum(tree.feature, 0)],
        _float32_below(tree.threshold),
        tree.missing_go_to_left,
    )


def _float32_below(thresholds: NDArray) -> NDArray[np.float32]:
    """Largest float32 not above each threshold: it splits float32 in the same way."""
    rounded = thresholds.astype(np.float32)
    lower = np.nextafter(rounded, np.float32(-np.inf))
    return np.where(rounded > thresholds, lower, rounded)


def _of_histogram(ensemble: Any) -> Iterator[Tree]:
    if np.any(ensemble.is_categorical_):
        raise _no_converter(ensemble, "categorical_features")
    for nodes in histogram_nodes(ensemble):
        left, right = (nodes[side].astype(np.int64) for side in ("left", "right"))
        yield Tree(
            np.where(nodes["is_leaf"], -1, left),
            right,
            nodes["feature_idx"].astype(np.int64),
            nodes["num_threshold"].astype(np.float64),
            nodes["missing_go_to_left"],
        )


def _of_xgboost(ensemble: Any) -> Iterator[Tree]:
    missing = getattr(ensemble, "missing", np.nan)
    if missing is not None and not np.isnan(missing):
        raise _no_converter(ensemble, f"missing={missing}")
    trees = xgboost_trees(ensemble)
    if any(any(tree["split_type"]) for tree in trees):
        raise _no_converter(ensemble, "splits of categories")
    for tree in trees[: _n_used_by_xgboost(ensemble, len(trees))]:
        pruned = np.array(tree["split_indices"]) == PRUNED
        yield Tree(
            np.array(tree["left_children"]),
            np.array(tree["right_children"]),
            np.where(pruned, -1, tree["split_indices"]),
            np.array(tree["split_conditions"], dtype=np.float32),
            np.array(tree["default_left"]),
        )


def _of_lightgbm(ensemble: Any) -> list[Tree]:
    model = ensemble.booster_.model_to_string()
    _, *texts = re.split(r"^Tree=\d+$", model, flags=re.MULTILINE)
    fields = [dict(re.findall(r"^(\w+)=(.*)$", text, re.MULTILINE)) for text in texts]
    trees = [_lightgbm_tree(ensemble, one) for one in fields]
    return trees[: _n_used(lambda X: ensemble.predict(X, pred_leaf=True), ensemble)]


def _lightgbm_tree(ensemble: Any, fields: dict[str, str]) -> Tree:
    """Read a tree; its leaves have their own numbers, and follow its splits.

    Bits of a decision type: categorical, default direction, and what counts as missing
    (nothing, so that NaN is 0; or 0; or NaN).
    """
    n_leaves = int(fields["num_leaves"])
    left, right, feature, decisions = (
        np.array(fields[name].split(), dtype=np.int64)
        for name in ("left_child", "right_child", "split_feature", "decision_type")
    )
    threshold = np.array(fields["threshold"].split(), dtype=np.float64)
    missing = decisions >> 2
    if np.any(decisions & 1):
        raise _no_converter(ensemble, "splits of categories")
    if np.any(missing == 1):
        raise _no_converter(ensemble, "zero_as_missing")
    to_left = np.where(missing == 2, decisions & 2 > 0, threshold >= 0)
    ends = np.full(n_leaves, -1)
    left, right = (
        np.where(side < 0, len(side) + ~side, side) for side in (left, right)
    )
    return Tree(
        np.append(left, ends),
        np.append(right, ends),
        np.append(feature, 0 * ends),
        np.append(threshold, 0.0 * ends),
        np.append(to_left, 0 * ends),
    )


def _n_used(leaves: Any, ensemble: Any) -> int:
    """Count the trees that `predict` uses, fewer than all after early stopping."""
    return np.size(leaves(np.zeros((1, ensemble.n_features_in_))))


def _n_used_by_xgboost(ensemble: Any, n_trees: int) -> int:
    """Count the same, without rows: these would need the names of columns."""
    booster = ensemble.get_booster()
    best, n_rounds = booster.attr("best_iteration"), booster.num_boosted_rounds()
    return n_trees if best is None else n_trees // n_rounds * (int(best) + 1)


def _no_converter(ensemble: Any, what: str) -> NoConverter:
    return NoConverter(
        "ensemble must split rows only by numbers and NaN to be exported; got "
        f"{type(ensemble).__name__} with {what}. {REMEDY}"
    )
