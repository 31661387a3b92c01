"""Usage: counts by hand, and ghosts."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sems import Prototypes

from sklearn_kmex import KMExClassifier
from sklearn_kmex.inspection import UsageDisplay
from sklearn_kmex.metrics import ghosting_rate

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")


def test_counts_by_hand():
    psem = Prototypes([[0], [10], [20], [99]], ["a", "b", "a", "b"])
    X = [[1], [2], [9], [11], [19]]
    display = UsageDisplay.from_estimator(psem, X, ["a", "b", "b", "b", "b"])
    frame = display.frame()
    assert frame["usage"].tolist() == [2, 2, 1, 0]
    assert frame["n_correct"].tolist() == [1, 2, 0, 0]
    assert_allclose(frame["share_correct"], [0.5, 1, 0, np.nan])
    assert frame["ghost"].tolist() == [False, False, False, True]
    # Both of "a" come first, then a gap, then both of "b", the last one a ghost.
    right, edges, _ = display.correct_.get_data()
    assert_array_equal(right[::2], [1, 0, 2, 0])
    assert_array_equal(right[1::2], 0)
    wrong, _, baseline = display.wrong_.get_data()
    assert_array_equal(wrong[::2], [2, 1, 2, 0])
    assert_array_equal(baseline, right)
    assert_allclose(edges[::2] + 0.42, [0, 1, 3, 4])
    assert_allclose(display.ghosts_.get_offsets(), [[4, 0]])
    names = [t.get_text() for t in display.ax_.get_xticklabels()]
    assert (names, display.ax_.get_xticks().tolist()) == (["a", "b"], [0.5, 3.5])
    texts = [t.get_text() for t in display.ax_.get_legend().get_texts()]
    assert texts == ["correct", "wrong", "never decides (1)"]


def test_counts_are_by_weighted_similarity():
    X, y = np.array([[0.0]] * 98 + [[1.0], [9.0]]), np.array(["a"] * 99 + ["b"])
    psem = KMExClassifier(
        {"a": 2, "b": 1}, priors="prototype", similarity="gaussian", temperature=1.0
    ).fit(X, y)
    display = UsageDisplay.from_estimator(psem, X, y)
    assert sorted(display.usage) == [0, 1, 99]
    assert display.usage[psem.prototypes_.ravel() == 1] == 0  # nearest to its own row


def test_wrong_bars_are_told_apart_without_colour():
    psem = Prototypes([[0], [9]], [0, 1])
    display = UsageDisplay.from_estimator(psem, [[0], [9]], [1, 0])
    assert display.wrong_.get_hatch()
    assert not display.correct_.get_hatch()
    assert len(display.ax_.get_legend().get_texts()) == 2  # no ghosts


def test_counts_are_those_of_the_metrics(digits):
    X, X_test, y, y_test = digits
    psem = KMExClassifier(8, random_state=0).fit(X, y)
    display = UsageDisplay.from_estimator(psem, X_test, y_test)
    active = psem.transform(X_test).argmax(axis=1)
    ghosts = display.frame()["ghost"]
    assert ghosts.mean() == ghosting_rate(active, 80)
    assert display.n_correct.sum() / len(X_test) == psem.score(X_test, y_test)


def test_classes_without_prototypes_and_labels_of_no_class():
    psem = Prototypes([[0], [9]], ["a", "c"], classes=["a", "b", "c"])
    display = UsageDisplay.from_estimator(psem, [[0], [9]], ["a", "new"])
    assert [t.get_text() for t in display.ax_.get_xticklabels()] == ["a", "c"]
    assert display.n_correct.tolist() == [1, 0]
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        UsageDisplay.from_estimator(psem, [[0], [9]], ["a"])
