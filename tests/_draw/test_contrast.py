"""The picture of a contrast: its bars, and that captions fit."""

import sys

import numpy as np
import pytest
from numpy.testing import assert_allclose
from plots import no_caption_overlaps
from sems import Prototypes
from sklearn.datasets import load_wine
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_kmex import KMExClassifier
from sklearn_kmex.exceptions import MissingDependencyError
from sklearn_kmex.explain import contrast

pytest.importorskip("pandas")
matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")
import matplotlib.pyplot as plt


@pytest.mark.parametrize("n_samples", [1, 3, 12])
def test_plot(n_samples):
    X, y = load_wine(return_X_y=True, as_frame=True)
    found = contrast(
        make_pipeline(StandardScaler(), KMExClassifier(2, random_state=0)).fit(X, y),
        X[:n_samples],
    )
    axes = found.plot(n_features=4)
    assert len(axes) == min(n_samples, 10)
    bars = [bar.get_width() for bar in axes[0].patches]
    assert len(bars) == 5
    assert_allclose(sum(bars), found.margin[0])
    assert_allclose(bars[:4], found.frame()["contribution"][:4])
    assert axes[0].get_yticklabels()[4].get_text() == "9 others"
    assert f"margin {found.margin[0]:.3g}" in axes[0].get_title(loc="left")
    said = axes[0].figure.get_suptitle()
    assert said == (
        "The first 10 of 12 samples; slice to see others" * (n_samples > 10)
    )
    whole = found.plot(n_features=13, max_samples=1, figure=plt.figure())
    assert len(whole[0].patches) == 13
    no_caption_overlaps(axes)
    plt.close("all")


def test_long_names_fit():
    labels = ["a class with a rather long name, and then some more", "word" * 15]
    model = Prototypes(np.eye(2, 6), labels)
    found = contrast(model, np.eye(6)[:3] + 1e-7)
    found.feature_names[:] = "a column with a name that is longer than any axis is wide"
    no_caption_overlaps(found.plot())
    assert not np.isnan(found.plot(n_features=1)[0].patches[0].get_width())
    plt.close("all")


@pytest.mark.parametrize("similarity", ["log", "gaussian"])
def test_weights_of_prototypes_are_drawn(similarity):
    X, y = load_wine(return_X_y=True)
    names = np.array(["a class with a rather long name", "word" * 15, "w"])
    kept = np.r_[0:9, 59:100, 130:160]
    psem = KMExClassifier(
        2, priors="prototype", similarity=similarity, temperature=3.0, random_state=0
    )
    X = StandardScaler().fit_transform(X)[kept]
    found = contrast(psem.fit(X, names[y[kept]]), X)
    found = found[found.weight_margin != 0][:3]
    axes = found.plot(n_features=3)
    no_caption_overlaps(axes)
    for i, ax in enumerate(axes):
        bars = [bar.get_width() for bar in ax.patches]
        last = ax.get_yticklabels()[-1].get_text()
        title = ax.get_title(loc="left")
        if similarity == "gaussian":
            assert last == "weights of the prototypes"
            assert_allclose(bars[-1], found.weight_contribution[i])
            assert f"weights {bars[-1]:+.3g}" in title
            bars = bars[:-1]
        else:
            assert last == "10 others"
            assert f"weights {found.weight_margin[i]:+.3g}" in title
        assert_allclose(sum(bars), found.margin[i])
    plt.close("all")


def test_plot_needs_matplotlib(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(MissingDependencyError, match=r"Contrast.plot requires matplot"):
        contrast(Prototypes([[0], [1]], [0, 1]), [[0]]).plot()


def test_nothing_to_draw():
    found = contrast(Prototypes([[0], [1]], [0, 1]), [[0]])
    for some, number in ((found[[]], 10), (found, 0), (found, 1.5)):
        with pytest.raises(ValueError, match=r"max_samples must be an int of at least"):
            some.plot(max_samples=number)
