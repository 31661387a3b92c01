"""The figure of counterfactuals: pictures, columns that differ, prototypes removed."""

import sys

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from plots import no_caption_overlaps
from sems import Prototypes
from sklearn.datasets import load_wine
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_kmex import KMExClassifier
from sklearn_kmex.exceptions import MissingDependencyError
from sklearn_kmex.explain import counterfactuals

pytest.importorskip("pandas")
matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")
import matplotlib.pyplot as plt


@pytest.fixture(scope="module")
def wine():
    X, y = load_wine(return_X_y=True, as_frame=True)
    psem = make_pipeline(StandardScaler(), KMExClassifier(3, random_state=0))
    return counterfactuals(psem.fit(X, y), X, X_train=X, y_train=y), X


@pytest.fixture(autouse=True)
def close():
    yield
    plt.close("all")


def names_of(ax):
    return [label.get_text() for label in ax.get_yticklabels()]


def widths_of(ax):
    return [bar.get_width() for bar in ax.patches]


def test_pictures(digits):
    X, X_test, y, _ = digits
    psem = KMExClassifier(3, random_state=0).fit(X, y)
    found = counterfactuals(psem, X_test[:2], X_train=X, y_train=y)
    axes = found.plot(image_shape=(8, 8), vmin=0, vmax=16)
    assert axes.shape == (2, 3)
    sample, nearest, bars = axes[1]
    assert_allclose(sample.images[0].get_array(), X_test[1].reshape(8, 8) / 16)
    row = found.training_rows[1]
    assert_allclose(nearest.images[0].get_array(), X[row].reshape(8, 8) / 16)
    assert f"{found.predictions[1]}\nmargin {found.margin[1]:.3g}" in sample.get_title()
    assert f"{found.runner_up[1]}, row {row}" in nearest.get_title()
    assert f"distance {found.distances[1]:.3g}" in nearest.get_title()
    n_removed = len(found.removals[1])
    assert len(bars.patches) == n_removed + 1
    no_caption_overlaps(axes)


def test_prototypes_that_decide(wine):
    found, _ = wine
    for i in (0, 60, 121):
        bars = found[[i]].plot()[0, -1]
        removed = found.removals[i]
        *before, then = widths_of(bars)
        similar = found.similarities[i]
        assert_allclose(before, np.sort(similar[removed])[::-1])
        left = (found.prototype_classes == found.removed_to[i]) & ~found.removed[i]
        assert_allclose(then, similar[left].max())
        assert all(name.endswith("(predicted)") for name in names_of(bars)[:-1])
        assert bars.get_title(loc="left").endswith(f": {found.removed_to[i]}")


def test_weights_are_drawn_where_they_differ():
    X, y = [[-2.0]] * 98 + [[-1.0], [0.5]], ["a"] * 99 + ["b"]
    psem = KMExClassifier(1, priors="class", similarity="gaussian", temperature=1.0)
    found = counterfactuals(psem.fit(X, y), [[0.0]])
    bars = found.plot()[0, -1]
    assert bars.get_xlabel() == "weighted similarity"
    weighted = psem.transform([[0.0]])[0] + found.shift
    ends = [bar.get_x() + bar.get_width() for bar in bars.patches]
    assert_allclose(ends, weighted)


def test_columns_that_differ(wine):
    found, X = wine
    i = int(found.margin.argmin())
    drawn = found[[i]].plot(n_features=4)
    no_caption_overlaps(drawn)
    row = found.training_rows[i]
    changes = (X.iloc[row] - X.iloc[i]) / X.std(ddof=0)
    order = np.argsort(-changes.abs().to_numpy(), kind="stable")
    ax = drawn[0, 0]
    assert_allclose(widths_of(ax)[:4], changes.iloc[order[:4]])
    first = X.columns[order[0]]
    old, new = X.iloc[i][first], X.iloc[row][first]
    assert names_of(ax)[0] == f"{first}: {old:.4g} → {new:.4g}"
    assert names_of(ax)[4] == f"{np.count_nonzero(changes) - 4} more differ"
    title = ax.get_title(loc="left")
    assert f"margin {found.margin[i]:.3g}" in title
    assert f"row {row}" in title


def test_columns_of_text_and_columns_that_are_equal():
    pandas = pytest.importorskip("pandas")
    from sklearn.compose import make_column_transformer
    from sklearn.preprocessing import OneHotEncoder

    table = pandas.DataFrame(
        {
            "colour": ["red", "red", "blue", "blue"],
            "size": [1.0, 2.0, 1.0, 4.0],
            "new": [True, True, True, True],
        }
    )
    split = make_column_transformer(
        (OneHotEncoder(), ["colour"]), ("passthrough", ["size", "new"])
    )
    psem = make_pipeline(split, KMExClassifier(1)).fit(table, ["a", "a", "b", "b"])
    found = counterfactuals(psem, table, X_train=table, y_train=list("aabb"))
    assert found.training_rows[0] == 2
    axes = found[[0, 3]].plot()
    assert names_of(axes[0, 0]) == ["colour: red → blue"]
    assert [text.get_text() for text in axes[0, 0].texts] == ["differs"]
    assert len(axes[1, 0].patches) == 2
    assert_allclose(found.feature_scales, [np.nan, table["size"].std(ddof=0), np.nan])
    same = counterfactuals(
        psem, table[:1], X_train=table.iloc[[0, 0]], y_train=["a", "b"]
    )
    assert names_of(same.plot()[0, 0]) == ["no column differs"]


def test_without_training_rows_the_prototypes_are_drawn():
    model = Prototypes([[0], [1], [4]], ["a", "a", "b"])
    found = counterfactuals(model, [[0.4], [0.6]])
    axes = found.plot()
    assert axes.shape == (2, 1)
    assert "sample 0: a, margin" in axes[0, 0].get_title(loc="left")
    assert names_of(axes[0, 0]) == [
        "a, prototype 0 (predicted)",
        "a, prototype 1 (predicted)",
        "b, prototype 2 (runner-up)",
    ]
    no_caption_overlaps(axes)


def test_many_samples_and_many_prototypes():
    points = np.arange(30.0)[:, np.newaxis]
    model = Prototypes(points, np.repeat(["a", "b"], [25, 5]))
    found = counterfactuals(model, np.full((12, 1), 1.0))
    axes = found.plot(max_samples=2)
    assert len(axes) == 2
    said = "The first 2 of 12 samples; slice to see others"
    assert axes[0, 0].figure.get_suptitle() == said
    assert len(axes[0, 0].patches) == 11
    assert "25 prototypes (the first 10 are shown)" in axes[0, 0].get_title(loc="left")
    for some, number in ((found[[]], 10), (found, 0)):
        with pytest.raises(ValueError, match="max_samples must be an int of at least"):
            some.plot(max_samples=number)


def test_integers_do_not_overflow():
    X = np.array([[200, 0], [10, 0]], dtype=np.uint8)
    psem = KMExClassifier(1).fit(X, [0, 1])
    found = counterfactuals(psem, X, X_train=X, y_train=[0, 1])
    scale = X[:, 0].std()
    assert_allclose(widths_of(found.plot()[0, 0]), [-190 / scale])
    assert_array_equal(found.samples, X, strict=True)


def test_plot_needs_matplotlib(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    found = counterfactuals(Prototypes([[0], [1]], [0, 1]), [[0]])
    with pytest.raises(MissingDependencyError, match=r"Counterfactuals.plot requires"):
        found.plot()
