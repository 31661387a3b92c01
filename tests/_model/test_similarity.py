"""Distances to the digit, whatever the offset and scale."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose, assert_array_equal
from scipy.spatial.distance import cdist

from sklearn_kmex._model.similarity import (
    add_priors,
    class_scores,
    keep_winner,
    log_similarity,
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


def test_class_scores_by_hand():
    similar = np.log([[1.0, 2.0, 4.0], [3.0, 1.0, 1.0]])
    owners = np.array([0, 0, 2])  # class 1 has no prototype
    best = class_scores(similar, owners, 3, "max")
    assert_allclose(np.exp(best), [[2, 0, 4], [3, 0, 1]])
    mass = class_scores(similar, owners, 3, "sum")
    assert_allclose(np.exp(mass), [[3, 0, 4], [4, 0, 1]])


def test_priors_by_hand():
    scores = np.array([[1.0, 2.0, -np.inf], [0.0, 0.0, 5.0]])
    shifted = add_priors(scores, np.array([0.8, 0.1, 0.1]), 3.0)
    down = 3 * np.log(8)
    assert_allclose(shifted, [[1, 2 - down, -np.inf], [0, -down, 5 - down]])
    assert_array_equal(add_priors(scores, np.full(3, 1 / 3), 1e300), scores)
    never = add_priors(scores, np.array([0.0, 0.5, 0.5]), 1.0)
    assert_array_equal(never[:, 0], [-np.inf, -np.inf])


def test_priors_at_a_temperature_beyond_float32():
    scores = np.zeros((1, 2), dtype=np.float32)
    shifted = add_priors(scores, np.array([0.3, 0.7]), 1e300)
    assert shifted.dtype == np.float32
    assert_array_equal(shifted, [[-np.inf, 0]])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_keep_winner_undoes_ties_by_one_digit(dtype):
    scores = np.array([[1.0, 2.0], [2.0, 1.0]], dtype=dtype)
    values = keep_winner(np.full((2, 2), 0.5, dtype=dtype), scores)
    assert values[0, 1] == np.nextafter(dtype(0.5), dtype(1))
    assert_allclose(values, 0.5, rtol=1e-6)
    assert values[1, 0] == values[1, 1] == 0.5
