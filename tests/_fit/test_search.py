"""Searches: what is computed at once has no effect on the scores."""

from collections import defaultdict

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.preprocessing import normalize

from sklearn_kmex import KMExClassifier, KMExClassifierCV
from sklearn_kmex._fit import compared_fold, folds, paths, small


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
    monkeypatch.setattr(paths, "MERGED_STEPS", 2)  # large classes take all steps
    together, _ = scores(X[:400], y[:400], metric="euclidean")
    monkeypatch.setattr(small, "SMALL", 0)
    alone, _ = scores(X[:400], y[:400], metric="euclidean")
    assert_allclose(alone, together, rtol=1e-3)


def test_rows_of_length_one_are_made_by_those_who_read_them(digits, monkeypatch):
    X, _, y, _ = digits
    whole, chosen = scores(X[:400], y[:400])
    monkeypatch.setattr(folds, "MOST_VALUES", 0)
    read, also = scores(X[:400], y[:400])
    assert_allclose(read, whole, rtol=1e-6)
    assert also == chosen


def counts_of(psem):
    """Return the counts that were tried with each metric and rule."""
    counts = defaultdict(list)
    for one in psem.cv_results_["params"]:
        setting = one["metric"], one["similarity"], one["priors"]
        counts[setting].append(one["n_prototypes"])
    best = psem.best_params_
    return counts, counts[best["metric"], best["similarity"], best["priors"]]


def test_settings_that_are_clearly_worse_are_tried_for_two_counts(digits):
    X, _, y, _ = digits
    psem = KMExClassifierCV(9, cv=3, random_state=0).fit(X, y)
    counts, of_best = counts_of(psem)
    assert len(counts) == 12
    few, large = [1, 5], [1, 5, 6, 7, 8, 9]  # fewer than 5 are clearly worse
    every = list(range(1, 10))
    assert all(own in (few, large, every) for own in counts.values())
    assert few in counts.values()
    assert large in counts.values()
    assert of_best == every
    # All of them are tried if all are good enough.
    patient = KMExClassifierCV(6, cv=3, tolerance=100.0, random_state=0).fit(X, y)
    assert len(patient.cv_results_["params"]) == 12 * 6


def test_small_counts_are_tried_if_they_may_be_good_enough(digits):
    X, _, y, _ = digits
    settings = {"cv": 3, "random_state": 0, "scoring": "accuracy"}
    psem = KMExClassifierCV(8, **settings).fit(X[:400], y[:400])
    assert counts_of(psem)[1] == list(range(1, 9))


def test_classes_of_their_own_counts_need_all_counts(digits):
    X, _, y, _ = digits
    psem = KMExClassifierCV(9, cv=3, per_class=True, random_state=0).fit(X, y)
    counts, _ = counts_of(psem)
    assert all(own in ([1, 5], list(range(1, 10))) for own in counts.values())


def test_settings_that_fail_are_not_tried_for_other_counts():
    X, y = np.repeat(np.eye(2), 20, axis=0), np.repeat([0, 1], 20)
    psem = KMExClassifierCV(6, metric="mahalanobis", random_state=0)
    with pytest.raises(ValueError, match=r"All settings .* X must vary within a class"):
        psem.fit(X, y)


def test_one_setting_is_tried_for_all_counts_at_once(digits):
    X, _, y, _ = digits
    rule = {"metric": "cosine", "similarity": "log", "aggregation": "max"}
    psem = KMExClassifierCV(6, cv=3, priors="uniform", **rule, random_state=0)
    found = psem.fit(X[:400], y[:400]).cv_results_["param_n_prototypes"]
    assert found.tolist() == list(range(1, 7))


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


def factor(n_rows, seed, n_features=100):
    """Rows with one strong common factor, and classes that differ in many features."""
    rng = np.random.default_rng(seed)
    y = np.arange(n_rows) % 2
    X = rng.normal(size=(n_rows, n_features))
    X += 0.6 * rng.normal(size=(n_rows, 1)) * rng.normal(size=n_features)
    X[:, :20] += 0.45 * (2 * y[:, np.newaxis] - 1)
    return X, y


COVARIANCE = {"metric": "mahalanobis", "random_state": 0}


def test_more_shrinkage_is_used_where_it_is_clearly_better():
    X, y = factor(200, 1)
    psem = KMExClassifierCV([1, 2], cv=3, **COVARIANCE).fit(X, y)
    assert psem.shrinkage_ == psem.best_params_["shrinkage"] == 0.6
    assert set(psem.cv_results_["param_shrinkage"]) == {0.6}
    usual = KMExClassifier(1, **COVARIANCE).fit(X, y)
    assert 0 < usual.shrinkage_ < 0.3
    X_new, y_new = factor(2000, 1)
    assert psem.score(X_new, y_new) > usual.score(X_new, y_new) + 0.005
    again = KMExClassifier(**psem.best_params_, random_state=0).fit(X, y)
    assert_allclose(again.metric_map_, psem.metric_map_)


def test_the_usual_shrinkage_stays_if_no_other_is_clearly_better():
    X, y = factor(200, 2)
    psem = KMExClassifierCV([1, 2], cv=3, **COVARIANCE).fit(X, y)
    assert psem.best_params_["shrinkage"] == "auto"
    assert psem.shrinkage_ == KMExClassifier(1, **COVARIANCE).fit(X, y).shrinkage_


def test_shrinkages_are_not_compared_if_rows_are_many_or_one_is_given():
    X, y = factor(900, 0)
    for n_rows, given in ((900, "auto"), (200, 0.1)):
        psem = KMExClassifierCV([1], cv=3, shrinkage=given, **COVARIANCE)
        psem.fit(X[:n_rows], y[:n_rows])
        assert psem.best_params_["shrinkage"] == given
    assert psem.shrinkage_ == 0.1
    assert KMExClassifierCV([1], metric="cosine").fit(X, y).shrinkage_ is None
