"""merge_threshold: near-duplicates become one prototype that stands for their rows."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import clone
from sklearn.cluster import BisectingKMeans
from sklearn.metrics import pairwise_distances

from sklearn_kmex import KMExClassifier, KMExClassifierCV
from sklearn_kmex.metrics import audit

X_LINE = np.array([[0.0], [1.0], [20.0], [100.0], [140.0]])
Y_LINE = np.array([0, 0, 0, 1, 1])


def test_by_hand():
    """The nearest of the other class: 100, 99, 80, 80 and 120 away; median 99."""
    psem = KMExClassifier(3, merge_threshold=1 / 99, random_state=0)
    psem.fit(X_LINE, Y_LINE)
    order = psem.prototypes_[:2, 0].argsort()
    assert_allclose(psem.prototypes_[:2, 0][order], [0.5, 20])
    assert_array_equal(psem.prototype_counts_[:2][order], [2, 1])
    assert_array_equal(psem.n_prototypes_, [2, 2])
    assert_allclose(psem.inertia_, [0.5, 0])
    below = clone(psem).set_params(merge_threshold=0.999 / 99).fit(X_LINE, Y_LINE)
    assert_array_equal(below.n_prototypes_, [3, 2])


def test_a_chain_is_not_merged_into_one():
    """0, 1, 2.1 and 3.1 are near their neighbours, but not near each other."""
    X = np.array([[0.0], [1.0], [2.1], [3.1], [10.0]])
    psem = KMExClassifier({0: 4, 1: 1}, merge_threshold=0.15, random_state=0)
    psem.fit(X, [0, 0, 0, 0, 1])  # the median distance is 7.9
    assert_allclose(np.sort(psem.prototypes_[:2, 0]), [0.5, 2.6])


@pytest.mark.parametrize("clusterer", [None, BisectingKMeans()])
@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_matrix])
def test_audit_finds_no_duplicates_and_decisions_hardly_move(digits, clusterer, kind):
    X, X_test, y, y_test = digits
    settings = {"clusterer": clusterer, "n_init": 1, "random_state": 0}
    plain = KMExClassifier(20, **settings).fit(kind(X), y)
    psem = KMExClassifier(20, merge_threshold=0.55, **settings).fit(kind(X), y)
    assert len(audit(plain, X, y, duplicate_threshold=0.55).duplicate_prototypes.other)
    found = audit(psem, X, y, duplicate_threshold=0.55).duplicate_prototypes
    assert len(found.other) == 0
    assert 10 < len(psem.prototypes_) < len(plain.prototypes_)
    assert psem.score(X_test, y_test) > plain.score(X_test, y_test) - 0.02


@pytest.mark.parametrize(
    "metric", ["euclidean", "cosine", "mahalanobis", "cosine_mahalanobis"]
)
@pytest.mark.parametrize("priors", ["uniform", "prototype"])
def test_near_duplicates_are_those_shown_in_each_metric(digits, metric, priors):
    X, _, y, _ = digits
    settings = {"n_init": 1, "random_state": 0, "temperature": 1.0, "priors": priors}
    plain = KMExClassifier(20, metric=metric, **settings).fit(X, y)
    psem = KMExClassifier(20, metric=metric, merge_threshold=0.55, **settings)
    psem.fit(X, y)
    assert len(audit(plain, X, y, duplicate_threshold=0.55).duplicate_prototypes.other)
    found = audit(psem, X, y, duplicate_threshold=0.55).duplicate_prototypes
    assert len(found.other) == 0
    assert 10 < len(psem.prototypes_) < len(plain.prototypes_)
    of_classes = np.bincount(y)
    sums = np.bincount(np.repeat(range(10), psem.n_prototypes_), psem.prototype_counts_)
    assert_allclose(sums, of_classes)
    if metric.startswith("cosine"):  # means of rows of length one
        assert (np.linalg.norm(psem.prototypes_, axis=1) <= 1 + 1e-9).all()
    # Of the metric, only whether rows are divided by their length matters.
    same = {"euclidean": "mahalanobis", "cosine": "cosine_mahalanobis"}
    if metric in same:
        other = clone(psem).set_params(metric=same[metric]).fit(X, y)
        assert_array_equal(other.prototypes_, psem.prototypes_)
    assert_allclose(psem.predict_proba(X).sum(axis=1), 1)


def test_it_is_asked_for_and_does_not_warn(digits, recwarn):
    X, _, y, _ = digits
    plain = KMExClassifier(6, random_state=0).fit(X, y)
    none = KMExClassifier(6, merge_threshold=0, random_state=0).fit(X, y)
    assert_array_equal(plain.prototypes_, none.prototypes_)
    assert plain.temperature_ == none.temperature_
    all_of_them = KMExClassifier(6, merge_threshold=1e9, random_state=0).fit(X, y)
    assert_array_equal(all_of_them.n_prototypes_, np.ones(10))
    means = [X[y == label].mean(axis=0) for label in range(10)]
    assert_allclose(all_of_them.prototypes_, means)
    one = KMExClassifier(1, random_state=0).fit(X, y)
    assert all_of_them.temperature_ == one.temperature_  # from folds with as many
    assert not recwarn


def test_searches_choose_and_then_merge(digits):
    X, _, y, _ = digits
    for psem in (
        KMExClassifier("auto", merge_threshold=1e9),
        KMExClassifierCV(3, merge_threshold=1e9, random_state=0),
    ):
        assert_array_equal(psem.fit(X, y).n_prototypes_, np.ones(10))


def test_streams_merge_classes_that_have_rows_in_the_batch():
    psem = KMExClassifier(3, merge_threshold=0.06, random_state=0)
    psem.partial_fit(X_LINE[:3], Y_LINE[:3])  # one class: relative to all its pairs
    assert_array_equal(psem.n_prototypes_, [2])
    psem.partial_fit(X_LINE[3:], Y_LINE[3:])
    psem.partial_fit([[20.4], [0.6]], [0, 0])
    assert_array_equal(psem.n_prototypes_, [2, 2])
    assert_allclose(np.sort(psem.prototypes_[:2, 0]), [1.6 / 3, 20.2])
    assert_array_equal(np.sort(psem.prototype_counts_[:2]), [2, 3])


@st.composite
def problems(draw):
    """Few rows on a grid, many of them equal or near, of two classes or three."""
    n_rows = draw(st.integers(3, 16))
    elements = st.one_of(st.integers(-3, 3).map(float), st.floats(-1, 1, width=16))
    X = draw(arrays(np.float64, (n_rows, 2), elements=elements))
    y = draw(st.permutations([i % draw(st.integers(2, 3)) for i in range(n_rows)]))
    parameters = {
        "n_prototypes": draw(st.integers(1, 6)),
        "merge_threshold": draw(st.sampled_from([0.0, 0.1, 0.5, 1.0, 10.0])),
        "prototype": draw(st.sampled_from(["centroid", "medoid"])),
        "n_init": 1,
        "random_state": 0,
    }
    weights = draw(st.sampled_from([1.0, 0.5, 3.0])) * (1 + np.arange(n_rows) % 3)
    return X.astype(draw(st.sampled_from([np.float32, float]))), y, weights, parameters


@pytest.mark.filterwarnings("ignore:The number of unique classes")
@given(problems())
def test_invariants_hold_after_merging(problem):
    X, y, weights, parameters = problem
    y = np.array(y)
    psem = KMExClassifier(**parameters).fit(X, y, weights)
    threshold = parameters["merge_threshold"]
    found = audit(psem, X, y, duplicate_threshold=threshold).duplicate_prototypes
    assert len(found.other) == 0
    assert np.isfinite(psem.temperature_)
    assert (psem.n_prototypes_ >= 1).all()
    assert (psem.prototype_counts_ > 0).all()
    for code, label in enumerate(psem.classes_):
        own, rows = psem.prototype_classes_ == label, np.flatnonzero(y == label)
        assert own.sum() == psem.n_prototypes_[code] <= parameters["n_prototypes"]
        assert_allclose(psem.prototype_counts_[own].sum(), weights[rows].sum())
        distances = pairwise_distances(X[rows].astype(float), psem.prototypes_[own])
        inertia = weights[rows] @ distances.min(axis=1) ** 2
        assert_allclose(psem.inertia_[code], inertia, rtol=1e-4, atol=1e-6)
        shown = psem.prototype_indices_[own]
        assert (y[shown] == label).all()
        nearest = np.linalg.norm(X[shown] - psem.prototypes_[own], axis=1)
        assert_allclose(nearest, distances.min(axis=0), atol=1e-5)
    assert_array_equal(
        psem.predict(X), psem.classes_[psem.predict_proba(X).argmax(axis=1)]
    )
