"""Counts in proportion to the classes, and what each class weighs."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy import sparse
from sklearn.base import clone
from sklearn.metrics import balanced_accuracy_score, recall_score
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_kmex import KMExClassifier, make_kmex


@pytest.fixture
def sizes():
    """200, 49 and 1 distinct rows of three classes, far from each other."""
    y = np.repeat(["many", "one", "some"], [200, 1, 49])
    X = np.random.RandomState(0).normal(size=(250, 2))
    return X + 100 * (y == "one")[:, None] - 100 * (y == "some")[:, None], y


def test_a_share_gives_counts_in_proportion_and_one_to_every_class(sizes):
    psem = KMExClassifier(0.05, random_state=0).fit(*sizes)
    assert_array_equal(psem.classes_, ["many", "one", "some"])
    assert_array_equal(psem.n_prototypes_, [10, 1, 3])
    assert not hasattr(psem, "partial_fit")


def test_a_share_is_of_distinct_rows(sizes):
    X, y = sizes
    copies = np.repeat(np.arange(250), 1 + 3 * (y == "some"))
    copied = KMExClassifier(0.05, random_state=0).fit(X[copies], y[copies])
    weights = 0.001 * (1 + 3 * (y == "some")) * (np.arange(250) >= 100)
    weighted = KMExClassifier(0.05, random_state=0).fit(X, y, weights)
    of_sparse = KMExClassifier(0.05, random_state=0).fit(sparse.csr_matrix(X), y)
    assert_array_equal(copied.n_prototypes_, [10, 1, 3])
    assert_array_equal(weighted.n_prototypes_, [5, 1, 3])
    assert_array_equal(of_sparse.n_prototypes_, [10, 1, 3])


def test_a_share_works_in_pipelines_and_searches(sizes):
    X, y = sizes
    X, y = X[y != "one"], y[y != "one"]
    kmex = make_kmex(StandardScaler(), n_prototypes=0.1, random_state=0)
    search = GridSearchCV(kmex, {"kmex__n_prototypes": [0.02, 0.04, 3]}, cv=3)
    assert search.fit(X, y).best_score_ == 1
    assert clone(kmex).fit(X, y)["kmex"].n_prototypes_.tolist() == [20, 5]


def test_proportional_counts_give_up_recall_of_the_rare_class(load_data):
    data = load_data("tab_mammography.npz")
    X, X_test, y, y_test = train_test_split(
        data["X"], data["y"], stratify=data["y"], random_state=0
    )
    answers = {
        counts: make_pipeline(StandardScaler(), KMExClassifier(counts, random_state=0))
        .fit(X, y)
        .predict(X_test)
        for counts in (10, 0.003)
    }
    assert recall_score(y_test, answers[10]) > recall_score(y_test, answers[0.003])
    balanced = [balanced_accuracy_score(y_test, a) for a in answers.values()]
    assert balanced[0] > balanced[1]
    assert np.mean(answers[10] == y_test) < np.mean(answers[0.003] == y_test)
