"""merge: the means of many problems, merged by the least increase of inertia."""

import tracemalloc

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.cluster.hierarchy import fcluster, ward

from sklearn_kmex._fit.ward import merge


def test_means_are_merged_by_what_adds_least_to_the_inertia():
    # By hand: 0 and 1 add 3 * 1 / 4, 10 and 12 add 1 * 1 / 2 * 4; then 1/4 and 10.
    means = np.array([[[0.0], [1.0], [10.0], [12.0]]])
    weights = np.array([[3, 1, 1, 1.0]])
    assert_allclose(merge(means, weights, 3)[0], [[0.25], [10], [12]])
    assert_allclose(merge(means, weights, 2)[0], [[0.25], [11]])
    assert_allclose(merge(means, weights, 1)[0], [[23 / 6]])
    assert_array_equal(means.ravel(), [0, 1, 10, 12])


def test_problems_of_different_sizes_are_merged_apart():
    means = np.array([[[0.0], [1.0], [10.0]], [[0.0], [9.0], [7.0]]])
    weights = np.array([[1.0, 1, 1], [1, 1, 0]])  # the last one is none
    assert_allclose(merge(means, weights, 2)[..., 0], [[0.5, 10], [0, 9]])


@pytest.mark.parametrize("count", [1, 3, 7])
def test_means_of_weight_one_are_merged_as_by_scipy(count):
    means = np.random.RandomState(0).normal(size=(5, 12, 3))
    found = merge(means, np.ones((5, 12)), count)
    for own, merged in zip(means, found, strict=True):
        group = fcluster(ward(own), count, "maxclust")
        wanted = [own[group == g].mean(axis=0) for g in np.unique(group)]
        assert_allclose(np.sort(merged, axis=0), np.sort(wanted, axis=0))


def test_columns_that_no_mean_has_take_no_memory():
    narrow = np.random.RandomState(0).normal(size=(2, 12, 3))
    wide = np.zeros((2, 12, 2**16))  # all pairs together would take 150 MB
    wide[..., [5, 70, 60_000]] = narrow
    tracemalloc.start()
    found = merge(wide, np.ones((2, 12)), 3)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * wide.nbytes
    assert_array_equal(found[..., [5, 70, 60_000]], merge(narrow, np.ones((2, 12)), 3))
    assert np.count_nonzero(found) == 2 * 3 * 3
