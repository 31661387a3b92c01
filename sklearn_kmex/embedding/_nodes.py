"""Nodes of all trees of an ensemble, and contributions along the path of a row."""

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import gen_batches

from sklearn_kmex._compat import histogram_nodes
from sklearn_kmex.embedding._leaves import (
    HISTOGRAM,
    LIGHTGBM,
    XGBOOST,
    Leaves,
    is_instance,
    lightgbm_text,
    xgboost_trees,
)

BLOCK_ELEMENTS = 2**22  # values of nodes at a time


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
        return map(_of_histogram, histogram_nodes(ensemble))
    if is_instance(ensemble, LIGHTGBM):
        return _of_lightgbm(ensemble)
    if is_instance(ensemble, XGBOOST):
        return map(_of_xgboost, xgboost_trees(ensemble))
    return map(_of_sklearn, np.ravel(getattr(ensemble, "estimators_", ensemble)))


def _of_sklearn(estimator: Any) -> Tree:
    tree = estimator.tree_
    cover = tree.weighted_n_node_samples
    return Tree(tree.children_left, tree.children_right, tree.feature, cover)


def _of_histogram(nodes: NDArray) -> Tree:
    left, right = (
        np.where(nodes["is_leaf"], -1, nodes[side].astype(np.intp))
        for side in ("left", "right")
    )
    feature, cover = nodes["feature_idx"], nodes["count"]
    return Tree(left, right, feature.astype(np.intp), cover.astype(np.float64))


def _of_xgboost(tree: dict[str, Any]) -> Tree:
    left = np.array(tree["left_children"], dtype=np.intp)
    right = np.where(left < 0, -1, np.array(tree["right_children"], dtype=np.intp))
    cover = np.array(tree["sum_hessian"], dtype=np.float64)
    return Tree(left, right, np.array(tree["split_indices"], dtype=np.intp), cover)


def _of_lightgbm(ensemble: Any) -> Iterator[Tree]:
    """Read trees whose leaves have their own numbers; they follow the splits here."""
    _, *texts = re.split(r"^Tree=\d+$", lightgbm_text(ensemble), flags=re.MULTILINE)
    for text in texts:
        fields = dict(re.findall(r"^(\w+)=(.*)$", text, re.MULTILINE))
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
    """A linear function of the embedding of a row, as a sum over its leaves."""

    def __init__(self, nodes: Nodes, leaves: Leaves, identity: bool) -> None:
        tables, ends = leaves.tables, np.append(nodes.roots[1:], len(nodes.left))
        # Tables of LightGBM have no nodes but leaves.
        first = ends - [len(table.is_leaf) for table in tables]
        numbers = [np.flatnonzero(table.is_leaf) for table in tables]
        self.nodes = nodes
        self.of_rows = leaves.nodes + first
        self.leaves = np.concatenate(
            [n + k for n, k in zip(numbers, first, strict=True)]
        )
        self.trees = np.repeat(np.arange(len(tables)), [len(n) for n in numbers])
        self.values = None
        if not identity:
            self.values = np.concatenate([t.values[t.is_leaf] for t in tables])

    def expected(self, slope: NDArray) -> NDArray[np.float64]:
        """Compute the expected value of each node for each row, (n_nodes, n_rows).

        It is the mean of the values of the leaves below it, over the training rows.
        """
        found = np.zeros((len(self.nodes.left), len(slope)))
        n_trees = len(self.nodes.roots)
        if self.values is None:
            found[self.leaves] = np.sqrt(0.5 / n_trees) * slope.T
        else:
            of_trees = slope.reshape(len(slope), n_trees, -1).transpose(2, 1, 0)
            for weights, values in zip(of_trees, self.values.T, strict=True):
                found[self.leaves] += values[:, np.newaxis] * weights[self.trees]
        for level in reversed(self.nodes.levels):
            share = self.nodes.share[level, np.newaxis]
            left, right = found[self.nodes.left[level]], found[self.nodes.right[level]]
            found[level] = share * left + (1 - share) * right
        return found


def path_parts(
    function: LeafFunction, slope: NDArray, n_features: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Split a linear function of the leaves of rows over the columns of X.

    From the root to the leaf of a row, each split changes the expected value, and its
    column gets the change. Returned are the contributions, (n_rows, n_features), and
    the sum of the expected values of the roots, (n_rows,).
    """
    nodes, n_rows = function.nodes, len(slope)
    parts, base = np.empty((n_rows, n_features)), np.empty(n_rows)
    size = max(1, BLOCK_ELEMENTS // max(len(nodes.left), n_features))
    for rows in gen_batches(n_rows, size):
        expected = function.expected(slope[rows])
        base[rows] = expected[nodes.roots].sum(axis=0)
        parts[rows] = _along_paths(nodes, function.of_rows[rows], expected, n_features)
    return parts, base


def _along_paths(
    nodes: Nodes, leaves: NDArray[np.intp], expected: NDArray, n_features: int
) -> NDArray[np.float64]:
    """Sum the changes of the expected value from leaves to roots by column."""
    n_rows, n_trees = leaves.shape
    node, row = leaves.ravel(), np.repeat(np.arange(n_rows), n_trees)
    places, changes = [], []
    while len(node):
        parent = nodes.parent[node]
        below = parent >= 0
        node, parent, row = node[below], parent[below], row[below]
        places.append(row * n_features + nodes.feature[parent])
        changes.append(expected[node, row] - expected[parent, row])
        node = parent
    sums = np.bincount(
        np.concatenate(places), np.concatenate(changes), n_rows * n_features
    )
    return sums.reshape(n_rows, n_features)
