"""Which decisions are shown, and their descriptions."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from pages import check_report
from sems import Prototypes
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_kmex import KMExClassifier
from sklearn_kmex.explain import contrast, explain
from sklearn_kmex.report import SEMReport
from sklearn_kmex.report._cases import choose_cases, name_of, typical_first


def test_choice_by_hand(evaluated):
    # Prototypes of a at 0 and of b at 10; the margin is |10 - 2 x| within [0, 10].
    X = [0, 1, 2, 3, 4, 4.9, 5.1, 6, 7, 8, 9, 10, 30]
    y = list("aaabbaabbabbb")
    answers = evaluated([[0], [10]], list("ab"), X, y)
    chosen = choose_cases(answers)
    assert list(chosen) == ["correct", "wrong", "uncertain", "dissimilar"]
    # Wrong ones, most confident first: 8 by 6, 3 by 4, 4 by 2, 5.1 by 0.2.
    assert chosen["wrong"] == [9, 3, 4, 6]
    # Correct ones have a median margin of 8: one of each class, then those of 8 +- 2.
    assert chosen["correct"] == [1, 10, 0, 2]
    assert chosen["uncertain"] == [5, 7, 8, 11]
    assert chosen["dissimilar"] == [12]  # all others are taken


def test_no_row_is_shown_twice(iris_report):
    rows = [case["row"] for case in iris_report.to_dict()["cases"]]
    assert len(set(rows)) == len(rows)


def test_nothing_is_right_or_nothing_is_wrong(evaluated):
    wrong = choose_cases(evaluated([[0], [10]], list("ab"), [1, 9], list("ba")))
    assert wrong == {
        "correct": [], "wrong": [0, 1], "uncertain": [], "dissimilar": []
    }  # fmt: skip
    right = choose_cases(evaluated([[0], [10]], list("ab"), [1, 9], list("ab")))
    assert right["wrong"] == []
    assert sorted(right["correct"]) == [0, 1]


def test_usual_ones_are_of_each_class_first():
    confidence = np.array([5.0, 5.1, 4.9, 1, 9, 5.2])
    codes = np.array([0, 0, 0, 1, 2, 0])
    rows = np.arange(6)
    # The median is 5.05: 0 and 1 are nearest to it, by place; then classes 2 and 1.
    assert sorted(typical_first(confidence, rows, codes)[:3].tolist()) in (
        [0, 3, 4],
        [1, 3, 4],
    )
    assert typical_first(confidence, rows[:0], codes).tolist() == []


def test_cases_are_what_the_model_explains(iris_report, iris, iris_psem):
    _, X, _, y = iris
    cases = iris_report.to_dict()["cases"]
    rows = [case["row"] for case in cases]
    explanation = explain(iris_psem, X.iloc[rows])
    proba = iris_psem.predict_proba(X.iloc[rows]).max(axis=1)
    for place, case in enumerate(cases):
        assert case["label"] == y[case["row"]]
        assert case["prediction"] == explanation.predictions[place]
        assert case["runner_up"] == explanation.runner_up[place]
        assert case["margin"] == pytest.approx(explanation.margin[place])
        assert case["probability"] == pytest.approx(proba[place])
        own = [one for one in case["evidence"] if one["role"] != "true class"]
        assert [one["prototype"] for one in own] == [
            one.prototype for one in explanation.evidence(place)
        ]
        assert own[0]["role"] == "predicted"
        assert case["kind"] != "correct" or case["label"] == case["prediction"]
        assert case["kind"] != "wrong" or case["label"] != case["prediction"]


def test_the_true_class_is_shown_last_where_it_is_not_among_the_nearest():
    psem = Prototypes([[0], [1], [2], [3], [20], [30]], [0, 1, 2, 3, 4, 4])
    content = SEMReport(psem, [[0.1], [9.0]], [4, 3]).to_dict()
    first, second = sorted(content["cases"], key=lambda case: case["row"])
    assert first["evidence"][-1]["role"] == "true class"
    assert first["evidence"][-1]["prototype"] == 4
    assert first["evidence"][-1]["label"] == "4"
    assert first["evidence"][-1]["similarity"] == pytest.approx(-19.9)
    assert "true class" not in [one["role"] for one in second["evidence"]]


def test_a_true_class_without_prototypes_is_not_shown():
    psem = Prototypes([[0], [5]], ["a", "b"], classes=["a", "b", "c"])
    (case,) = SEMReport(psem, [[1.0]], ["c"]).to_dict()["cases"]
    assert [one["role"] for one in case["evidence"]] == ["predicted", "runner-up"]
    assert case["label"] == "c"


def test_names_of_what_a_black_box_says():
    assert name_of(["a", "b"], 1) == "b"
    assert name_of(["a", "b"], -1) == "a class unknown to the model"


def test_columns_that_decide_are_those_of_contrast(iris):
    X, X_test, y, y_test = iris
    psem = make_pipeline(StandardScaler(), KMExClassifier(2, random_state=0)).fit(X, y)
    cases = SEMReport(psem, X_test, y_test).to_dict()["cases"]
    why = contrast(psem, X_test.iloc[[case["row"] for case in cases]])
    for case, row in zip(cases, why, strict=True):
        told = {one["feature"]: one["contribution"] for one in case["contributions"]}
        assert_allclose(
            [told[name] for name in why.feature_names], row.contributions[0]
        )
        sizes = np.abs(list(told.values()))
        assert (np.diff(sizes) <= 0).all()
        values = {one["feature"]: one["value"] for one in case["contributions"]}
        sample = X_test.iloc[case["row"]]
        assert values == {name: f"{sample[name]:.4g}" for name in X_test.columns}


def test_a_decision_against_the_most_similar_prototype_is_explained():
    psem = KMExClassifier(1, priors=[0.999, 0.001], similarity="gaussian")
    psem.fit([[0.0], [1], [9], [10]], ["a", "a", "b", "b"])
    said = (
        "The most similar prototype is of class b, but a has the highest score: "
        "prototypes have different weights (How prototypes decide)."
    )
    _, page = check_report(SEMReport(psem, [[5.05]], ["a"]))
    assert said in page.text
    _, page = check_report(SEMReport(psem, [[1.0]], ["a"]))
    assert "The most similar prototype is of class" not in page.text


def test_only_equal_embeddings_have_a_likeness_of_1():
    X, y = np.array([[1.0, 0], [1, 0.01], [0, 1], [0.01, 1]]), ["a", "a", "b", "b"]
    psem = KMExClassifier(1, random_state=0).fit(X, y)
    _, page = check_report(SEMReport(psem, X[:1], y[:1], X_train=X, y_train=y))
    assert "training sample 0likeness 1.000" in page.text
    assert "training sample 1likeness above 0.999" in page.text
