"""CoverageDisplay: the curves of the model's own scores."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from plots import no_overlap
from sems import Prototypes, Stubborn
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_kmex import KMExClassifier
from sklearn_kmex.inspection import CoverageDisplay
from sklearn_kmex.metrics import coverage_curve

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")


def test_curves_are_those_of_the_scores(digits):
    X, X_test, y, y_test = digits
    psem = make_pipeline(StandardScaler(), KMExClassifier(2, random_state=0)).fit(X, y)
    display = CoverageDisplay.from_estimator(psem, X_test, y_test)
    labels = psem.predict(X_test)
    similar = coverage_curve(y_test, labels, psem.score_samples(X_test))
    probable = coverage_curve(y_test, labels, psem.predict_proba(X_test).max(axis=1))
    for name, curve in (("similarity", similar), ("probability", probable)):
        for mine, theirs in zip(display.curves[name], curve, strict=True):
            assert_allclose(mine, theirs)
    assert display.accuracy == psem.score(X_test, y_test)
    assert_array_equal(display.lines_[1].get_xdata(), display.curves["probability"][0])
    assert_array_equal(display.lines_[0].get_ydata(), display.curves["similarity"][1])
    assert display.all_.get_ydata()[0] == display.accuracy
    low, high = display.ax_.get_ylim()
    assert low < display.accuracy < high
    no_overlap(display.figure_)


def test_frame(blobs):
    pytest.importorskip("pandas")
    X, y = blobs
    psem = KMExClassifier(1).fit(X, y)
    frame = CoverageDisplay.from_estimator(psem, X, y, methods=["probability"]).frame()
    assert list(frame.columns) == ["method", "coverage", "accuracy", "threshold"]
    assert set(frame["method"]) == {"probability"}
    assert frame["coverage"].iloc[-1] == 1


def test_a_model_without_probabilities(blobs):
    X, y = blobs
    psem = Prototypes([X[y == c].mean(axis=0) for c in range(3)], [0, 1, 2])
    display = CoverageDisplay.from_estimator(psem, X, y)
    assert list(display.curves) == ["similarity"]
    with pytest.raises(ValueError, match="'probability' for a model without predict_p"):
        CoverageDisplay.from_estimator(psem, X, y, methods="probability")


def test_the_model_predicts():
    psem = Stubborn([[0.0], [1]], ["a", "b"])
    display = CoverageDisplay.from_estimator(psem, [[0.0], [1.5]], ["a", "b"])
    assert display.accuracy == 0.5
    assert_array_equal(display.curves["similarity"][1], [1, 0.5])


def test_curves_of_ones_own():
    curve = coverage_curve([0, 1], [0, 1], [1.0, 0.5])
    display = CoverageDisplay(curves={"mine": curve}, accuracy=1.0).plot()
    assert display.lines_[0].get_label() == "mine"
    no_overlap(display.figure_)


def test_refusals(blobs):
    X, y = blobs
    psem = KMExClassifier(1).fit(X, y)
    with pytest.raises(
        ValueError, match=r"among \['similarity', 'probability'\]; got \['m"
    ):
        CoverageDisplay.from_estimator(psem, X, y, methods=["margin"])
    with pytest.raises(ValueError, match=r"must be among .* got \[\]"):
        CoverageDisplay.from_estimator(psem, X, y, methods=[])
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        CoverageDisplay.from_estimator(psem, X, y[:5])
    with pytest.raises(ValueError, match=r"among the classes of psem.*unknown: \[7\]"):
        CoverageDisplay.from_estimator(psem, X, np.full(90, 7))
