"""Rows that samples are compared with, and typicality in a report."""

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.frozen import FrozenEstimator

from sklearn_kmex import RejectingClassifier, make_kmex
from sklearn_kmex.report import SEMReport
from sklearn_kmex.report._known import Known


def test_share_of_the_rows_of_a_class_that_are_less_similar():
    known = Known([np.array([1.0, 2, 2, 5]), np.array([])], "training samples")
    shares = [known.share_below(0, value) for value in (0.5, 1, 2, 3, 9)]
    assert shares == [0, 0, 0.25, 0.75, 1]
    assert known.share_below(1, 3) is None


def test_samples_are_compared_with_training_rows_of_the_class(iris_report, iris_psem):
    content = iris_report.to_dict()
    assert content["novelty"]["among"] == "training samples"
    shown = [one for case in content["cases"] for one in case["evidence"]]
    shown += [one for card in content["prototypes"] for one in card["nearest"]]
    assert all(0 <= one["typicality"] <= 1 for one in shown)
    for case in content["cases"]:
        if case["kind"] == "correct":
            assert (
                case["evidence"][0]["typicality"] > case["evidence"][-1]["typicality"]
            )
    page = iris_report.to_html()
    assert " of training samples of this class" in page
    # Typicality is that of the nearest prototype of the predicted class only.
    cards = page.split('class="case item"')[1:]
    counts = [one.split("</section>")[0].count("more similar than") for one in cards]
    assert counts == [1] * len(content["cases"])
    assert "Weight" not in page
    stands = [card["n_training_rows"] for card in content["prototypes"]]
    assert stands == iris_psem.prototype_counts_.astype(int).tolist()
    assert f"It stands for {stands[0]} training samples." in page


def test_weighted_rows_are_no_number_of_rows(iris):
    from sklearn_kmex import KMExClassifier

    X, X_test, y, y_test = iris
    psem = KMExClassifier(2, random_state=0).fit(X, y, sample_weight=np.full(75, 0.5))
    report = SEMReport(psem, X_test, y_test)
    cards = report.to_dict()["prototypes"]
    assert {card["n_training_rows"] for card in cards} == {None}
    total = f"{cards[0]['weight']:,.6g}"
    assert f"It stands for training samples of a total weight of {total}." in (
        report.to_html()
    )


@pytest.fixture(scope="module")
def forest(digits):
    X, _, y, _ = digits
    model = RandomForestClassifier(30, random_state=0).fit(X, y)
    return make_kmex(model, n_prototypes=2, random_state=0).fit(X, y)


def test_rows_that_trees_have_seen_are_no_measure(forest, digits):
    X, X_test, y, y_test = digits
    report = SEMReport(forest, X_test, y_test, X_train=X, y_train=y)
    novelty = report.to_dict()["novelty"]
    assert novelty["among"] == "test samples"
    assert novelty["threshold"] is novelty["below"] is None
    page = report.to_html()
    assert "are no measure for these" in page
    assert "may not have been trained on samples of their kind" not in page


def test_held_out_rows_are_the_measure_where_there_are_any(forest, digits):
    X, X_test, y, y_test = digits
    careful = RejectingClassifier(FrozenEstimator(forest))
    careful.fit(X_test[::2], y_test[::2])
    report = SEMReport(careful, X_test[1::2], y_test[1::2], X_train=X, y_train=y)
    novelty = report.to_dict()["novelty"]
    assert novelty["among"] == "held-out samples"
    assert novelty["below"]["low"] <= 0.01
    assert "Of the held-out samples, 1 % have a similarity below" in report.to_html()


def test_samples_of_another_kind_are_warned_of(iris, iris_psem):
    X, X_test, y, y_test = iris
    strange = X_test + np.where(np.arange(len(X_test)) % 4 == 0, 9, 0)[:, np.newaxis]
    report = SEMReport(iris_psem, strange, y_test, X_train=X, y_train=y)
    assert report.to_dict()["novelty"]["below"]["low"] > 0.01
    assert "than 99.0 % of the training samples" in report.to_html()
