"""TreeEmbedder: embed rows by the leaves of an ensemble of trees."""

import json
import re
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.base import BaseEstimator, is_classifier
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
)
from sklearn.utils import Tags, get_tags
from sklearn.utils.validation import check_is_fitted, validate_data

from sklearn_kmex._compat import HasMethods, histogram_leaves
from sklearn_kmex.embedding._base import BaseEmbedder

HISTOGRAM = (HistGradientBoostingClassifier, HistGradientBoostingRegressor)
# Recognized by name, so that neither library is imported here.
LIGHTGBM, XGBOOST = "lightgbm.sklearn.LGBMModel", "xgboost.sklearn.XGBModel"
PRUNED = 2**31 - 1  # feature of a node that XGBoost has pruned


class TreeEmbedder(BaseEmbedder):
    """Embed rows by the leaves of a fitted ensemble of trees.

    Each leaf is a column, with the value `sqrt(1 / (2 * n_trees))` for the rows in it
    and 0 for the others. The squared distance of two rows is thus the share of trees in
    which they are in different leaves, one minus the forest proximity of Breiman [1]_.
    The ensemble stays unchanged, and `clone` shares it.

    Read more in the :ref:`User Guide <embedding>`.

    Parameters
    ----------
    ensemble : estimator
        The fitted ensemble: `RandomForestClassifier`, `ExtraTreesClassifier`,
        `GradientBoostingClassifier` or `HistGradientBoostingClassifier` of
        scikit-learn, `XGBClassifier` or `XGBRFClassifier` of XGBoost,
        `LGBMClassifier` of LightGBM, the regressor or ranker of one of them, or a
        single decision tree. Other models raise a `TypeError`, and a booster without
        trees raises a `ValueError`.

    Attributes
    ----------
    n_features_in_ : int
        Number of columns seen during fit.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns seen during fit, if all of them are strings.

    See Also
    --------
    MLPEmbedder : Embeds rows by a hidden layer of a network of scikit-learn.
    sklearn_kmex.make_kmex : Makes a pipeline of an embedder and a `KMExClassifier`.

    Notes
    -----
    The trees are those that `predict` uses: after early stopping, those up to the best
    iteration. X is passed on in the form that the ensemble takes: a DataFrame keeps its
    names and categories, and a sparse matrix stays sparse if the ensemble supports it.

    References
    ----------
    .. [1] Leo Breiman, "Random Forests", Machine Learning 45, 2001.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> from sklearn_kmex.embedding import TreeEmbedder
    >>> X, y = load_iris(return_X_y=True)
    >>> forest = RandomForestClassifier(10, random_state=0).fit(X, y)
    >>> leaves = TreeEmbedder(forest).transform(X)
    >>> leaves.format, int(leaves[[0]].nnz)  # one leaf in each tree
    ('csr', 10)
    """

    _parameter_constraints: ClassVar[dict] = {"ensemble": [HasMethods(["predict"])]}

    def __init__(self, ensemble: BaseEstimator) -> None:
        self.ensemble = ensemble

    def _check_input(self, X: Any, reset: bool) -> Any:
        self._check_ensemble()
        if not hasattr(X, "columns") or _takes_arrays(self.ensemble):
            X = validate_data(
                self,
                X,
                dtype=[np.float64, np.float32],
                accept_sparse="csr" if get_tags(self).input_tags.sparse else False,
                ensure_all_finite="allow-nan",
                reset=reset,
            )
        elif reset or hasattr(self, "n_features_in_"):
            validate_data(self, X, skip_check_array=True, reset=reset)
        expected = getattr(self.ensemble, "n_features_in_", X.shape[1])
        if X.shape[1] != expected:  # XGBoost treats missing columns as missing values
            raise ValueError(
                f"X has {X.shape[1]} features, but the ensemble was fitted on "
                f"{expected}."
            )
        # LightGBM supports sparse matrices, but not sparse arrays.
        return sparse.csr_matrix(X) if sparse.issparse(X) else X

    def _check_ensemble(self) -> None:
        if not is_tree_ensemble(self.ensemble):
            raise TypeError(
                "ensemble must be a fitted random forest, extra trees, gradient "
                "boosting or decision tree of scikit-learn, XGBoost or LightGBM; got "
                f"{type(self.ensemble).__name__}."
            )
        check_is_fitted(self.ensemble)

    def _embed(self, X: Any) -> Any:
        columns, n_leaves = _leaves(self.ensemble, X)
        n_rows, n_trees = columns.shape
        values = np.full(n_rows * n_trees, np.sqrt(0.5 / n_trees))
        ends = np.arange(n_rows + 1) * n_trees
        return sparse.csr_matrix(
            (values, columns.ravel(), ends), shape=(n_rows, n_leaves)
        )

    def _output(self, X: Any) -> NDArray:
        if is_classifier(self.ensemble):
            return self.ensemble.predict_proba(X)
        return self.ensemble.predict(X)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.sparse = get_tags(self.ensemble).input_tags.sparse
        tags.transformer_tags.preserves_dtype = []  # always float64
        return tags


def is_tree_ensemble(model: Any) -> bool:
    """Whether a model is an ensemble of trees whose leaves can be read."""
    boosted = isinstance(model, HISTOGRAM) or is_instance(model, LIGHTGBM)
    return boosted or (hasattr(model, "apply") and hasattr(model, "predict"))


def is_instance(model: Any, name: str) -> bool:
    kinds = type(model).__mro__
    return any(f"{kind.__module__}.{kind.__name__}" == name for kind in kinds)


def _takes_arrays(ensemble: Any) -> bool:
    """Whether a forest was fitted without column names, and thus takes arrays."""
    return hasattr(ensemble, "estimators_") and not hasattr(
        ensemble, "feature_names_in_"
    )


def _leaves(ensemble: Any, X: Any) -> tuple[NDArray[np.intp], int]:
    """Column of the leaf of each row in each tree, and the number of leaves in all."""
    nodes, leaf_masks = _nodes(ensemble, X)
    nodes = nodes.reshape(len(nodes), -1).astype(np.intp)
    leaf_masks = leaf_masks[: nodes.shape[1]]  # up to the best iteration
    first = np.cumsum([0, *(mask.sum() for mask in leaf_masks)])
    columns = np.empty(nodes.shape, dtype=np.intp)
    for tree, mask in enumerate(leaf_masks):
        columns[:, tree] = first[tree] + (np.cumsum(mask) - 1)[nodes[:, tree]]
    return columns, int(first[-1])


def _nodes(ensemble: Any, X: Any) -> tuple[NDArray, list[NDArray[np.bool_]]]:
    """Node of each row in each tree, and masks of the nodes that are leaves."""
    if isinstance(ensemble, HISTOGRAM):
        return histogram_leaves(ensemble, X)
    if is_instance(ensemble, LIGHTGBM):  # it returns numbers of leaves
        model = ensemble.booster_.model_to_string()  # its JSON takes ten times as long
        n_leaves = re.findall(r"^num_leaves=(\d+)$", model, re.MULTILINE)
        leaf_masks = [np.ones(int(n), dtype=bool) for n in n_leaves]
        return ensemble.predict(X, pred_leaf=True), leaf_masks
    if is_instance(ensemble, XGBOOST):
        leaf_masks = [
            (np.array(tree["left_children"]) == -1)
            & (np.array(tree["split_indices"]) != PRUNED)
            for tree in xgboost_trees(ensemble)
        ]
    else:
        trees = np.ravel(getattr(ensemble, "estimators_", ensemble))
        leaf_masks = [tree.tree_.children_left == -1 for tree in trees]
    return ensemble.apply(X), leaf_masks


def xgboost_trees(ensemble: Any) -> list[dict[str, Any]]:
    """Read the trees of XGBoost in its JSON format."""
    model = json.loads(ensemble.get_booster().save_raw("json"))
    booster = model["learner"]["gradient_booster"]
    trees = booster.get("gbtree", booster)["model"].get(
        "trees"
    )  # dart contains a gbtree
    if not trees:
        raise ValueError(
            f"ensemble must have trees; this {type(ensemble).__name__} with a booster "
            f"{booster['name']!r} has none. Fit it with booster='gbtree'."
        )
    return trees
