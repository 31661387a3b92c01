"""Tests that keep their level, drift that is found, and training rows refused."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sems import Prototypes
from sklearn.ensemble import RandomForestClassifier

from sklearn_kmex import KMExClassifier, make_kmex
from sklearn_kmex.metrics import drift
from sklearn_kmex.metrics._drift import holm, p_value

CENTERS = np.random.RandomState(1).normal(size=(20, 8)) * 2.2


def draw(rng, n_rows):
    """Draw rows of twenty clusters, of two classes."""
    places = rng.integers(20, size=n_rows)
    return CENTERS[places] + rng.normal(size=(n_rows, 8)), places % 2


@pytest.fixture(scope="module")
def psem():
    return KMExClassifier(10, random_state=0).fit(*draw(np.random.default_rng(0), 4000))


def test_by_hand():
    model = Prototypes([[0], [10], [20]], ["a", "b", "b"])
    ref, new = [[0]] * 60 + [[10]] * 40, [[0]] * 60 + [[10]] * 38 + [[21], [20]]
    found = drift(model, new, ref)
    assert_array_equal(found.prototypes.n_ref, [60, 40, 0])
    assert_array_equal(found.prototypes.n_new, [60, 38, 2])
    assert_allclose(found.prototypes.difference, [0, -0.02, 0.02])
    assert_array_equal(found.prototypes.prototype_class, ["a", "b", "b"])
    assert found.tests.what.tolist() == ["usage", "similarity"]
    assert found.probability is None
    assert not found.drifted
    assert len(found.gained) == len(found.lost) == len(found.unfamiliar) == 0
    moved = drift(model, [[0]] * 60 + [[21]] * 20 + [[20]] * 20, ref)
    assert moved.drifted
    assert (moved.gained.tolist(), moved.lost.tolist()) == ([2], [1])
    assert moved.examples[2][0] >= 80  # the most similar first
    assert set(moved.unfamiliar) <= set(range(60, 80))


def test_no_drift_keeps_the_level(psem):
    rng = np.random.default_rng(2)
    found = [drift(psem, draw(rng, 300)[0], draw(rng, 200)[0]) for _ in range(40)]
    assert np.mean([one.drifted for one in found]) <= 0.15
    assert np.mean([len(one.gained) + len(one.lost) > 0 for one in found]) <= 0.15


@pytest.mark.slow
def test_no_drift_keeps_the_level_of_five_per_cent(psem):
    rng = np.random.default_rng(3)
    found = [drift(psem, draw(rng, 500)[0], draw(rng, 700)[0]) for _ in range(1000)]
    assert np.mean([one.drifted for one in found]) <= 0.06
    inside = [
        ((one.prototypes.low <= 0) & (one.prototypes.high >= 0)).all() for one in found
    ]
    assert 0.93 <= np.mean(inside) <= 0.985


@pytest.mark.slow
@pytest.mark.parametrize("how", ["moved", "gone", "twice as many"])
def test_drift_of_one_prototype_is_found(psem, how):
    rng, n_rows = np.random.default_rng(4), 2000
    found = []
    for trial in range(100):
        X, ref = draw(rng, n_rows)[0], draw(rng, n_rows)[0]
        winner = psem.transform(X).argmax(axis=1)
        own = np.flatnonzero(winner == trial % 20)  # about 5 %
        if how == "moved":
            X[own] += 5 * rng.normal(size=8) / 8**0.5
        elif how == "gone":
            X[own] = X[rng.choice(np.flatnonzero(winner != trial % 20), len(own))]
        else:
            others = np.flatnonzero(winner != trial % 20)
            X[rng.choice(others, len(own), replace=False)] = X[own]
        found.append(drift(psem, X, ref).drifted)
    assert np.mean(found) >= 0.95


def test_which_prototype_gained(psem):
    rng = np.random.default_rng(5)
    X, ref = draw(rng, 2000)[0], draw(rng, 2000)[0]
    winner = psem.transform(X).argmax(axis=1)
    more = X[winner == 7]
    found = drift(psem, np.concatenate([X, more, more]), ref)
    assert found.gained[0] == 7
    assert found.prototypes.low[7] > 0
    assert_array_equal(psem.transform(X[found.examples[7][:1]]).argmax(axis=1), [7])
    assert found.tests.differs[0]


def test_training_rows_are_no_reference(psem, digits):
    X, _ = draw(np.random.default_rng(0), 4000)
    with pytest.raises(ValueError, match="Pass the test set"):
        drift(psem, X[:100], X)
    with pytest.raises(ValueError, match="X_new must have at least two samples; got 1"):
        drift(psem, X[:1], X[1:])
    X_train, X, y_train, _ = digits
    fitted = KMExClassifier(3, random_state=0).fit(X_train, y_train)
    assert not drift(fitted, X[::2], X[1::2]).drifted


def test_p_values():
    assert p_value(np.array([5, 5]), np.array([5, 5])) == 1
    assert p_value(np.array([50, 0]), np.array([0, 50])) < 0.001
    adjusted = holm(np.array([0.01, 0.04, 0.03]))
    assert_allclose(adjusted, [0.03, 0.06, 0.06])
    rng = np.random.default_rng(0)
    p_values = [
        p_value(rng.multinomial(60, [0.1] * 10), rng.multinomial(40, [0.1] * 10))
        for _ in range(200)
    ]
    assert np.mean(np.array(p_values) <= 0.05) <= 0.1


def test_frame(psem):
    pytest.importorskip("pandas")
    rng = np.random.default_rng(6)
    table = drift(psem, draw(rng, 50)[0], draw(rng, 50)[0]).frame()
    assert list(table) == [
        "prototype", "prototype_class", "n_ref", "n_new", "difference", "low", "high",
    ]  # fmt: skip
    assert table["n_new"].sum() == 50


def test_a_part_of_the_training_rows_and_those_of_a_forest_are_refused(psem):
    X, y = draw(np.random.default_rng(0), 4000)
    new, _ = draw(np.random.default_rng(1), 300)
    with pytest.raises(ValueError, match="X_ref must hold samples that psem was not"):
        drift(psem, new, X[:2000])
    X, y = X[:400], y[:400]
    forest = make_kmex(RandomForestClassifier(20, random_state=0).fit(X, y))
    forest.fit(X, y)
    with pytest.raises(ValueError, match="X_ref must hold samples that psem was not"):
        drift(forest, new, X)
    drift(forest, new[:150], new[150:])
