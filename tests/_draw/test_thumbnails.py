"""Small pictures in the output of a notebook."""

from base64 import b64decode
from importlib.util import find_spec
from io import BytesIO

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_kmex import _draw
from sklearn_kmex._draw.pictures import thumbnails

if find_spec("PIL") is None:
    pytest.skip("Pillow is not installed", allow_module_level=True)
from PIL import Image


def read(uri):
    head, data = uri.split(",")
    image = Image.open(BytesIO(b64decode(data)))
    assert head == f"data:image/{image.format.lower()};base64"
    return image


def test_all_are_on_one_scale():
    (first, second), (third,) = thumbnails(
        np.array([[[0.0, 1]], [[2, 3]]]), np.array([[[4.0, 4]]])
    )
    assert_array_equal(np.asarray(read(first)), [[0, 64]])
    assert_array_equal(np.asarray(read(second)), [[128, 191]])
    assert_array_equal(np.asarray(read(third)), [[255, 255]])


@pytest.mark.parametrize(
    ("shape", "mode", "kind"),
    [
        ((20, 30), "L", "PNG"),
        ((1, 20, 30), "L", "PNG"),
        ((20, 30, 3), "RGB", "JPEG"),
        ((3, 20, 30), "RGB", "JPEG"),
        ((20, 30, 4), "RGBA", "PNG"),
    ],
)
def test_kinds(shape, mode, kind):
    values = np.random.RandomState(0).randint(256, size=(2, *shape)).astype(np.uint8)
    for uri in thumbnails(values)[0]:
        image = read(uri)
        assert (image.mode, image.format, image.size) == (mode, kind, (30, 20))


def test_colours_are_those_of_the_picture():
    red = np.zeros((1, 16, 16, 3), dtype=np.uint8)
    red[..., 0] = 200
    assert_allclose(
        np.asarray(read(thumbnails(red)[0][0])).mean((0, 1)), [200, 0, 0], atol=3
    )


def test_large_ones_are_made_small():
    large = np.random.RandomState(0).rand(1, 3, 500, 250)
    (uri,) = thumbnails(large)[0]
    assert read(uri).size == (24, 48)
    assert len(uri) < 4000
    assert read(thumbnails(np.ones((1, 1, 5000)))[0][0]).size[0] == 48


def test_what_is_no_picture_has_none(monkeypatch):
    pictures = np.zeros((2, 3, 3))
    table = np.zeros((2, 5))
    assert thumbnails(None, table) == [None, None]
    assert [some and len(some) for some in thumbnails(table, pictures)] == [None, 2]
    assert thumbnails(pictures[:0], np.zeros((2, 2, 2, 2, 9, 9))) == [None, None]
    monkeypatch.setattr(_draw.pictures, "find_spec", lambda name: None)
    assert thumbnails(pictures) == [None]
