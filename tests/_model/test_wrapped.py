"""Models inside wrappers: which are opened, and in how many parts."""

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.decomposition import PCA
from sklearn.ensemble import StackingClassifier
from sklearn.exceptions import NotFittedError
from sklearn.feature_selection import RFE
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.multiclass import OutputCodeClassifier
from sklearn.multioutput import ClassifierChain
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from sklearn_kmex._model.wrapped import before_and_last, decided_by, unwrapped

X, Y = load_iris(return_X_y=True)
TREE = DecisionTreeClassifier(max_depth=2).fit(X, Y)


def test_searches_and_frozen_models_are_opened_however_deep():
    search = GridSearchCV(TREE, {"max_depth": [2]}, cv=2).fit(X, Y)
    assert unwrapped(FrozenEstimator(search)) is search.best_estimator_
    assert unwrapped(TREE) is TREE
    search = GridSearchCV(TREE, {"max_depth": [2]}, cv=2, refit=False).fit(X, Y)
    with pytest.raises(TypeError, match="has no best_estimator_"):
        unwrapped(FrozenEstimator(search))


def test_pipelines_that_predict_are_split():
    before, last = before_and_last(make_pipeline(StandardScaler(), PCA(2), TREE))
    assert [type(step) for _, step in before.steps] == [StandardScaler, PCA]
    assert last is TREE
    assert before_and_last(make_pipeline(TREE)) == (None, TREE)
    assert before_and_last(make_pipeline(StandardScaler(), PCA(2))) is None
    assert before_and_last(TREE) is None


def test_models_that_transform_for_the_last_one_are_split():
    rfe = RFE(TREE, n_features_to_select=2).fit(X, Y)
    assert before_and_last(rfe) == (rfe, rfe.estimator_)
    stack = StackingClassifier([("tree", TREE)], cv=2).fit(X, Y)
    assert before_and_last(stack) == (stack, stack.final_estimator_)
    with pytest.raises(NotFittedError, match="got a RFE that is not"):
        before_and_last(RFE(TREE))


def test_the_models_by_which_a_wrapper_decides():
    codes = OutputCodeClassifier(LogisticRegression(), random_state=0).fit(X, Y)
    assert decided_by(codes) == list(codes.estimators_)
    assert decided_by(TREE) == []
    chain = ClassifierChain(LogisticRegression()).fit(X, np.c_[Y == 0, Y == 1])
    with pytest.raises(TypeError, match="one target; got a ClassifierChain"):
        decided_by(chain)
