"""Row numbers of classes, whatever the labels and weights."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from sklearn_kmex._fit.validation import rows_of_classes


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 2)), min_size=1))
def test_rows_of_classes(pairs):
    y, weights = (np.array(column) for column in zip(*pairs, strict=True))
    groups = rows_of_classes(y, weights, np.array(list("abc")))
    for label, rows in zip("abc", groups, strict=True):
        assert_array_equal(rows, np.flatnonzero((y == label) & (weights > 0)))
