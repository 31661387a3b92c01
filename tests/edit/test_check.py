"""Checks of edits: numbers of prototypes, and labels of the type of the classes."""

import numpy as np
import pytest

from sklearn_kmex import KMExClassifier
from sklearn_kmex.edit import drop_prototypes
from sklearn_kmex.edit._check import check_label


@pytest.mark.parametrize("ids", [6, -1, [0, 99], np.array([7])])
def test_unknown_prototypes_are_named(blobs, ids):
    psem = KMExClassifier(2, random_state=0).fit(*blobs)
    with pytest.raises(ValueError, match=r"0 to 5; got \[(6|-1|99|7)\]. Edits chang"):
        drop_prototypes(psem, ids)
    assert len(psem.prototypes_) == 6


@pytest.mark.parametrize("ids", [[], 1.0, "1", [[1]], [True, False], None, slice(2)])
def test_what_is_no_number_is_refused(blobs, ids):
    psem = KMExClassifier(2, random_state=0).fit(*blobs)
    with pytest.raises(ValueError, match="be the number of a prototype, or a list"):
        drop_prototypes(psem, ids)


@pytest.mark.parametrize(
    ("label", "classes"),
    [
        (np.int8(3), np.array([1, 2], dtype=np.uint64)),
        ("x", np.array(["a", "b"], dtype=object)),
        (np.str_("long name"), np.array(["a", "b"])),
        (2, np.array([0.5, 1.5])),
        (True, np.array([False, True])),
    ],
)
def test_labels_of_the_same_kind_are_taken(label, classes):
    assert check_label(label, classes)[0] == label
