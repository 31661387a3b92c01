"""Shapley values of a linear function of the leaves of rows, exactly."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.utils import gen_batches

from sklearn_kmex.embedding._nodes import BLOCK_ELEMENTS, LeafFunction, Nodes


class Paths(NamedTuple):
    """The columns on the path to each leaf, in the order of the leaves.

    A path may split by one column at several nodes, which are next to each other.
    """

    node: NDArray[np.intp]  # each split of each path
    to_left: NDArray[np.bool_]  # the side on which the path goes on
    first: NDArray[np.intp]  # the first split of each column of a path
    share: NDArray[np.float64]  # of training rows that its splits let through
    feature: NDArray[np.intp]  # the column of X
    sizes: NDArray[np.intp]  # number of columns of the path to each leaf


def tree_shap_parts(
    function: LeafFunction, goes_left: NDArray[np.bool_], n_features: int
) -> NDArray[np.float64]:
    """Compute the Shapley values of the columns, (n_rows, n_features).

    `goes_left`, (n_nodes, n_rows), is the side that each row takes at each node. The
    value of a set of columns is the expected value of the leaf of a row that knows
    these columns, and at other splits goes to both sides as the training rows do.
    """
    paths = _paths_of(function.nodes, function.leaves, n_features)
    parts = np.empty((goes_left.shape[1], n_features))
    size = max(1, BLOCK_ELEMENTS // max(len(paths.node), n_features))
    for rows in gen_batches(len(parts), size):
        passes = goes_left[paths.node, rows] == paths.to_left[:, np.newaxis]
        if len(passes):
            passes = np.logical_and.reduceat(passes, paths.first, axis=0)
        parts[rows] = _shapley(paths, passes, function.at_leaves(rows), n_features)
    return parts


def _paths_of(nodes: Nodes, leaves: NDArray[np.intp], n_features: int) -> Paths:
    """Collect the splits above each leaf, sorted by leaf and column."""
    node, leaf, found = leaves, np.arange(len(leaves)), []
    while len(node):
        parent = nodes.parent[node]
        below = parent >= 0
        to_left = nodes.left[parent[below]] == node[below]
        found.append(np.stack([leaf[below], parent[below], to_left]))
        node, leaf = parent[below], leaf[below]
    leaf, node, left = np.concatenate(found, axis=1)
    keys = leaf * n_features + nodes.feature[node]
    order = np.argsort(keys, kind="stable")
    keys, first = np.unique(keys[order], return_index=True)
    node, to_left = node[order], left[order].astype(bool)
    share = np.where(to_left, nodes.share[node], 1 - nodes.share[node])
    share = np.multiply.reduceat(share, first) if len(first) else share
    sizes = np.bincount(keys // n_features, minlength=len(leaves))
    return Paths(node, to_left, first, share, keys % n_features, sizes)


def _shapley(
    paths: Paths, passes: NDArray[np.bool_], values: NDArray, n_features: int
) -> NDArray[np.float64]:
    """Sum the Shapley values of the leaves; `passes` has a row for each column of each.

    That of a leaf is a product over columns, of 0 or 1 for a known column and of the
    share of training rows for an unknown one. Its Shapley value is the mean of the
    product of the others over t, where each is known with the probability t. This is a
    polynomial in t, so that few points give its exact mean.
    """
    found = np.empty(passes.shape)
    ends = np.cumsum(paths.sizes)
    for size in np.unique(paths.sizes[paths.sizes > 0]):
        of_size = paths.sizes == size
        places = ends[of_size, np.newaxis] - np.arange(size, 0, -1)
        found[places] = _of_leaves(passes[places], paths.share[places][..., None])
        found[places] *= values[of_size, np.newaxis]
    n_entries = len(paths.feature)
    entries = (np.ones(n_entries), (paths.feature, np.arange(n_entries)))
    return (sparse.csr_matrix(entries, shape=(n_features, n_entries)) @ found).T


def _of_leaves(passes: NDArray[np.bool_], share: NDArray) -> NDArray[np.float64]:
    """Compute the Shapley values of leaves of value 1, (n_leaves, n_columns, n_rows).

    Columns that a row passes and does not pass are a pattern. If there are fewer
    patterns than rows, they are computed in place of the rows.
    """
    _, size, n_rows = passes.shape
    if 2**size >= n_rows:
        return _of_patterns(passes.astype(np.float64), share)
    powers = 2 ** np.arange(size)[:, np.newaxis]
    patterns = (np.arange(2**size) & powers > 0).astype(np.float64)
    rows = (passes * powers).sum(axis=1, keepdims=True)
    return np.take_along_axis(_of_patterns(patterns, share), rows, axis=2)


def _of_patterns(known: NDArray, share: NDArray) -> NDArray[np.float64]:
    gap = known - share
    points, weights = np.polynomial.legendre.leggauss((gap.shape[1] + 1) // 2)
    means = np.zeros_like(gap)
    for t, weight in zip((points + 1) / 2, weights / 2, strict=True):
        means += weight * _products_of_others(share + t * gap)
    return gap * means


def _products_of_others(factors: NDArray) -> NDArray[np.float64]:
    """Multiply all factors but one, along the second axis."""
    products = np.ones_like(factors)
    for k in range(1, factors.shape[1]):
        products[:, k] = products[:, k - 1] * factors[:, k - 1]
    after = np.ones_like(factors[:, 0])
    for k in range(factors.shape[1] - 2, -1, -1):
        after = after * factors[:, k + 1]
        products[:, k] *= after
    return products
