"""small_paths: every count of every class as tight as if it were clustered alone."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.cluster import KMeans

from sklearn_kmex._data.rows import Rows
from sklearn_kmex._fit import paths
from sklearn_kmex._fit.kmeans import BatchedKMeans
from sklearn_kmex._fit.paths import small_paths
from sklearn_kmex._fit.prototypes import Plan
from sklearn_kmex._model.similarity import squared_distances

ONCE = BatchedKMeans(n_init=1)


def paths_of(X, y, counts, weights=None):
    """Find the paths of all classes; `counts` are those of each class."""
    order = np.argsort(y, kind="stable")
    weights = np.ones(len(X)) if weights is None else weights
    rows = Rows(X[order], order, weights[order])
    plans = [Plan(ONCE, own, seed=3) for own in counts]
    used = [np.ones((1, n), dtype=bool) for n in np.bincount(y)]
    return [path for (path,) in small_paths(rows, y[order], plans, used)]


def inertia(X, vectors):
    return squared_distances(X, vectors).min(axis=1).sum()


def test_every_count_is_nearly_as_tight_as_one_restart(digits):
    X, _, y, _ = digits
    counts = [1, 2, 5, 10]
    found = paths_of(X, y, [counts] * 10)
    for place, count in enumerate(counts):
        ours = sum(inertia(X[y == c], found[c][place].vectors) for c in range(10))
        theirs = [
            KMeans(count, n_init=1, random_state=0).fit(X[y == c]) for c in range(10)
        ]
        assert ours < 1.01 * sum(model.inertia_ for model in theirs)
        assert all(len(path[place].counts) == count for path in found)
    assert_allclose(found[3][0].vectors[0], X[y == 3].mean(axis=0))


def test_counts_are_the_weights_of_the_members(digits):
    X, _, y, _ = digits
    weights = np.random.RandomState(0).uniform(1e-3, 1e3, size=len(y))
    for code, path in enumerate(paths_of(X, y, [[1, 4]] * 10, weights)):
        own = y == code
        assert_allclose(path[0].counts, weights[own].sum())
        nearest = squared_distances(X[own], path[1].vectors).argmin(axis=1)
        expected = np.bincount(nearest, weights[own])
        assert_allclose(path[1].counts, expected, rtol=1e-6)  # float32


@pytest.mark.parametrize(
    ("dtype", "scale"),
    [
        *((np.float32, scale) for scale in (1e-30, 1.0, 1e30)),
        *((np.float64, scale) for scale in (1e-150, 1.0, 1e100)),
    ],
)
def test_classes_of_any_size_counts_and_scale(dtype, scale):
    X = np.array([[0.0], [0], [1], [5], [7], [20], [20], [21], [90]]) * scale
    X, y = X.astype(dtype), np.array([0, 0, 0, 0, 1, 2, 2, 2, 2])
    found = paths_of(X, y, [[1, 2, 9], [1, 1, 1], [2, 2, 3]])
    assert [[len(one.counts) for one in path] for path in found] == [
        [1, 2, 3],
        [1, 1, 1],
        [2, 2, 3],
    ]
    assert_allclose(np.sort(found[0][2].vectors, axis=0), X[[0, 2, 3]])
    assert_allclose(found[0][0].vectors, X[:4].mean(axis=0, keepdims=True), rtol=1e-6)
    assert_allclose(np.sort(found[2][2].vectors, axis=0), X[[5, 7, 8]])
    assert {one.vectors.dtype for path in found for one in path} == {np.dtype(dtype)}


@pytest.mark.parametrize("few", [0, paths.FEW_VALUES])
def test_clusters_that_are_too_tight_for_float32(few, monkeypatch):
    monkeypatch.setattr(paths, "FEW_VALUES", few)
    rng = np.random.RandomState(0)
    X = rng.normal(size=(120, 2)) + 10 * rng.randint(3, size=(120, 1))
    X = np.concatenate([X, X + 1e8])
    y = np.repeat([0, 1], 120)
    X[::2] += 1e8  # two tight parts of each class
    found = paths_of(X, y, [[6, 12]] * 2)
    for code, path in enumerate(found):
        own = X[y == code]
        once = KMeans(6, n_init=3, random_state=0).fit(own)
        assert inertia(own, path[0].vectors) < 1.1 * once.inertia_


def test_equal_rows_of_a_class_are_one_prototype():
    X, y = np.ones((6, 2)), np.array([0, 0, 0, 1, 1, 1])
    for path in paths_of(X, y, [[1, 2]] * 2):
        assert_array_equal(path[1].vectors, [[1.0, 1.0]])
        assert_array_equal(path[1].counts, [3.0])


def test_rows_that_are_equal_but_for_rounding_are_one_prototype():
    X, y = np.array([[0.0], [1e-20], [1.0], [2.0], [3.0]]), np.zeros(5, dtype=int)
    ((few, many),) = paths_of(X, y, [[3, 5]])
    assert_allclose(np.sort(many.vectors, axis=0), X[[0, 2, 3, 4]], atol=1e-15)
    assert sorted(many.counts) == [1, 1, 1, 2]
    assert len(few.counts) == 3


def test_batches_do_not_matter(digits, monkeypatch):
    X, _, y, _ = digits
    whole = paths_of(X, y, [[1, 3]] * 10)
    monkeypatch.setattr(paths, "TOGETHER", 1)
    for one, other in zip(whole, paths_of(X, y, [[1, 3]] * 10), strict=True):
        assert_allclose(one[1].vectors, other[1].vectors, atol=1e-5)  # float32


def test_folds_share_the_rows_of_a_class(digits):
    """Rows that a fold does not train on have no effect, and several count as such."""
    X, _, y, _ = digits
    X, n = X[y == 3], np.count_nonzero(y == 3)
    times = np.random.RandomState(0).randint(3, size=(2, n))
    plans, rows = [Plan(ONCE, [1, 3], seed=3)], Rows(X, np.arange(n), np.ones(n))
    (folds,) = small_paths(rows, np.zeros(n, dtype=int), plans, [times])
    for own, (one, three) in zip(times, folds, strict=True):
        kept = X.repeat(own, axis=0)
        assert_allclose(one.vectors[0], kept.mean(axis=0), atol=1e-12)
        nearest = squared_distances(kept, three.vectors).argmin(axis=1)
        assert_allclose(three.counts, np.bincount(nearest))
        alone = KMeans(3, n_init=3, random_state=0).fit(kept).inertia_
        assert inertia(kept, three.vectors) < 1.05 * alone
