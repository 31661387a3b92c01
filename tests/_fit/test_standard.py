"""Standardized rows, and distances from them: exact where they decide."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.spatial.distance import cdist

from sklearn_kmex._data.rows import Rows
from sklearn_kmex._fit import standard as module
from sklearn_kmex._fit.standard import (
    distances,
    means_of_members,
    standardize,
    weighted_mean,
)


def rows_of(X, weights=None):
    weights = np.ones(len(X)) if weights is None else weights
    return Rows(X, np.arange(len(X)), weights)


def float32_rows(offset=0.0, n_features=40):
    rng = np.random.default_rng(0)
    X = offset + rng.normal(size=(500, n_features))
    return X.astype(np.float32)


@pytest.mark.parametrize("offset", [0.0, 1e3])
@pytest.mark.parametrize("unit", [2.0**-100, 1.0, 2.0**100])
def test_distances_of_float32_decide_as_those_of_float64(offset, unit):
    X = float32_rows(offset) * np.float32(unit)
    vectors = np.stack([X[k::7].astype(float).mean(axis=0) for k in range(7)])
    vectors = vectors.astype(np.float32)
    rows = rows_of(X)
    found = distances(rows, vectors, standardize(rows))
    exact = cdist(X.astype(float), vectors.astype(float), "sqeuclidean")
    assert_allclose(found, exact, rtol=1e-5)
    assert_array_equal(found.argmin(axis=1), exact.argmin(axis=1))
    assert_array_equal(found.argmin(axis=0), exact.argmin(axis=0))
    assert_allclose(found.min(axis=0), exact.min(axis=0), rtol=1e-12)
    own = exact.argmin(axis=1)[:, np.newaxis] == np.arange(7)
    nearest = [np.where(own, d, np.inf).min(axis=0) for d in (found, exact)]
    assert_allclose(nearest[0], nearest[1], rtol=1e-12)


def test_rows_between_two_vectors_are_decided_by_exact_distances():
    X = float32_rows()
    X[:, 0] = 0
    X[::100, 0] = np.float32(1e-7) * np.array([1, -1, 1, -1, 1])
    vectors = np.zeros((2, 40), dtype=np.float32)
    vectors[:, 0] = [-1, 1]
    X[:, 0] += np.where(np.arange(500) % 100, np.tile([-3, 3], 250), 0)
    rows = rows_of(X)
    owner = distances(rows, vectors, standardize(rows)).argmin(axis=1)
    assert_array_equal(owner[::100], [1, 0, 1, 0, 1])


def test_many_uncertain_distances_are_all_computed_in_float64(monkeypatch):
    X = float32_rows()
    vectors = np.repeat(X[:1], 2, axis=0)
    vectors[1, 0] = np.nextafter(vectors[1, 0], np.float32(9))
    rows = rows_of(X)
    expected = distances(rows, vectors)
    assert module._of_standard(rows, vectors, standardize(rows)) is None
    assert_array_equal(distances(rows, vectors, standardize(rows)), expected)


def test_float64_is_never_rounded():
    X = float32_rows().astype(np.float64)
    rows = rows_of(X)
    found = distances(rows, X[:3], standardize(rows))
    assert_allclose(found, cdist(X, X[:3], "sqeuclidean"), rtol=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_means_are_weighted(dtype):
    X, weights = float32_rows(1e3).astype(dtype), np.linspace(1, 5, 500)
    rows, owner = rows_of(X, weights), np.arange(500) % 3
    expected = [np.average(X[k::3], axis=0, weights=weights[k::3]) for k in range(3)]
    found = means_of_members(rows, owner, 3, standardize(rows))
    assert found.dtype == dtype
    assert_allclose(found, expected, rtol=2e-7)
    assert_allclose(means_of_members(rows, owner, 3, None), expected, rtol=2e-7)


@pytest.mark.parametrize("unit", [1.0, 2.0**60, 2.0**-60, 2.0**100])
def test_rows_are_centered_and_scaled_if_their_squares_need_it(unit):
    X, weights = float32_rows(1e6) * np.float32(unit), np.linspace(1, 5, 500)
    values, center, scale, norms = standardize(rows_of(X, weights))
    assert (scale == 1) == (unit == 1)
    assert unit == 1 or np.abs(values).max() < 1
    assert_allclose(center, weighted_mean(rows_of(X, weights)), rtol=1e-6)
    assert_array_equal(np.asarray(values * scale), X - center)
    assert_allclose(norms, (values.astype(float) ** 2).sum(axis=1), rtol=1e-6)
