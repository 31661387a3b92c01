"""What is taken for a picture, and for black and white."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_kmex._draw.pictures import (
    Scale,
    channels_last,
    in_unit_range,
    value_range,
)


@pytest.mark.parametrize(
    ("shape", "picture"),
    [
        ((8, 6), (8, 6)),
        ((8, 6, 1), (8, 6)),
        ((8, 6, 3), (8, 6, 3)),
        ((8, 6, 4), (8, 6, 4)),
        ((1, 8, 6), (8, 6)),
        ((3, 8, 6), (8, 6, 3)),
        ((3, 8, 3), (3, 8, 3)),  # either; channels last comes first
        ((8, 6, 5), (6, 25)),  # five of eight slices, side by side
        ((4, 8, 6), (8, 24)),
        ((2, 8, 6, 3), (8, 12, 3)),
        ((64,), None),
        ((2, 2, 8, 6, 3), None),
    ],
)
def test_pictures_are_told_by_shape(shape, picture):
    found = channels_last(np.zeros((2, *shape)), None)
    assert (found if found is None else found.shape[1:]) == picture


def test_flat_pictures():
    flat = np.arange(24.0).reshape(2, 12)
    assert_array_equal(channels_last(flat, (3, 4)), flat.reshape(2, 3, 4))
    colours = channels_last(flat, (3, 2, 2))
    assert_array_equal(colours[1, 0, 1], [13, 17, 21])
    with pytest.raises(ValueError, match="have the 12 values of a sample; got"):
        channels_last(flat, (5, 5))
    with pytest.raises(ValueError, match=r"image_shape must be \(h, w\).*got \(12,\)"):
        channels_last(flat, (12,))


def test_range_is_told_by_dtype_or_by_all_pictures():
    dark = np.array([[[0, 1]]], dtype=np.uint8)
    assert value_range([dark], Scale()) == (0, 255)
    assert value_range([dark > 0], Scale()) == (0, 1)
    # Floats of 0 to 1 and of any other range are treated alike.
    small, large = np.array([[[0.2, 0.4]]]), np.array([[[-3.0, 0.5]]])
    assert value_range([small, large], Scale()) == (-3, 0.5)
    assert value_range([small], Scale(vmin=0, vmax=1)) == (0, 1)
    assert value_range([np.ones((1, 2, 2))], Scale()) == (1, 2)
    assert value_range([np.array([[[np.nan, 2.0, 5.0]]])], Scale()) == (2, 5)


def test_colours_and_opacity():
    assert_allclose(in_unit_range(np.array([[-3.0, 0.5, 9]]), -3, 0.5), [[0, 1, 1]])
    rgba = np.array([[[-2.0, 0, 2, 1]]])
    assert value_range([rgba[np.newaxis]], Scale()) == (-2, 2)
    assert_allclose(in_unit_range(rgba, -2, 2), [[[0, 0.5, 1, 1]]])
    bytes_ = np.array([[[0, 51, 255, 255]]], dtype=np.uint8)
    assert_allclose(in_unit_range(bytes_, 0, 255), [[[0, 0.2, 1, 1]]])
