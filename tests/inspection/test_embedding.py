"""The map: where samples and prototypes are, and which class each mark is of."""

from itertools import combinations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sems import Prototypes
from sklearn.datasets import load_iris
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import NotFittedError
from sklearn.manifold import TSNE
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_kmex import KMExClassifier, make_kmex
from sklearn_kmex._draw.figures import style
from sklearn_kmex.embedding import TreeEmbedder
from sklearn_kmex.inspection import EmbeddingDisplay

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")
import matplotlib.pyplot as plt

draw = EmbeddingDisplay.from_estimator


def test_pca_of_the_embeddings(blobs):
    X, y = blobs
    psem = make_pipeline(StandardScaler(), KMExClassifier(2, random_state=0)).fit(X, y)
    display = draw(psem, X, y)
    Z = psem[0].transform(X)
    pca = PCA(2, random_state=0).fit(Z)
    assert_allclose(display.points, pca.transform(Z))
    assert_allclose(display.prototype_points, pca.transform(psem[-1].prototypes_))
    share = pca.explained_variance_ratio_[0]
    assert display.ax_.get_xlabel() == f"component 1 ({share:.0%})"
    for label, scatter in enumerate(display.scatters_):
        assert_allclose(scatter.get_offsets(), display.points[y == label])
    for scatter in display.prototype_scatters_:
        assert len(scatter.get_offsets()) == 2
    texts = [t.get_text() for t in display.legend_.get_texts()]
    assert texts == ["0", "1", "2"]


def test_frame(blobs):
    X, y = blobs
    psem = KMExClassifier(2, random_state=0).fit(X, y)
    display = draw(psem, X, y)
    frame = display.frame()
    assert frame["kind"].value_counts().to_dict() == {"sample": 90, "prototype": 6}
    marks = frame[frame["kind"] == "prototype"]
    assert_allclose(marks[["x", "y"]], display.prototype_points)
    assert_array_equal(marks["label"], psem.prototype_classes_)
    assert_array_equal(marks["index"], range(6))


def test_labels_may_be_those_predicted(blobs):
    X, y = blobs
    psem = KMExClassifier(2, random_state=0).fit(X, y)
    assert_array_equal(draw(psem, X).labels, psem.predict(X))
    with pytest.raises(ValueError, match="y must be among the classes"):
        draw(psem, X, y + 1)


def test_any_fitted_reducer(blobs):
    X, y = blobs
    psem = KMExClassifier(2, random_state=0).fit(X, y)
    display = draw(psem, X, y, reducer=PCA(3).fit(X[:50]))
    assert display.points.shape == (90, 2)
    assert display.ax_.get_xlabel() == "component 1"
    with pytest.raises(NotFittedError):
        draw(psem, X, y, reducer=PCA(2))
    with pytest.raises(TypeError, match=r"reducer must have transform.*TSNE has none"):
        draw(psem, X, y, reducer=TSNE())
    with pytest.raises(ValueError, match=r"at least two columns; got shape \(90, 1\)"):
        draw(psem, X, y, reducer=PCA(1).fit(X))


def test_a_single_feature():
    display = draw(Prototypes([[0], [4]], [0, 1]), [[0.0], [1.0], [5.0]])
    assert_allclose(display.points, [[2, 0], [1, 0], [-3, 0]] * display.points[0] / 2)
    assert abs(display.points[0, 0]) == 2


def test_a_hundred_classes_differ_and_ten_in_colour_and_mark():
    looks = [tuple(style(code).values()) for code in range(100)]
    assert len(set(looks)) == 100
    for one, other in combinations(looks[:10], 2):
        assert one[0] != other[0]
        assert one[1] != other[1]


@pytest.mark.parametrize("n_classes", [2, 10, 100])
def test_every_class_is_named(n_classes):
    rng = np.random.RandomState(0)
    psem = Prototypes(rng.normal(size=(n_classes, 3)), np.arange(n_classes))
    display = draw(psem, rng.normal(size=(200, 3)))
    texts = [t.get_text() for t in display.legend_.get_texts()]
    assert texts == list(map(str, range(n_classes)))


def test_classes_left_out_of_a_small_legend_are_counted():
    rng = np.random.RandomState(0)
    psem = Prototypes(rng.normal(size=(100, 3)), np.arange(100))
    _, axes = plt.subplots(1, 2, layout="constrained")
    texts = draw(psem, rng.normal(size=(200, 3)), ax=axes[0]).legend_.get_texts()
    assert texts[-1].get_text() == f"… {100 - len(texts) + 1} more classes"


def test_sparse_embeddings():
    X, y = load_iris(return_X_y=True)
    forest = RandomForestClassifier(10, random_state=0).fit(X, y)
    leaves = TreeEmbedder(forest, leaves="identity")
    psem = make_kmex(leaves, n_prototypes=2, random_state=0).fit(X, y)
    Z = psem[:-1].transform(X)
    assert sparse.issparse(Z)
    display = draw(psem, X, y)
    dense = PCA(2).fit_transform(Z.toarray())
    assert_allclose(abs(display.points), abs(dense), atol=1e-4)


@pytest.mark.parametrize("metric", ["cosine", "cosine_mahalanobis"])
def test_rows_and_prototypes_have_the_same_scale(metric, blobs):
    X, y = blobs
    psem = KMExClassifier(2, metric=metric, random_state=0).fit(X, y)
    display, lengths = draw(psem, X, y), np.linalg.norm(X, axis=1, keepdims=True)
    pca = PCA(2, random_state=0).fit(X / lengths)
    assert_allclose(display.points, pca.transform(X / lengths))
    assert_allclose(display.prototype_points, pca.transform(psem.prototypes_))


def test_the_mahalanobis_metric_is_shown_in_the_embedding_space(blobs):
    X, y = blobs
    psem = KMExClassifier(2, metric="mahalanobis", random_state=0).fit(X, y)
    assert_allclose(draw(psem, X, y).points, PCA(2, random_state=0).fit_transform(X))
