"""Embeddings of training rows by the trees of a forest that do not know them."""

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_kmex.exceptions import KMExWarning


class NoOutOfBagError(ValueError):
    """Error of rows for which it is not known which trees were grown on them."""


def bootstrap_mask(forest: Any, nodes: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Whether each tree was grown on each row, of shape (n_rows, n_trees).

    A tree knows how many distinct rows it was grown on in each leaf. Rows other than
    those of the forest, or in another order, give other numbers.
    """
    if not (getattr(forest, "bootstrap", False) and _keeps_samples(forest)):
        raise NoOutOfBagError(
            "ensemble must be a forest of scikit-learn that was fitted with "
            "bootstrap=True for out_of_bag=True; got "
            f"{type(forest).__name__}{_setting(forest)}. Set out_of_bag=False, and fit "
            "on rows that the ensemble was not fitted on."
        )
    samples = forest.estimators_samples_
    n_rows, n_drawn = len(nodes), 1 + max(int(rows.max()) for rows in samples)
    if n_rows < n_drawn:
        raise _other_rows(
            f"it was fitted on {n_drawn} or more rows, and X has {n_rows}"
        )
    drawn = np.zeros(nodes.shape, dtype=bool)
    for tree, rows in enumerate(samples):
        drawn[rows, tree] = True
    differ = sum(
        not _grown_on(estimator.tree_, nodes[drawn[:, tree], tree])
        for tree, estimator in enumerate(forest.estimators_)
    )
    if differ:
        raise _other_rows(
            f"the leaves of {differ} of {len(samples)} trees were grown on other "
            "numbers of rows than X puts there"
        )
    return drawn


def fill_with_means(values: NDArray, drawn: NDArray[np.bool_]) -> NDArray:
    """Replace values of the trees grown on a row by the mean over its other trees.

    Rows that all trees were grown on keep their values.
    """
    by_tree = values.reshape(*drawn.shape, -1)
    counts = (~drawn).sum(axis=1)
    means = np.einsum("rt,rtv->rv", (~drawn).astype(values.dtype), by_tree)
    means /= np.maximum(counts, 1)[:, None]
    replaced = drawn & (counts > 0)[:, None]
    filled = np.where(replaced[:, :, None], means[:, None, :], by_tree)
    return filled.reshape(values.shape)


def warn_if_sure(ensemble: Any, values: NDArray) -> None:
    """Warn if the trees agree on each row without doubt, so that no two differ."""
    n_classes = len(getattr(ensemble, "classes_", ()))
    n_distinct = _count_distinct(values, n_classes)
    if not n_distinct or not np.isin(values, (0, 1)).all():
        return
    warnings.warn(
        f"The {len(values)} rows of X have only {n_distinct} different embeddings, "
        "because all trees are sure of the class of each row. Trees that were grown "
        "without bootstrap until each leaf has one class are sure of the rows they "
        "were fitted on, but not of new rows: prototypes and probabilities will "
        "mislead. Fit on rows that the ensemble was not fitted on, or fit the ensemble "
        "with min_samples_leaf=5 or, a forest, with bootstrap=True.",
        KMExWarning,
        stacklevel=2,
    )


def _count_distinct(values: NDArray, n_classes: int) -> int:
    """Count different rows; 0 if there are more than classes, or no more than rows."""
    found: set[bytes] = set()
    for row in values:
        found.add(row.tobytes())
        if len(found) > n_classes:
            return 0
    return len(found) if len(found) < len(values) else 0


def _keeps_samples(forest: Any) -> bool:
    return hasattr(type(forest), "estimators_samples_") and hasattr(
        forest, "estimators_"
    )


def _setting(forest: Any) -> str:
    return " with bootstrap=False" if hasattr(forest, "bootstrap") else ""


def _grown_on(tree: Any, nodes: NDArray[np.intp]) -> bool:
    """Whether the leaves of a tree have as many rows as it was grown on."""
    is_leaf = tree.children_left == -1
    counts = np.bincount(nodes, minlength=tree.node_count)
    return np.array_equal(counts[is_leaf], tree.n_node_samples[is_leaf])


def _other_rows(reason: str) -> NoOutOfBagError:
    return NoOutOfBagError(
        "X must be the rows that the ensemble was fitted on, in their order, for "
        f"out_of_bag=True; {reason}. Pass those rows, or set out_of_bag='auto'."
    )
