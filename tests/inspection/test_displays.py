"""What holds of every display, whatever it shows."""

import sys

import numpy as np
import pytest
from plots import no_overlap, texts_of
from sems import Prototypes

from sklearn_kmex import KMExClassifier, KMExClassifierCV, inspection
from sklearn_kmex.exceptions import MissingDependencyError
from sklearn_kmex.inspection import (
    CoverageDisplay,
    EmbeddingDisplay,
    ExplanationDisplay,
    PrototypeCountDisplay,
    PrototypeDisplay,
    UsageDisplay,
)

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

SIZES = [(2, 1), (2, 50), (10, 5), (10, 50), (100, 1), (100, 5)]


def model(n_classes, n_prototypes, n_features=4):
    """A model that is not KMEx, and three rows for each prototype."""
    rng = np.random.RandomState(0)
    labels = np.repeat(np.arange(n_classes), n_prototypes)
    vectors = rng.normal(size=(len(labels), n_features)) + 4 * rng.normal(
        size=(n_classes, n_features)
    ).repeat(n_prototypes, axis=0)
    y = np.tile(labels, 3)
    X = np.tile(vectors, (3, 1)) + rng.normal(size=(len(y), n_features))
    return Prototypes(vectors, labels), X, y


def table(psem, X, y, **settings):
    return PrototypeDisplay.from_estimator(psem, X, y, **settings)


def gallery(psem, X, y, **settings):
    return PrototypeDisplay.from_estimator(psem, X, y, image_shape=(2, 2), **settings)


def explanation(psem, X, y, **settings):
    return ExplanationDisplay.from_estimator(psem, X[:2], **settings)


def pictures(psem, X, y, **settings):
    if isinstance(psem, Prototypes):
        psem.prototype_indices_ = np.arange(len(psem.prototypes_))
    shape = {"X_train": X, "image_shape": (2, 2)}
    return ExplanationDisplay.from_estimator(psem, X[:2], **shape, **settings)


DRAW = {
    "table": table,
    "gallery": gallery,
    "explanation": explanation,
    "pictures": pictures,
    "embedding": EmbeddingDisplay.from_estimator,
    "usage": UsageDisplay.from_estimator,
}
NAMED = dict(DRAW)  # those that show names of classes
DRAW |= {"coverage": CoverageDisplay.from_estimator}
draws = pytest.mark.parametrize("draw", DRAW.values(), ids=DRAW)
named = pytest.mark.parametrize("draw", NAMED.values(), ids=NAMED)


def test_all_displays_are_here():
    names = {"PrototypeCountDisplay", "SearchDisplay"} | {
        draw(*model(2, 1)).__class__.__name__ for draw in DRAW.values()
    }
    assert names == set(inspection.__all__)


@named
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_text_has_a_place_of_its_own(draw, size):
    names = [f"the class with number {i}, $and$ more" for i in range(size[0])]
    display = draw(*model(*size), class_names=names)
    no_overlap(display.figure_)


@pytest.mark.slow
@pytest.mark.parametrize("draw", [gallery, UsageDisplay.from_estimator])
def test_five_thousand_prototypes(draw):
    no_overlap(draw(*model(100, 50)).figure_)


@named
def test_a_dollar_is_a_dollar(draw):
    display = draw(*model(2, 1), class_names=["$a$ or\n$b$", r"$\frac$"])
    display.figure_.canvas.draw()  # \frac would not parse
    texts = [text.get_text() for text in texts_of(display.figure_)]
    assert any("$a$ or $b$" in text for text in texts)


@draws
def test_axes_given_are_used_and_nothing_else_changes(draw):
    figure, axes = plt.subplots(1, 2, figsize=(16, 6), layout="constrained")
    figures, before = plt.get_fignums(), dict(matplotlib.rcParams)
    display = draw(*model(3, 2), ax=axes[1])
    assert display.figure_ is figure
    assert plt.get_fignums() == figures
    assert dict(matplotlib.rcParams) == before
    assert plt.gca() in figure.axes
    assert not axes[0].has_data()
    if hasattr(display, "ax_"):
        assert display.ax_ is axes[1]
    elif display.bounding_ax_ is not None:
        assert display.bounding_ax_ is axes[1]
        assert not axes[1].axison
        left = axes[1].get_subplotspec().get_position(figure).x0
        inside = [
            ax.get_subplotspec().get_position(figure).x0 for ax in display.axes_.flat
        ]
        assert min(inside) >= left
    else:
        assert display.axes_.tolist() == [axes[1]]
    no_overlap(figure)


@draws
def test_plot_draws_again_into_a_figure_of_its_own(draw):
    display = draw(*model(2, 2))
    first = display.figure_
    assert display.plot() is display
    assert display.figure_ is not first
    assert len(plt.get_fignums()) == 2


@draws
def test_pipelines_are_looked_through(draw):
    _, X, y = model(3, 4)
    pipe = make_pipeline(StandardScaler(), KMExClassifier(2, random_state=0)).fit(X, y)
    assert len(draw(pipe, X, y).frame()) > 0


@draws
def test_refusals(draw, monkeypatch):
    psem, X, y = model(3, 1)
    with pytest.raises(
        TypeError, match=r"must decide by prototypes.*StandardScaler has no"
    ):
        draw(StandardScaler(), X, y)
    _, axes = plt.subplots(2)
    with pytest.raises(TypeError, match="ax must be one matplotlib Axes; got ndarray"):
        draw(psem, X, y, ax=axes)
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(MissingDependencyError, match=r"Display requires.*\[plot\]"):
        draw(psem, X, y)


@named
def test_a_name_for_each_class(draw):
    with pytest.raises(ValueError, match=r"one name for each of the 3 classes.*got 2"):
        draw(*model(3, 1), class_names=["a", "b"])


@pytest.mark.parametrize("draw", [gallery, explanation])
def test_a_place_that_cannot_be_divided(draw):
    ax = plt.figure().add_axes((0.1, 0.1, 0.8, 0.8))
    with pytest.raises(ValueError, match="ax must be part of a grid of subplots"):
        draw(*model(2, 1), ax=ax)


@pytest.mark.parametrize("draw", [table, EmbeddingDisplay.from_estimator, gallery])
def test_small_axes_leave_names_out_rather_than_on_top_of_each_other(draw):
    figure, axes = plt.subplots(2, 2, figsize=(11, 5), layout="constrained")
    draw(*model(100, 2), ax=axes[0, 0])
    no_overlap(figure)
    assert isinstance(axes[0, 0], Axes)


def test_the_curve_needs_no_data(blobs):
    X, y = blobs
    figure, axes = plt.subplots(1, 2)
    psem = KMExClassifierCV(3, random_state=0).fit(X, y)
    display = PrototypeCountDisplay.from_estimator(psem, ax=axes[0])
    assert display.ax_ is axes[0]
    assert display.figure_ is figure
    no_overlap(figure)
