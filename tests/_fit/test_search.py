"""Searches: what is computed at once has no effect on the scores."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.preprocessing import normalize

from sklearn_kmex import KMExClassifier, KMExClassifierCV
from sklearn_kmex._fit import compared_fold, small


def scores(X, y, **settings):
    psem = KMExClassifierCV([1, 2, 4], cv=3, random_state=0, **settings).fit(X, y)
    return psem.cv_results_["mean_test_score"], psem.best_params_


def test_distances_to_one_count_at_a_time_give_the_same_scores(digits, monkeypatch):
    X, _, y, _ = digits
    whole, chosen = scores(X[:400], y[:400])
    monkeypatch.setattr(compared_fold, "MOST_DISTANCES", 0)
    one, also = scores(X[:400], y[:400])
    assert_allclose(one, whole, rtol=1e-6)
    assert also == chosen


def test_classes_clustered_alone_give_the_same_scores(digits, monkeypatch):
    X, _, y, _ = digits
    together, _ = scores(X[:400], y[:400], metric="euclidean")
    monkeypatch.setattr(small, "SMALL", 0)
    alone, _ = scores(X[:400], y[:400], metric="euclidean")
    assert_allclose(alone, together, rtol=1e-3)


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_medoids_are_compared(digits, metric):
    X, _, y, _ = digits
    settings = {"metric": metric, "prototype": "medoid", "random_state": 0}
    psem = KMExClassifierCV([1, 2], cv=3, **settings).fit(X[:300], y[:300])
    rows = X[psem.prototype_indices_]
    assert_allclose(normalize(psem.prototypes_), normalize(rows))
    assert np.isfinite(psem.cv_results_["mean_test_score"]).all()


def test_the_temperature_of_the_choice_is_that_of_a_fit(digits):
    X, _, y, _ = digits
    paper = {"metric": "euclidean", "similarity": "log", "aggregation": "max"}
    paper |= {"priors": "uniform", "random_state": 0}
    chosen = KMExClassifierCV([5], **paper).fit(X, y)
    fitted = KMExClassifier(5, **paper).fit(X, y)
    assert_allclose(chosen.temperature_, fitted.temperature_, rtol=0.1)
    given = KMExClassifierCV([5], temperature=0.5, **paper).fit(X[:300], y[:300])
    assert given.temperature_ == 0.5
