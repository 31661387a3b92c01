"""Which arrays are images, which are refused, and what files hold."""

import sys
from base64 import b64decode
from io import BytesIO

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image

from sklearn_kmex._draw.pictures import as_file
from sklearn_kmex.exceptions import MissingDependencyError
from sklearn_kmex.report import _pictures
from sklearn_kmex.report._pictures import (
    BUDGET,
    Heat,
    best_files,
    check_image_arguments,
    check_samples,
    encode,
    overlay,
)
from sklearn_kmex.report._show import budget_of

FLAT = np.arange(4 * 12).reshape(4, 12)
Y = [0, 1, 0, 1]


def opened(uri):
    data = b64decode(uri.partition(",")[2])
    return np.asarray(Image.open(BytesIO(data)))


@pytest.mark.parametrize(
    ("X", "images", "shape"),
    [
        (FLAT.reshape(4, 3, 4), None, (3, 4)),
        (FLAT.reshape(4, 2, 2, 3), None, (2, 2, 3)),
        (FLAT.reshape(4, 1, 6, 2), None, (6, 2)),
        (FLAT, FLAT.reshape(4, 4, 3), (4, 3)),
        (FLAT, tuple(FLAT.reshape(4, 4, 3)), (4, 3)),
        (FLAT, list(FLAT.reshape(4, 4, 3, 1)), (4, 3)),
        (FLAT, lambda rows: rows.reshape(-1, 6, 2), (6, 2)),
        (list("abcd"), lambda rows: np.zeros((len(rows), 2, 2)), (2, 2)),
    ],
)
def test_pictures_of_rows(X, images, shape):
    pictures = check_samples(X, Y, images, None).pictures([2, 0])
    assert pictures.shape == (2, *shape)
    if len(shape) == 2 and not isinstance(X, list):
        assert_array_equal(pictures.reshape(2, -1), FLAT[[2, 0]])


@pytest.mark.parametrize(
    ("image_shape", "shape"),
    [
        ((3, 4), (3, 4)),
        ((np.int64(3), 4), (3, 4)),
        ((3, 2, 2), (2, 2, 3)),
    ],
)
def test_pictures_of_flat_rows(image_shape, shape):
    check_image_arguments(None, image_shape)
    pictures = check_samples(FLAT, Y, None, image_shape).pictures([2, 0])
    assert pictures.shape == (2, *shape)
    if len(shape) == 2:
        assert_array_equal(pictures.reshape(2, -1), FLAT[[2, 0]])


def test_images_are_shown_instead_of_flat_rows():
    samples = check_samples(FLAT, Y, FLAT.reshape(4, 4, 3), (3, 4))
    assert samples.pictures([1]).shape == (1, 4, 3)


@pytest.mark.parametrize("X", [FLAT, FLAT.tolist(), list("abcd")])
def test_rows_that_are_no_pictures(X):
    assert check_samples(X, Y, None, None).pictures([0]) is None


def test_a_shape_folds_the_columns_of_a_frame():
    X = pytest.importorskip("pandas").DataFrame(FLAT)
    rows = check_samples(X, Y, None, (3, 4))
    assert rows.X is X
    assert_array_equal(rows.pictures([1])[0], FLAT[1].reshape(3, 4))


@pytest.mark.parametrize("image_shape", [(), [8, 8], 8, "8x8", (np.zeros((2, 2)),)])
def test_image_shapes_that_are_none(image_shape):
    with pytest.raises(
        ValueError, match=r"image_shape must be a tuple of int, .*; got"
    ):
        check_image_arguments(None, image_shape)


def test_images_and_image_shape_are_not_given_together():
    message = r"must not be given together; got image_shape=\(3, 4\) and ndarray images"
    with pytest.raises(ValueError, match=message):
        check_image_arguments(FLAT.reshape(4, 3, 4), (3, 4))


@pytest.mark.parametrize(
    ("X", "y", "images", "message"),
    [
        ([], [], None, "X must hold at least one row; got none."),
        (FLAT, [0, 1], None, "y must hold a label for each row of X; got 2 labels for"),
        (FLAT, Y, FLAT[:3], "images must hold one image for each row, .* 3 images"),
        (FLAT, Y, 3, "images must hold one image for each row, .* got 3 for 4 rows"),
        (FLAT, Y, (), "images must hold one image for each row, .* got 0 images"),
        (FLAT, Y, (3, 4), r"got 2 images for 4 rows\. .* use image_shape"),
        (FLAT, Y, FLAT, r"images must give one image .* got an array of shape \(1, "),
        (FLAT, Y, list("abcd"), "images must give one image of shape .* no array"),
        (FLAT, Y, lambda rows: rows, r"got an array of shape \(1, 12\) for 1 rows"),
        (FLAT, Y, lambda rows: None, r"got an array of shape \(\) for 1 rows"),
        (FLAT, Y, lambda rows: np.zeros((3, 2, 2)), r"shape \(3, 2, 2\) for 1 rows"),
    ],
)
def test_what_does_not_fit_is_refused_before_any_work(X, y, images, message):
    with pytest.raises(ValueError, match=message):
        check_samples(X, y, images, None)


@pytest.mark.parametrize(
    ("X", "image_shape", "message"),
    [
        (FLAT, (3, 5), r"image_shape must have the 12 values .*; got \(3, 5\)"),
        (FLAT, (12,), r"image_shape must be \(h, w\), .*; got \(12,\)"),
        (list("abcd"), (2, 2), r"image_shape must be None unless .*; got \(2, 2\)"),
    ],
)
def test_image_shapes_that_do_not_fit(X, image_shape, message):
    with pytest.raises(ValueError, match=message):
        check_samples(X, Y, None, image_shape)


def test_training_rows_are_named_as_such():
    with pytest.raises(ValueError, match=r"y_train must hold .* each row of X_train"):
        check_samples(FLAT, [0], None, None, "_train")
    with pytest.raises(ValueError, match="X_train must hold at least one row"):
        check_samples(FLAT[:0], None, None, None, "_train")


def test_all_pictures_share_one_scale():
    given = {"dark": np.array([[0.0, 1.0]]), "bright": np.array([[2.0, 4.0]])}
    found = encode(given, {}, {})
    assert found["dark"].startswith("data:image/png;base64,")
    assert opened(found["dark"]).tolist() == [[0, 64]]
    assert opened(found["bright"]).tolist() == [[128, 255]]
    assert encode({}, {}, {}) == {}


def test_bytes_are_kept():
    colours = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    found = encode({"one": colours}, {}, {})
    assert_array_equal(opened(found["one"]), colours)


def test_large_pictures_are_made_smaller():
    assert opened(encode({"a": np.zeros((600, 300))}, {}, {})["a"]).shape == (256, 128)


def kinds(files):
    return {Image.open(BytesIO(data)).format for data in files.values()}


def noise(n, side=64):
    rng = np.random.default_rng(0)
    pictures = rng.uniform(size=(n, side, side, 3))
    return {str(i): picture for i, picture in enumerate(pictures)}


def test_pictures_are_made_to_fit():
    files = best_files(noise(300), {}, BUDGET)
    assert sum(map(len, files.values())) <= BUDGET
    assert kinds(files) == {"JPEG"}
    assert list(files) == list(map(str, range(300)))
    sides = {Image.open(BytesIO(data)).size for data in files.values()}
    assert len(sides) == 1


def test_a_picture_counts_as_often_as_it_is_used():
    once = best_files(noise(60), {}, BUDGET)
    often = best_files(noise(60), dict.fromkeys(map(str, range(60)), 20), BUDGET)
    assert (
        20 * sum(map(len, often.values())) <= BUDGET < 20 * sum(map(len, once.values()))
    )


def test_few_pictures_that_mislead_are_tried_again(monkeypatch):
    # The images tried are plain, all others are noise.
    monkeypatch.setattr(_pictures, "N_TRIED", 2)
    pictures = {str(i): np.zeros((64, 64, 3)) for i in range(8)}
    pictures |= {key: pictures.get(key, 0) for key in ("0", "4")}
    pictures |= {key: noise(8)[key] for key in "123567"}
    files = best_files(pictures, {}, 20_000)
    assert kinds(files) == {"JPEG"}
    assert sum(map(len, files.values())) <= 20_000


def test_what_fits_no_size_is_written_in_the_smallest():
    files = best_files(noise(3), {}, 10)
    sizes = {Image.open(BytesIO(data)).size for data in files.values()}
    assert (kinds(files), sizes) == ({"JPEG"}, {(24, 24)})


def test_pictures_leave_room_for_the_rest_of_the_page():
    def budget(n_prototypes, n_classes):
        classes = {"classes": [None] * n_classes}
        prototypes = [None] * n_prototypes
        return budget_of({"prototypes": prototypes, "performance": classes})

    assert budget(50, 10) == BUDGET
    for n_prototypes, n_classes in ((860, 10), (860, 860)):
        rest = 1_500 * n_prototypes + 1_000 * n_classes
        assert 4 / 3 * budget(n_prototypes, n_classes) + rest < 4.3e6


def test_files_of_all_kinds_of_pictures():
    for shape in ((5, 4), (5, 4, 3), (5, 4, 4)):
        picture = np.full(shape, 200 / 255)
        for quality in (None, 90):
            image = Image.open(BytesIO(as_file(picture, 128, quality)))
            assert image.size == (4, 5)
            assert np.abs(np.asarray(image.convert("L")).astype(int) - 200).max() < 3


def test_relevance_is_red_for_and_blue_against():
    heat = np.array([[1.0, -1.0, 0.0]])
    found = overlay(np.full((1, 3, 3), 0.5), heat)
    (red, blue, none) = found[0]
    assert red[0] > red[2]
    assert blue[2] > blue[0]
    assert_allclose(none, 0.5)
    assert ((found >= 0) & (found <= 1)).all()
    assert_allclose(overlay(np.full((1, 3), 0.5), heat * 0), 0.5)


def test_a_map_is_visible_beside_one_a_thousand_times_as_strong():
    pictures = {"a": np.array([[0.0, 1.0]]), "b": np.array([[0.0, 1.0]])}
    heat = {"a": Heat(np.array([[0.001, 0.0]])), "b": Heat(np.array([[1.0, 0.0]]))}
    found = encode(pictures, heat, {})
    assert set(found) == {"a", "b", "a-relevance", "b-relevance"}
    weak, strong = (opened(found[f"{key}-relevance"]) for key in "ab")
    assert_array_equal(weak, strong)
    assert np.ptp(weak[0, 0].astype(int)) > 50


@pytest.mark.parametrize(
    ("module", "package"), [("PIL.Image", "PIL"), ("matplotlib", "matplotlib")]
)
def test_missing_packages_are_named(monkeypatch, module, package):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingDependencyError) as caught:
        encode({"a": np.eye(2)}, {"a": Heat(np.eye(2))}, {})
    assert str(caught.value) == (
        f"SEMReport requires {package}. Install it with "
        "`pip install sklearn-kmex[report]`."
    )
