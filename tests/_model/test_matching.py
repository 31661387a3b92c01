"""Whose label is it: by name, by text, or by the order of the outputs."""

import numpy as np
import pytest

from sklearn_kmex._model.matching import (
    BlackBoxError,
    check_match,
    match_outputs,
    some,
)

WORDS = np.array(["a", "b", "c"])


@pytest.mark.parametrize(
    ("known", "classes", "places", "assumed"),
    [
        (None, WORDS, [0, 1, 2], True),  # a network has no labels
        (["c", "a", "b"], WORDS, [2, 0, 1], False),
        ([0, 1, 2], WORDS, [0, 1, 2], True),  # codes of the sorted labels
        ([0.0, 1.0, 2.0], WORDS, [0, 1, 2], True),
        ([0, 1, 2], WORDS[::-1], [2, 1, 0], True),
        (["x", "y", "z"], np.arange(3), [0, 1, 2], True),  # psem was fitted on codes
        ([0, 1, 2], np.array([1, 2, 3]), [0, 1, 2], True),
        ([0, 1], np.array(["0", "1"]), [0, 1], False),
        (["0", "1"], np.array([0, 1]), [0, 1], False),
        ([1.0, 2.0], np.array(["1", "2"]), [0, 1], False),
        ([False, True], np.array([0, 1]), [0, 1], False),
        (["False", "True"], np.array([False, True]), [0, 1], False),
        ([0, 1, 2, 3], np.array([1, 3]), [-1, 0, -1, 1], False),
        ([0, 7], np.array([0, 1]), [0, -1], False),
        (["a", "d"], WORDS, [0, -1], False),
        ([0, 1, 2], np.array(["0", "2"]), [0, -1, 1], False),
    ],
)
def test_outputs_are_matched_by_label_and_else_by_order(
    known, classes, places, assumed
):
    n_outputs = len(classes) if known is None else len(known)
    found = match_outputs(known, n_outputs, classes)
    assert found.places.tolist() == places
    assert found.assumed is assumed


def test_numbers_of_eleven_labels_are_matched_as_text_but_not_surely():
    numbers = np.arange(11)
    found = match_outputs(numbers, 11, np.sort(numbers.astype(str)))
    assert found.places.tolist() == [0, 1, *range(3, 11), 2]  # 10 is after 1
    assert found.assumed


@pytest.mark.parametrize(
    ("known", "n_outputs", "message"),
    [
        (None, 2, r"each of the 3 classes, \['a', 'b', 'c'\]; it gives 2"),
        ([0, 1], 2, r"\[0, 1\], must be the classes of the model, \['a', 'b', 'c'\]"),
        (["a", "b"], 3, r"each of its labels, \['a', 'b'\]; it gives 3"),
        ([["a", "b", "c"]], 3, "each of its labels"),
    ],
)
def test_labels_that_cannot_be_matched_are_an_error_with_both_sets(
    known, n_outputs, message
):
    with pytest.raises(BlackBoxError, match=rf"{message}.*Pass classes="):
        match_outputs(known, n_outputs, WORDS)


def test_many_labels_are_not_all_shown():
    assert some(np.arange(12)).endswith("9, ...]")


def check(known, outputs, codes, classes=WORDS):
    n_outputs = len(classes) if known is None else len(known)
    match = match_outputs(known, n_outputs, classes)
    return check_match(match, np.array(outputs, dtype=int), np.array(codes, dtype=int))


def test_another_order_that_fits_much_better_is_an_error():
    codes = np.arange(30) % 3
    outputs = np.array([2, 0, 1])[codes]
    message = (
        r"\['a', 'b', 'c'\], and agree .* 0% .*; taken for \['b', 'c', 'a'\].*100%"
    )
    with pytest.raises(BlackBoxError, match=message):
        check(None, outputs, codes)
    with pytest.raises(BlackBoxError, match=message):
        check([0, 1, 2], outputs, codes)


def test_labels_that_are_the_same_are_doubted_but_used():
    codes = np.arange(30) % 3
    doubt = check(list("abc"), np.array([2, 0, 1])[codes], codes)
    assert "taken for ['b', 'c', 'a'], they would for 100%" in doubt


def test_two_classes_of_ten_that_are_swapped_are_found():
    codes = np.arange(400) % 10
    outputs = np.array([0, 1, 2, 5, 4, 3, 6, 7, 8, 9])[codes]
    with pytest.raises(BlackBoxError, match=r"80%.*100%"):
        check(None, outputs, codes, np.arange(10))


@pytest.mark.parametrize("n", [8, 60])
def test_agreement_by_chance_is_doubted_if_there_are_samples(n):
    codes = np.arange(n) % 2
    doubt = check(None, np.zeros(n, dtype=int), codes, np.array(["a", "b"]))
    assert (doubt is not None) == (n == 60)
    assert n == 8 or "near chance" in doubt


def test_good_agreement_is_not_doubted():
    codes = np.arange(60) % 3
    outputs = np.where(np.arange(60) % 5, codes, 0)
    assert check(None, outputs, codes) is None
    assert check(list("abc"), outputs, codes) is None
    assert check(list("abc"), [], []) is None


def test_a_single_prediction_of_all_is_no_better_order():
    codes = np.repeat([0, 1], [90, 10])
    doubt = check(None, np.ones(100, dtype=int), codes, np.array(["a", "b"]))
    assert "near chance" in doubt  # the other order agrees for 90 %, by chance


def test_sets_of_labels_that_differ_are_named():
    doubt = check(list("ab"), [0, 1] * 20, [0, 1] * 20)
    assert "['a', 'b'], are not the classes of the model, ['a', 'b', 'c']" in doubt
    assert "['a', 'b', 'c', 'd']" in check(list("abcd"), [0] * 9, [0] * 9)
