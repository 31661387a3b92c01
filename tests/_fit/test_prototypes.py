"""Prototypes of one class, from rows whose answer is known."""

import numpy as np
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import BaseEstimator
from sklearn.cluster import KMeans

from sklearn_kmex._data.rows import Rows
from sklearn_kmex._fit.prototypes import Plan, class_prototypes, distinct_rows


class CentersGiven(BaseEstimator):
    """Stands for a clusterer that leaves a center without members."""

    def __init__(self, n_clusters=3):
        self.n_clusters = n_clusters

    def fit(self, X, y=None, sample_weight=None):
        self.cluster_centers_ = np.array([[0.0], [1e6], [3.0]])  # of centered rows
        return self


def rows_of(values, weights=None):
    values = np.asarray(values, dtype=float)[:, np.newaxis]
    weights = np.ones(len(values)) if weights is None else np.asarray(weights, float)
    return Rows(values, 10 + np.arange(len(values)), weights)


def test_distinct_rows_keep_their_order_and_sum_their_weights():
    rows = distinct_rows(rows_of([3, 0.0, 3, 1, -0.0, 3], [1, 2, 4, 8, 16, 32]))
    assert_array_equal(rows.values[:, 0], [3, 0, 1])
    assert_array_equal(rows.numbers, [10, 11, 13])
    assert_array_equal(rows.weights, [37, 18, 8])


def test_a_center_without_members_is_dropped():
    rows = rows_of([-2, -1, 0, 3, 5])  # the mean is 1
    fitted = class_prototypes(rows, 3, Plan(CentersGiven()))
    assert_array_equal(fitted.vectors[:, 0], [1, 4])
    assert_array_equal(fitted.counts, [3, 2])
    assert_allclose(fitted.means[:, 0], [-1, 4])
    assert_array_equal(fitted.nearest.numbers, [12, 13])
    assert fitted.inertia == 9 + 4 + 1 + 1 + 1


def test_known_prototypes_weigh_as_much_as_their_members():
    plan = Plan(KMeans(n_init=3))
    first = class_prototypes(rows_of([0, 2, 20, 22, 24]), 2, plan)
    order = first.vectors[:, 0].argsort()
    assert_array_equal(first.vectors[order, 0], [1, 22])
    assert first.spread() == first.inertia == 2 + 8
    second = class_prototypes(rows_of([4, 26]), 2, plan._replace(known=first))
    order = second.vectors[:, 0].argsort()
    assert_array_equal(second.vectors[order, 0], [2, 23])
    assert_array_equal(second.counts[order], [3, 4])
    assert_allclose(second.inertia, 8 + 20)  # as if all seven rows had been given


def test_the_spread_of_a_medoid_is_about_the_mean():
    rows = rows_of([0, 1, 5])
    fitted = class_prototypes(rows, 1, Plan(KMeans(n_init=1), prototype="medoid"))
    assert_array_equal(fitted.vectors, [[1.0]])
    assert fitted.inertia == 17
    assert_allclose(fitted.spread(), 14)
