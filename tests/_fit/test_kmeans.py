"""The built-in k-means: as good as scikit-learn's, whatever the rows."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from scipy.spatial.distance import cdist
from sklearn import config_context
from sklearn.cluster import KMeans

from sklearn_kmex import KMExClassifier
from sklearn_kmex._fit.kmeans import (
    BatchedKMeans,
    entries,
    lloyd_step,
)
from sklearn_kmex._fit.seeding import (
    as_points,
    coreset,
    distances_to,
    mean_variance,
    seed_centers,
)


def inertia(X, centers, weights=None):
    nearest = cdist(X, centers, "sqeuclidean").min(axis=1)
    return np.average(nearest, weights=weights) * len(X)


def centers_of(X, n_clusters, weights=None, **settings):
    model = BatchedKMeans(n_clusters, random_state=0, **settings)
    return model.fit(X, sample_weight=weights).cluster_centers_


def test_a_step_by_hand():
    X, weights = np.array([[0.0], [2.0], [9.0], [11.0]]), np.array([3, 1, 1, 1.0])
    points = as_points(X, weights)
    centers = np.array([[[1.0], [8.0]], [[0.0], [100.0]]])  # two restarts
    after, counts, before, shift = lloyd_step(points, centers)
    assert_array_equal(counts, [[4, 2], [6, 0]])
    assert_array_equal(before, [3 + 1 + 1 + 9, 0 + 4 + 81 + 121])
    assert_allclose(after[0], [[0.5], [10]])
    assert_allclose(after[1], [[22 / 6], [11]])  # no members: the farthest row
    assert_allclose(shift, [0.25 + 4, (22 / 6) ** 2 + 89**2])
    again, counts, *_ = lloyd_step(points, after)
    assert_allclose(again[1], [[0.5], [10]])
    assert_array_equal(counts, [[4, 2], [4, 2]])


def test_distances_and_variance_by_hand():
    points = as_points(np.array([[-1.0, 0], [1, 2], [0, -2]]), np.array([1, 1, 1.0]))
    assert_array_equal(distances_to(points, np.array([1])), [[8], [0], [17]])
    assert_allclose(mean_variance(points), (2 + 8) / 3 / 2)


def test_seeds_are_rows_apart():
    X = np.repeat([[0.0, 0], [9, 0], [0, 9], [9, 9]], 5, axis=0)
    rng = np.random.RandomState(0)
    for centers in seed_centers(as_points(X - 4.5, None), 4, 7, rng):
        assert len(np.unique(centers, axis=0)) == 4


@pytest.mark.parametrize("n_clusters", [2, 5, 20])
def test_inertia_is_that_of_ten_restarts_of_kmeans(digits, n_clusters):
    X, _, y, _ = digits
    ours, theirs = [], []
    for label in range(10):
        rows = X[y == label] - X[y == label].mean(axis=0)
        ours.append(inertia(rows, centers_of(rows, n_clusters)))
        theirs.append(KMeans(n_clusters, n_init=10, random_state=0).fit(rows).inertia_)
    assert np.mean(np.divide(ours, theirs)) < 1.001


@pytest.mark.parametrize("n_clusters", [5, 20])
def test_a_race_on_some_rows_ends_as_low(load_data, n_clusters):
    data = load_data("fashion_mnist.npz")
    X = data["x_train"][data["y_train"] == 3].reshape(6000, -1) / np.float32(255)
    X = X[:, ::4] - X[:, ::4].mean(axis=0)
    theirs = KMeans(n_clusters, n_init=3, random_state=0).fit(X).inertia_
    assert inertia(X, centers_of(X, n_clusters)) < 1.003 * theirs


@pytest.mark.parametrize(
    ("n_rows", "n_clusters", "raced"),
    [(600, 5, (16, 4)), (2000, 20, (20, 6)), (5000, 50, (20, 10)), (100, 5, (60, 10))],
)
def test_more_restarts_race_where_optima_are_many_or_values_few(
    n_rows, n_clusters, raced
):
    assert entries(512 * n_rows, n_clusters, 10) == raced


def test_far_rows_are_seen_among_many():
    rng = np.random.RandomState(0)
    X = rng.normal(size=(20_000, 3))
    X[17] = 300
    X -= X.mean(axis=0)
    some = coreset(as_points(X, None), 4, np.random.RandomState(1))
    assert len(some.values) < len(X)
    assert (some.values == X[17]).all(axis=1).any()
    assert_allclose(some.weights.sum(), 20_000, rtol=0.1)
    assert any(np.allclose(center, X[17]) for center in centers_of(X, 4))


def test_weights_are_copies():
    rng = np.random.RandomState(0)
    X, weights = rng.normal(size=(60, 2)), rng.randint(1, 4, size=60)
    X -= np.average(X, axis=0, weights=weights)
    weighted = centers_of(X, 3, weights.astype(float))
    copies = centers_of(np.repeat(X, weights, axis=0), 3)
    assert_allclose(np.sort(weighted, axis=0), np.sort(copies, axis=0))


def test_a_heavy_row_draws_its_center():
    X = np.array([[-1.0], [0.0], [1.0], [2.0]])
    assert_allclose(centers_of(X, 1, np.array([1, 1, 1, 1e6])), [[2.0]], atol=1e-5)


def test_duplicates_leave_no_cluster_empty():
    X = np.repeat([[-3.0, 0], [0, 1], [3, -1]], [50, 1, 7], axis=0)
    assert_allclose(np.unique(centers_of(X, 3), axis=0), np.unique(X, axis=0))


@pytest.mark.parametrize("n_clusters", [3, 7])
def test_as_many_clusters_as_rows(n_clusters):
    X = np.array([[-1.0], [0.0], [1.0]])
    assert_array_equal(np.sort(centers_of(X, n_clusters), axis=0), X)


def test_one_row_and_constant_columns():
    assert_array_equal(centers_of(np.zeros((1, 2)), 1), [[0, 0]])
    assert_array_equal(np.unique(centers_of(np.zeros((9, 2)), 3), axis=0), [[0, 0]])
    X = np.zeros((8, 3))
    X[4:, 1] = 2
    assert_allclose(np.sort(centers_of(X - 1, 2), axis=0), [[-1, -1, -1], [-1, 1, -1]])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dtype_input_and_seed(digits, dtype):
    X = digits[0][:300].astype(dtype)
    before = X.copy()
    first = BatchedKMeans(4, random_state=0).fit(X)
    assert_array_equal(X, before)
    assert first.cluster_centers_.dtype == dtype
    again = BatchedKMeans(4, random_state=0).fit(X)
    assert_array_equal(again.cluster_centers_, first.cluster_centers_)
    X.flags.writeable = False
    BatchedKMeans(300, random_state=0).fit(X)


@pytest.mark.parametrize("offset", [0.0, 1e4])
@pytest.mark.parametrize("unit", [1e-18, 1.0, 1e18])
def test_any_offset_and_scale_of_float32(offset, unit):
    rng = np.random.RandomState(0)
    y = np.repeat([0, 1], 40)
    modes = np.array([[0, 0], [8, 0], [0, 8], [8, 8]])[np.arange(80) // 20]
    X = (unit * (modes + rng.normal(size=(80, 2)) + offset)).astype(np.float32)
    settings = {"similarity": "gaussian", "temperature": 1.0}
    psem = KMExClassifier(2, random_state=0, **settings).fit(X, y)
    found = np.rint((psem.prototypes_.astype(float) / unit - offset) / 8)
    assert sorted(found[:2].tolist()) == [[0, 0], [1, 0]]
    assert sorted(found[2:].tolist()) == [[0, 1], [1, 1]]


def test_centers_given_are_moved_on():
    X, start = np.array([[-2.0], [-1], [1], [2]]), np.array([[-9.0], [9.0]])
    model = BatchedKMeans(2, init=start, n_init=1).fit(X)
    assert_allclose(model.cluster_centers_, [[-1.5], [1.5]])
    assert model.n_iter_ == 2
    assert BatchedKMeans(2, init=start, max_iter=1).fit(X).n_iter_ == 1


def test_restarts_with_rows_of_their_own():
    X = np.array([[-3.0], [-2], [-1], [1], [2], [6]])
    weights = np.array([[1, 1, 0, 0, 1, 1], [1, 1, 0, 2, 1, 0.0]])
    start = np.array([[[-9.0], [0.0]], [[-9.0], [0.0]]])
    centers, counts, *_ = lloyd_step(as_points(X, weights), start)
    # All rows are nearer to 0; the farthest one with weight is the other center.
    assert_allclose(centers, [[[6], [0.75]], [[-3], [-0.2]]])
    assert_allclose(counts, [[0, 4], [0, 5]])
    centers, counts, *_ = lloyd_step(as_points(X, weights), centers)
    assert_allclose(centers, [[[6], [-1]], [[-2.5], [4 / 3]]])
    assert_allclose(counts, [[1, 3], [2, 3]])


def test_the_largest_cluster_comes_first():
    X = np.array([[-9.0], [-8], [-1], [0], [1], [9]])
    assert_allclose(centers_of(X, 3)[:2], [[0], [-8.5]])


def test_sparse_rows_go_to_kmeans():
    X = sparse.random(60, 4, density=0.5, format="csr", random_state=0)
    theirs = KMeans(3, n_init=10, max_iter=100, random_state=0).fit(X)
    assert_array_equal(centers_of(X, 3), theirs.cluster_centers_)


ROWS = arrays(np.float64, (12, 2), elements=st.floats(-9, 9, width=16))


@given(ROWS, st.integers(1, 5))
def test_centers_stand_still_and_beat_a_center_at_the_mean(X, n_clusters):
    X = X - X.mean(axis=0)
    centers = centers_of(X, n_clusters, tol=0)
    assert centers.shape == (n_clusters, 2)
    assert inertia(X, centers) <= (X**2).sum() + 1e-9
    owner = cdist(X, centers).argmin(axis=1)
    means = centers.copy()
    for k in np.unique(owner):
        means[k] = X[owner == k].mean(axis=0)
    assert inertia(X, centers) <= inertia(X, means) + 1e-6


@pytest.mark.parametrize("seed", range(3))
def test_ten_restarts_are_no_worse_than_one(digits, seed):
    X = digits[0] - digits[0].mean(axis=0)
    one, ten = (BatchedKMeans(10, n_init=n, random_state=seed).fit(X) for n in (1, 10))
    best = inertia(X, one.cluster_centers_)
    assert inertia(X, ten.cluster_centers_) <= 1.0001 * best


def test_tensors_are_clustered_like_arrays(digits, monkeypatch):
    torch = pytest.importorskip("torch")
    pytest.importorskip("scipy", minversion="1.14")
    monkeypatch.setenv("SCIPY_ARRAY_API", "1")
    X = digits[0] - digits[0].mean(axis=0)
    weights = np.linspace(1, 2, len(X))
    for n_clusters in (1, 4):
        expected = centers_of(X, n_clusters, weights)
        with config_context(array_api_dispatch=True):
            found = centers_of(torch.asarray(X), n_clusters, torch.asarray(weights))
        assert isinstance(found, torch.Tensor)
        assert_allclose(found.numpy(), expected, atol=1e-9)
