"""TreeEmbedder: squared distance is the share of trees in which two rows part."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import clone
from sklearn.ensemble import (
    AdaBoostClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.exceptions import NotFittedError
from sklearn.metrics import euclidean_distances

from sklearn_kmex.embedding import TreeEmbedder

ENSEMBLES = [
    RandomForestClassifier(20, max_depth=6, random_state=0),
    ExtraTreesRegressor(20, min_samples_leaf=5, random_state=0),
    GradientBoostingClassifier(n_estimators=6, random_state=0),
]


@pytest.mark.parametrize("ensemble", ENSEMBLES, ids=lambda e: type(e).__name__)
def test_squared_distance_is_the_share_of_trees_that_part(digits, ensemble):
    X, X_test, y, _ = digits
    ensemble = clone(ensemble).fit(X, y)
    out = TreeEmbedder(ensemble).transform(X_test[:80])
    leaves = ensemble.apply(X_test[:80]).reshape(80, -1)
    parted = (leaves[:, None] != leaves[None]).mean(axis=2)
    assert sparse.issparse(out)
    assert out.nnz == leaves.size
    assert_allclose(euclidean_distances(out, squared=True), parted, atol=1e-12)


def leaf_values(model, X):
    """What each tree adds, by the staged predictions: differs only between leaves."""
    staged = np.stack(list(model.staged_decision_function(X)), axis=1)
    return np.diff(staged, axis=1, prepend=model._baseline_prediction[0, 0])


def test_histogram_gradient_boosting_with_categories_and_missing_values():
    rng = np.random.RandomState(0)
    X = rng.normal(size=(600, 3))
    X[:, 2] = rng.randint(6, size=600)
    y = (X[:, 0] > 0) ^ np.isin(X[:, 2], [1, 4])
    X[rng.random(X.shape) < 0.1] = np.nan
    model = HistGradientBoostingClassifier(
        max_iter=10, categorical_features=[2], random_state=0
    ).fit(X, y)
    embedder = TreeEmbedder(model).fit(X)
    leaves = embedder.transform(X).indices.reshape(600, 10)
    values = leaf_values(model, X)
    for tree in range(10):
        # Rows of one leaf get one value.
        for leaf in np.unique(leaves[:, tree]):
            assert np.ptp(values[leaves[:, tree] == leaf, tree]) < 1e-9
        n_leaves = len(np.unique(leaves[:, tree]))
        assert n_leaves >= len(np.unique(np.round(values[:, tree], 9)))
    assert n_leaves > 3
    assert len(embedder.get_feature_names_out()) == embedder.transform(X).shape[1]


def test_black_box_output(digits):
    X, X_test, y, _ = digits
    forest, trees = (clone(model).fit(X, y) for model in ENSEMBLES[:2])
    out = TreeEmbedder(forest).black_box_output(X_test)
    assert_array_equal(out, forest.predict_proba(X_test))
    out = TreeEmbedder(trees).black_box_output(X_test)
    assert_array_equal(out, trees.predict(X_test))


def test_refusals_and_sharing(digits):
    X, _, y, _ = digits
    forest = clone(ENSEMBLES[0]).fit(X, y)
    assert clone(TreeEmbedder(forest)).ensemble is forest
    with pytest.raises(NotFittedError):
        TreeEmbedder(RandomForestClassifier()).transform(X)
    with pytest.raises(NotFittedError):
        TreeEmbedder(RandomForestClassifier()).black_box_output(X)
    with pytest.raises(ValueError, match="X has 3 features"):
        TreeEmbedder(forest).transform(X[:, :3])
    boosted = AdaBoostClassifier(n_estimators=2).fit(X, y)
    with pytest.raises(TypeError, match=r"gradient boosting .* got AdaBoostClassifier"):
        TreeEmbedder(boosted).transform(X)
