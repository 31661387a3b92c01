"""rename: the same decisions with other labels."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_kmex import KMExClassifier
from sklearn_kmex.edit import rename

NAMES = {0: "zebra", 1: "ant", 2: "moth"}
AS_NAMES = np.array(list(NAMES.values()))


def test_decisions_are_the_same_and_sorted_by_the_new_names(blobs):
    X, y = blobs
    priors = [0.2, 0.3, 0.5]
    counts = {0: 1, 1: 2, 2: 3}
    psem = KMExClassifier(counts, priors=priors, random_state=0).fit(X, y)
    named = rename(psem, NAMES, reason="codes")
    order = [1, 2, 0]  # ant, moth, zebra
    assert_array_equal(named.classes_, ["ant", "moth", "zebra"])
    assert_array_equal(named.predict(X), AS_NAMES[psem.predict(X)])
    assert_allclose(named.predict_proba(X), psem.predict_proba(X)[:, order])
    assert_array_equal(named.n_prototypes_, [2, 3, 1])
    assert_allclose(named.inertia_, psem.inertia_[order])
    assert_array_equal(named.class_prior_, [0.3, 0.5, 0.2])
    assert named.edit_log_[0]["names"] == [[0, "zebra"], [1, "ant"], [2, "moth"]]
    assert named.n_prototypes == {"zebra": 1, "ant": 2, "moth": 3}
    assert psem.n_prototypes == counts
    assert psem.priors == priors


def test_fit_and_partial_fit_go_on_with_the_new_names(blobs):
    X, y = blobs
    psem = KMExClassifier({0: 1, 1: 1, 2: 1}, priors=[0.2, 0.3, 0.5]).fit(X, y)
    named = rename(psem, NAMES).partial_fit(X, AS_NAMES[y])
    assert_array_equal(named.predict(X), AS_NAMES[y])
    assert named.fit(X, AS_NAMES[y]).edit_log_ == []


def test_some_names_only(blobs):
    X, y = blobs
    psem = KMExClassifier(2, random_state=0).fit(X, AS_NAMES[y])
    named = rename(psem, {"ant": "wasp"})
    assert named.classes_.tolist() == ["moth", "wasp", "zebra"]
    assert named.edit_log_[0]["ids_before"] == [0, 1]
    assert named.edit_log_[0]["ids_after"] == [2, 3]
    swapped = rename(named, {"moth": "zebra", "zebra": "moth"})
    assert_array_equal(swapped.predict(X) == "moth", named.predict(X) == "zebra")


def test_labels_held_as_objects_stay_objects(blobs):
    X, y = blobs
    psem = KMExClassifier(1).fit(X, AS_NAMES[y].astype(object))
    named = rename(psem, {"ant": "the army ant"})
    assert named.classes_.dtype == object
    assert named.predict(X[y == 1])[0] == "the army ant"


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ({5: 1}, r"classes of psem, \[0, 1, 2\]; got \[5\]"),
        ({}, "must give new labels"),
        ({0: "a"}, r"labels of one type; got \['a', 1, 2\]. Rename all"),
        ({0: 1}, r"different labels; got \[1, 1, 2\]. To move"),
        ({0: True}, "labels of one type"),
        ({0: None, 1: None, 2: None}, "labels of one type"),
        ({0: ["a"], 1: ["b"], 2: ["c"]}, "labels of one type"),
        ({0: (1, 2), 1: (1, 3), 2: (1, 4)}, "labels of one type"),
        ({0: np.nan, 1: 0.5, 2: 1.5}, "labels of one type; got .*each to a number or"),
    ],
)
def test_refusals(blobs, names, message):
    psem = KMExClassifier(1).fit(*blobs)
    with pytest.raises(ValueError, match=message):
        rename(psem, names)
    assert_array_equal(psem.classes_, [0, 1, 2])


@pytest.mark.parametrize("names", [["a", "b", "c"], [0, 1, 2], "abc", None, [(0, "a")]])
def test_names_that_are_no_dict_are_refused(blobs, names):
    psem = KMExClassifier(1).fit(*blobs)
    with pytest.raises(
        TypeError, match=r"must be a dict .* \[0, 1, 2\]; got .* of type"
    ):
        rename(psem, names)


def test_a_missing_label_of_pandas_is_refused(blobs):
    pandas = pytest.importorskip("pandas")
    X, y = blobs
    psem = KMExClassifier(1).fit(X, pandas.Series(AS_NAMES[y], dtype="string"))
    with pytest.raises(ValueError, match=r"labels of one type; got .*<NA>"):
        rename(psem, {"ant": pandas.NA})
    assert rename(psem, {"ant": "bee"}).classes_.tolist() == ["bee", "moth", "zebra"]
