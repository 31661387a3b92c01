"""Leaves of the trees of several libraries: their numbers and their values."""

import json
import re
import warnings
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.base import is_classifier
from sklearn.ensemble import (
    AdaBoostClassifier,
    AdaBoostRegressor,
    BaggingClassifier,
    BaggingRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
)
from sklearn.tree import BaseDecisionTree

from sklearn_kmex._compat import histogram_apply, histogram_nodes
from sklearn_kmex.embedding._catboost import catboost_values
from sklearn_kmex.embedding._head import probabilities_of_scores

GRADIENT = (GradientBoostingClassifier, GradientBoostingRegressor)
HISTOGRAM = (HistGradientBoostingClassifier, HistGradientBoostingRegressor)
ADABOOST = (AdaBoostClassifier, AdaBoostRegressor)
BAGGING = (BaggingClassifier, BaggingRegressor)
# Recognized by name, so that no library is imported here.
LIGHTGBM, XGBOOST = "lightgbm.sklearn.LGBMModel", "xgboost.sklearn.XGBModel"
CATBOOST = "catboost.core.CatBoost"
PRUNED = 2**31 - 1  # feature of a node that XGBoost has pruned


class LeafTable(NamedTuple):
    """Which nodes of a tree are leaves, and what a row in each node gets.

    `is_leaf` is of shape (n_nodes,), and `values` of shape (n_nodes, n_values). Values
    of nodes that are not leaves have no meaning.
    """

    is_leaf: NDArray[np.bool_]
    values: NDArray[np.float64]


class Leaves(NamedTuple):
    """Node of each row in each tree, of shape (n_rows, n_trees), and the trees."""

    nodes: NDArray[np.intp]
    tables: list[LeafTable]


def is_tree_ensemble(model: Any) -> bool:
    """Whether a model is an ensemble of trees whose leaves can be read."""
    boosted = isinstance(model, HISTOGRAM) or any(
        is_instance(model, name) for name in (LIGHTGBM, CATBOOST)
    )
    if isinstance(model, (*ADABOOST, *BAGGING)):
        trees = getattr(model, "estimators_", [model.estimator])
        return all(one is None or isinstance(one, BaseDecisionTree) for one in trees)
    return boosted or (hasattr(model, "apply") and hasattr(model, "predict"))


def is_instance(model: Any, name: str) -> bool:
    kinds = type(model).__mro__
    return any(f"{kind.__module__}.{kind.__name__}" == name for kind in kinds)


def leaves_of(ensemble: Any, X: Any) -> Leaves:
    """Find the leaf of each row in each tree that `predict` uses."""
    tables = leaf_tables(ensemble)
    if isinstance(ensemble, HISTOGRAM):
        nodes = histogram_apply(ensemble, X)
    elif is_instance(ensemble, LIGHTGBM):  # it returns numbers of leaves
        nodes = ensemble.predict(X, pred_leaf=True)
    elif is_instance(ensemble, CATBOOST):
        nodes = ensemble.calc_leaf_indexes(X)
    elif isinstance(ensemble, (*ADABOOST, *BAGGING)):
        nodes = _apply_each(ensemble, X)
    elif isinstance(ensemble, GRADIENT):  # its trees know no names of columns
        nodes = ensemble.apply(np.asarray(X) if hasattr(X, "columns") else X)
    else:
        nodes = ensemble.apply(X)
    nodes = nodes.reshape(len(nodes), -1).astype(np.intp)
    return Leaves(nodes, tables[: nodes.shape[1]])


def _apply_each(ensemble: Any, X: Any) -> NDArray[np.intp]:
    """Find the leaf of each row in each tree, which may know some columns only."""
    X = np.asarray(X) if hasattr(X, "columns") else X
    pairs = zip(ensemble.estimators_, columns_of_trees(ensemble), strict=True)
    return np.stack([tree.apply(X[:, columns]) for tree, columns in pairs], axis=1)


def columns_of_trees(ensemble: Any) -> list[NDArray[np.intp]]:
    """Return the columns of X that each tree of scikit-learn knows."""
    if isinstance(ensemble, BAGGING):
        return list(ensemble.estimators_features_)
    n_trees = np.size(getattr(ensemble, "estimators_", ensemble))
    return [np.arange(ensemble.n_features_in_)] * n_trees


def leaf_values(leaves: Leaves) -> NDArray[np.float64]:
    """Value of the leaf of each row, one or several columns for each tree."""
    first = np.cumsum([0, *(len(table.values) for table in leaves.tables)])[:-1]
    values = np.concatenate([table.values for table in leaves.tables])
    return values[leaves.nodes + first].reshape(len(leaves.nodes), -1)


def leaf_indicators(leaves: Leaves) -> sparse.csr_matrix:
    """Which leaf each row is in: one column for each leaf, scaled by the trees."""
    n_rows, n_trees = leaves.nodes.shape
    masks = [table.is_leaf for table in leaves.tables]
    first = np.cumsum([0, *(mask.sum() for mask in masks)])
    columns = np.empty(leaves.nodes.shape, dtype=np.intp)
    for tree, mask in enumerate(masks):
        columns[:, tree] = first[tree] + (np.cumsum(mask) - 1)[leaves.nodes[:, tree]]
    values = np.full(n_rows * n_trees, np.sqrt(0.5 / n_trees))
    ends = np.arange(n_rows + 1) * n_trees
    return sparse.csr_matrix(
        (values, columns.ravel(), ends), shape=(n_rows, int(first[-1]))
    )


def leaf_tables(ensemble: Any) -> list[LeafTable]:
    """Read all trees, also those that `predict` leaves out after early stopping."""
    if isinstance(ensemble, HISTOGRAM):
        return [
            LeafTable(nodes["is_leaf"].astype(bool), _columns(nodes["value"]))
            for nodes in histogram_nodes(ensemble)
        ]
    if is_instance(ensemble, LIGHTGBM):
        texts = [tree["leaf_value"] for tree in lightgbm_trees(ensemble)]
        values = [np.array(text.split(), dtype=np.float64) for text in texts]
        return [LeafTable(np.ones(len(v), dtype=bool), _columns(v)) for v in values]
    if is_instance(ensemble, XGBOOST):
        return list(_of_xgboost(ensemble))
    if is_instance(ensemble, CATBOOST):
        values = catboost_values(ensemble)
        return [LeafTable(np.ones(len(v), dtype=bool), v) for v in values]
    if isinstance(ensemble, (*ADABOOST, *BAGGING)):
        return _of_votes(ensemble)
    trees = np.ravel(getattr(ensemble, "estimators_", ensemble))
    scale = ensemble.learning_rate if isinstance(ensemble, GRADIENT) else 1.0
    return [
        LeafTable(tree.tree_.children_left == -1, scale * _sklearn_values(tree))
        for tree in trees
    ]


def _of_votes(ensemble: Any) -> list[LeafTable]:
    """Read trees that may not know all classes; those of AdaBoost vote by weight."""
    weights = np.ones(len(ensemble.estimators_))
    if isinstance(ensemble, ADABOOST):
        weights = ensemble.estimator_weights_[: len(weights)]
        weights = weights / weights.sum()
    tables = []
    for tree, weight in zip(ensemble.estimators_, weights, strict=True):
        values = _sklearn_values(tree)
        if is_classifier(ensemble):
            values = _of_classes(ensemble, tree, values)
        tables.append(LeafTable(tree.tree_.children_left == -1, weight * values))
    return tables


def _of_classes(ensemble: Any, tree: Any, values: NDArray) -> NDArray[np.float64]:
    """Probabilities of all classes, or for AdaBoost the vote for one of them."""
    labels = ensemble.classes_
    if isinstance(ensemble, BAGGING):  # its trees know numbers of classes
        labels = np.arange(len(labels))
    found = np.zeros((len(values), len(labels)))
    found[:, np.searchsorted(labels, tree.classes_)] = values
    if isinstance(ensemble, ADABOOST):
        return np.eye(len(labels))[found.argmax(axis=1)]
    return found


def _columns(values: Any) -> NDArray[np.float64]:
    """Values with one row for each node."""
    values = np.asarray(values, dtype=np.float64)
    return values.reshape(len(values), -1)


def _sklearn_values(tree: Any) -> NDArray[np.float64]:
    """Means, or class probabilities."""
    return _columns(tree.tree_.value)


def _of_xgboost(ensemble: Any) -> Iterator[LeafTable]:
    for tree in xgboost_trees(ensemble):
        ends = np.array(tree["left_children"]) == -1
        is_leaf = ends & (np.array(tree["split_indices"]) != PRUNED)
        values = np.array(tree["split_conditions"], dtype=np.float32)  # of a leaf
        n_values = int(tree["tree_param"]["size_leaf_vector"])
        if n_values > 1:  # the right child of a leaf is the number of its vector
            vectors = np.array(tree["leaf_weights"], dtype=np.float32)
            places = np.where(is_leaf, tree["right_children"], 0)
            values = vectors.reshape(-1, n_values)[places]
        yield LeafTable(is_leaf, tree["weight"] * _columns(values))


def _xgboost_model(ensemble: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Read a booster of XGBoost in its JSON format, and the trees in it."""
    model = json.loads(ensemble.get_booster().save_raw("json"))
    booster = model["learner"]["gradient_booster"]
    return booster, booster.get("gbtree", booster)["model"]  # dart has a gbtree


def xgboost_categories(ensemble: Any) -> list[dict[str, Any]]:
    """Read the categories of each column; none before XGBoost 3.1."""
    return _xgboost_model(ensemble)[1].get("cats", {}).get("enc", [])


def xgboost_trees(ensemble: Any) -> list[dict[str, Any]]:
    """Read the trees of XGBoost in its JSON format, each with its weight."""
    booster, model = _xgboost_model(ensemble)
    trees = model.get("trees")
    if not trees:
        raise ValueError(
            f"ensemble must have trees; this {type(ensemble).__name__} with a booster "
            f"{booster['name']!r} has none. Fit it with booster='gbtree'."
        )
    weights = model.get("weight_drop") or booster.get("weight_drop")  # of dart
    pairs = zip(trees, weights or [1.0] * len(trees), strict=True)
    return [{**tree, "weight": weight} for tree, weight in pairs]


def _lightgbm_text(ensemble: Any) -> str:
    return ensemble.booster_.model_to_string()  # its JSON takes ten times as long


def lightgbm_trees(ensemble: Any) -> list[dict[str, str]]:
    """Read the fields of each tree of LightGBM."""
    _, *texts = re.split(r"^Tree=\d+$", _lightgbm_text(ensemble), flags=re.MULTILINE)
    return [dict(re.findall(r"^(\w+)=(.*)$", text, re.MULTILINE)) for text in texts]


def check_values(ensemble: Any) -> None:
    """Refuse trees whose leaves have a linear model in place of a value."""
    if is_instance(ensemble, LIGHTGBM) and "\nis_linear=1\n" in _lightgbm_text(
        ensemble
    ):
        raise ValueError(
            "ensemble must have one value in each leaf for leaves='value'; this "
            f"{type(ensemble).__name__} was fitted with linear_tree=True. Fit it "
            "without, or set leaves='identity'."
        )


def probabilities_of_values(ensemble: Any, values: NDArray) -> NDArray | None:
    """Return class probabilities from leaf values, or None where this is not known.

    A forest averages them. Boosting adds them to initial scores, which are found with a
    row of zeros; its probabilities must be the softmax of these sums for this row.
    """
    if isinstance(ensemble, ADABOOST):
        return None
    if not is_classifier(ensemble) or np.ndim(getattr(ensemble, "n_classes_", 2)):
        return None
    n_classes = len(ensemble.classes_)
    if not _is_boosted(ensemble):
        return values.reshape(len(values), -1, n_classes).mean(axis=1)
    n_scores = 1 if n_classes == 2 else n_classes
    zeros = np.zeros((1, ensemble.n_features_in_))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of names of columns
        try:
            at_zeros = leaf_values(leaves_of(ensemble, zeros))
            true = ensemble.predict_proba(zeros)
        except Exception:  # of a library whose columns have names or categories
            return None
    if len(values) == 0 or at_zeros.shape[1] % n_scores:
        return None
    sums, at_zeros = (
        part.reshape(len(part), -1, n_scores).sum(axis=1) for part in (values, at_zeros)
    )
    initial = _scores_of(true) - at_zeros
    return probabilities_of_scores(sums + initial)


def _is_boosted(ensemble: Any) -> bool:
    return isinstance(ensemble, (*GRADIENT, *HISTOGRAM)) or any(
        is_instance(ensemble, name) for name in (LIGHTGBM, XGBOOST, CATBOOST)
    )


def _scores_of(probabilities: NDArray) -> NDArray:
    """Return scores with these probabilities; of two classes, one for the second."""
    logs = np.log(np.maximum(probabilities, 1e-300))
    return logs[:, 1:] - logs[:, :1] if logs.shape[1] == 2 else logs
