"""prototype_path: each count from the one above, as good as clustered anew."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.cluster import BisectingKMeans, KMeans

from sklearn_kmex._data.rows import Rows
from sklearn_kmex._fit.prototypes import Plan, distinct_rows, prototype_path
from sklearn_kmex._model.similarity import squared_distances


def rows_of(values):
    n_rows = values.shape[0]
    return Rows(values, np.arange(n_rows), np.ones(n_rows))


def inertia(values, vectors):
    return squared_distances(values, vectors).min(axis=1).sum()


def test_every_count_is_nearly_as_tight_as_clustered_anew(digits):
    X, _, y, _ = digits
    values, counts = X[y == 8], [1, 2, 5, 10, 20]
    path = prototype_path(rows_of(values), Plan(KMeans(n_init=10), counts))
    assert [len(found.vectors) for found in path] == counts
    for count, found in zip(counts, path, strict=True):
        anew = KMeans(count, n_init=10, random_state=0).fit(values).inertia_
        assert inertia(values, found.vectors) < 1.03 * anew
    assert_allclose(path[0].vectors[0], values.mean(axis=0))


@pytest.mark.parametrize("clusterer", [KMeans(n_init=2), BisectingKMeans()])
@pytest.mark.parametrize("prototype", ["centroid", "medoid"])
def test_few_rows_and_any_clusterer(clusterer, prototype):
    values = np.array([[0.0], [0.0], [1.0], [5.0]])
    plan = Plan(clusterer, [1, 2, 3, 9], prototype=prototype)
    path = prototype_path(distinct_rows(rows_of(values)), plan)
    assert [len(found.vectors) for found in path] == [1, 2, 3, 3]
    assert_allclose(np.sort(path[3].vectors, axis=0), [[0], [1], [5]])
