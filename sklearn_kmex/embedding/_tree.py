"""TreeEmbedder: the leaves that an ensemble of trees puts a row into."""

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.base import BaseEstimator, is_classifier
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
)
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted, validate_data

from sklearn_kmex._compat import HasMethods, histogram_leaves
from sklearn_kmex.embedding._base import BaseEmbedder

HISTOGRAM = (HistGradientBoostingClassifier, HistGradientBoostingRegressor)


class TreeEmbedder(BaseEmbedder):
    """Embed rows by the leaves of a fitted ensemble of trees.

    Each leaf is a column, `sqrt(1 / (2 * n_trees))` for the rows in it and 0 for
    the others: the squared distance of two rows is the share of trees in which
    they part, one minus the forest proximity of Breiman [1]_. `clone` shares the
    ensemble.

    Read more in the :ref:`User Guide <embedding>`.

    Parameters
    ----------
    ensemble : estimator
        The fitted ensemble: `RandomForestClassifier`, `ExtraTreesClassifier`,
        `GradientBoostingClassifier`, `HistGradientBoostingClassifier`, or the
        regressor of one of them.

    Attributes
    ----------
    n_features_in_ : int
        Number of columns seen during fit.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns seen during fit, where they are all strings.

    See Also
    --------
    MLPEmbedder : The same for a network of scikit-learn.
    sklearn_kmex.make_kmex : An embedder followed by a `KMExClassifier`.

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

    def _check_input(self, X: Any, reset: bool) -> NDArray:
        return validate_data(
            self, X, dtype=np.float64, ensure_all_finite="allow-nan", reset=reset
        )

    def _embed(self, X: NDArray) -> Any:
        check_is_fitted(self.ensemble)
        columns, n_leaves = _leaves(self.ensemble, X)
        n_rows, n_trees = columns.shape
        values = np.full(n_rows * n_trees, np.sqrt(0.5 / n_trees))
        ends = np.arange(n_rows + 1) * n_trees
        return sparse.csr_matrix(
            (values, columns.ravel(), ends), shape=(n_rows, n_leaves)
        )

    def _output(self, X: NDArray) -> NDArray:
        check_is_fitted(self.ensemble)
        if is_classifier(self.ensemble):
            return self.ensemble.predict_proba(X)
        return self.ensemble.predict(X)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.transformer_tags.preserves_dtype = []  # always float64
        return tags


def _leaves(ensemble: BaseEstimator, X: NDArray) -> tuple[NDArray[np.intp], int]:
    """Column of the leaf of each row in each tree, and the number of leaves in all."""
    if isinstance(ensemble, HISTOGRAM):
        nodes, leaf_masks = histogram_leaves(ensemble, X)
    elif hasattr(ensemble, "apply"):
        nodes = ensemble.apply(X).reshape(len(X), -1).astype(np.intp)
        trees = np.ravel(ensemble.estimators_)
        leaf_masks = [tree.tree_.children_left == -1 for tree in trees]
    else:
        raise TypeError(
            "ensemble must be a fitted random forest, extra trees or gradient boosting "
            f"of scikit-learn; got {type(ensemble).__name__}."
        )
    first = np.cumsum([0, *(mask.sum() for mask in leaf_masks)])
    columns = np.empty(nodes.shape, dtype=np.intp)
    for tree, mask in enumerate(leaf_masks):
        columns[:, tree] = first[tree] + (np.cumsum(mask) - 1)[nodes[:, tree]]
    return columns, int(first[-1])
