"""The one file that touches private names of scikit-learn or asks for its version."""

import copy
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import _fit_context
from sklearn.utils._array_api import _convert_to_numpy, get_namespace_and_device
from sklearn.utils._indexing import _get_column_indices
from sklearn.utils._param_validation import (
    HasMethods,
    Interval,
    RealNotInt,
    StrOptions,
    validate_params,
)
from sklearn.utils.validation import _check_feature_names_in, _check_sample_weight

__all__ = [
    "HasMethods",
    "Interval",
    "RealNotInt",
    "StrOptions",
    "_check_feature_names_in",
    "_check_sample_weight",
    "_convert_to_numpy",
    "_get_column_indices",
    "_fit_context",
    "get_namespace_and_device",
    "histogram_leaves",
    "validate_params",
]


def histogram_leaves(
    ensemble: Any, X: NDArray
) -> tuple[NDArray[np.intp], list[NDArray[np.bool_]]]:
    """Node of each row in each tree of a HistGradientBoosting, and which are leaves.

    It has no `apply`: trees whose nodes predict their own number stand in for it.
    """
    X = ensemble._preprocess_X(X, reset=False)
    known = ensemble._bin_mapper.make_known_categories_bitsets()
    nodes, leaf_masks = [], []
    for tree in (tree for iteration in ensemble._predictors for tree in iteration):
        numbered = copy.copy(tree)
        numbered.nodes = tree.nodes.copy()
        numbered.nodes["value"] = np.arange(len(tree.nodes))
        nodes.append(numbered.predict(X, *known, n_threads=1).astype(np.intp))
        leaf_masks.append(tree.nodes["is_leaf"].astype(bool))
    return np.stack(nodes, axis=1), leaf_masks
