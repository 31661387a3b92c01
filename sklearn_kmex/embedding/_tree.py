"""TreeEmbedder: embed rows by the leaves of an ensemble of trees."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from sklearn.base import BaseEstimator, is_classifier
from sklearn.utils import Tags, get_tags
from sklearn.utils.validation import check_is_fitted, validate_data

from sklearn_kmex._base import new_state
from sklearn_kmex._compat import HasMethods, StrOptions
from sklearn_kmex.embedding._attribution import (
    Attribution,
    attribution,
    check_method,
)
from sklearn_kmex.embedding._base import BaseEmbedder
from sklearn_kmex.embedding._decisions import sides_of
from sklearn_kmex.embedding._leaves import (
    CATBOOST,
    HISTOGRAM,
    Leaves,
    check_values,
    is_instance,
    is_tree_ensemble,
    leaf_indicators,
    leaf_values,
    leaves_of,
    probabilities_of_values,
)
from sklearn_kmex.embedding._nodes import (
    LeafFunction,
    UnreadableTreesError,
    nodes_of,
    path_parts,
)
from sklearn_kmex.embedding._out_of_bag import (
    NoOutOfBagError,
    bootstrap_mask,
    fill_with_means,
    warn_if_sure,
)
from sklearn_kmex.embedding._tree_shap import tree_shap_parts


class TreeEmbedder(BaseEmbedder):
    """Embed rows by the leaves of a fitted ensemble of trees.

    By default, each tree has one column, or one for each class, with the value of the
    leaf that a row falls into: what the tree says. The ensemble adds these values up,
    or averages them. With `leaves="identity"`, each leaf is a column instead.
    The ensemble stays unchanged, and `clone` shares it.

    Read more in the :ref:`User Guide <embedding>`.

    Parameters
    ----------
    ensemble : estimator
        The fitted ensemble: `RandomForestClassifier`, `ExtraTreesClassifier`,
        `GradientBoostingClassifier`, `HistGradientBoostingClassifier`,
        `BaggingClassifier` or `AdaBoostClassifier` of scikit-learn, the last two of
        decision trees, `XGBClassifier` or `XGBRFClassifier` of XGBoost,
        `LGBMClassifier` of LightGBM, `CatBoostClassifier` of CatBoost with symmetric
        trees, the regressor or ranker of one of them, or a single decision tree. Other
        models raise a `TypeError`, and a booster without trees raises a `ValueError`.

    leaves : {"value", "identity"}, default="value"
        What of a leaf is embedded.

        - "value": its value, in a dense array. For a forest or a tree, these are the
          class probabilities in the leaf, in [0, 1],
          or the mean of the target. For boosting, it is the leaf's share of
          the raw score, times the learning rate: log-odds for most classifiers. For
          AdaBoost, it is the vote of the tree times its share of the weights.
        - "identity": which leaf it is, in a sparse matrix with a column for each leaf:
          `sqrt(1 / (2 * n_trees))` for the rows in it and 0 for the others. The squared
          distance of two rows is the share of trees in which they are in different
          leaves, one minus the forest proximity of Breiman [1]_.

    out_of_bag : bool or "auto", default="auto"
        How `fit_transform` embeds the rows that a forest with `bootstrap=True` was
        fitted on, if `leaves="value"`. A tree is too sure of the rows that it was grown
        on. For each row, the values of these trees are replaced by the mean over its
        other trees, which do not know it.

        - "auto": where the rows of X are those of the forest, in their order. Other
          rows are embedded as `transform` does.
        - True: raise a `ValueError` where they are not.
        - False: never.

    Attributes
    ----------
    n_features_in_ : int
        Number of columns seen during fit.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns seen during fit, if all of them are strings.

    out_of_bag_ : bool
        Whether `fit_transform` embedded the rows by the trees that do not know them.
        Not set by `fit` alone.

    See Also
    --------
    MLPEmbedder : Embeds rows by a hidden layer of a network of scikit-learn.
    sklearn_kmex.make_kmex : Makes a pipeline of an embedder and a `KMExClassifier`.

    Notes
    -----
    Embeddings are float64. Their columns follow the trees in the order of the ensemble.
    Several values of one tree are next to each other. Boosting of more than two classes
    has a tree for each class and iteration, mostly in the order of the classes.

    For a forest, the mean over the trees is what `predict_proba` or `predict` returns.
    For boosting, the sum of the columns of a class is the raw score without the initial
    score, which the first trees of LightGBM contain.

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
    >>> values = TreeEmbedder(forest).transform(X)
    >>> values.shape  # 10 trees, 3 classes
    (150, 30)
    >>> mean = values.reshape(150, 10, 3).mean(axis=1)
    >>> bool(abs(mean - forest.predict_proba(X)).max() < 1e-12)
    True
    >>> leaves = TreeEmbedder(forest, leaves="identity").transform(X)
    >>> leaves.format, int(leaves[[0]].nnz)  # one leaf in each tree
    ('csr', 10)
    """

    _memorizes = True
    _parameter_constraints: ClassVar[dict] = {
        "ensemble": [HasMethods(["predict"])],
        "leaves": [StrOptions({"value", "identity"})],
        "out_of_bag": ["boolean", StrOptions({"auto"})],
    }

    def __init__(
        self,
        ensemble: BaseEstimator,
        *,
        leaves: Literal["value", "identity"] = "value",
        out_of_bag: bool | Literal["auto"] = "auto",
    ) -> None:
        self.ensemble = ensemble
        self.leaves = leaves
        self.out_of_bag = out_of_bag

    def fit_transform(self, X: ArrayLike, y: ArrayLike | None = None) -> Any:
        """Check the input, and embed X; rows of the forest as `out_of_bag` says.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows that the ensemble takes.

        y : None
            Ignored.

        Returns
        -------
        {ndarray, sparse matrix} of shape (n_samples, n_features_out)
            Embeddings.

        Raises
        ------
        ValueError
            If `out_of_bag` is True, and the ensemble keeps no bootstrap samples, or was
            fitted on other rows or in another order, or leaves is not "value".
        """
        with new_state(self) as new:
            checked = new.fit(X, y)._check_input(X, reset=False)
            return new._embed_training(checked)

    def _embed_training(self, X: Any) -> Any:
        """Embed rows; those of the forest by the trees that do not know them."""
        required = self.out_of_bag and self.out_of_bag != "auto"
        if required and self.leaves == "identity":
            raise ValueError(
                "out_of_bag=True requires leaves='value'; got leaves='identity'. The "
                "identity of a leaf has no mean over trees."
            )
        leaves = self._leaves(X)
        embeddings, self.out_of_bag_ = self._encode(leaves), False
        if self.leaves == "identity":
            return embeddings
        if self.out_of_bag:
            try:
                drawn = bootstrap_mask(self.ensemble, leaves.nodes)
                self.out_of_bag_ = True
                return fill_with_means(embeddings, drawn)
            except NoOutOfBagError:
                if required:
                    raise
        warn_if_sure(self.ensemble, embeddings)
        return embeddings

    def _embed_known(self, X: Any) -> Any:
        """Embed the rows of the forest as `fit_transform` did; None for other rows."""
        leaves = self._leaves(self._check_input(X, reset=False))
        try:
            drawn = bootstrap_mask(self.ensemble, leaves.nodes)
        except NoOutOfBagError:
            return None
        return fill_with_means(self._encode(leaves), drawn)

    def _check_input(self, X: Any, reset: bool) -> Any:
        self._check_ensemble()
        if not hasattr(X, "columns") or _takes_arrays(self.ensemble):
            X = validate_data(
                self,
                X,
                dtype=None if self._keeps(X) else [np.float64, np.float32],
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

    def _keeps(self, X: Any) -> bool:
        """Whether X is an array with categories that the ensemble encodes itself."""
        ensemble = self.ensemble
        encodes = isinstance(ensemble, HISTOGRAM) or is_instance(ensemble, CATBOOST)
        return encodes and getattr(X, "dtype", None) == np.object_

    def _check_ensemble(self) -> None:
        if not is_tree_ensemble(self.ensemble):
            raise TypeError(
                "ensemble must be a fitted random forest, extra trees, gradient "
                "boosting, decision tree, or bagging or AdaBoost of decision trees, of "
                "scikit-learn, XGBoost, LightGBM or CatBoost; got "
                f"{type(self.ensemble).__name__}."
            )
        check_is_fitted(self.ensemble)

    def _embed(self, X: Any) -> Any:
        return self._encode(self._leaves(X))

    def _leaves(self, X: Any) -> Leaves:
        if self.leaves == "value":
            check_values(self.ensemble)
        return leaves_of(self.ensemble, X)

    def _encode(self, leaves: Leaves) -> Any:
        """Embed rows by their leaves."""
        return (leaf_values if self.leaves == "value" else leaf_indicators)(leaves)

    def _attribute(
        self, X: Any, slope: NDArray[np.float64], *, method: str = "auto"
    ) -> Attribution | None:
        """Split a linear function of the leaves over the columns of X."""
        known = ["tree_shap", "path"]
        if method != "auto":
            check_method(method, known, "an ensemble of trees")
            return self._attribute_by(method, X, slope)
        for one in known:
            try:
                return self._attribute_by(one, X, slope)
            except UnreadableTreesError:
                continue
        return None

    def _attribute_by(
        self, method: str, X: Any, slope: NDArray[np.float64]
    ) -> Attribution:
        X = self._check_input(X, reset=False)
        leaves = self._leaves(X)
        nodes = nodes_of(self.ensemble, len(leaves.tables))
        function = LeafFunction(nodes, leaves, slope, self.leaves == "identity")
        parts, base = path_parts(function, X.shape[1])
        if method == "tree_shap":
            sides = sides_of(self.ensemble, X, function)
            parts = tree_shap_parts(function, sides, X.shape[1])
        return attribution(parts, base, method, slope, self._encode(leaves))

    def _output(self, X: Any) -> NDArray:
        if is_classifier(self.ensemble):
            return self.ensemble.predict_proba(X)
        return self.ensemble.predict(X)

    def _probabilities(self, Z: NDArray) -> NDArray | None:
        if self.leaves != "value":
            return None
        return probabilities_of_values(self.ensemble, Z)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.sparse = get_tags(self.ensemble).input_tags.sparse
        tags.transformer_tags.preserves_dtype = []  # always float64
        return tags


def _takes_arrays(ensemble: Any) -> bool:
    """Whether a forest was fitted without column names, and thus takes arrays."""
    return hasattr(ensemble, "estimators_") and not hasattr(
        ensemble, "feature_names_in_"
    )
