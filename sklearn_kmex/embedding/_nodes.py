"""Nodes of all trees of an ensemble, and contributions along the path of a row."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import gen_batches

from sklearn_kmex._compat import histogram_columns, histogram_nodes
from sklearn_kmex.embedding._catboost import catboost_splits
from sklearn_kmex.embedding._leaves import (
    CATBOOST,
    HISTOGRAM,
    LIGHTGBM,
    XGBOOST,
    Leaves,
    columns_of_trees,
    is_instance,
    lightgbm_trees,
    xgboost_trees,
)

BLOCK_ELEMENTS = 2**23  # values of nodes at a time


class UnreadableTreesError(ValueError):
    """Error of trees whose splits are not by columns of X."""


class Tree(NamedTuple):
    """Nodes of a tree, the root first; a leaf has the children -1."""

    left: NDArray[np.intp]
    right: NDArray[np.intp]
    feature: NDArray[np.intp]
    cover: NDArray[np.float64]  # weight of the training rows in each node


class Nodes(NamedTuple):
    """Nodes of all trees one after the other; those without a parent have -1."""

    left: NDArray[np.intp]
    right: NDArray[np.intp]
    parent: NDArray[np.intp]
    feature: NDArray[np.intp]
    share: NDArray[np.float64]  # of the training rows of a node that go left
    roots: NDArray[np.intp]
    levels: list[NDArray[np.intp]]  # nodes with children, by their depth


def nodes_of(ensemble: Any, n_trees: int) -> Nodes:
    """Read the first trees of an ensemble."""
    trees = list(_trees(ensemble))[:n_trees]
    roots = np.cumsum([0, *(len(tree.left) for tree in trees)])[:-1]
    left, right = (
        np.concatenate(
            [
                np.where(tree[side] < 0, -1, tree[side] + root)
                for tree, root in zip(trees, roots, strict=True)
            ]
        )
        for side in (0, 1)
    )
    feature, cover = (np.concatenate([tree[k] for tree in trees]) for k in (2, 3))
    inner = np.flatnonzero(left >= 0)
    parent = np.full(len(left), -1)
    parent[left[inner]] = parent[right[inner]] = inner
    share = np.full(len(left), 0.5)
    both = cover[left[inner]] + cover[right[inner]]
    share[inner[both > 0]] = (cover[left[inner]] / np.where(both > 0, both, 1))[
        both > 0
    ]
    return Nodes(
        left, right, parent, feature, share, roots, _levels(left, right, roots)
    )


def _levels(left: NDArray, right: NDArray, roots: NDArray) -> list[NDArray[np.intp]]:
    """List the nodes with children at each depth."""
    levels, level = [], roots[left[roots] >= 0]
    while len(level):
        levels.append(level)
        below = np.concatenate([left[level], right[level]])
        level = below[left[below] >= 0]
    return levels


def _trees(ensemble: Any) -> Iterator[Tree]:
    if isinstance(ensemble, HISTOGRAM):
        columns = histogram_columns(ensemble)
        return (_of_histogram(nodes, columns) for nodes in histogram_nodes(ensemble))
    if is_instance(ensemble, LIGHTGBM):
        return _of_lightgbm(ensemble)
    if is_instance(ensemble, XGBOOST):
        return map(_of_xgboost, xgboost_trees(ensemble))
    if is_instance(ensemble, CATBOOST):
        return map(_of_catboost, catboost_splits(ensemble))
    trees = np.ravel(getattr(ensemble, "estimators_", ensemble))
    return map(_of_sklearn, trees, columns_of_trees(ensemble))


def _of_sklearn(estimator: Any, columns: NDArray[np.intp]) -> Tree:
    tree = estimator.tree_
    cover, feature = tree.weighted_n_node_samples, columns[np.maximum(tree.feature, 0)]
    return Tree(tree.children_left, tree.children_right, feature, cover)


def _of_catboost(splits: tuple[list[int], list[float]]) -> Tree:
    """Make a node for each combination of answers; leaves follow, by their numbers."""
    columns, weights = splits
    if -1 in columns:
        raise UnreadableTreesError(
            "ensemble must split each node by one column to give contributions; this "
            "CatBoost model combines columns of categories. Fit it with "
            "max_ctr_complexity=1."
        )
    n_leaves = 2 ** len(columns)
    inner, ends = np.arange(n_leaves - 1), np.full(n_leaves, -1)
    cover = np.append(np.zeros(n_leaves - 1), weights)
    for node in inner[::-1]:
        cover[node] = cover[2 * node + 1] + cover[2 * node + 2]
    feature = np.repeat(columns, 2 ** np.arange(len(columns))).astype(np.intp)
    left, right = (np.append(2 * inner + side, ends) for side in (1, 2))
    return Tree(left, right, np.append(feature, ends), cover)


def _of_histogram(nodes: NDArray, columns: NDArray[np.intp]) -> Tree:
    left, right = (
        np.where(nodes["is_leaf"], -1, nodes[side].astype(np.intp))
        for side in ("left", "right")
    )
    feature = columns[nodes["feature_idx"].astype(np.intp)]
    return Tree(left, right, feature, nodes["count"].astype(np.float64))


def _of_xgboost(tree: dict[str, Any]) -> Tree:
    left = np.array(tree["left_children"], dtype=np.intp)
    right = np.where(left < 0, -1, np.array(tree["right_children"], dtype=np.intp))
    cover = np.array(tree["sum_hessian"], dtype=np.float64)
    return Tree(left, right, np.array(tree["split_indices"], dtype=np.intp), cover)


def _of_lightgbm(ensemble: Any) -> Iterator[Tree]:
    """Read trees whose leaves have their own numbers; they follow the splits here."""
    for fields in lightgbm_trees(ensemble):
        left, right, feature = (
            np.array(fields.get(name, "").split(), dtype=np.intp)
            for name in ("left_child", "right_child", "split_feature")
        )
        inner, leaves = (
            np.array(fields.get(name, "").split(), dtype=np.float64)
            for name in ("internal_count", "leaf_count")
        )
        ends = np.full(int(fields["num_leaves"]), -1)
        left, right = (
            np.append(np.where(side < 0, len(side) + ~side, side), ends)
            for side in (left, right)
        )
        cover = np.append(inner, leaves if len(leaves) else np.ones(len(ends)))
        yield Tree(left, right, np.append(feature, ends), cover)


class LeafFunction:
    """A linear function of the embeddings of rows, as a sum over their leaves.

    `slope` has a row for each row of X, and a column for each column of the embedding.
    """

    def __init__(
        self, nodes: Nodes, leaves: Leaves, slope: NDArray, identity: bool
    ) -> None:
        tables, ends = leaves.tables, np.append(nodes.roots[1:], len(nodes.left))
        # Tables of LightGBM have no nodes but leaves.
        first = ends - [len(table.is_leaf) for table in tables]
        numbers = [np.flatnonzero(table.is_leaf) for table in tables]
        self.nodes, self.slope = nodes, slope
        self.of_rows = leaves.nodes + first
        self.leaves = np.concatenate(
            [n + k for n, k in zip(numbers, first, strict=True)]
        )
        self.trees = np.repeat(np.arange(len(tables)), [len(n) for n in numbers])
        self.values = None
        if not identity:
            self.values = np.concatenate([t.values[t.is_leaf] for t in tables])
            self.slope = slope.reshape(len(slope), len(tables), -1)

    def at_leaves(self, rows: slice) -> NDArray[np.float64]:
        """Compute the value of each leaf for some rows, (n_leaves, n_rows)."""
        if self.values is None:
            return np.sqrt(0.5 / len(self.nodes.roots)) * self.slope[rows].T
        found = np.zeros((len(self.leaves), len(self.slope[rows])))
        for k, values in enumerate(self.values.T):
            found += values[:, np.newaxis] * self.slope[rows, self.trees, k].T
        return found

    def expected(self, values: NDArray) -> NDArray[np.float64]:
        """Average values of the leaves, (n_leaves, n_values), for each node.

        This is the mean over the training rows below the node.
        """
        found = np.zeros((len(self.nodes.left), values.shape[1]))
        found[self.leaves] = values
        for level in reversed(self.nodes.levels):
            share = self.nodes.share[level, np.newaxis]
            left, right = found[self.nodes.left[level]], found[self.nodes.right[level]]
            found[level] = share * left + (1 - share) * right
        return found


def path_parts(
    function: LeafFunction, n_features: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Split a linear function of the leaves of rows over the columns of X.

    From the root to the leaf of a row, each split changes the expected value, and its
    column gets the change. Returned are the contributions, (n_rows, n_features), and
    the sum of the expected values of the roots, (n_rows,).
    """
    n_rows, n_trees = function.of_rows.shape
    parts, base = np.empty((n_rows, n_features)), np.empty(n_rows)
    width = n_features + n_trees
    if function.values is None:
        width += len(function.nodes.left)
    else:
        of_nodes = function.expected(function.values)
    for rows in gen_batches(n_rows, max(1, BLOCK_ELEMENTS // width)):
        if function.values is None:
            expected = function.expected(function.at_leaves(rows))
            at = partial(_at_rows, expected)
        else:
            at = partial(_times_slope, of_nodes, function.slope[rows])
        parts[rows], base[rows] = _along_paths(
            function.nodes, function.of_rows[rows], at, n_features
        )
    return parts, base


def _at_rows(
    expected: NDArray, node: NDArray, row: NDArray, tree: NDArray
) -> NDArray[np.float64]:
    return expected[node, row]


def _times_slope(
    expected: NDArray, slope: NDArray, node: NDArray, row: NDArray, tree: NDArray
) -> NDArray[np.float64]:
    return np.einsum("ij,ij->i", expected[node], slope[row, tree])


def _along_paths(
    nodes: Nodes, leaves: NDArray[np.intp], at: Callable, n_features: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Sum the changes of the expected value from leaves to roots by column."""
    n_rows, n_trees = leaves.shape
    node, tree = leaves.ravel(), np.tile(np.arange(n_trees), n_rows)
    row = np.repeat(np.arange(n_rows), n_trees)
    value, base, places, changes = at(node, row, tree), np.zeros(n_rows), [], []
    while len(node):
        parent = nodes.parent[node]
        below = parent >= 0
        base += np.bincount(row[~below], value[~below], n_rows)
        node, row, tree, value = parent[below], row[below], tree[below], value[below]
        before = at(node, row, tree)
        places.append(row * n_features + nodes.feature[node])
        changes.append(value - before)
        value = before
    size = n_rows * n_features
    sums: NDArray = np.bincount(np.concatenate(places), np.concatenate(changes), size)
    return sums.reshape(n_rows, n_features), base
