"""The display of explanations: the same picture as Explanation.plot, with names."""

import pytest
from numpy.testing import assert_array_equal

from sklearn_kmex import KMExClassifier
from sklearn_kmex.explain import explain
from sklearn_kmex.inspection import ExplanationDisplay

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")
import matplotlib.pyplot as plt

NAMES = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]


@pytest.fixture(scope="module")
def psem(digits):
    X, _, y, _ = digits
    return KMExClassifier(2, random_state=0).fit(X, y)


def test_the_same_picture(psem, digits):
    X, X_test, *_ = digits
    settings = {"image_shape": (8, 8), "vmin": 0, "vmax": 12}
    display = ExplanationDisplay.from_estimator(
        psem, X_test[:2], X_train=X, n_prototypes=2, **settings
    )
    axes = explain(psem, X_test[:2], X_train=X, n_prototypes=2).plot(**settings)
    assert axes.shape == display.axes_.shape
    for one, other in zip(axes.flat, display.axes_.flat, strict=True):
        assert one.get_title() == other.get_title()
        for image, same in zip(one.images, other.images, strict=True):
            assert_array_equal(image.get_array(), same.get_array())


def test_members_by_label(psem, digits):
    X, X_test, y, _ = digits
    given = {"X_train": X, "y_train": y, "n_members": 2}
    display = ExplanationDisplay.from_estimator(psem, X_test[:2], **given)
    members = explain(psem, X_test[:2], **given).members
    assert_array_equal(display.explanation.members, members)


def test_names_of_classes(psem, digits):
    display = ExplanationDisplay.from_estimator(psem, digits[1][:3], class_names=NAMES)
    found = explain(psem, digits[1][:3])
    frame = display.frame()
    assert set(frame["prediction"]) == {NAMES[label] for label in found.predictions}
    labels = found.frame()["prototype_label"]
    assert frame["prototype_label"].tolist() == [NAMES[label] for label in labels]
    title = display.axes_[0, 0].get_title(loc="left")
    assert title.startswith(f"sample 0: {NAMES[found.predictions[0]]}")


def test_the_first_of_many_in_axes_of_ones_own(psem, digits):
    figure, axes = plt.subplots(1, 2, figsize=(16, 6), layout="constrained")
    display = ExplanationDisplay.from_estimator(
        psem, digits[1][:9], ax=axes[0], max_samples=2
    )
    assert display.axes_.shape == (2, 1)
    titles = [ax.get_title() for ax in figure.axes]
    assert "The first 2 of 9 samples; slice to see others" in titles
    assert figure.get_suptitle() == ""


def test_relevance_is_drawn_over_the_sample(psem, digits):
    X_test = digits[1][:2]
    display = ExplanationDisplay.from_estimator(
        psem, X_test, relevance=X_test - 8, image_shape=(8, 8)
    )
    heat = display.axes_[0, 1].images[1].get_array()
    assert_array_equal(heat, X_test[0].reshape(8, 8) - 8)
