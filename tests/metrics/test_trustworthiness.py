"""Accuracy gap and fidelity by hand."""

import pytest

from sklearn_kmex.metrics import accuracy_gap, fidelity_score

Y = ["a", "b", "b", "a"]
BLACK_BOX = ["a", "b", "a", "b"]
SEM = ["a", "b", "b", "b"]


def test_by_hand():
    assert accuracy_gap(Y, BLACK_BOX, SEM) == 0.25
    assert accuracy_gap(Y, SEM, BLACK_BOX) == -0.25
    assert accuracy_gap(Y, SEM, SEM) == 0
    assert fidelity_score(BLACK_BOX, SEM) == 0.75
    assert fidelity_score(SEM, BLACK_BOX) == 0.75


def test_labels_are_never_matched_by_permutation():
    assert accuracy_gap([0, 1], [0, 1], [1, 0]) == -1
    assert fidelity_score([0, 1], [1, 0]) == 0


def test_weights():
    assert accuracy_gap(Y, BLACK_BOX, SEM, sample_weight=[1, 1, 6, 0]) == 0.75
    assert fidelity_score(BLACK_BOX, SEM, sample_weight=[1, 1, 6, 0]) == 0.25


def test_refusals():
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        fidelity_score([0, 1], [0])
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        accuracy_gap([0, 1], [0, 1], [0])
