"""Training rows belong to the nearest prototype of their class, as in fit."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.datasets import load_iris

from sklearn_kmex import KMExClassifier
from sklearn_kmex._model.members import codes_of, left_of, members_of
from sklearn_kmex._model.metric import METRICS

X, Y = load_iris(return_X_y=True)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array])
def test_members_have_the_means_and_weights_that_fit_found(metric, form):
    weights = np.arange(150) % 3 + 1.0
    psem = KMExClassifier(3, metric=metric, random_state=0).fit(X, Y, weights)
    found = members_of(psem, form(X), codes_of(psem, Y, 150, "y"), weights)
    rows = X / np.linalg.norm(X, axis=1)[:, np.newaxis] if "cos" in metric else X
    for k in range(9):
        own = found.owners == k
        mean = np.average(rows[own], axis=0, weights=weights[own])
        assert_allclose(psem._member_means[k], mean)
        assert_allclose(psem.prototype_counts_[k], weights[own].sum())
        assert_array_equal(Y[own], psem.prototype_classes_[k])


def test_labels_are_of_classes_with_prototypes():
    psem = KMExClassifier(2).partial_fit(X[:100], Y[:100], classes=[0, 1, 2])
    assert_array_equal(codes_of(psem, [1, 0], 2, "y_rows"), [1, 0])
    with pytest.raises(ValueError, match=r"y_rows.*no prototypes of \[2\]. Leave"):
        codes_of(psem, Y, 150, "y_rows")
    with pytest.raises(ValueError, match=r"y_rows must be among .*unknown: \[5\]"):
        codes_of(psem, [5], 1, "y_rows")
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        codes_of(psem, Y[:3], 2, "y_rows")


def test_rounding_leaves_no_member():
    assert_array_equal(left_of(np.array([0.3, 3.0]), np.array([0.1 + 0.2, 1])), [0, 2])
