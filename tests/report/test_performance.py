"""Figures by hand, and those of scikit-learn and of the metrics on real data."""

from types import SimpleNamespace

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sems import Prototypes
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    confusion_matrix,
    log_loss,
    precision_score,
    recall_score,
)

from sklearn_kmex import KMExClassifier, make_kmex
from sklearn_kmex._model.steps import activations
from sklearn_kmex.metrics import (
    accuracy_gap,
    diversity_score,
    diversity_scorer,
    fidelity_score,
    ghosting_rate,
    usage_entropy_score,
)
from sklearn_kmex.report import SEMReport
from sklearn_kmex.report._performance import (
    performance,
    predicates,
    reliability,
    reliability_bins,
)

NAMES = ["A", "B", "C"]


class Saying:
    """A black box with given predictions."""

    def __init__(self, labels):
        self.labels = np.asarray(labels)

    def predict(self, X):
        return self.labels


@pytest.fixture
def answers(evaluated):
    """Eight samples: one of A classified as B, two of B as A, one as C; none of C."""
    X, y = [1, 1, 1, 11, 11, 1, 1, 19], list("aaaabbbb")
    return evaluated([[0], [10], [20]], list("abc"), X, y, Saying(list("aaabbbaz")))


def test_by_hand(answers):
    found = performance(answers, NAMES)
    assert found["accuracy"]["value"] == 4 / 8
    assert found["balanced_accuracy"] == (3 / 4 + 1 / 4) / 2
    recalls = [one["recall"]["value"] for one in found["classes"]]
    precisions = [one["precision"]["value"] for one in found["classes"]]
    theirs = [one["black_box_recall"]["value"] for one in found["classes"]]
    assert recalls == [3 / 4, 1 / 4, None]
    assert precisions == [3 / 5, 1 / 2, 0]
    others = [
        (one["specificity"]["value"], one["specificity"]["n"])
        for one in found["classes"]
    ]
    assert others == [(2 / 4, 4), (3 / 4, 4), (7 / 8, 8)]
    assert theirs == [3 / 4, 2 / 4, None]
    assert [one["precision"]["n"] for one in found["classes"]] == [5, 2, 1]
    assert found["confusions"] == [
        {"label": "B", "prediction": "A", "n": 2},
        {"label": "A", "prediction": "B", "n": 1},
        {"label": "B", "prediction": "C", "n": 1},
    ]


def test_beside_the_black_box_by_hand(answers):
    found = performance(answers, NAMES)["black_box"]
    assert found["accuracy"]["value"] == 5 / 8
    assert found["agreement"]["value"] == 6 / 8  # one "z" is no class here
    assert (found["only_model_correct"], found["only_black_box_correct"]) == (0, 1)
    assert found["gap"]["value"] == -1 / 8
    assert set(found["gap"]) == {"value", "low", "high", "n"}


def test_no_black_box_and_no_error(evaluated):
    answers = evaluated([[0], [10]], [0, 1], [1, 9], [0, 1])
    found = performance(answers, ["A", "B"])
    assert found["black_box"] is None
    assert found["confusions"] == []
    assert [one["black_box_recall"] for one in found["classes"]] == [None, None]
    trust = predicates(answers, Prototypes([[0], [10]], [0, 1]), None)[
        "trustworthiness"
    ]
    assert trust is None


def test_only_the_most_frequent_errors_are_listed(evaluated):
    places = np.arange(12)
    X = np.concatenate([places, np.repeat(places, 2)[:-2] + 1])
    y = np.concatenate([places, np.repeat(places, 2)[:-2]])
    answers = evaluated([[i] for i in places], places, X, y)
    confusions = performance(answers, list(map(str, places)))["confusions"]
    assert len(confusions) == 10
    assert confusions[0] == {"label": "0", "prediction": "1", "n": 2}


def test_confusion_matrix_by_hand(answers):
    assert performance(answers, NAMES)["matrix"] == {
        "labels": NAMES,
        "counts": [[3, 1, 0], [2, 1, 1], [0, 0, 0]],
        "n_other": 0,
    }


def test_of_many_classes_those_with_the_most_errors_are_shown(evaluated):
    places = np.arange(30)
    errors = [3, 3, 17, 28]  # one of 17 is predicted as 28
    X, y = np.append(places, [9, 9, 28, 9]), np.append(places, errors)
    answers = evaluated([[i] for i in places], places, X, y)
    names = [f"class {place}" for place in places]
    matrix = performance(answers, names)["matrix"]
    assert len(matrix["labels"]) == len(matrix["counts"]) == 20
    assert matrix["labels"][-1] == "11 other classes"
    assert matrix["n_other"] == 11
    assert {"class 3", "class 9", "class 17", "class 28"} <= set(matrix["labels"])
    counts = np.array(matrix["counts"])
    assert counts.sum() == 34
    assert counts[-1, -1] == 11
    row, column = (matrix["labels"].index(name) for name in ("class 3", "class 9"))
    assert counts[row, column] == 2


def test_a_guess_by_hand(answers):
    found = performance(answers, NAMES)["most_frequent"]
    assert (found["label"], found["of"]) == ("A", "samples")
    assert found["accuracy"]["value"] == found["accuracy"]["n"] / 16
    assert found["gap"]["value"] == 0
    known = performance(answers, NAMES, np.array([1, 1, 2]))["most_frequent"]
    assert (known["label"], known["of"]) == ("B", "training samples")
    absent = performance(answers, NAMES, np.array([2]))["most_frequent"]
    assert absent["accuracy"]["value"] == 0
    assert absent["gap"]["value"] == 4 / 8


def test_ghosts_by_hand(evaluated):
    prototypes = [[0], [10], [20], [99]]
    answers = evaluated(prototypes, list("abba"), [1, 2, 11, 12], list("aabb"))
    found = predicates(answers, Prototypes(prototypes, list("abba")), None)
    assert found["transparency"] == {
        "ghosting_rate": 0.5,
        "n_ghosts": 2,
        "n_prototypes": 4,
        "usage_entropy": pytest.approx(0.5),
    }
    assert found["diversity"]["score"] == diversity_score(prototypes)


@pytest.fixture(scope="module")
def forest_report(digits):
    X, X_test, y, y_test = digits
    forest = RandomForestClassifier(20, max_depth=4, random_state=0).fit(X, y)
    psem = make_kmex(forest, n_prototypes=6, random_state=0).fit(X, y)
    content = SEMReport(psem, X_test, y_test, image_shape=(8, 8)).to_dict()
    return SimpleNamespace(
        psem=psem, forest=forest, X=X_test, y=y_test, content=content
    )


def test_figures_are_those_of_scikit_learn(forest_report):
    given, found = forest_report, forest_report.content["performance"]
    predicted = given.psem.predict(given.X)
    assert found["accuracy"]["value"] == accuracy_score(given.y, predicted)
    assert_allclose(
        found["balanced_accuracy"], balanced_accuracy_score(given.y, predicted)
    )
    for key, score in (("recall", recall_score), ("precision", precision_score)):
        values = [one[key]["value"] for one in found["classes"]]
        assert_allclose(values, score(given.y, predicted, average=None))
    matrix = confusion_matrix(given.y, predicted)
    counts = [one["n"] for one in found["confusions"]]
    wrong = matrix[~np.eye(10, dtype=bool)]
    assert counts == sorted(wrong[wrong > 0].tolist(), reverse=True)[:10]
    for one in found["confusions"]:
        assert matrix[int(one["label"]), int(one["prediction"])] == one["n"]
    theirs = [one["black_box_recall"]["value"] for one in found["classes"]]
    black_box = given.forest.predict(given.X)
    assert_allclose(theirs, recall_score(given.y, black_box, average=None))


def test_figures_are_those_of_the_metrics(forest_report):
    given, found = forest_report, forest_report.content["predicates"]
    predicted, black_box = given.psem.predict(given.X), given.forest.predict(given.X)
    active = activations(given.psem, given.X)
    n = len(given.psem[-1].prototypes_)
    transparency = found["transparency"]
    assert transparency["ghosting_rate"] == ghosting_rate(active, n)
    assert transparency["n_ghosts"] == n - len(np.unique(active))
    assert transparency["usage_entropy"] == usage_entropy_score(active, n)
    assert found["diversity"]["score"] == diversity_scorer(given.psem, given.X)
    trust = found["trustworthiness"]
    assert trust["fidelity"]["value"] == fidelity_score(black_box, predicted)
    gap = accuracy_gap(given.y, black_box, predicted)
    assert trust["accuracy_gap"]["value"] == pytest.approx(gap)


def test_reliability_is_that_of_scikit_learn(forest_report):
    given, found = forest_report, forest_report.content["reliability"]
    proba = given.psem.predict_proba(given.X)
    assert_allclose(found["log_loss"], log_loss(given.y, proba), rtol=1e-6)
    assert_allclose(found["mean_confidence"], proba.max(axis=1).mean())
    assert found["temperature"] == given.psem[-1].temperature_
    sizes = [one["accuracy"]["n"] for one in found["bins"]]
    assert sum(sizes) == len(given.y)
    assert len(sizes) == 10
    hits = sum(one["accuracy"]["value"] * one["accuracy"]["n"] for one in found["bins"])
    accuracy = given.psem.score(given.X, given.y)
    assert hits / len(given.y) == pytest.approx(accuracy)


def test_bins_by_hand():
    # 60 samples, two bins: half of them at 0.6, half at 0.9.
    confidence, right = np.repeat([0.6, 0.9], 30), np.arange(60) % 3 > 0
    low, high = reliability_bins(confidence, right)
    assert low["confidence"] == pytest.approx(0.6)
    assert high["confidence"] == pytest.approx(0.9)
    assert low["accuracy"]["value"] == high["accuracy"]["value"] == 20 / 30


def test_equal_probabilities_share_a_bin():
    confidence = np.concatenate([np.full(200, 0.5), np.linspace(0.6, 1, 100)])
    bins = reliability_bins(confidence.astype(np.float32), confidence > 0.55)
    assert bins[0]["accuracy"]["n"] == 200
    assert bins[0]["accuracy"]["value"] == 0
    assert sum(one["accuracy"]["n"] for one in bins) == 300
    (one,) = reliability_bins(np.full(500, 0.7), np.ones(500, dtype=bool))
    assert one["accuracy"]["n"] == 500


def test_few_samples_are_one_bin():
    assert len(reliability_bins(np.linspace(0, 1, 59), np.ones(59, dtype=bool))) == 1


class Sure(Prototypes):
    """Predicts probabilities, some of which are 0."""

    dtype = np.float32

    def predict_proba(self, X):
        proba = np.tile([[0.8, 0.2]], (len(X), 1))
        proba[np.asarray(X)[:, 0] > 5] = [0, 1]
        return proba.astype(self.dtype)


def test_calibration_error_and_log_loss_by_hand(evaluated):
    # One bin of four samples; probabilities of predictions are 0.8, 0.8, 1 and 1.
    psem = Sure([[0], [10]], ["a", "b"])
    answers = evaluated(psem, None, [1, 2, 8, 9], list("abbb"))
    found = reliability(answers, None)
    assert found["mean_confidence"] == pytest.approx(0.9)
    assert found["calibration_error"] == pytest.approx(0.9 - 3 / 4)
    assert found["log_loss"] == pytest.approx(-np.log(0.8 * 0.2) / 4)
    assert found["temperature"] is None


def test_log_loss_of_a_probability_of_zero_is_a_number(evaluated):
    answers = evaluated(Sure([[0], [10]], ["a", "b"]), None, [1, 9], list("aa"))
    found = reliability(answers, 2)
    smallest = -np.log(np.finfo(float).tiny)
    assert found["log_loss"] == pytest.approx((smallest - np.log(0.8)) / 2)
    assert found["temperature"] == 2.0


def test_no_probabilities_no_reliability(evaluated):
    assert reliability(evaluated([[0], [10]], [0, 1], [1, 9], [0, 1]), None) is None


def test_model_of_two_kinds_of_blocks_gives_the_same_figures(digits):
    X, X_test, y, y_test = digits
    psem = KMExClassifier(2, random_state=0).fit(X, y)
    few = SEMReport(psem, X_test[:60], y_test[:60]).to_dict()["performance"]
    assert few["accuracy"]["value"] == psem.score(X_test[:60], y_test[:60])
