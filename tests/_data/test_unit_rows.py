"""Rows of length one: of any kind of embedding, without changing it."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse

from sklearn_kmex._data.unit_rows import as_rows, unit_rows


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint8])
@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_matrix, sparse.csc_array])
def test_units(kind, dtype):
    Z = np.array([[3, 4], [0, 0], [200, 0]], dtype=dtype)
    given = kind(Z.copy())
    units = unit_rows(as_rows(given, "Z"))
    assert units.dtype == (np.float32 if dtype == np.float32 else np.float64)
    units = units.toarray() if sparse.issparse(units) else units
    assert_allclose(units, [[0.6, 0.8], [0, 0], [1, 0]], rtol=1e-6)
    assert_array_equal(given.toarray() if sparse.issparse(given) else given, Z)


def test_rows_of_maps_and_tensors():
    maps = np.arange(12.0).reshape(2, 3, 2)
    assert_array_equal(as_rows(maps, "Z"), maps.reshape(2, 6))
    torch = pytest.importorskip("torch")
    assert_array_equal(as_rows(torch.ones(2, 3), "Z"), np.ones((2, 3)))


def test_errors_name_the_rows():
    with pytest.raises(ValueError, match="Z_train contains NaN"):
        as_rows([[np.nan]], "Z_train")
