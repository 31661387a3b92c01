"""Each sentence is given if it is true, and only then."""

import copy

import numpy as np
import pytest
from sems import Prototypes, Stubborn

from sklearn_kmex import KMExClassifier
from sklearn_kmex.report import SEMReport
from sklearn_kmex.report._summary import choose_first, find_warnings, summarize

ALL = {"value": 1.0, "low": 0.9, "high": 1.0, "n": 75}


def texts(content):
    found = find_warnings(content)
    assert all(warning["action"].endswith(".") for warning in found)
    return [warning["text"] for warning in found]


@pytest.fixture
def content(iris_report):
    return iris_report.to_dict()


def test_summary_of_iris(content):
    wrong = sum(one["n"] for one in content["performance"]["confusions"])
    right = 75 - wrong
    first, second, *rest = content["summary"]
    assert first.startswith(
        "The model compares each sample with 9 prototypes of 3 classes, each of which "
        "represents some training samples, "
    )
    assert second.startswith(
        f"It correctly classifies {100 * right / 75:.1f} % of 75 samples (95 % "
        "confidence interval "
    )
    assert rest[-1] == (
        "These results do not hold for data that differ from these samples."
    )


def test_the_rule_of_decision_is_described():
    X, y = [[1.0], [9.0]], ["a", "b"]
    near = SEMReport(Prototypes([[0], [10]], y), X, y).to_dict()["summary"]
    assert not any("Other prototypes count" in one for one in near)
    stubborn = SEMReport(Stubborn([[0], [10]], y), X, y).to_dict()["summary"]
    assert stubborn[1] == (
        "Other prototypes count as well: the most similar one has the predicted class "
        "for 50.0 % of the samples."
    )


def test_black_box_is_compared(content):
    assert not any("black box" in one for one in content["summary"])
    content["performance"]["black_box"] = {
        "accuracy": {**ALL, "value": 0.875},
        "agreement": {**ALL, "value": 0.9},
        "gap": {"value": -0.05, "low": -0.09, "high": -0.01},
    }
    assert (
        "The black box that it is compared to correctly classifies 87.5 %; the two "
        "models predict the same class for 90.0 % of the samples."
    ) in summarize(content, ALL)
    assert (
        "The model is less accurate than the black box, by 5.0 percentage points."
    ) in texts(content)
    content["performance"]["black_box"]["gap"]["high"] = 0.0
    assert not any("less accurate" in one for one in texts(content))


def test_a_guess_is_compared(content):
    guess = content["performance"]["most_frequent"]
    assert guess["label"] in ("setosa", "versicolor", "virginica")
    guess |= {"label": "virginica", "accuracy": {**ALL, "value": 0.5}}
    assert (
        "Always predicting virginica, the most frequent class of the training samples, "
        "would be correct for 50.0 %."
    ) in summarize(content, ALL)
    guess["gap"] = {"value": 0.01, "low": 0.001, "high": 0.02, "n": 75}
    assert not any("always predicting" in one for one in texts(content))
    guess["gap"]["low"] = 0.0
    content["performance"]["accuracy"]["value"] = 0.51
    assert (
        "The model is not clearly more accurate than always predicting virginica, the "
        "most frequent class: 51.0 % against 50.0 %."
    ) in texts(content)


def test_ranking_is_given_unless_it_is_undefined(content):
    content["performance"]["ranking"] |= {
        "mean_roc_auc": 0.98765,
        "mean_average_precision": 0.9,
    }
    assert (
        "Ranked by probability, the mean ROC AUC of the classes is 0.988, and the mean "
        "average precision is 0.900."
    ) in summarize(content, ALL)
    content["performance"]["ranking"]["mean_roc_auc"] = None
    assert not any("ROC AUC" in one for one in summarize(content, ALL))


def test_first_are_the_most_used_prototypes_and_a_case_of_each_kind(content):
    for card in content["prototypes"]:
        card["usage"] = [5, 9, 0, 1, 2, 3, 0, 0, 0][card["prototype"]]
    classes = content["performance"]["classes"]
    assert choose_first(content)["prototypes"] == [1, 0, 5, 4, 6]
    cases = {case["row"]: case for case in content["cases"]}
    correct, wrong = (cases[row] for row in choose_first(content)["cases"])
    assert correct["label"] == correct["prediction"]
    assert wrong["label"] != wrong["prediction"]
    content["cases"] = [case for case in cases.values() if case["kind"] == "correct"]
    assert choose_first(content)["cases"] == [correct["row"]]
    content["performance"]["classes"] = classes * 7  # many: those of most samples
    classes[1]["recall"]["n"] = 1
    content["prototypes"] = [
        {"prototype": k, "class": k, "usage": 1} for k in range(21)
    ]
    chosen = choose_first(content)["prototypes"]
    assert len(chosen) == 12
    assert not {1, 4, 7} & set(chosen)


def test_class_of_lowest_recall_is_named_unless_all_are_correct(content):
    classes = content["performance"]["classes"]
    for one in classes:
        one["recall"] = dict(ALL)
    assert not any("lowest" in one for one in summarize(content, ALL))
    classes[1]["recall"] = {"value": 0.5, "low": 0.4, "high": 0.6, "n": 20}
    assert (
        "Recall is lowest for class versicolor: 50.0 % (40.0 % to 60.0 %)."
    ) in summarize(content, ALL)
    said = "Recall is clearly lower than the accuracy for class versicolor (50.0 %)."
    assert said in texts(content)
    classes[0]["recall"] = {"value": 0.0, "low": 0.0, "high": 0.1, "n": 20}
    assert "for classes setosa (0 %), versicolor (50.0 %)." in " ".join(texts(content))


def test_ghosts_are_counted(content):
    content["predicates"]["transparency"]["n_ghosts"] = 0
    assert "Each prototype decides some of the samples." in summarize(content, ALL)
    content["predicates"]["transparency"]["n_ghosts"] = 2
    assert "2 of 9 prototypes decide none of the samples." in summarize(content, ALL)


def test_calibration_is_given_if_there_are_probabilities(content):
    content["reliability"]["calibration_error"] = 0.0123
    said = (
        "The predicted probabilities differ from the share of correct predictions by "
        "1.2 percentage points on average."
    )
    assert said in summarize(content, ALL)
    content["reliability"] = None
    assert said not in summarize(content, ALL)
    assert not any("probabilities are" in one for one in texts(content))


@pytest.mark.parametrize(
    ("confidence", "said"), [(0.99, "high"), (0.5, "low"), (0.85, None)]
)
def test_warning_about_probabilities_beyond_chance(content, confidence, said):
    content["performance"]["accuracy"] = {
        "value": 0.8,
        "low": 0.7,
        "high": 0.9,
        "n": 75,
    }
    content["reliability"]["mean_confidence"] = confidence
    found = [
        one for one in texts(content) if one.startswith("Predicted probabilities are")
    ]
    assert found == (
        []
        if said is None
        else [
            f"Predicted probabilities are too {said} on average: their mean is "
            f"{100 * confidence:.1f} %, and 80.0 % of the predictions are correct."
        ]
    )


def test_few_samples_and_absent_classes(content):
    assert (
        "Accuracy was measured on 75 samples only: all shares are imprecise."
        in texts(content)
    )
    content["performance"]["accuracy"]["n"] = 100
    assert not any("imprecise" in one for one in texts(content))
    content["performance"]["classes"][2]["recall"]["n"] = 0
    absent = "Recall is unknown for class virginica: there are no samples."
    assert absent in texts(content)


def test_samples_unlike_training_rows(content):
    content["novelty"]["below"] = {"value": 0.25, "low": 0.0101, "high": 0.4, "n": 75}
    assert (
        "25.0 % of the samples are less similar to any prototype than 99.0 % of the "
        "training samples: the model may not have been trained on samples of their "
        "kind."
    ) in texts(content)
    content["novelty"]["below"]["low"] = 0.01
    assert not any("may not have been trained" in one for one in texts(content))
    content["novelty"]["below"] = None
    assert not any("may not have been trained" in one for one in texts(content))


def test_warnings_about_data(content):
    content["data"]["n_excess_labels"] = 0
    before = texts(content)
    content["data"] |= {"n_excess_labels": 30, "n_suspect_labels": 90}
    assert [one for one in texts(content) if one not in before] == [
        "About 30 training samples may have a wrong label: more samples are most "
        "similar to another class than errors of the model explain.",
    ]


def test_prototypes_with_warnings_are_listed(content):
    cards = content["prototypes"]
    for card in cards:
        card["warnings"] = []
    assert not any("warnings about" in one for one in texts(content))
    cards[4] |= {"warnings": ["Ghost"], "usage": 0}
    said = "There are warnings about 1 prototype (1 of them decides no sample): 4."
    assert said in texts(content)
    cards[4]["usage"] = 1
    assert "There are warnings about 1 prototype: 4." in texts(content)
    content["prototypes"] = [
        {**copy.deepcopy(cards[4]), "prototype": k} for k in range(12)
    ]
    assert (
        "There are warnings about 12 prototypes: 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 2 "
        "more."
    ) in texts(content)


def test_each_warning_names_the_part_that_has_the_details(digits):
    X, X_test, y, y_test = digits
    y = np.where(np.arange(len(y)) % 20 == 0, (y + 1) % 10, y)
    psem = KMExClassifier(20, n_init=1, temperature=1e-3).fit(X, y)
    keep = y_test != 3
    X_far = np.where(np.arange(64) % 2, X_test[keep], 16 - X_test[keep])
    X_far[:3] = X[:3]
    content = SEMReport(
        psem, X_far, y_test[keep], X_train=X, y_train=y, image_shape=(8, 8)
    ).to_dict()
    sections = {one["section"] for one in content["warnings"]}
    assert sections == {"performance", "prototypes", "reliability", "novelty", "data"}
