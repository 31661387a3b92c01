"""Accuracy gap and fidelity by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

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


def test_weights_in_float32():
    rng = np.random.RandomState(0)
    y, black_box, sem = rng.randint(3, size=(3, 1000))
    weights = rng.uniform(0.1, 10, 1000)
    single = weights.astype(np.float32)
    assert accuracy_gap(y, black_box, sem, sample_weight=single) == pytest.approx(
        accuracy_gap(y, black_box, sem, sample_weight=weights), abs=1e-5
    )
    assert fidelity_score(black_box, sem, sample_weight=single) == pytest.approx(
        fidelity_score(black_box, sem, sample_weight=weights), abs=1e-5
    )


@pytest.mark.parametrize("label", [7, "a", 1.0, True])
def test_a_single_class_and_a_single_sample(label):
    other = "b" if label == "a" else type(label)(0)
    for n in (1, 5):
        same, different = np.array([label] * n), np.array([other] * n)
        assert accuracy_gap(same, same, same) == 0
        assert accuracy_gap(same, different, same) == 1
        assert accuracy_gap(same, same, different) == -1
        assert fidelity_score(same, same) == 1
        assert fidelity_score(same, different) == 0


TRIPLES = st.lists(st.tuples(*[st.integers(0, 3)] * 3), min_size=1)


@given(TRIPLES, st.randoms(), st.permutations(range(4)))
def test_invariances(triples, random, names):
    """The order of samples and the names of classes do not matter."""
    y, black_box, sem = map(list, zip(*triples, strict=True))
    gap, fidelity = accuracy_gap(y, black_box, sem), fidelity_score(black_box, sem)
    assert -1 <= gap <= 1
    assert 0 <= fidelity <= 1
    assert abs(gap) <= 1 - fidelity + 1e-12
    shuffled = random.sample(triples, len(triples))
    y, black_box, sem = ([names[t[k]] for t in shuffled] for k in range(3))
    assert accuracy_gap(y, black_box, sem) == pytest.approx(gap, abs=1e-12)
    assert fidelity_score(black_box, sem) == pytest.approx(fidelity, abs=1e-12)


def test_refusals():
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        fidelity_score([0, 1], [0])
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        accuracy_gap([0, 1], [0, 1], [0])


@pytest.mark.parametrize(
    ("metric", "labels", "name"),
    [
        (fidelity_score, [Y, None], "y_sem"),
        (fidelity_score, [None, Y], "y_black_box"),
        (accuracy_gap, [None, Y, Y], "y_true"),
        (accuracy_gap, [Y, Y, 3], "y_sem"),
    ],
)
def test_refused_labels_are_named_by_the_function_that_was_called(metric, labels, name):
    words = f"'{name}' parameter of {metric.__name__} must be"
    with pytest.raises(ValueError, match=words):
        metric(*labels)
