"""Training samples in a report: their likeness, and members of winning prototypes."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from pages import check_report
from sems import Prototypes

from sklearn_kmex import KMExClassifier, make_kmex
from sklearn_kmex.explain import explain
from sklearn_kmex.metrics import make_example_likeness_scorer
from sklearn_kmex.report import SEMReport


@pytest.fixture(scope="module")
def reported(digits):
    """The content and the page of a report about digits behind an encoder."""
    X, X_test, y, y_test = digits
    n_rows = []

    def encoder(X):
        n_rows.append(len(X))
        return np.sqrt(X)

    psem = make_kmex(encoder, n_prototypes=3, random_state=0).fit(X, y)
    n_rows.clear()
    report = SEMReport(psem, X_test, y_test, X_train=X, y_train=y, image_shape=(8, 8))
    content, page = check_report(report)
    return psem, content, page, sum(n_rows), report


def test_likeness_is_that_of_the_scorer(reported, digits):
    psem, content, page, *_ = reported
    X, X_test, y, _ = digits
    found = content["predicates"]["examples"]
    expected = make_example_likeness_scorer(X, y)(psem, X_test)
    assert found == {"likeness": expected, "n_distinct": 30, "n_prototypes": 30}
    assert "30 prototypes show 30 different training samples" in page.text


def test_members_are_those_of_explain(reported, digits):
    psem, content, page, *_ = reported
    X, X_test, y, _ = digits
    rows = [case["row"] for case in content["cases"]]
    found = explain(psem, X_test[rows], X_train=X, y_train=y)
    for i, case in enumerate(content["cases"]):
        members = [one["training_row"] for one in case["members"]]
        assert_array_equal(members, found.members[i])
        likeness = [one["likeness"] for one in case["members"]]
        assert likeness == found.member_likeness[i].tolist()
        for one in case["members"]:
            assert one["picture"] == f"training-{one['training_row']}"
            assert one["picture"] in content["pictures"]
    assert "most like this sample" in page.text


def test_each_row_is_embedded_once_and_those_explained_once_more(reported, digits):
    _, content, _, n_rows, _ = reported
    n_train, n_test = len(digits[0]), len(digits[1])
    assert n_rows == n_train + n_test + len(content["cases"])


def test_the_card_names_them(reported):
    pytest.importorskip("skops")
    _, content, _, _, report = reported
    likeness = content["predicates"]["examples"]["likeness"]
    text = report.to_markdown()
    assert f"- Likeness: {likeness:.3f} for the training samples that are shown" in text
    assert "30 different training samples for 30 prototypes." in text


def test_training_samples_without_labels(iris, iris_psem):
    X, X_test, _, y_test = iris
    content, page = check_report(SEMReport(iris_psem, X_test, y_test, X_train=X))
    assert content["predicates"]["examples"]["likeness"] is None
    rows = [case["row"] for case in content["cases"]]
    found = explain(iris_psem, X_test.iloc[rows], X_train=X)
    for case, members in zip(content["cases"], found.members, strict=True):
        assert [one["training_row"] for one in case["members"]] == members.tolist()
    assert "likeness is unknown" in page.text


def test_texts_of_members():
    texts = ["a b", "a b c", "x y", "x y z"]

    def encoder(X):
        return np.array([[ord(text[0]), len(text)] for text in X])

    psem = make_kmex(encoder, n_prototypes=1, temperature=1.0)
    psem.fit(texts, [0, 0, 1, 1])
    report = SEMReport(psem, ["a", "x"], [0, 1], X_train=texts, y_train=[0, 0, 1, 1])
    content, page = check_report(report)
    for case in content["cases"]:
        shown = {texts[one["training_row"]] for one in case["members"]}
        assert {one["text"] for one in case["members"]} == shown
        assert len(shown) == 2
    assert "x y z" in page.text


def test_equal_training_samples_are_counted_once():
    X = np.array([[0.0, 1], [0, 1], [4, 1], [5, 1]])
    y = [0, 1, 0, 1]
    psem = KMExClassifier(2, temperature=1.0, random_state=0).fit(X, y)
    content, _ = check_report(SEMReport(psem, X, y, X_train=X, y_train=y))
    found = content["predicates"]["examples"]
    assert (found["n_distinct"], found["n_prototypes"]) == (3, 4)


def test_without_training_samples(iris, iris_psem):
    _, X, _, y = iris
    content, page = check_report(SEMReport(iris_psem, X, y))
    assert content["predicates"]["examples"] is None
    assert all(case["members"] == [] for case in content["cases"])
    assert "Likeness" not in page.text


def test_a_model_that_does_not_know_its_training_rows():
    X, y = np.array([[1.0], [9], [3]]), [0, 1, 0]
    psem = Prototypes([[0.0], [10]], [0, 1])
    content, _ = check_report(SEMReport(psem, X, y, X_train=X, y_train=y))
    assert content["predicates"]["examples"] is None
    assert all(case["members"] == [] for case in content["cases"])
