"""The report gives the findings of the audit."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sems import Prototypes

from sklearn_kmex import KMExClassifier
from sklearn_kmex.metrics import audit
from sklearn_kmex.report import SEMReport
from sklearn_kmex.report._findings import (
    audit_known,
    find_problems,
    suspect_labels,
    warnings_by_prototype,
)


@pytest.fixture(scope="module")
def mislabelled(digits):
    X, X_test, y, y_test = digits
    y = y.copy()
    y[::25] = (y[::25] + 1) % 10
    psem = KMExClassifier(10, random_state=0).fit(X, y)
    report = SEMReport(psem, X_test, y_test, X_train=X, y_train=y, image_shape=(8, 8))
    return psem, X, y, report.to_dict()


def test_suspect_labels_are_those_of_the_audit(mislabelled):
    psem, X, y, content = mislabelled
    data = content["data"]
    found = audit(psem, X, y, error_rate=data["error_rate"])
    assert 0 < data["error_rate"] <= 1 - content["performance"]["accuracy"]["low"]
    assert data["n_suspect_labels"] == len(found.suspect_rows) > 20
    assert data["n_excess_labels"] == found.n_excess
    assert 0 < found.n_excess < 51  # the number of wrong labels
    assert len(data["suspect_labels"]) == min(20, found.n_excess)
    wrong = [one["training_row"] % 25 == 0 for one in data["suspect_labels"]]
    assert np.mean(wrong) >= 0.9
    for one, row, label, other, suspicion in zip(
        data["suspect_labels"], found.suspect_rows, found.suspect_labels,
        found.suggested_labels, found.suspicion, strict=False,
    ):  # fmt: skip
        assert one["training_row"] == row
        assert (one["label"], one["suggested_label"]) == (str(label), str(other))
        assert one["suspicion"] == pytest.approx(suspicion)


def test_correct_labels_near_an_outvoted_prototype_are_not_excess():
    def overlapping(seed):
        rng = np.random.default_rng(seed)
        centers = np.repeat([0, 10, 10.5, 20], [3600, 400, 300, 200])
        return rng.normal(centers, 1)[:, np.newaxis], np.repeat([0, 1], [4000, 500])

    (X, y), (X_test, y_test) = overlapping(0), overlapping(1)
    psem = KMExClassifier(2, random_state=0).fit(X, y)
    assert len(audit(psem, X, y).outvoted_prototypes)
    assert audit(psem, X, y, error_rate=1 - psem.score(X_test, y_test)).n_excess > 30
    report = SEMReport(psem, X_test, y_test, X_train=X, y_train=y)
    assert report.to_dict()["data"]["n_excess_labels"] == 0


def test_warnings_are_those_of_the_audit(mislabelled):
    psem, X, y, content = mislabelled
    found = audit(psem, X, y)
    warned = {card["prototype"]: card["warnings"] for card in content["prototypes"]}

    def those_with(text):
        return [k for k, texts in warned.items() if any(text in one for one in texts)]

    assert_array_equal(those_with("larger share of another"), found.outvoted_prototypes)
    impure = found.impure_prototypes
    assert_array_equal(
        those_with("The training sample most similar to it"), impure.prototype
    )
    for k, row, label in zip(
        impure.prototype, impure.row, impure.row_class, strict=True
    ):
        said = f"The training sample most similar to it, {row}, is of class {label}."
        assert said in warned[k]
    pairs = found.duplicate_prototypes
    both = np.union1d(pairs.prototype, pairs.other)
    assert_array_equal(those_with("Nearly identical to prototype"), both)


def test_without_training_labels_the_samples_are_audited(evaluated):
    sem = Prototypes([[0], [10], [10.1]], list("abb"))
    y = np.array(list("aabb"))
    findings = find_problems(sem, evaluated(sem, None, [1, 9.9, 8, 12], y), None, y)
    assert findings.what == "sample"
    assert suspect_labels(findings, {}) == {
        "n_suspect_labels": None,
        "n_excess_labels": None,
        "error_rate": None,
        "suspect_labels": [],
    }
    texts = warnings_by_prototype(
        findings, np.array([1, 2, 1]), np.array([1, 1, 1]), {"a": "A", "b": "B"}
    )
    assert texts[0] == []
    assert "The sample most similar to it, 1, is of class A." in texts[1]
    assert "Nearly identical to prototype 2." in texts[1]
    assert "Nearly identical to prototype 1." in texts[2]


def test_ghosts_and_prototypes_of_low_purity(evaluated):
    sem = Prototypes([[0], [10], [50]], list("aba"))
    y = np.array(list("abbb"))
    findings = find_problems(sem, evaluated(sem, None, [1, 9, 2, 3], y), None, y)
    texts = warnings_by_prototype(
        findings, np.array([3, 1, 0]), np.array([1, 1, 0]), {"a": "A", "b": "B"}
    )
    assert texts[0][0] == "Only 1 of the 3 samples it decides are of its class."
    assert "are of its class" not in " ".join(texts[1])
    assert texts[2][0].startswith("Ghost: ")


def test_a_purity_of_one_half_is_not_low():
    findings = audit_known(Prototypes([[0], [9]], [0, 1]), np.eye(2), np.array([0, 1]))
    findings["what"] = "sample"
    texts = warnings_by_prototype(
        findings, np.array([2, 2]), np.array([1, 1]), {0: 0, 1: 1}
    )
    assert texts == [[], []]


def test_rows_of_classes_without_prototypes_are_left_out_and_numbers_kept():
    sem = Prototypes([[0], [9]], ["a", "c"], classes=["a", "b", "c"])
    similarities = -np.abs(np.array([[4.0], [1], [8], [7]]) - [0, 9])
    labels = np.array(["b", "a", "a", "c"])
    found = audit_known(sem, similarities, labels)
    assert found.suspect_rows.tolist() == [2]
    assert found.suggested_labels.tolist() == ["c"]
    assert found.impure_prototypes.row.tolist() == [2]


def test_nothing_is_found_where_no_class_has_prototypes():
    sem = Prototypes([[0], [9]], ["a", "c"], classes=["a", "b", "c"])
    found = audit_known(sem, np.zeros((1, 2)), np.array(["b"]))
    found |= {"what": "training sample", "error_rate": 0.5}
    labels = suspect_labels(found, {})
    assert labels["n_suspect_labels"] == labels["n_excess_labels"] == 0
    assert labels["suspect_labels"] == []
    assert warnings_by_prototype(found, np.ones(2), np.ones(2), {}) == [[], []]


def test_a_prototype_of_too_little_weight_is_named():
    X = np.array([[0.0]] * 98 + [[1.0], [2.0], [9.0]])
    y = np.array(["a"] * 100 + ["b"])
    psem = KMExClassifier(
        {"a": 3, "b": 1}, priors="prototype", similarity="gaussian", temperature=1.0
    ).fit(X, y)
    content = SEMReport(psem, X, y, X_train=X, y_train=y).to_dict()
    text = "No sample can be decided by it: others outweigh or equal it."
    named = np.array([text in card["warnings"] for card in content["prototypes"]])
    assert psem.prototypes_[named].tolist() == [[1.0]]
