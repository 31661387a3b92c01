"""Usage, ghosting and transparency compared with counts by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from sklearn_kmex import KMExClassifier
from sklearn_kmex.metrics import (
    ghosting_rate,
    prototype_usage,
    transparency_score,
    transparency_scorer,
    usage_entropy_score,
)


def test_by_hand():
    activations = [3, 1, 1, 3, 3]
    assert_array_equal(prototype_usage(activations, 5), [0, 2, 0, 3, 0])
    assert ghosting_rate(activations, 5) == 0.6
    assert transparency_score(activations, 5) == pytest.approx(0.4)
    assert ghosting_rate([0], 1) == 0
    assert ghosting_rate([0], 100) == 0.99


@given(st.lists(st.integers(0, 9), min_size=1), st.randoms())
def test_the_order_of_samples_and_the_names_of_prototypes_do_not_matter(ids, random):
    rate = ghosting_rate(ids, 10)
    assert 0 <= rate < 1
    assert transparency_score(ids, 10) == 1 - rate
    new = random.sample(range(10), 10)
    assert ghosting_rate([new[i] for i in random.sample(ids, len(ids))], 10) == rate


def test_usage_entropy_by_hand():
    """Shares 1/2, 1/4, 1/4 and 0 have 3/2 bits, of 2."""
    score = usage_entropy_score([3, 1, 3, 0], 4)
    assert type(score) is float
    assert score == pytest.approx(3 / 4)
    assert usage_entropy_score([3, 1], 4) == pytest.approx(1 / 2)
    assert usage_entropy_score([0, 1, 2], 3) == pytest.approx(1)
    assert usage_entropy_score([2, 2, 2], 3) == 0
    assert usage_entropy_score([4], 5) == 0
    assert usage_entropy_score([0, 0], 1) == 1


@given(st.lists(st.integers(0, 9), min_size=1), st.randoms())
def test_usage_entropy_knows_counts_alone(ids, random):
    score = usage_entropy_score(ids, 10)
    assert 0 <= score <= 1
    new = random.sample(range(10), 10)
    permuted = [new[i] for i in random.sample(ids, len(ids))]
    assert usage_entropy_score(permuted, 10) == pytest.approx(score, abs=1e-12)
    assert usage_entropy_score(3 * ids, 10) == pytest.approx(score, abs=1e-12)
    assert usage_entropy_score([*ids, *range(10)], 10) >= score - 1e-12


@pytest.mark.parametrize("n_prototypes", [2, 5, 12, 1000])
def test_even_usage_is_best_and_never_above_one(n_prototypes):
    score = usage_entropy_score(np.arange(n_prototypes), n_prototypes)
    assert 1 - 1e-12 < score <= 1


def test_kmex_has_no_ghosts_on_its_training_digits(digits):
    X, _, y, _ = digits
    psem = KMExClassifier(5, random_state=0).fit(X, y)
    activations = psem.transform(X).argmax(axis=1)
    assert ghosting_rate(activations, 50) == 0
    assert 0.95 < usage_entropy_score(activations, 50) < 1


@pytest.mark.parametrize("similarity", ["log", "gaussian"])
def test_the_scorer_counts_by_weighted_similarity(similarity):
    """The one nearest to its own row has too little weight to win it."""
    X, y = np.array([[0.0]] * 98 + [[1.0], [9.0]]), np.array(["a"] * 99 + ["b"])
    psem = KMExClassifier(
        {"a": 2, "b": 1}, similarity=similarity, temperature=3.0, random_state=0
    )
    assert transparency_scorer(psem.fit(X, y), X) == 1
    psem.set_params(priors="prototype").fit(X, y)
    shift = psem.temperature_ * np.log(psem.prototype_weights_)
    active = (psem.transform(X) + shift).argmax(axis=1)
    assert ghosting_rate(active, 3) > ghosting_rate(psem.transform(X).argmax(axis=1), 3)
    assert transparency_scorer(psem, X) == transparency_score(active, 3) < 1


def test_similarities_in_float32_activate_the_same_prototypes(digits):
    X, X_test, y, _ = digits
    psem = KMExClassifier(20, random_state=0).fit(X, y)
    exact, single = (
        psem.transform(X_test.astype(dtype)).argmax(axis=1)
        for dtype in (np.float64, np.float32)
    )
    assert psem.transform(X_test.astype(np.float32)).dtype == np.float32
    assert_array_equal(prototype_usage(single, 200), prototype_usage(exact, 200))
    assert 0 < ghosting_rate(exact, 200) < 1  # of 540 rows
    for metric in (ghosting_rate, transparency_score, usage_entropy_score):
        assert metric(single, 200) == pytest.approx(metric(exact, 200), abs=1e-5)


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.int64])
def test_indices_of_any_integer_type(dtype):
    activations = np.array([3, 1, 1, 3, 3], dtype=dtype)
    assert_array_equal(prototype_usage(activations, 5), [0, 2, 0, 3, 0])
    assert usage_entropy_score(activations, 5) == pytest.approx(
        usage_entropy_score([3, 1, 1, 3, 3], 5), abs=1e-12
    )


def test_of_identical_prototypes_one_is_activated():
    psem = KMExClassifier(1).fit([[0.0], [4.0]], [0, 1])
    psem.prototypes_ = np.array([[1.0], [1.0]])
    for rows in ([[1.0]], [[0.0], [1.0], [2.0]]):
        activations = psem.transform(rows).argmax(axis=1)
        assert (
            ghosting_rate(activations, 2) == transparency_score(activations, 2) == 0.5
        )
        assert usage_entropy_score(activations, 2) == 0


def test_a_single_class_and_a_single_sample():
    psem = KMExClassifier(2, random_state=0).partial_fit([[0.0], [4.0]], ["a", "a"])
    activations = psem.transform([[0.0], [1.0], [4.0]]).argmax(axis=1)
    assert ghosting_rate(activations, 2) == 0
    assert sorted(prototype_usage(activations, 2)) == [1, 2]
    assert prototype_usage([1], 2).tolist() == [0, 1]
    assert transparency_score([1], 2) == 0.5


def test_a_prototype_shadowed_by_another_class_is_a_ghost():
    X = np.array([[0.0], [10.0], [20.0]])
    psem = KMExClassifier(1).fit(X, [0, 1, 0])  # class 0 sits on class 1
    psem.prototypes_ = np.array([[10.0], [10.0]])
    assert ghosting_rate(psem.transform(X).argmax(axis=1), 2) == 0.5


@pytest.mark.parametrize(
    ("activations", "n_prototypes", "message"),
    [
        ([0, 3], 3, "below n_prototypes=3"),
        ([0, -1], 3, "got -1 to 0"),
        ([0.0, 1.0], 3, r"use argmax\(axis=1\)"),
        ([[0, 1]], 3, r"shape \(1, 2\)"),
        ([], 3, "minimum of 1 is required"),
        ([0], 0, "'n_prototypes' parameter"),
    ],
)
def test_refusals(activations, n_prototypes, message):
    for metric in (
        prototype_usage,
        ghosting_rate,
        transparency_score,
        usage_entropy_score,
    ):
        with pytest.raises(ValueError, match=message):
            metric(activations, n_prototypes)


@pytest.mark.parametrize(
    "metric", [ghosting_rate, prototype_usage, transparency_score, usage_entropy_score]
)
def test_a_refused_number_is_named_by_the_function_that_was_called(metric):
    words = f"'n_prototypes' parameter of {metric.__name__} must be .* Got 0"
    with pytest.raises(ValueError, match=words):
        metric([0], 0)
