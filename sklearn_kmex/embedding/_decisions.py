"""The side that each row takes at each node of the trees of several libraries."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sklearn_kmex._compat import histogram_input, histogram_trees
from sklearn_kmex._data.arrays import dense
from sklearn_kmex.embedding._catboost import catboost_questions
from sklearn_kmex.embedding._leaves import (
    CATBOOST,
    HISTOGRAM,
    LIGHTGBM,
    XGBOOST,
    columns_of_trees,
    is_instance,
    lightgbm_trees,
    xgboost_categories,
    xgboost_trees,
)
from sklearn_kmex.embedding._nodes import LeafFunction, Nodes, UnreadableTreesError


class Splits(NamedTuple):
    """What the nodes of a tree ask of a row."""

    column: NDArray[np.intp]
    threshold: NDArray[np.floating]
    missing_left: NDArray[np.bool_]
    sets: dict[int, NDArray[np.intp]]  # categories of nodes that ask for them


class Questions(NamedTuple):
    """Splits of all trees, and rows in the numbers that they ask for."""

    splits: list[Splits]
    rows: NDArray
    strict: bool = False  # whether a value at the threshold goes right
    set_left: bool = True  # whether a category in the set goes left, others right


def sides_of(ensemble: Any, X: Any, function: LeafFunction) -> NDArray[np.bool_]:
    """Tell whether each row goes left at each node, (n_nodes, n_rows).

    Raises a ValueError if this does not lead to the leaves that the library finds.
    """
    try:
        sides = _sides(_questions(ensemble, X), len(function.nodes.roots))
        agree = np.array_equal(_leaves(function.nodes, sides), function.of_rows)
    except (TypeError, ValueError):  # values that are no numbers
        agree = False
    if not agree:
        raise UnreadableTreesError(
            "method='tree_shap' needs splits that can be followed to the leaves of "
            f"each row; those of {type(ensemble).__name__} with these categories or "
            "missing values cannot. Set method='path'."
        )
    return sides


def _leaves(nodes: Nodes, sides: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Follow each row from the root of each tree to a leaf, (n_rows, n_trees)."""
    rows = np.arange(sides.shape[1])[:, np.newaxis]
    node = np.broadcast_to(nodes.roots, (len(rows), len(nodes.roots)))
    for _ in nodes.levels:
        below = np.where(sides[node, rows], nodes.left[node], nodes.right[node])
        node = np.where(below < 0, node, below)
    return node


def _sides(questions: Questions, n_trees: int) -> NDArray[np.bool_]:
    splits = questions.splits[:n_trees]
    column, threshold, missing_left = (
        np.concatenate([one[k] for one in splits]) for k in range(3)
    )
    values = questions.rows.T[column]
    threshold = threshold.astype(values.dtype)[:, np.newaxis]
    left = values < threshold if questions.strict else values <= threshold
    starts = np.cumsum([0, *(len(one.column) for one in splits)])
    for start, one in zip(starts, splits, strict=False):
        for node, categories in one.sets.items():
            is_in = np.isin(values[start + node], categories)
            left[start + node] = is_in == questions.set_left
    return np.where(np.isnan(values), missing_left[:, np.newaxis], left)


def _questions(ensemble: Any, X: Any) -> Questions:
    if isinstance(ensemble, HISTOGRAM):
        splits = [_of_histogram(tree) for tree in histogram_trees(ensemble)]
        return Questions(splits, histogram_input(ensemble, X))
    if is_instance(ensemble, LIGHTGBM):
        categories = iter(ensemble.booster_.pandas_categorical or [])
        splits = list(map(_of_lightgbm, lightgbm_trees(ensemble)))
        return Questions(splits, _numbers(X, categories, np.float64))
    if is_instance(ensemble, XGBOOST):
        rows = _numbers(X, _xgboost_categories(ensemble), np.float32)
        rows = np.where(rows == ensemble.missing, np.nan, rows)
        splits = list(map(_of_xgboost, xgboost_trees(ensemble)))
        return Questions(splits, rows, strict=True, set_left=False)
    if is_instance(ensemble, CATBOOST):
        return Questions(
            list(map(_of_catboost, catboost_questions(ensemble))), _floats(X)
        )
    trees = np.ravel(getattr(ensemble, "estimators_", ensemble))
    pairs = zip(trees, columns_of_trees(ensemble), strict=True)
    return Questions([_of_sklearn(tree.tree_, own) for tree, own in pairs], _floats(X))


def _floats(X: Any) -> NDArray[np.float64]:
    """Return rows in the precision in which trees of scikit-learn compare them."""
    return np.asarray(dense(X)).astype(np.float32).astype(np.float64)


def _of_sklearn(tree: Any, columns: NDArray[np.intp]) -> Splits:
    column = columns[np.maximum(tree.feature, 0)]
    return Splits(column, tree.threshold, tree.missing_go_to_left == 1, {})


def _of_catboost(asked: list[tuple[int, float, bool]]) -> Splits:
    """Repeat the question of each depth for its nodes; leaves follow them."""
    times = [2**depth for depth in range(len(asked))] + [2 ** len(asked)]
    columns, borders, left = zip(*asked, (0, 0.0, True), strict=True)
    return Splits(
        np.repeat(columns, times), np.repeat(borders, times), np.repeat(left, times), {}
    )


def _of_histogram(tree: Any) -> Splits:
    nodes = tree.nodes
    asked = np.flatnonzero(nodes["is_categorical"])
    sets = {
        int(node): _members(tree.raw_left_cat_bitsets[nodes["bitset_idx"][node]])
        for node in asked
    }
    column = nodes["feature_idx"].astype(np.intp)
    return Splits(
        column, nodes["num_threshold"], nodes["missing_go_to_left"] == 1, sets
    )


def _of_xgboost(tree: dict[str, Any]) -> Splits:
    starts, sizes = tree["categories_segments"], tree["categories_sizes"]
    sets = {
        node: np.array(tree["categories"][start : start + size])
        for node, start, size in zip(
            tree["categories_nodes"], starts, sizes, strict=True
        )
    }
    column = np.array(tree["split_indices"], dtype=np.intp)
    ends = np.array(tree["left_children"]) < 0
    threshold = np.array(tree["split_conditions"], dtype=np.float32)
    missing = np.array(tree["default_left"]) == 1
    return Splits(np.where(ends, 0, column), threshold, missing, sets)


def _of_lightgbm(fields: dict[str, str]) -> Splits:
    """Read splits; leaves follow them, with any question.

    Bits of a decision type: categorical, default direction, and what counts as missing
    (nothing, so that NaN is 0; or 0; or NaN). A missing category goes right.
    """
    column, decisions = (
        np.array(fields.get(name, "").split(), dtype=np.intp)
        for name in ("split_feature", "decision_type")
    )
    threshold = np.array(fields.get("threshold", "").split(), dtype=np.float64)
    asks = decisions & 1 > 0
    left = np.where(decisions >> 2 == 2, decisions & 2 > 0, threshold >= 0) & ~asks
    words, bounds = (
        np.array(fields.get(name, "").split(), dtype=np.int64)
        for name in ("cat_threshold", "cat_boundaries")
    )
    sets = {
        int(node): _members(words[bounds[k] : bounds[k + 1]])
        for node, k in zip(
            np.flatnonzero(asks), threshold[asks].astype(int), strict=True
        )
    }
    ends = np.zeros(int(fields["num_leaves"]), dtype=np.intp)
    return Splits(
        np.append(column, ends),
        np.append(threshold, ends),
        np.append(left, ends > 0),
        sets,
    )


def _xgboost_categories(ensemble: Any) -> Iterator[list[str] | None]:
    """Yield the categories of each column that has some, where the model keeps them."""
    for one in xgboost_categories(ensemble):
        ends = one.get("offsets")
        if ends:
            text = bytes(value % 256 for value in one["values"])
            pairs = pairwise(ends)
            yield [text[start:end].decode() for start, end in pairs]
        elif one["values"]:
            yield one["values"]


def _members(words: NDArray) -> NDArray[np.intp]:
    """Return the numbers whose bits are set in words of 32 bits."""
    bits = (np.asarray(words, dtype=np.int64)[:, np.newaxis] >> np.arange(32)) & 1
    return np.flatnonzero(bits)


def _numbers(X: Any, categories: Iterator[Any], dtype: Any) -> NDArray:
    """Return numbers, and the codes that categories had in training."""
    if not hasattr(X, "columns"):
        return np.asarray(dense(X), dtype=dtype)
    columns = [_codes(X.iloc[:, j], categories) for j in range(X.shape[1])]
    return np.stack([np.asarray(column, dtype=dtype) for column in columns], axis=1)


def _codes(column: Any, categories: Iterator[Any]) -> Any:
    if not hasattr(column, "cat"):
        return column
    known = next(categories, None)
    same = column if known is None else column.cat.set_categories(known)
    codes = np.asarray(same.cat.codes, dtype=np.float64)
    return np.where(codes < 0, np.nan, codes)
