"""drop_prototypes: other prototypes decide, and training samples still count."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_kmex import KMExClassifier
from sklearn_kmex.edit import drop_prototypes

X = np.array([[0.0], [1], [4], [10], [11], [20], [22]])
Y = np.array(["a", "a", "a", "b", "b", "b", "b"])


@pytest.fixture
def psem():
    """Prototypes 0.5 and 4 of "a", 10.5 and 21 of "b"."""
    psem = KMExClassifier(2, similarity="gaussian", random_state=0).fit(X, Y)
    order = np.argsort(psem.prototypes_[:, 0])
    assert_allclose(psem.prototypes_[order, 0], [0.5, 4, 10.5, 21])
    return psem


def number_of(psem, place):
    return int(np.flatnonzero(psem.prototypes_[:, 0] == place)[0])


def test_the_prototypes_left_decide(psem):
    edited = drop_prototypes(psem, number_of(psem, 4))
    assert_array_equal(psem.predict([[5.6]]), ["a"])
    assert_array_equal(edited.predict([[5.6]]), ["b"])  # 5.1 from 0.5, 4.9 from 10.5
    assert_array_equal(edited.predict(X), ["a", "a", "a", "b", "b", "b", "b"])


def test_rows_count_for_the_prototype_of_their_class_nearest_to_them(psem):
    edited = drop_prototypes(psem, number_of(psem, 4))
    kept = number_of(edited, 0.5)
    assert edited.prototype_counts_[kept] == 3
    # rows 0, 1 and 4 about the prototype 0.5; 10, 11, 20 and 22 as before
    assert_allclose(edited.inertia_, [0.25 + 0.25 + 12.25, 0.5 + 2])
    assert_array_equal(edited.n_prototypes_, [1, 2])
    assert_array_equal(edited.class_prior_, psem.class_prior_)
    assert edited.prototype_indices_[kept] in (0, 1)


def test_empirical_priors_stay():
    psem = KMExClassifier(2, priors="class", random_state=0).fit(X, Y)
    edited = drop_prototypes(psem, [0, 2])
    assert_allclose(edited.class_prior_, [3 / 7, 4 / 7])


def test_a_class_keeps_a_prototype(psem):
    a = np.flatnonzero(psem.prototype_classes_ == "a").tolist()
    with pytest.raises(
        ValueError,
        match=r"at least one .*; without \[0, 1\].*none of \['a'\]. Keep one",
    ):
        drop_prototypes(psem, a)
    assert len(psem.prototypes_) == 4
    assert psem.edit_log_ == []
