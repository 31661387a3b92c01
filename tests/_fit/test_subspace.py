"""Wide rows in few dimensions: clusters stay apart."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.spatial.distance import cdist
from sklearn import config_context

from sklearn_kmex._fit.kmeans import BatchedKMeans
from sklearn_kmex._fit.polish import lift, polish
from sklearn_kmex._fit.seeding import as_points
from sklearn_kmex._fit.subspace import project


def wide(n_rows=600, n_features=300, dtype=np.float32, seed=0):
    """Rows of eight modes that random directions would hardly tell apart."""
    rng = np.random.default_rng(seed)
    modes = rng.normal(size=(8, n_features)) * 0.5
    X = modes[np.arange(n_rows) % 8] + rng.normal(size=(n_rows, n_features))
    return (X - X.mean(axis=0)).astype(dtype)


def inertia(X, centers):
    return cdist(X, centers, "sqeuclidean").min(axis=1).sum()


def lloyd(X, labels, n_steps):
    for _ in range(n_steps):
        centers = np.stack(
            [X[labels == k].mean(axis=0) for k in range(labels.max() + 1)]
        )
        labels = cdist(X, centers).argmin(axis=1)
    return centers


def test_modes_are_as_far_apart_in_the_subspace():
    X = wide()
    Z = project(as_points(X, None), 5, np.random.RandomState(0)).values
    assert Z.shape == (600, 64)
    means = [np.stack([A[k::8].mean(axis=0) for k in range(8)]) for A in (X, Z)]
    whole, part = (cdist(m, m)[np.triu_indices(8, 1)] for m in means)
    assert (part > 0.7 * whole).all()
    assert (part < 1.001 * whole).all()


@pytest.mark.parametrize(
    ("shape", "n_clusters"), [((600, 64), 5), ((90, 600), 5), ((600, 300), 1)]
)
def test_other_rows_stay(shape, n_clusters):
    points = as_points(np.ones(shape), None)
    assert project(points, n_clusters, np.random.RandomState(0)) is points


def test_rows_of_zeros_and_equal_directions():
    X = np.zeros((300, 300))
    X[:150, 0] = np.arange(150)
    few = project(as_points(X, None), 2, np.random.RandomState(0))
    assert np.isfinite(few.values).all()
    assert_allclose(few.norms, (X**2).sum(axis=1), rtol=1e-3)


def test_a_far_row_is_in_the_subspace():
    X = wide()
    X[17] *= 300
    X -= X.mean(axis=0)
    centers = BatchedKMeans(3, random_state=0).fit(X).cluster_centers_
    assert cdist(X[17:18], centers).min() < 1e-2 * np.linalg.norm(X[17])


def test_weights_of_wide_rows():
    X, weights = wide(dtype=np.float64), np.where(np.arange(600) % 8 < 3, 1e4, 1.0)
    X -= np.average(X, axis=0, weights=weights)
    model = BatchedKMeans(3, random_state=0).fit(X, None, weights)
    heavy = np.stack([X[k::8].mean(axis=0) for k in range(3)])
    assert (cdist(heavy, model.cluster_centers_).min(axis=1) < 0.5).all()


def start_of(X, labels, dtype=None):
    """Return points, and clusters of these labels."""
    few = as_points(np.eye(labels.max() + 1)[labels].astype(X.dtype), None)
    points = as_points(X, None)
    return points, lift(few, np.eye(labels.max() + 1, dtype=X.dtype)[None], points)


def test_the_best_clusters_are_lifted():
    X = wide(dtype=np.float64)
    points, few = as_points(X, None), as_points(X[:, :290], None)
    starts = np.stack([X[3:7, :290] * 0.01, X[:4, :290]])
    lifted = lift(few, starts, points)
    labels = [cdist(few.values, each).argmin(axis=1) for each in starts]
    means = [lloyd(X, each, 1) for each in labels]
    best = int(
        np.argmin([inertia_of(X, m, own) for m, own in zip(means, labels, strict=True)])
    )
    assert_array_equal(lifted.labels, labels[best])
    assert_allclose(lifted.centers, means[best])


def inertia_of(X, centers, labels):
    return ((X - centers[labels]) ** 2).sum()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n_steps", [1, 3, 50])
def test_skipped_rows_change_nothing(dtype, n_steps):
    X = wide(dtype=dtype)
    labels = np.random.RandomState(0).randint(5, size=len(X))
    points, start = start_of(X, labels)
    found, n_iter = polish(points, start, n_steps, 0.0)
    assert n_iter <= n_steps
    expected = lloyd(X.astype(np.float64), labels, n_iter + 1)
    assert_allclose(found.centers, expected, atol=1e-5)
    if n_steps == 50:
        assert n_iter < n_steps  # they stand still
        assert_array_equal(found.labels, cdist(X, found.centers).argmin(axis=1))


def test_few_rows_are_compared_again(monkeypatch):
    from sklearn_kmex._fit import polish as module

    X, compared = wide(4000, 300), []
    two_nearest = module._two_nearest

    def counted(points, centers):
        compared.append(len(points.values))
        return two_nearest(points, centers)

    monkeypatch.setattr(module, "_two_nearest", counted)
    labels = np.where(np.arange(4000) % 80, np.arange(4000) % 8, 0)
    polish(*start_of(X, labels), 50, 0.0)
    assert compared[0] == 4000
    assert sum(compared[1:]) < 4000


def test_a_cluster_that_loses_its_members_gets_the_farthest_row():
    X = np.array([[-4.0], [-3.0], [3.0], [4.0], [30.0]])
    points, start = start_of(X, np.array([0, 1, 1, 0, 2]))
    # Both means are 0, so the first center takes all rows but the farthest.
    found, _ = polish(points, start, 20, 0.0)
    assert_allclose(np.sort(found.centers, axis=0), [[-3.5], [3.5], [30]])


def test_clusters_at_rest_are_returned_after_one_step():
    X = np.array([[-4.0], [-3.0], [3.0], [4.0]])
    found, n_iter = polish(*start_of(X, np.array([0, 0, 1, 1])), 20, 0.0)
    assert n_iter == 1
    assert_array_equal(found.centers, [[-3.5], [3.5]])


def test_wide_tensors_are_clustered_like_arrays(monkeypatch):
    torch = pytest.importorskip("torch")
    pytest.importorskip("scipy", minversion="1.14")
    monkeypatch.setenv("SCIPY_ARRAY_API", "1")
    X = wide(dtype=np.float64)
    expected = BatchedKMeans(4, random_state=0).fit(X).cluster_centers_
    with config_context(array_api_dispatch=True):
        found = BatchedKMeans(4, random_state=0).fit(torch.asarray(X)).cluster_centers_
    assert isinstance(found, torch.Tensor)
    assert_allclose(found.numpy(), expected, atol=1e-9)
