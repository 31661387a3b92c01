"""relabel_prototypes: samples similar to a prototype get its new class."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_kmex import KMExClassifier
from sklearn_kmex.edit import relabel_prototypes


def test_a_cluster_of_wrong_labels_is_put_right(digits):
    X, X_test, y, y_test = digits
    wrong = np.where((y == 4) & (np.arange(len(y)) % 2 == 0), 9, y)
    psem = KMExClassifier(8, random_state=0).fit(X, wrong)
    mostly_four = [
        k
        for k in np.flatnonzero(psem.prototype_classes_ == 9)
        if np.mean(y[(psem.transform(X).argmax(axis=1) == k)] == 4) > 0.5
    ]
    edited = relabel_prototypes(
        psem, mostly_four, 4, reason="fours", X_val=X_test, y_val=y_test
    )
    entry = edited.edit_log_[0]
    assert entry["accuracy_after"] > entry["accuracy_before"] + 0.02
    assert entry["accuracy_after"] == edited.score(X_test, y_test)
    assert entry["label"] == 4
    assert set(edited.prototype_classes_[entry["ids_after"]]) == {4}


def test_rows_move_with_their_prototype(blobs):
    X, y = blobs
    psem = KMExClassifier(3, priors="class", random_state=0).fit(X, y)
    edited = relabel_prototypes(psem, [0, 1], 2)
    moved = psem.prototype_counts_[:2].sum()
    assert_allclose(edited.class_prior_ * 90, [30 - moved, 30, 30 + moved])
    assert_array_equal(edited.n_prototypes_, [1, 3, 5])
    assert_allclose(edited.inertia_.sum(), psem.inertia_.sum())
    assert_allclose(edited.inertia_[1], psem.inertia_[1])
    new = edited.edit_log_[0]["new_ids"]
    assert_array_equal(edited.prototypes_[new], psem.prototypes_)
    assert_array_equal(edited.prototype_indices_[new], psem.prototype_indices_)


def test_a_class_named_in_a_stream_gets_its_first(blobs):
    X, y = blobs
    psem = KMExClassifier(2, random_state=0)
    psem.partial_fit(X[y < 2], y[y < 2], classes=[0, 1, 2])
    edited = relabel_prototypes(psem, 3, 2)
    assert_array_equal(edited.n_prototypes_, [2, 1, 1])
    assert_array_equal(edited.predict(psem.prototypes_[[3]]), [2])


def test_the_same_class_again_moves_nothing(blobs):
    psem = KMExClassifier(1).fit(*blobs)
    edited = relabel_prototypes(psem, 1, 1)
    assert_array_equal(edited.prototypes_, psem.prototypes_)


def test_refusals(blobs):
    X, y = blobs
    psem = KMExClassifier(1).fit(X, y)
    with pytest.raises(
        ValueError, match=r"none of \[0\]. To rename a whole class, use"
    ):
        relabel_prototypes(psem, 0, 1)
    with pytest.raises(ValueError, match=r"one of \[0, 1, 2\]; got 7. Use add_proto"):
        relabel_prototypes(psem, 0, 7)
    for label in ("1", 1.5, True, None, [1], np.nan):
        with pytest.raises(ValueError, match="label must be of the type of the class"):
            relabel_prototypes(psem, 0, label)
    assert_array_equal(psem.prototype_classes_, [0, 1, 2])
