"""Rows of any size: decisions and probabilities do not depend on the unit of X."""

import tracemalloc

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.datasets import load_iris

from sklearn_kmex import KMExClassifier
from sklearn_kmex._fit import temperature
from sklearn_kmex.exceptions import KMExWarning
from sklearn_kmex.explain import explain

POWERS = {np.float32: [-110, -60, 30, 55], np.float64: [-480, -66, 100, 480]}
SIZES = [(dtype, power) for dtype, powers in POWERS.items() for power in powers]
RULES = [
    {"similarity": "gaussian"},
    {"similarity": "gaussian", "aggregation": "sum", "priors": "prototype"},
    {"similarity": "gaussian", "metric": "mahalanobis"},
    {"metric": "cosine"},
]
IRIS = load_iris(return_X_y=True)


def _fit(X, **settings):
    return KMExClassifier(2, random_state=0, **settings).fit(X, IRIS[1])


@pytest.mark.parametrize("rule", RULES, ids=str)
@pytest.mark.parametrize(("dtype", "power"), SIZES)
def test_a_power_of_two_changes_nothing(dtype, power, rule):
    X = IRIS[0].astype(dtype)
    scaled = np.ldexp(X, power)
    psem, other = _fit(X, **rule), _fit(scaled, **rule)
    assert_array_equal(psem.predict(X), other.predict(scaled))
    assert_array_equal(psem.predict_proba(X), other.predict_proba(scaled))


@pytest.mark.parametrize("aggregation", ["max", "sum"])
@pytest.mark.parametrize(("dtype", "power"), SIZES)
def test_log_similarities_keep_their_order(dtype, power, aggregation):
    X = IRIS[0].astype(dtype)
    scaled = np.ldexp(X, power)
    psem = _fit(X, aggregation=aggregation)
    with pytest.warns(KMExWarning, match="The log similarity is nearly the same"):
        other = _fit(scaled, aggregation=aggregation)
    found, again = psem.nearest_prototypes(X, 6)[1], other.nearest_prototypes(scaled, 6)
    assert_array_equal(found, again[1])
    assert (other.predict(scaled) == IRIS[1]).mean() > 0.94
    assert (other.predict_proba(scaled).max(axis=1) > 0.9).mean() > 0.5
    assert_array_equal(
        other.predict(scaled), other.predict_proba(scaled).argmax(axis=1)
    )
    assert_array_equal(other.transform(scaled).argmax(axis=1), found[:, 0])


def test_rows_whose_squares_are_zero_are_refused():
    with pytest.raises(ValueError, match=r"X must be large enough.*differ by at most"):
        _fit(IRIS[0] * 1e-160)


def test_an_epsilon_that_float32_cannot_hold_is_refused():
    with pytest.raises(ValueError, match="'epsilon' parameter"):
        _fit(IRIS[0], epsilon=1e-40)


@pytest.mark.parametrize("weight", [1e307, 1e308, 1e-200])
def test_weights_out_of_range_are_named(weight):
    weights = np.full(len(IRIS[0]), weight)
    with pytest.raises(ValueError, match="sample_weight must have a sum between"):
        KMExClassifier().fit(*IRIS, sample_weight=weights)


def test_with_many_prototypes_fewer_rows_give_the_temperature(monkeypatch):
    whole = _fit(IRIS[0]).temperature_
    monkeypatch.setattr(temperature, "MOST_SIMILARITIES", 3 * 6 * 25)
    some = _fit(IRIS[0]).temperature_
    assert whole != some
    assert whole / 2 < some < whole * 2


def test_differences_whose_sum_is_too_large_for_float64():
    X, y = IRIS[0] * 1e153, IRIS[1]
    psem = KMExClassifier(2, similarity="gaussian", random_state=0).fit(X, y)
    assert np.isfinite(psem.temperature_)
    assert (psem.predict(X) == y).mean() > 0.85
    assert_array_equal(psem.predict_proba(X).argmax(axis=1), psem.predict(X))


@pytest.mark.parametrize(
    ("method", "times"), [("predict", 3), ("score_samples", 1), ("predict_proba", 5)]
)
def test_memory_of_many_prototypes_is_that_of_blocks(method, times):
    n_classes = 300
    y = np.repeat(np.arange(n_classes), 2)
    X = np.random.RandomState(0).normal(size=(len(y), 2)) + 9 * y[:, np.newaxis]
    psem = KMExClassifier(1, aggregation="sum", priors="class", temperature=1.0)
    psem.fit(X, y)
    many = np.repeat(X, 40, axis=0)
    tracemalloc.start()
    answers = getattr(psem, method)(many)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < times * 8 * len(many) * n_classes  # bytes of all class scores
    assert_array_equal(answers[::40], getattr(psem, method)(X))


@pytest.mark.filterwarnings("ignore:The log similarity is nearly the same")
def test_explanations_have_the_probabilities_of_the_model():
    X = np.ldexp(IRIS[0], -66)
    psem = _fit(X)
    assert_array_equal(explain(psem, X).probabilities, psem.predict_proba(X))
