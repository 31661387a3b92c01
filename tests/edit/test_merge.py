"""merge_prototypes: one prototype gets the training samples of several."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_kmex import KMExClassifier
from sklearn_kmex.edit import merge_prototypes

X = np.array([[0.0], [0], [0], [8], [20], [21], [30]])
Y = np.array([0, 0, 0, 0, 0, 0, 1])


def fitted(**settings):
    """Prototypes 0, 8 and 20.5 of class 0, 30 of class 1."""
    psem = KMExClassifier({0: 3, 1: 1}, random_state=0, **settings).fit(X, Y)
    return psem, [int(np.argmin(abs(psem.prototypes_[:3] - x))) for x in (0, 8)]


def test_the_prototype_is_the_mean_of_all_their_rows():
    psem, pair = fitted()
    edited = merge_prototypes(psem, pair)
    place = edited.edit_log_[0]["ids_after"][0]
    assert place == min(pair)
    assert_allclose(edited.prototypes_[place], [2])
    assert edited.prototype_counts_[place] == 4
    assert edited.prototype_indices_[place] == 0  # at 0, nearer to 2 than 8 is
    assert_allclose(edited.inertia_, [4 + 4 + 4 + 36 + 0.5, 0])


def test_a_medoid_is_a_training_row():
    psem, pair = fitted(prototype="medoid")
    edited = merge_prototypes(psem, pair)
    assert_array_equal(edited.prototypes_, X[edited.prototype_indices_])
    assert_allclose(edited.inertia_[0], 64 + psem.inertia_[0])


def test_all_of_a_class_may_become_one():
    psem, _ = fitted()
    edited = merge_prototypes(psem, [0, 1, 2])
    assert_allclose(edited.prototypes_[:, 0], [X[:6].mean(), 30])
    assert_allclose(edited.inertia_, [((X[:6] - X[:6].mean()) ** 2).sum(), 0])


@pytest.mark.parametrize("ids", [[1], [1, 1], [0, 3]])
def test_several_of_one_class_are_asked_for(ids):
    psem, _ = fitted()
    with pytest.raises(ValueError, match="two different prototypes of one class; got"):
        merge_prototypes(psem, ids)
    assert len(psem.prototypes_) == 4
