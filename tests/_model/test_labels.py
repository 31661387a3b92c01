"""Labels: what kind of values they are."""

import numpy as np
import pytest

from sklearn_kmex._model.labels import class_codes, kind_of, known_codes


def test_kinds_of_mixed_objects():
    assert kind_of(np.array(["a", 1], dtype=object)) == "O"
    assert kind_of(np.array([None, None])) == "O"


def test_codes_of_classes_in_any_order():
    classes = np.array(["b", "c", "a"])
    assert class_codes(classes, np.array(["a", "b", "a"])).tolist() == [2, 0, 2]


@pytest.mark.parametrize(("name", "word"), [((), "labels"), (("y_val",), "y_val")])
def test_unknown_labels_are_named_with_their_parameter(name, word):
    message = rf"{word} must be among the classes of psem, \[0, 1\]; unknown: \[7\]"
    with pytest.raises(ValueError, match=message):
        class_codes(np.arange(2), np.array([0, 7]), *name)


def test_codes_of_labels_that_are_no_classes():
    classes = np.array(["b", "a"])  # in the model's own order
    assert known_codes(classes, np.array(["a", "new", "b"])).tolist() == [1, -1, 0]
    assert known_codes(classes, np.array([1, 2])).tolist() == [-1, -1]
