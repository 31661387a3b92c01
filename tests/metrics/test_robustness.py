"""Robustness against slopes worked out by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_kmex import KMExClassifier
from sklearn_kmex.metrics import local_lipschitz_error

ROWS = np.array([[0.5, -0.5], [0.0, 0.9], [0.3, 0.1]])


def linear(X):
    """Maps (10, x_1): over their largest value (1, x_1 / 10), of slope 1 / 10."""
    return np.stack([np.full(len(X), 10.0), X[:, 0]], axis=1)


def quadratic(X):
    """Maps (1, x_1 ** 2) where x_1 is below 1, of slope |x_1 + x'_1|."""
    return np.stack([np.ones(len(X)), X[:, 0] ** 2], axis=1)


def error(relevance=linear, X=ROWS, **settings):
    settings = {"random_state": 0, "per_sample": True} | settings
    return local_lipschitz_error(None, X, of_model(relevance), **settings)


def of_model(relevance):
    """A function of X as one of a model and X."""
    return lambda psem, X, **explained: relevance(X, **explained)


class Recorder:
    """A callable that keeps what it was asked."""

    def __init__(self, relevance):
        self.relevance, self.inputs = relevance, []

    def __call__(self, X):
        self.inputs.append(X)
        return self.relevance(X)


def test_a_constant_slope_by_hand():
    assert_allclose(error(X=ROWS[:, :1]), 0.1)
    found = local_lipschitz_error(None, ROWS[:, :1], of_model(linear), random_state=0)
    assert type(found) is float
    assert found == pytest.approx(0.1)
    # A second feature that the maps do not show only makes neighbors farther.
    found = error(n_neighbors=200)
    assert (found < 0.1).all()
    assert_allclose(found, 0.1, rtol=1e-2)
    assert (error(n_neighbors=1) < 0.0999).any()


def test_the_maximum_over_neighbors_and_the_mean_over_samples():
    asked = Recorder(quadratic)
    found = error(asked, ROWS[:, :1], n_neighbors=7)
    own, *neighbors = asked.inputs
    slopes = [np.abs(x + own)[:, 0] for x in neighbors]
    assert_allclose(found, np.max(slopes, axis=0), rtol=1e-6)
    assert found.max() > 1
    overall = local_lipschitz_error(
        None, ROWS[:, :1], of_model(quadratic), n_neighbors=7, random_state=0
    )
    assert_allclose(overall, found.mean())


def test_norms_are_euclidean_over_all_axes():
    """Maps of shape (2, 2) whose four values all move: (1, x, x, x) of slope sqrt 3."""

    def square(X):
        x = X.ravel()
        return np.stack([np.ones_like(x), x, x, x], axis=1).reshape(-1, 2, 2)

    assert_allclose(error(square, ROWS[:, :1]), np.sqrt(3))
    images = np.random.RandomState(0).uniform(size=(3, 2, 2, 2))
    found = error(lambda X: np.concatenate([np.ones_like(X), X / 5], axis=1), images)
    assert_allclose(found, 0.2)


@pytest.mark.parametrize("radius", [0.1, 2, 1e-3])
def test_neighbors_fill_the_cube_of_the_radius(radius):
    asked = Recorder(linear)
    error(asked, np.zeros((50, 4)), radius=radius, n_neighbors=3)
    assert len(asked.inputs) == 4  # one call for each neighbor, and the first
    own, *neighbors = asked.inputs
    assert_array_equal(own, np.zeros((50, 4)))
    noise = np.stack(neighbors)
    assert np.abs(noise).max() <= radius
    assert noise.max() > 0.98 * radius
    assert noise.min() < -0.98 * radius
    assert abs(noise.mean()) < 0.1 * radius
    assert len(np.unique(noise)) == noise.size


def test_seeds():
    settings = {"random_state": None, "n_neighbors": 2}
    assert_array_equal(error(quadratic), error(quadratic))
    assert (error(quadratic) != error(quadratic, random_state=1)).any()
    assert (error(quadratic, **settings) != error(quadratic, **settings)).any()
    seeded = np.random.RandomState(0)
    assert_array_equal(error(quadratic, random_state=seeded), error(quadratic))
    few, many = (error(quadratic, n_neighbors=n) for n in (3, 30))
    assert (many >= few).all()
    assert (many > few).any()


@given(
    st.lists(st.floats(1e-200, 1e200), min_size=3, max_size=3),
    st.integers(0, 2**32 - 1),
)
def test_each_map_may_have_its_own_scale(scales, seed):
    expected = error(quadratic, random_state=seed)
    for scale in (np.c_[scales], -np.c_[scales]):
        found = error(lambda X, scale=scale: scale * quadratic(X), random_state=seed)
        assert (found >= 0).all()
        assert_allclose(found, expected, rtol=1e-9)


def test_constant_maps_are_robust_and_zeros_are_constant():
    assert_array_equal(error(np.zeros_like), 0)
    assert_array_equal(error(np.ones_like), 0)
    assert_array_equal(error(np.zeros_like, ROWS[:1]), [0])
    # Zeros beside a map: the change is that of the whole scaled map, of norm 1.
    found = error(lambda X: (X == 0) * 7.0, np.zeros((1, 1)), n_neighbors=1, radius=2)
    noise = np.random.RandomState(0).uniform(-2, 2)
    assert_allclose(found, 1 / abs(noise))


@pytest.mark.parametrize("name", ["labels", "prototypes"])
def test_what_is_explained_is_that_of_the_sample(name):
    wanted = {"labels": ["a", "b", "b"], "prototypes": [0, 2, 1]}[name]
    model, calls = object(), []

    def relevance(psem, X, **explained):
        calls.append((psem, explained))
        return quadratic(X)

    local_lipschitz_error(
        model, ROWS, relevance, n_neighbors=2, random_state=0, **{name: wanted}
    )
    assert len(calls) == 3
    for psem, explained in calls:
        assert psem is model
        assert list(explained) == [name]
        assert isinstance(explained[name], np.ndarray)
        assert_array_equal(explained[name], wanted)


def test_digits(digits):
    """A target that may change makes maps change more, and never less at a seed."""
    X_train, X, y_train, _ = digits
    psem = KMExClassifier(5, random_state=0).fit(X_train, y_train)

    def contrast(X, labels):
        similar = psem.transform(X)
        own = psem.prototype_classes_ == labels[:, np.newaxis]
        nearest = psem.prototypes_[np.where(own, similar, -np.inf).argmax(axis=1)]
        rival = psem.prototypes_[np.where(own, -np.inf, similar).argmax(axis=1)]
        return (X - rival) ** 2 - (X - nearest) ** 2

    fixed = error(contrast, X, labels=psem.predict(X))
    free = error(lambda X: contrast(X, psem.predict(X)), X)
    assert (fixed <= free).all()
    assert 0.1 < fixed.mean() < free.mean() < 0.5
    # The pixels' scale is that of X: a model of X / 16 has 16 times the slopes.
    small = KMExClassifier(5, random_state=0).fit(X_train / 16, y_train)
    psem, tenth = small, {"radius": 0.1 / 16, "labels": small.predict(X / 16)}
    assert_allclose(error(contrast, X / 16, **tenth), 16 * fixed, rtol=1e-6)


def test_float32():
    asked = Recorder(quadratic)
    found = error(asked, ROWS.astype(np.float32))
    assert {x.dtype for x in asked.inputs} == {np.dtype(np.float32)}
    assert found.dtype == np.float64
    assert_allclose(found, error(quadratic, ROWS.astype(np.float32).astype(float)),
                    rtol=1e-5)  # fmt: skip


def test_inputs_stay_as_they_are_and_integers_become_floats():
    rows = np.arange(6.0).reshape(3, 2)
    rows.setflags(write=False)
    found = error(linear, rows)
    assert_array_equal(error(linear, np.arange(6).reshape(3, 2)), found)
    assert_array_equal(error(linear, [[0, 1], [2, 3], [4, 5]]), found)


def test_a_neighbor_that_rounds_to_its_sample_says_nothing():
    """Half of the noise is below the spacing of float32 at 1e6, 1 / 16."""
    far = np.full((40, 1), 1e6, dtype=np.float32)
    asked = Recorder(lambda X: np.hstack([np.full_like(X, 2e6), X]))
    found = error(asked, far, radius=0.06)
    assert any((x == far).any() for x in asked.inputs[1:])
    assert_allclose(found, 1 / 2e6)
    with pytest.raises(ValueError, match=r"radius=0\.001 moves no value of row 1 in"):
        error(linear, np.array([[1.0], [1e6]], dtype=np.float32), radius=0.001)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"relevance": "lrp"}, "'relevance' parameter"),
        ({"relevance": lambda _, X: X[:2]}, r"each of 3 samples; got .* \(2, 2\)"),
        ({"relevance": lambda _, X: X * np.nan}, r"relevance\(psem, X\) contains NaN"),
        ({"relevance": lambda _, X: X[:, 0]}, "Expected 2D array"),
        ({"X": [[np.nan]]}, "X contains NaN"),
        ({"labels": [0]}, "inconsistent numbers of samples"),
        ({"prototypes": [0]}, "inconsistent numbers of samples"),
        ({"labels": 0}, "'labels' parameter"),
        ({"prototypes": 0}, "'prototypes' parameter"),
        ({"n_neighbors": 0}, "'n_neighbors' parameter"),
        ({"radius": 0}, "'radius' parameter"),
        ({"radius": np.inf}, "'radius' parameter"),
        ({"random_state": "a"}, "'random_state' parameter"),
    ],
)
def test_refusals(settings, message):
    given = {"psem": None, "relevance": of_model(linear), "X": ROWS} | settings
    with pytest.raises(ValueError, match=message):
        local_lipschitz_error(**given)


def test_a_function_that_takes_other_arguments_is_refused():
    words = r"as relevance\(psem, X, labels=labels\); got one that takes \(psem, X\)"
    with pytest.raises(TypeError, match=words):
        local_lipschitz_error(None, ROWS, lambda psem, X: X, labels=[0, 1, 0])
