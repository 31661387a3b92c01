"""Shares, their intervals, and differences, by hand and by scipy."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.stats import binomtest

from sklearn_kmex.report._estimates import paired_difference, share, shares


@given(st.integers(0, 400), st.integers(1, 400))
def test_interval_is_that_of_scipy(k, n):
    k = min(k, n)
    (found,) = shares([k], [n])
    low, high = binomtest(k, n).proportion_ci(method="wilson")
    assert_allclose([found["low"], found["high"]], [low, high], atol=1e-12)
    assert 0 <= found["low"] <= found["value"] <= found["high"] <= 1
    assert (found["value"], found["n"]) == (k / n, n)


def test_ends_are_exact_where_all_or_none_succeed():
    none, every = shares([0, 7], 7)
    assert none["low"] == 0.0
    assert every["high"] == 1.0
    # By hand: z^2 / (n + z^2) with z = 1.959964.
    assert none["high"] == pytest.approx(3.841459 / 10.841459, abs=1e-6)
    assert every["low"] == pytest.approx(7 / 10.841459, abs=1e-6)


def test_without_trials_nothing_is_known():
    (found,) = shares([0], [0])
    assert found == {"value": None, "low": None, "high": None, "n": 0}


def test_share_of_flags():
    found = share([True, False, True, True])
    assert (found["value"], found["n"]) == (0.75, 4)
    assert found == shares([3], [4])[0]
    assert [type(found[name]) for name in ("value", "low", "n")] == [float, float, int]


def test_paired_difference_by_hand():
    # Of 10 samples, both are correct on 4, only the first on 3, only the second on 1.
    first = np.array([1, 1, 1, 1, 1, 1, 1, 0, 0, 0], dtype=bool)
    second = np.array([1, 1, 1, 1, 0, 0, 0, 1, 0, 0], dtype=bool)
    found = paired_difference(first, second)
    assert (found["only_first"], found["only_second"], found["n"]) == (3, 1, 10)
    assert found["value"] == pytest.approx(0.2)
    # b = 3.5, c = 1.5 of N = 12: middle 2/12, variance (5/12 - 1/36) / 12.
    half = 1.959964 * np.sqrt((5 / 12 - 1 / 36) / 12)
    assert found["low"] == pytest.approx(1 / 6 - half, abs=1e-6)
    assert found["high"] == pytest.approx(1 / 6 + half, abs=1e-6)


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=60))
def test_paired_difference_turns_round_with_its_sides(pairs):
    first, second = np.array(pairs).T
    found, turned = paired_difference(first, second), paired_difference(second, first)
    assert found["value"] == pytest.approx(first.mean() - second.mean())
    assert found["value"] == -turned["value"]
    assert -1 <= found["low"] <= found["high"] <= 1
    assert found["low"] == pytest.approx(-turned["high"])
    assert found["only_first"] == turned["only_second"]


def test_two_that_always_differ_do_not_leave_the_range():
    found = paired_difference(np.ones(3, dtype=bool), np.zeros(3, dtype=bool))
    assert (found["value"], found["high"]) == (1.0, 1.0)
