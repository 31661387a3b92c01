"""Diversity compared with entropies by hand, and its invariances."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose
from scipy.special import entr

from sklearn_kmex import KMExClassifier
from sklearn_kmex.metrics import diversity_score, diversity_scorer


def test_two_prototypes_by_hand():
    # Similarities log(1e4) and log(2 / 1.0001) at distances 0 and 1.
    own, other = 1e4, 2 / 1.0001
    q = np.array([own, other]) / (own + other)
    overlap = -(q * np.log(q)).sum() / np.log(2)
    assert_allclose(diversity_score([[0.0], [1.0]]), 1 - overlap, rtol=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_fifty_prototypes_in_512_dimensions_have_their_exact_value(dtype):
    """The expanded product leaves 1e-2 on the diagonal, and would give 0.08."""
    points = np.abs(np.random.RandomState(0).normal(size=(50, 512))).astype(dtype)
    exact = points.astype(np.float64)
    d = np.sqrt(((exact[:, None] - exact[None]) ** 2).sum(axis=2))
    mass = (d + 1) / (d + 1e-4)
    q = mass / mass.sum(axis=1, keepdims=True)
    expected = -(q * np.log(q)).sum(axis=1).mean() / np.log(50)
    assert expected < 0.02
    assert_allclose(1 - diversity_score(points), expected, rtol=1e-5)


def test_float32_prototypes_have_the_diversity_of_float64_ones(digits):
    X, _, y, _ = digits
    for points in (
        KMExClassifier(5, random_state=0).fit(X, y).prototypes_,
        np.random.RandomState(0).normal(size=(50, 512)),
        10 * np.random.RandomState(0).normal(size=(50, 512)),
    ):
        exact = diversity_score(points)
        assert_allclose(diversity_score(points.astype(np.float32)), exact, atol=1e-5)
        overlap = 1 - diversity_score(points.astype(np.float32))
        assert_allclose(overlap, 1 - exact, rtol=1e-5)


@pytest.mark.parametrize("similarity", ["log", "gaussian"])
@pytest.mark.parametrize(
    "metric", ["euclidean", "cosine", "mahalanobis", "cosine_mahalanobis"]
)
def test_a_model_is_scored_by_its_own_metric_and_similarity(metric, similarity, digits):
    X, _, y, _ = digits
    psem = KMExClassifier(
        2, metric=metric, similarity=similarity, epsilon=1e-3, n_init=1, random_state=0
    ).fit(X, y)
    places = psem.prototypes_
    if metric.endswith("mahalanobis"):
        places = places @ psem.metric_map_
    squares = ((places[:, None] - places) ** 2).sum(axis=2)
    d = np.sqrt(squares)
    mass = {"log": (d + 1) / (d + 1e-3), "gaussian": np.exp(-squares / 2)}[similarity]
    q = mass / mass.sum(axis=1, keepdims=True)
    overlap = entr(q).sum(axis=1).mean() / np.log(20)
    assert_allclose(diversity_scorer(psem, X), 1 - overlap, atol=1e-9)
    if metric == "euclidean" and similarity == "gaussian":
        found = diversity_score(places, similarity="gaussian")
        assert_allclose(diversity_scorer(psem, X), found)


def test_more_is_better():
    points = np.random.RandomState(0).normal(size=(8, 3))
    scores = [diversity_score(scale * points) for scale in (0.001, 0.1, 10)]
    assert scores == sorted(scores)
    twice = np.vstack([points, points])
    assert diversity_score(twice) < diversity_score(points)


def test_extremes():
    assert diversity_score([[3.0, 4.0]]) == 1
    assert diversity_score(np.float32([[3.0, 4.0]])) == 1
    assert_allclose(diversity_score(np.ones((7, 3))), 0, atol=1e-12)
    assert diversity_score(1e9 * np.eye(4)) > 0.99


@given(
    arrays(np.float64, (6, 2), elements=st.floats(-100, 100)), st.permutations(range(6))
)
def test_invariances(points, order):
    score = diversity_score(points)
    assert 0 <= score <= 1
    assert_allclose(diversity_score(points[order]), score, atol=1e-9)
    rotated = points @ np.array([[0.6, -0.8], [0.8, 0.6]])
    assert_allclose(diversity_score(rotated), score, atol=1e-6)


def test_blocks_of_rows_give_the_same(monkeypatch):
    points = np.random.RandomState(0).normal(size=(30, 4))
    whole = diversity_score(points)
    monkeypatch.setattr("sklearn_kmex.metrics._diversity.BLOCK_ELEMENTS", 100)
    assert_allclose(diversity_score(points), whole)


def test_refusals():
    with pytest.raises(ValueError, match="Expected 2D array"):
        diversity_score([1.0, 2.0])
    with pytest.raises(ValueError, match="NaN"):
        diversity_score([[np.nan]])
    with pytest.raises(ValueError, match=r"'similarity' parameter .* Got 'linear'"):
        diversity_score([[1.0]], similarity="linear")
    with pytest.raises(ValueError, match="'epsilon' parameter"):
        diversity_score([[1.0]], epsilon=0)
