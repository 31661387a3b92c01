"""Cards of prototypes, by hand and on real data."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from sklearn_kmex.metrics import prototype_usage
from sklearn_kmex.report._findings import find_problems
from sklearn_kmex.report._known import known_rows
from sklearn_kmex.report._prototypes import nearest_samples, prototype_cards


def cards_of(answers, sem, y):
    findings = find_problems(sem, answers, None, np.asarray(y))
    known = known_rows(sem, answers, None)
    return prototype_cards(answers, sem, ["A", "B"], findings, known)


@pytest.fixture
def cards(evaluated):
    from sems import Prototypes

    sem = Prototypes([[0], [10], [20], [99]], list("abab"))
    y = list("aabba")
    return cards_of(evaluated(sem, None, [1, 2, 9, 3, 21], y), sem, y)


def test_use_and_purity_by_hand(cards):
    assert [card["prototype"] for card in cards] == [0, 1, 2, 3]
    assert [card["label"] for card in cards] == ["A", "B", "A", "B"]
    assert [card["class"] for card in cards] == [0, 1, 0, 1]
    assert [card["usage"] for card in cards] == [3, 1, 1, 0]
    assert [card["n_correct"] for card in cards] == [2, 1, 1, 0]
    purity = [card["purity"]["value"] for card in cards]
    assert purity == [2 / 3, 1, 1, None]
    assert [card["training_row"] for card in cards] == [None] * 4
    assert [card["weight"] for card in cards] == [None] * 4


def test_nearest_samples_by_hand(cards):
    assert [one["row"] for one in cards[0]["nearest"]] == [0, 1, 3]
    assert [one["similarity"] for one in cards[0]["nearest"]] == [-1, -2, -3]
    assert [one["label"] for one in cards[0]["nearest"]] == ["A", "A", "B"]
    assert cards[3]["nearest"][0]["row"] == 4


def test_ghosts_are_warned_of(cards):
    assert cards[0]["warnings"] == []
    assert cards[3]["warnings"][0] == (
        "Ghost: it is not the most similar prototype of any sample."
    )


def test_fewer_samples_than_are_shown(evaluated):
    answers = evaluated([[0], [9]], list("ab"), [1, 8], list("ab"))
    assert nearest_samples(answers).tolist() == [[0, 1], [1, 0]]
    (one,) = nearest_samples(evaluated([[0], [9]], list("ab"), [1], ["a"]))[:1].tolist()
    assert one == [0]


def test_nearest_samples_are_the_most_similar_ones(digits, bar):
    from sklearn_kmex import KMExClassifier
    from sklearn_kmex.report._answers import evaluate

    X, X_test, y, y_test = digits
    psem = KMExClassifier(2, random_state=0).fit(X, y)
    rows = nearest_samples(evaluate(psem, X_test, y_test, None, bar))
    similar = psem.transform(X_test)
    expected = np.sort(similar, axis=0)[::-1][:3].T
    assert_array_equal(np.take_along_axis(similar.T, rows, axis=1), expected)


def test_figures_of_a_real_model(iris_report, iris, iris_psem):
    _, X, _, y = iris
    cards = iris_report.to_dict()["prototypes"]
    active = iris_psem.transform(X).argmax(axis=1)
    assert_array_equal([card["usage"] for card in cards], prototype_usage(active, 9))
    own = iris_psem.prototype_classes_[active] == y
    n_right = np.bincount(active[own], minlength=9)
    assert_array_equal([card["n_correct"] for card in cards], n_right)
    rows = [card["training_row"] for card in cards]
    assert_array_equal(rows, iris_psem.prototype_indices_)
    weights = [card["weight"] for card in cards]
    assert_array_equal(weights, iris_psem.prototype_counts_)
    assert sum(weights) == 75
