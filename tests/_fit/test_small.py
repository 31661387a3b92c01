"""Many small classes as one batch: each as if it had been clustered alone."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.cluster import KMeans

from sklearn_kmex import KMExClassifier, KMExClassifierCV
from sklearn_kmex._fit.batch import uniform
from sklearn_kmex.exceptions import KMExWarning

pytestmark = pytest.mark.filterwarnings("ignore:Fewer prototypes")


@pytest.fixture
def classes():
    """30 classes of 3 to 32 rows, some of them equal."""
    y = np.repeat(np.arange(30), np.arange(3, 33))
    X = np.random.RandomState(0).normal(size=(len(y), 6)) + y[:, np.newaxis] % 7
    X[y == 20] = X[y == 20][:4].repeat(6, axis=0)[:23]
    return X, y


@pytest.mark.parametrize("prototype", ["centroid", "medoid"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_prototypes_of_classes_of_all_sizes(classes, prototype, dtype):
    X, y = classes
    X = X.astype(dtype)
    psem = KMExClassifier(4, prototype=prototype, random_state=0).fit(X, y)
    assert_array_equal(psem.n_prototypes_, [3, *[4] * 29])
    assert psem.prototypes_.dtype == dtype
    for label in range(30):
        rows, own = X[y == label], psem.prototype_classes_ == label
        vectors = psem.prototypes_[own].astype(np.float64)
        apart = ((rows[:, np.newaxis] - vectors) ** 2).sum(axis=2)
        counts = np.bincount(apart.argmin(axis=1), minlength=len(vectors))
        assert_array_equal(psem.prototype_counts_[own], counts)
        assert_allclose(psem.inertia_[label], apart.min(axis=1).sum(), atol=1e-5)
        shown = psem.prototype_indices_[own]
        assert_array_equal(y[shown], label)
        nearest = ((X[shown] - vectors) ** 2).sum(axis=1)
        assert_allclose(nearest, apart.min(axis=0), atol=1e-5)


def test_a_class_does_not_depend_on_the_others(classes):
    X, y = classes
    psem = KMExClassifier(4, random_state=0).fit(X, y)
    few = KMExClassifier(4, random_state=0).fit(X[y < 12], y[y < 12])
    kept = psem.prototype_classes_ < 12
    assert_allclose(few.prototypes_, psem.prototypes_[kept])
    assert_array_equal(few.prototype_indices_, psem.prototype_indices_[kept])


def test_inertia_is_that_of_ten_restarts(classes):
    X, y = classes
    labels = np.arange(10, 30)
    ours = KMExClassifier(4, temperature=1.0, random_state=0).fit(X, y).inertia_
    theirs = [
        KMeans(4, n_init=10, random_state=0).fit(X[y == c]).inertia_ for c in labels
    ]
    assert ours[labels].sum() < 1.005 * np.sum(theirs)


def test_a_far_row_does_not_hide_the_others():
    # In float32, differences of 1 vanish beside a row at 1e6.
    values = np.concatenate([np.repeat([0.0, 1.0, 2.0], 10), [1e6]])
    values[:30] += 0.01 * np.arange(30) / 30
    X, y = np.tile(values, 2)[:, np.newaxis], np.repeat([0, 1], 31)
    psem = KMExClassifier(4, temperature=1.0, random_state=0).fit(X, y)
    assert psem.inertia_.max() < 0.01


def test_probabilities_do_not_depend_on_the_order_of_rows(classes):
    X, y = classes
    order = np.random.RandomState(1).permutation(len(y))
    psem = KMExClassifier(1, random_state=0).fit(X, y)
    moved = KMExClassifier(1, random_state=0).fit(X[order], y[order])
    assert_allclose(moved.temperature_, psem.temperature_)


def test_uniform_numbers():
    seeds = np.array([0, 1, 2**31 - 1])
    numbers = uniform(seeds, (200, 50), 0)
    assert numbers.shape == (3, 200, 50)
    assert numbers.min() >= 0
    assert numbers.max() < 1
    assert_allclose(numbers.mean(axis=(1, 2)), 0.5, atol=0.01)
    assert_allclose(np.corrcoef(numbers.reshape(3, -1)), np.eye(3), atol=0.03)
    assert_array_equal(uniform(seeds[1:], (200, 50), 0), numbers[1:])
    assert not np.array_equal(uniform(seeds, (200, 50), 1), numbers)


def test_classes_of_fewer_rows_than_prototypes_in_a_search_of_medoids(digits):
    X, _, y, _ = digits
    rows = np.r_[:200, np.flatnonzero(y == 0)[:2]]
    labels = y[rows].copy()
    labels[-2:] = 10  # a class of two rows
    psem = KMExClassifierCV(
        [1, 2, 4], prototype="medoid", cv=2, metric="euclidean", random_state=0
    ).fit(X[rows], labels)
    assert np.isfinite(psem.cv_results_["mean_test_score"]).all()


def test_a_class_of_rows_without_direction_has_a_prototype():
    X = np.r_[np.zeros((4, 3)), np.eye(3), 2 * np.eye(3)]
    y = np.repeat([0, 1], [4, 6])
    with pytest.warns(KMExWarning, match="zero"):
        psem = KMExClassifier(
            2, metric="cosine", clusterer=KMeans(n_init=1), random_state=0
        ).fit(X, y)
    assert (psem.prototype_classes_ == 0).sum() == 1
    assert 0 <= psem.prototype_indices_[0] < 4
