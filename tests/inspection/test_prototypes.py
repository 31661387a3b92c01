"""Prototypes: what stands for each, where it is drawn, and what a value is against."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sems import Prototypes
from sklearn.compose import make_column_transformer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from sklearn_kmex import KMExClassifier
from sklearn_kmex.inspection import PrototypeDisplay
from sklearn_kmex.inspection._examples import prototypes_in_columns

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")
import matplotlib.pyplot as plt

draw = PrototypeDisplay.from_estimator


def picture(display, line, column):
    """Cut a picture out of the first block; a third of it is gap."""
    canvas = display.images_[0].get_array()
    size = display.pictures.shape[1] + 1
    start = line * size, column * size
    return canvas[start[0] : start[0] + size - 1, start[1] : start[1] + size - 1]


def test_lines_of_the_gallery_are_classes(digits):
    X, _, y, _ = digits
    psem = KMExClassifier(3, random_state=0).fit(X, y)
    display = draw(psem, X, image_shape=(8, 8))
    (ax,) = display.axes_
    assert [t.get_text() for t in ax.get_yticklabels()] == list("0123456789")
    assert display.images_[0].get_array().shape == (90, 27, 4)
    row = psem.prototype_indices_[3 * 4 + 1]
    shown = picture(display, 4, 1)
    assert_allclose(shown[..., 0], X[row].reshape(8, 8) / X.max(), rtol=1e-6)
    assert (shown[..., 3] == 1).all()
    frame = display.frame()
    assert frame.columns.tolist() == ["prototype", "prototype_label", "training_row"]
    assert_array_equal(frame["training_row"], psem.prototype_indices_)
    assert_array_equal(y[frame["training_row"]], frame["prototype_label"])


def test_labels_stand_beside_their_lines(digits):
    X, _, y, _ = digits
    psem = KMExClassifier(1, random_state=0).fit(X, y)
    (ax,) = draw(psem, X, image_shape=(8, 8)).axes_
    assert_allclose(ax.get_yticks(), 9 * np.arange(10) + 3.5)  # middles of 8 pixels


COLOURS = np.linspace(0, 1, 2 * 5 * 6 * 3).reshape(2, 5, 6, 3)


@pytest.mark.parametrize(
    ("X", "first"),
    [
        (COLOURS, COLOURS),
        (COLOURS.transpose(0, 3, 1, 2), COLOURS),
        ((COLOURS * 255).astype(np.uint8), (COLOURS * 255).astype(np.uint8) / 255),
        (COLOURS * 8 - 3, COLOURS),
        (COLOURS[..., :1], np.repeat(COLOURS[..., :1] / COLOURS[..., 0].max(), 3, -1)),
        (COLOURS[:, np.newaxis, ..., 0], None),
    ],
)
def test_pictures_of_any_layout_and_scale(X, first):
    class Images(Prototypes):
        def transform(self, X):
            return super().transform(np.reshape(X, (len(X), -1)))

    display = draw(Images(X, [0, 1]), X, [0, 1])
    shown = picture_of(display, 5, 6)
    if first is None:
        first = np.repeat(COLOURS[..., :1] / COLOURS[..., 0].max(), 3, -1)
    assert_allclose(shown[..., :3], first[0], atol=1e-6)


def picture_of(display, height, width):
    return display.images_[0].get_array()[:height, :width]


def test_opacity_is_kept_and_frames_may_hold_pictures():
    pd = pytest.importorskip("pandas")
    X = np.linspace(0, 1, 32).reshape(2, 16)
    psem = Prototypes(X, [0, 1])
    display = draw(psem, pd.DataFrame(X), [0, 1], image_shape=(2, 2, 4))
    shown = picture_of(display, 2, 2)
    assert_allclose(shown[..., 3], X[0].reshape(2, 2, 4)[..., 3], rtol=1e-6)


def test_nothing_is_known_of_a_column_without_values():
    X = np.array([[0, np.nan], [1, np.nan], [2, 5.0]])
    psem = Prototypes([[1, 4], [2, 5]], [0, 1])
    psem.prototype_indices_ = np.array([1, 2])
    assert_allclose(draw(psem, X, [0, 0, 1]).ranks, [[0.75, np.nan], [0.5, 0.5]])


def test_classes_stand_in_blocks_side_by_side():
    labels = np.arange(100)
    X = np.random.RandomState(0).normal(size=(100, 16))
    display = draw(Prototypes(X, labels), X, labels, image_shape=(4, 4))
    names = [t.get_text() for ax in display.axes_ for t in ax.get_yticklabels()]
    assert names == list(map(str, labels))
    width, height = display.figure_.get_size_inches()
    assert 0.5 < width / height < 2
    assert len(display.images_) == len(display.axes_) > 1


def test_some_classes_alone():
    labels = np.array(["a", "b", "c"])
    X = np.eye(4)[:3]
    display = draw(
        Prototypes(X, labels), X, labels, image_shape=(2, 2), show=["c", "a"]
    )
    names = [t.get_text() for t in display.axes_[0].get_yticklabels()]
    assert names == ["c", "a"]
    assert_allclose(picture_of(display, 2, 2)[..., 0], [[0, 0], [1, 0]])
    with pytest.raises(ValueError, match=r"show must be among the classes.*'z'"):
        display.plot(show=["z"])
    with pytest.raises(ValueError, match="show must contain a class with prototypes"):
        display.plot(show=[])


def test_large_pictures_are_thinned():
    X = np.zeros((60, 400, 300), dtype=np.uint8)

    class Images(Prototypes):
        def transform(self, X):
            return super().transform(np.reshape(X, (len(X), -1)))

    y = np.arange(60) % 2
    display = draw(Images(X, y), X, y)
    assert max(display.images_[0].get_array().shape) < 2600
    assert display.pictures.shape == (60, 400, 300)


def test_models_without_training_rows_get_the_most_similar_of_the_class():
    X = np.array([[0.0], [1.0], [5.0], [9.0]])
    display = draw(Prototypes([[4.9], [8.0]], [0, 1]), X, [0, 0, 1, 1])
    assert display.training_rows.tolist() == [1, 3]
    assert_allclose(display.values, [[4.9], [8.0]])


def test_ranks_by_hand():
    X = np.array([[0.0, 7], [1, 7], [2, 7], [3, 7], [10, 0], [20, 1]])
    psem = Prototypes([[2.0, 7], [15, np.nan]], ["a", "b"])
    psem.prototype_indices_ = np.array([2, 4])
    display = draw(psem, X, list("aaaabb"), feature_names=["x", "y"])
    # 0 and 1 lie below 2, and 2 itself counts half; all four 7s count half.
    assert_allclose(display.ranks, [[2.5 / 4, 0.5], [0.5, np.nan]])
    frame = display.frame()
    assert frame["feature"].tolist() == ["x", "y", "x", "y"]
    assert_allclose(frame["value"], [2, 7, 15, np.nan])
    assert_allclose(frame["rank"], [0.625, 0.5, 0.5, np.nan])
    assert frame["training_row"].tolist() == [2, 2, 4, 4]


def test_the_table_names_writes_and_colours_values():
    pd = pytest.importorskip("pandas")
    X = pd.DataFrame({"$a": [1.0, 2, 3, 4], "text": ["p", "q", "p", "r"]})
    y = np.array([0, 0, 1, 1])
    encode = make_column_transformer(
        (StandardScaler(), ["$a"]), (OneHotEncoder(), ["text"])
    )
    psem = make_pipeline(encode, KMExClassifier(2, random_state=0)).fit(X, y)
    display = draw(psem, X, y, class_names=["no", "yes"])
    (ax,) = display.axes_
    assert [t.get_text() for t in ax.get_xticklabels()] == ["$a", "text"]
    assert [t.get_text() for t in ax.get_yticklabels()] == ["no", "yes"]
    rows = psem[-1].prototype_indices_
    written = [text.get_text() for text in ax.texts]
    assert written[::2] == [f"{X['$a'][row]:.4g}" for row in rows]
    assert written[1::2] == X["text"][rows].tolist()
    assert np.isnan(display.ranks[:, 1]).all()
    assert_allclose(np.sort(display.ranks[:, 0]), [0.25, 0.25, 0.75, 0.75])
    assert display.colorbar_.mappable is display.images_[0]


def test_sparse_rows_and_other_frames():
    X = np.array([[0.0, 3], [1, 0], [5, 0], [0, 9]])
    psem = Prototypes([[0, 3], [0, 9]], ["a", "b"])
    wanted = draw(psem, X, list("aabb"))

    class Sparse(Prototypes):
        def transform(self, X):
            return super().transform(X.toarray() if sparse.issparse(X) else X)

    found = draw(
        Sparse([[0, 3], [0, 9]], ["a", "b"]), sparse.csr_array(X), list("aabb")
    )
    assert_allclose(found.ranks, wanted.ranks)
    assert_allclose(found.values, X[[0, 3]])
    pl = pytest.importorskip("polars")
    found = draw(psem, pl.DataFrame(X, schema=["p", "q"]), pl.Series(list("aabb")))
    assert_allclose(found.ranks, wanted.ranks)
    assert found.feature_names == ["p", "q"]


def test_the_first_columns_of_many():
    X = np.random.RandomState(0).normal(size=(4, 30))
    display = draw(Prototypes(X[:2], [0, 1]), X, [0, 1, 0, 1], max_features=7)
    assert display.axes_[0].get_title() == "The first 7 of 30 columns"
    assert display.images_[0].get_array().shape == (2, 7)
    assert display.values.shape == (2, 30)


def test_small_cells_hold_no_text():
    X = np.random.RandomState(0).normal(size=(4, 4))
    _, axes = plt.subplots(3, 3, layout="constrained")
    psem = Prototypes(X[:2], [0, 1])
    assert len(draw(psem, X, [0, 1, 0, 1], ax=axes[0, 0]).axes_[0].texts) == 0
    assert len(draw(psem, X, [0, 1, 0, 1]).axes_[0].texts) == 8


@pytest.mark.parametrize(
    ("X", "y", "message"),
    [
        (np.ones((3, 2)), None, "y must be given for a table"),
        (np.ones((3, 2)), [0, 0, 0], r"y must contain each class.*no row of \[1\]"),
        (np.ones((3, 2)), [0, 1], "inconsistent numbers of samples"),
        (
            np.ones((3, 2, 3, 4, 5, 6)),
            [0, 1, 1],
            "X must hold pictures, or rows of a tab",
        ),
    ],
)
def test_data_that_do_not_fit(X, y, message):
    class Any(Prototypes):
        def transform(self, X):
            return np.zeros((len(X), 2))

    with pytest.raises(ValueError, match=message):
        draw(Any(np.ones((2, 2)), [0, 1]), X, y)


def test_settings_that_do_not_fit(blobs):
    X, y = blobs
    psem = KMExClassifier(2, random_state=0).fit(X, y)
    with pytest.raises(ValueError, match="X must hold the rows that estimator was fit"):
        draw(psem, X[:4], y[:4])
    with pytest.raises(ValueError, match="feature_names must give one name for each o"):
        draw(psem, X, y, feature_names=["a"])
    with pytest.raises(ValueError, match="max_features must be an int of at least 1"):
        draw(psem, X, y, max_features=0)
    with pytest.raises(ValueError, match="image_shape must have the 4 values"):
        draw(psem, X, y, image_shape=(3, 3))


def test_prototypes_are_values_only_without_steps_before(blobs):
    X, y = blobs
    psem = KMExClassifier(1, random_state=0).fit(X, y)
    n_columns = X.shape[1]
    assert prototypes_in_columns(psem, n_columns) is psem.prototypes_
    assert prototypes_in_columns(psem, n_columns + 1) is None
    scaled = make_pipeline(StandardScaler(), psem).fit(X, y)
    assert prototypes_in_columns(scaled, n_columns) is None


def test_prototypes_of_length_one_are_shown_by_their_training_rows(blobs):
    X, y = blobs
    psem = KMExClassifier(2, metric="cosine", random_state=0).fit(X, y)
    display = draw(psem, X, y)
    assert_allclose(display.values, X[psem.prototype_indices_])
    psem.set_params(metric="mahalanobis").fit(X, y)
    assert_allclose(draw(psem, X, y).values, psem.prototypes_)
