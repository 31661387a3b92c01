"""The pictures of explanations: what is in which axes, and that captions fit."""

import sys
from inspect import signature

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from plots import no_caption_overlaps
from sems import Prototypes

from sklearn_kmex import KMExClassifier
from sklearn_kmex.exceptions import MissingDependencyError
from sklearn_kmex.explain import contrast, counterfactuals, explain

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")
import matplotlib.pyplot as plt


@pytest.fixture(autouse=True)
def close():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def psem(digits):
    X, _, y, _ = digits
    return KMExClassifier(2, random_state=0).fit(X, y)


@pytest.mark.parametrize("n_samples", [1, 3, 10])
@pytest.mark.parametrize("examples", [True, False])
def test_captions_fit(psem, digits, n_samples, examples):
    X, X_test, *_ = digits
    found = explain(psem, X_test[:n_samples], X_train=X if examples else None)
    axes = found.plot(image_shape=(8, 8))
    assert len(axes) == n_samples
    no_caption_overlaps(axes)
    no_caption_overlaps(found.plot())  # bars


def test_long_labels_fit():
    labels = ["a class with a rather long name, and then some more", "word" * 15]
    found = explain(Prototypes([[0], [9]], labels), [[1.0], [8.0]])
    no_caption_overlaps(found.plot())
    found = explain(
        Prototypes(np.repeat([[0], [1]], 64, axis=1), labels), np.eye(64)[:2]
    )
    no_caption_overlaps(found.plot(image_shape=(8, 8)))


def test_pictures_and_captions(psem, digits):
    X, X_test, *_ = digits
    found = explain(psem, X_test[:2], X_train=X)
    axes = found.plot(image_shape=(8, 8))
    span = max(found.samples.max(), found.examples.max())
    shown = axes[1, 0].images[0].get_array()
    assert_allclose(shown, X_test[1].reshape(8, 8) / span)
    example = axes[1, 1].images[0].get_array()
    assert_allclose(example, X[found.training_rows[1, 0]].reshape(8, 8) / span)
    title = axes[1, 0].get_title()
    assert title == (
        f"sample 1: {found.predictions[1]}\np = {found.probability[1]:.2f}\n"
        f"more similar than\n{100 * found.typicality[1]:.0f}\N{NO-BREAK SPACE}% of "
        "training\nrows of this class"
    )
    assert f"row {found.training_rows[1, 0]}" in axes[1, 1].get_title()
    assert axes[1, 1].get_title().endswith("predicted")
    ends = [ax.get_title().rpartition("\n")[2] for ax in axes[1] if ax.axison]
    assert "runner-up" in ends


def test_members_are_drawn_beside_the_example_of_their_prototype(psem, digits):
    X, X_test, y, _ = digits
    found = explain(
        psem, X_test[:2], X_train=X, y_train=y, relevance=np.ones((2, 3, 64))
    )
    axes = found.plot(image_shape=(8, 8))
    no_caption_overlaps(axes)
    first, second = axes[0], axes[1]
    assert first[1].get_title().endswith("predicted")
    for j in range(3):
        ax = first[2 + j]
        row, likeness = found.members[0, j], found.member_likeness[0, j]
        assert ax.get_title() == f"row {row}\nlikeness {likeness:.3f}\nmember"
        drawn = ax.images[0].get_array()
        assert_allclose(drawn, X[row].reshape(8, 8) / 16)
        assert not second[2 + j].axison
    assert second[1].axison
    assert second[5].axison  # the map of the next prototype, below its example


def test_few_members_leave_the_scale_as_it_is():
    """A place without a member draws nothing, and is not a black picture."""
    X = 100.0 + np.array([[0, 1, 2, 3], [0, 1, 2, 4], [9, 0, 0, 0]])
    y = [0, 0, 1]
    psem = KMExClassifier(1, random_state=0).fit(X, y)
    found = explain(psem, X[[2, 0]], X_train=X, y_train=y)
    axes = found.plot(image_shape=(2, 2))
    titles = [[ax.get_title() for ax in row] for row in axes]
    assert [sum("member" in title for title in row) for row in titles] == [1, 2]
    assert_allclose(axes[0, 0].images[0].get_array(), [[1, 0], [0, 0]])


def test_members_are_listed_above_bars(psem, digits):
    X, X_test, y, _ = digits
    found = explain(psem, X_test[:2], X_train=X, y_train=y, n_members=15)
    axes = found.plot()
    no_caption_overlaps(axes)
    title = axes[1, 0].get_title(loc="left")
    head, _, members = title.partition("\nmembers most like it: rows ")
    assert head.startswith("sample 1: ")
    rows = members.replace("\n", " ").split(", ")
    assert list(map(int, rows)) == found.members[1].tolist()


def test_bars(psem):
    model = Prototypes([[0], [3], [9]], ["a", "b", "c"])
    (ax,) = explain(model, [[1.0]], n_prototypes=2).plot().ravel()
    labels = [label.get_text() for label in ax.get_yticklabels()]
    assert labels == ["a, prototype 0 (predicted)", "b, prototype 1 (runner-up)"]
    ends = [bar.get_x() + bar.get_width() for bar in ax.patches]
    assert_allclose(ends, [-1, -2])
    assert ax.patches[0].get_width() > ax.patches[1].get_width() > 0
    assert ax.get_title(loc="left") == "sample 0: a"


def test_relevance_of_each_prototype(psem, digits):
    X, X_test, *_ = digits
    maps = np.random.RandomState(0).normal(size=(2, 3, 64))
    found = explain(psem, X_test[:2], X_train=X, relevance=maps)
    axes = found.plot(image_shape=(8, 8))
    assert axes.shape[0] == 4
    heat = axes[3, 1].images[1]
    assert_allclose(heat.get_array(), maps[1, 0].reshape(8, 8))
    low, high = heat.get_clim()
    assert -low == high == abs(maps[1]).max()
    no_caption_overlaps(axes)
    axes = explain(psem, X_test[:2], relevance=maps).plot(image_shape=(8, 8))
    assert axes.shape[0] == 2
    assert_allclose(axes[1, 2].images[1].get_array(), maps[1, 1].reshape(8, 8))
    assert "row" in axes[1, 2].get_title()


@pytest.mark.parametrize("summed", [True, False])
def test_relevance_of_the_sample_in_colours(summed):
    pictures = np.random.RandomState(0).normal(size=(6, 3, 5, 6))
    flat = pictures.reshape(6, -1)

    class Images(Prototypes):
        def transform(self, X):
            return super().transform(np.reshape(X, (len(X), -1)))

    found = explain(
        Images(flat[:2], [0, 1]),
        pictures,
        relevance=pictures.sum(axis=1) if summed else pictures,
    )
    axes = found.plot()
    assert axes[4, 0].images[0].get_array().shape == (5, 6, 3)
    assert_allclose(axes[4, 1].images[1].get_array(), pictures[4].sum(axis=0))


def test_relevance_of_another_shape(psem, digits):
    found = explain(psem, digits[1][:2], relevance=np.zeros((2, 5)))
    with pytest.raises(ValueError, match=r"relevance must be of the shape.*got \(5,\)"):
        found.plot(image_shape=(8, 8))


def test_many_samples_and_a_figure_of_ones_own(psem, digits):
    found = explain(psem, digits[1][:12])
    axes = found.plot()
    assert axes.shape == (10, 1)
    text = axes[0, 0].figure.get_suptitle()
    assert text == "The first 10 of 12 samples; slice to see others"
    assert found[10:].plot()[1, 0].get_title(loc="left").startswith("sample 11: ")
    figure = plt.figure()
    axes = found.plot(max_samples=2, figure=figure)
    assert axes.shape == (2, 1)
    assert_array_equal(figure.axes, axes.ravel())


def test_rows_of_a_frame_are_bars(digits):
    pd = pytest.importorskip("pandas")
    X, X_test, y, _ = digits
    frame = pd.DataFrame(X).add_prefix("pixel")
    psem = KMExClassifier(1, random_state=0).fit(frame, y)
    rows = pd.DataFrame(X_test[:2]).add_prefix("pixel")
    axes = explain(psem, rows, X_train=frame).plot()
    assert axes.shape == (2, 1)
    assert len(axes[0, 0].patches) >= 3


def test_plot_needs_matplotlib(psem, digits, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(MissingDependencyError, match=r"pip install .*\[plot\]"):
        explain(psem, digits[1][:1]).plot()


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"image_shape": "a"}, ValueError, "image_shape must be a tuple .*; got 'a'"),
        ({"image_shape": 4}, ValueError, "image_shape must be a tuple .*; got 4"),
        ({"image_shape": (-8, -8)}, ValueError, r"tuple .*; got \(-8, -8\)"),
        ({"vmin": "a"}, ValueError, "vmin must be a number or None; got 'a'"),
        ({"vmax": [1]}, ValueError, r"vmax must be a number or None; got \[1\]"),
        ({"figure": 3}, TypeError, "figure must be a matplotlib Figure .*; got 3"),
        ({"n_features": 0}, ValueError, "n_features must be an int .*; got 0"),
        ({"n_features": 1.5}, ValueError, "n_features must be an int .*; got 1.5"),
    ],
)
def test_settings_of_figures_that_are_none(psem, digits, settings, error, message):
    X_test = digits[1][:1]
    n_refused = 0
    for function in (explain, counterfactuals, contrast):
        found = function(psem, X_test)
        if settings.keys() <= signature(found.plot).parameters.keys():
            n_refused += 1
            with pytest.raises(error, match=message):
                found.plot(**settings)
    assert n_refused >= 2
