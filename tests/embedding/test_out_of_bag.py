"""Out-of-bag embeddings: no value of a training row is of a tree that knows the row."""

import warnings

import numpy as np
import pandas as pd
import pytest
import sklearn
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import make_classification
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils.fixes import parse_version

from sklearn_kmex import KMExClassifier, make_kmex
from sklearn_kmex.embedding import TreeEmbedder
from sklearn_kmex.exceptions import KMExWarning

BOOTSTRAPPED = [
    RandomForestClassifier(12, random_state=0),
    RandomForestClassifier(12, max_samples=0.3, class_weight="balanced"),
    ExtraTreesClassifier(12, bootstrap=True, max_depth=5, random_state=0),
    RandomForestRegressor(12, min_samples_leaf=4, random_state=0),
    ExtraTreesRegressor(12, bootstrap=True, random_state=0),
]


@pytest.fixture(scope="module")
def rows():
    """Training and test rows of three overlapping classes."""
    X, y = make_classification(
        600, 8, n_informative=4, n_classes=3, flip_y=0.2, random_state=0
    )
    return train_test_split(X, y, test_size=0.5, random_state=0)


@pytest.mark.parametrize("forest", BOOTSTRAPPED, ids=lambda f: type(f).__name__)
def test_values_are_means_over_the_trees_that_do_not_know_a_row(rows, forest):
    X, _, y, _ = rows
    forest.fit(X, y)
    embedder = TreeEmbedder(forest, out_of_bag=True)
    found = embedder.fit_transform(X, y).reshape(len(X), 12, -1)
    seen = embedder.transform(X).reshape(found.shape)
    drawn = np.zeros((len(X), 12), dtype=bool)
    for tree, indices in enumerate(forest.estimators_samples_):
        drawn[indices, tree] = True
    some = ~drawn.all(axis=1)
    for row in np.flatnonzero(some):
        others = ~drawn[row]
        assert_array_equal(found[row, others], seen[row, others])
        mean = np.broadcast_to(seen[row, others].mean(axis=0), found[row].shape)
        assert_allclose(found[row, ~others], mean[~others], atol=1e-12)
    assert_array_equal(found[~some], seen[~some])  # no tree is left to ask
    assert_array_equal(TreeEmbedder(forest).fit_transform(X), found.reshape(300, -1))


@pytest.mark.filterwarnings("ignore:Some inputs do not have OOB scores")
def test_their_mean_is_the_out_of_bag_decision_of_the_forest(rows):
    X, _, y, _ = rows
    forest = RandomForestClassifier(30, oob_score=True, random_state=0).fit(X, y)
    found = TreeEmbedder(forest).fit_transform(X).reshape(len(X), 30, 3)
    assert_allclose(found.mean(axis=1), forest.oob_decision_function_, atol=1e-12)


def test_frames_missing_values_sample_weights_and_steps_before(rows):
    X, _, y, _ = rows
    X = X.copy()
    if parse_version(sklearn.__version__) >= parse_version("1.9"):
        # Before, some trees put missing values elsewhere in fit than in apply.
        X[::9, 0] = np.nan
    frame = pd.DataFrame(X).add_prefix("column_")
    weights = np.random.RandomState(0).uniform(0.5, 2, len(X))
    forest = RandomForestClassifier(8, random_state=0)
    forest.fit(frame, y, sample_weight=weights)
    found = TreeEmbedder(forest, out_of_bag=True).fit_transform(frame)
    assert (found != TreeEmbedder(forest).transform(frame)).mean() > 0.1
    model = make_pipeline(StandardScaler(), RandomForestClassifier(8)).fit(X, y)
    psem = make_kmex(model)
    psem["embed"].set_params(model__out_of_bag=True)
    found = psem["embed"].fit_transform(X)
    assert (found != psem["embed"].transform(X)).mean() > 0.1


def test_rows_of_others_are_embedded_as_they_are(rows):
    X, X_test, y, _ = rows
    forest = RandomForestClassifier(8, random_state=0).fit(X, y)
    changed = X + np.where(np.arange(300) == 17, 9.0, 0.0)[:, None]
    for other in (X_test, X[::-1], X[:-1], X[:40], changed, X[[0]]):
        embedder = TreeEmbedder(forest)
        assert_array_equal(embedder.fit_transform(other), embedder.transform(other))
    more = TreeEmbedder(forest).fit_transform(np.concatenate([X, X_test]))
    assert_array_equal(more[:300], TreeEmbedder(forest).fit_transform(X))
    assert_array_equal(more[300:], TreeEmbedder(forest).transform(X_test))
    seen = TreeEmbedder(forest, out_of_bag=False)
    assert_array_equal(seen.fit_transform(X), seen.transform(X))


def test_refusals(rows):
    X, X_test, y, _ = rows
    forest = RandomForestClassifier(8, random_state=0).fit(X, y)
    embedder = TreeEmbedder(forest, out_of_bag=True)
    for other, words in (
        (X[:40], r"fitted on 300 or more rows, and X has 40\."),
        (X[::-1], r"leaves of 8 of 8 trees were grown on other numbers of rows"),
        (X_test, r"out_of_bag='auto'"),
    ):
        with pytest.raises(ValueError, match=words):
            embedder.fit_transform(other)
        assert not hasattr(embedder, "n_features_in_")
    for model, words in (
        (ExtraTreesClassifier(2), "got ExtraTreesClassifier with bootstrap=False"),
        (GradientBoostingClassifier(n_estimators=2), r"GradientBoostingClassifier\. S"),
        (DecisionTreeClassifier(), "bootstrap=True for out_of_bag=True"),
    ):
        with pytest.raises(ValueError, match=words):
            TreeEmbedder(model.fit(X, y), out_of_bag=True).fit_transform(X)
    identity = TreeEmbedder(forest, leaves="identity", out_of_bag=True)
    with pytest.raises(ValueError, match="out_of_bag=True requires leaves='value'"):
        identity.fit_transform(X)


def test_probabilities_of_new_rows_are_better_for_it(rows):
    X, X_test, y, y_test = rows
    forest = RandomForestClassifier(60, random_state=0).fit(X, y)
    losses = {}
    for out_of_bag in (True, False):
        embedder = TreeEmbedder(forest, out_of_bag=out_of_bag)
        kmex = KMExClassifier(1, similarity="gaussian", random_state=0)
        psem = make_pipeline(embedder, kmex).fit(X, y)
        losses[out_of_bag] = log_loss(y_test, psem.predict_proba(X_test))
    assert losses[True] < 0.95 * losses[False]


def test_warning_of_trees_that_are_sure_of_all_rows(rows):
    X, X_test, y, _ = rows
    sure = ExtraTreesClassifier(5, random_state=0).fit(X, y)
    words = r"300 rows of X have only 3 different .* Fit on rows .* bootstrap=True"
    with pytest.warns(KMExWarning, match=words):
        TreeEmbedder(sure).fit_transform(X)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        TreeEmbedder(sure).fit_transform(X_test)
        for model in (
            ExtraTreesClassifier(5, min_samples_leaf=5, random_state=0),
            ExtraTreesClassifier(5, bootstrap=True, random_state=0),
            ExtraTreesRegressor(5, random_state=0),
            GradientBoostingClassifier(n_estimators=5, random_state=0),
        ):
            TreeEmbedder(model.fit(X, y)).fit_transform(X)
