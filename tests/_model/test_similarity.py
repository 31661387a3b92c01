"""Distances to the digit, whatever the offset and scale."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose, assert_array_equal
from scipy.spatial.distance import cdist

from sklearn_kmex._model.rule import Rule
from sklearn_kmex._model.similarity import (
    class_scores,
    keep_winner,
    log_similarity,
    relative_similarities,
    rounded,
    squared_distances,
)

POINTS = arrays(np.float64, (5, 3), elements=st.floats(-100, 100))


@given(POINTS, POINTS, st.sampled_from([0.0, 1e4, 1e8]))
def test_squared_distances_are_exact_at_any_offset(X, prototypes, offset):
    X, prototypes = X + offset, prototypes + offset
    expected = cdist(X, prototypes, "sqeuclidean")
    assert_allclose(squared_distances(X, prototypes), expected, rtol=1e-8, atol=1e-20)


def test_a_tight_cluster_far_from_the_others_keeps_its_structure():
    rng = np.random.RandomState(0)
    near, far = rng.normal(size=(10, 5)), 1e9 + 1e-3 * rng.normal(size=(10, 5))
    points = np.vstack([near, far])
    expected = cdist(points, points, "sqeuclidean")
    assert_allclose(squared_distances(points, points), expected, rtol=1e-8)
    assert (squared_distances(points, points).diagonal() == 0).all()


def test_many_near_pairs_are_taken_in_blocks(monkeypatch):
    points = 1e6 + np.random.RandomState(0).normal(size=(50, 3))
    points[0] = 0  # the mean of all is far from the rest
    expected = cdist(points, points, "sqeuclidean")
    monkeypatch.setattr("sklearn_kmex._data.arrays.BLOCK_ELEMENTS", 30)
    assert_allclose(squared_distances(points, points), expected, rtol=1e-8)


def test_log_similarity_tells_large_distances_apart():
    d = np.float64([1e12, 1.0001e12])
    assert_allclose(log_similarity(d, 1e-4), (1 - 1e-4) / d, rtol=1e-9)
    assert_allclose(log_similarity(np.zeros(1), 1e-4), np.log(1e4))


@pytest.mark.parametrize("epsilon", [1e-12, 1e-4, 0.9])
def test_relative_similarities_are_accurate_at_any_scale(epsilon):
    apart = np.array([[0, 1, 2], [1, 1 + 1e-9, 50], [3, 2, 1e6]])
    for scale in [1e-140, 1e-30, 1e-3, 1.0, 1e3, 1e20, 1e140]:
        d = apart.astype(np.longdouble) * scale
        least = d.min(axis=1, keepdims=True)
        share = (1 - epsilon) * (d - least) / ((d + epsilon) * (least + 1))
        exact = np.log1p(-share)
        squared = (apart * scale) ** 2
        reference = squared.min(axis=1, keepdims=True)
        found = relative_similarities(squared, "log", epsilon, reference)
        assert_allclose(found, exact.astype(float), rtol=1e-6)


def test_class_scores_by_hand():
    similar = np.log([[1.0, 2.0, 4.0], [3.0, 1.0, 1.0]])
    owners = np.array([0, 0, 2])  # class 1 has no prototype
    best = class_scores(similar, owners, 3, "max")
    assert_allclose(np.exp(best), [[2, 0, 4], [3, 0, 1]])
    mass = class_scores(similar, owners, 3, "sum")
    assert_allclose(np.exp(mass), [[3, 0, 4], [4, 0, 1]])


def test_a_temperature_is_inside_the_sum():
    similar = np.array([[1.0, 2.0, 4.0]])
    owners = np.array([0, 0, 1])
    mixture = class_scores(similar, owners, 2, "sum", temperature=2.0)
    by_hand = [2 * np.log(np.exp(0.5) + np.exp(1.0)), 4.0]
    assert_allclose(mixture, [by_hand])
    assert_allclose(class_scores(similar, owners, 2, "sum", 1e-300), [[2, 4]])


def test_weights_by_hand():
    similar = np.array([[1.0, 2.0, 3.0], [0.0, 0.0, 5.0]])
    owners = np.array([0, 0, 1])
    rule = Rule(np.zeros((3, 1)), owners, 2, np.array([0.8, 0.1, 0.1]), temperature=3.0)
    down = 3 * np.log(8)
    assert_allclose(rule.weigh(similar), similar - [0, down, down])
    assert_allclose(rule.class_scores(similar), [[1, 3 - down], [0, 5 - down]])
    equal = rule._replace(weights=np.full(3, 0.2), temperature=1e300)
    assert_array_equal(equal.weigh(similar), similar)


def test_rounding_keeps_the_winner_and_what_is_below_the_range():
    scores = np.array([[1.0, 1.0 + 1e-12], [-1e300, -np.inf]])
    values = rounded(scores, np.float32)
    assert values.dtype == np.float32
    assert values[0, 1] > values[0, 0]
    assert_allclose(values[1, 0], np.finfo(np.float32).min, rtol=1e-6)
    assert values[1, 1] == -np.inf


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_keep_winner_undoes_ties_by_one_digit(dtype):
    scores = np.array([[1.0, 2.0], [2.0, 1.0]], dtype=dtype)
    values = keep_winner(np.full((2, 2), 0.5, dtype=dtype), scores)
    assert values[0, 1] == np.nextafter(dtype(0.5), dtype(1))
    assert_allclose(values, 0.5, rtol=1e-6)
    assert values[1, 0] == values[1, 1] == 0.5
