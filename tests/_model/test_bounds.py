"""Bounds of distances hold whatever the scale, offset and precision of the rows."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse

from sklearn_kmex._model import bounds
from sklearn_kmex._model.bounds import compare

RNG = np.random.RandomState(0)
ROWS, PLACES = RNG.normal(size=(400, 30)), RNG.normal(size=(6, 30))
SOME = np.arange(3, 400, 2)


def exactly(rows, places):
    apart = rows.astype(np.longdouble)[:, np.newaxis] - places.astype(np.longdouble)
    return np.sqrt((apart**2).sum(axis=2)).T


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("scale", [1e-30, 1e-3, 1.0, 1e25])
@pytest.mark.parametrize("offset", [0.0, 1e5])
def test_bounds(dtype, scale, offset, monkeypatch):
    monkeypatch.setattr(bounds, "BLOCK_ELEMENTS", 1000)  # 33 rows
    rows = (scale * (ROWS + offset)).astype(dtype)
    places = (scale * (PLACES + offset)).astype(dtype)
    found, distances = compare(rows, SOME, places), exactly(rows[SOME], places)
    assert_array_equal(found.owners, distances.argmin(axis=0))
    own = np.arange(6)[:, np.newaxis] == found.owners
    assert (found.least <= distances.min(axis=0)).all()
    assert (found.most >= distances.min(axis=0)).all()
    assert_allclose(found.most, found.least, rtol=1e-3)
    assert (found.others <= np.where(own, np.inf, distances)).all()
    assert (found.others[own] == np.inf).all()
    tight = 1e-3 if dtype == np.float32 else 1e-8
    assert_allclose(found.others[~own], distances[~own].astype(float), rtol=tight)


def test_rows_that_rounding_could_move_are_compared_exactly():
    places = np.array([[0.0, 0.0], [2.0, 0.0], [9.0, 9.0]], dtype=np.float32)
    one, two = np.float32(1), np.float32(2)
    rows = np.array([[one, 1000], [np.nextafter(one, two), 1000]], np.float32)
    found = compare(rows, np.arange(2), places)
    assert_array_equal(found.owners, [2, 2])
    near = compare(rows, np.arange(2), places[:2])
    assert_array_equal(near.owners, [0, 1])  # of equal distances, the first
    assert (near.others.min(axis=0) <= near.most).sum() == 2


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_rows_must_be_finite(form, value):
    rows = ROWS.copy()
    rows[7, 2] = value
    compare(form(rows), np.arange(7), PLACES)
    for places in (PLACES, PLACES[:1]):
        with pytest.raises(ValueError, match="Input X contains"):
            compare(form(rows), np.arange(5, 9), places)


def test_sparse_rows():
    thin = np.where(abs(ROWS) > 1, ROWS, 0)
    found = compare(sparse.csr_array(thin), SOME, PLACES)
    same = compare(thin, SOME, PLACES)
    for values, others in zip(found, same, strict=True):
        assert_allclose(values, others, rtol=1e-8)
