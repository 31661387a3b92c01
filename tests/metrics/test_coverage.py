"""coverage_curve: accuracy on the samples answered first."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.metrics import accuracy_score

from sklearn_kmex.metrics import coverage_curve


def test_by_hand():
    coverage, accuracy, thresholds = coverage_curve(
        list("aabbb"), list("ababb"), [0.1, 0.2, 0.3, 0.3, 0.9]
    )
    assert_allclose(coverage, [1 / 5, 3 / 5, 4 / 5, 1])
    assert_allclose(accuracy, [1, 2 / 3, 1 / 2, 3 / 5])
    assert_array_equal(thresholds, [0.9, 0.3, 0.2, 0.1])


@given(
    st.lists(
        st.tuples(st.integers(0, 2), st.integers(0, 2), st.integers(-3, 3)), min_size=1
    )
)
def test_each_point_is_the_accuracy_above_its_threshold(rows):
    y_true, y_pred, scores = map(np.array, zip(*rows, strict=True))
    curve = coverage_curve(y_true, y_pred, scores)
    assert len(curve[0]) == len(np.unique(scores))
    for coverage, accuracy, threshold in zip(*curve, strict=True):
        answered = scores >= threshold
        assert coverage == answered.mean()
        assert_allclose(accuracy, accuracy_score(y_true[answered], y_pred[answered]))
    assert curve[0][-1] == 1


def test_refusals():
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        coverage_curve([0, 1], [0, 1], [0.5])
    with pytest.raises(ValueError, match="NaN"):
        coverage_curve([0, 1], [0, 1], [0.5, np.nan])
