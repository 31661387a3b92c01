"""What print says of explanations, audits and reports: as a person would say it."""

import numpy as np
import pytest
from sems import Prototypes
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures

from sklearn_kmex import KMExClassifier, RejectingClassifier, make_kmex
from sklearn_kmex.explain import (
    Explanation,
    contrast,
    counterfactuals,
    explain,
    influence,
)
from sklearn_kmex.metrics import audit, drift, find_leaks, group_scores
from sklearn_kmex.report import SEMReport

X, Y = load_iris(return_X_y=True, as_frame=True)
X, Y = X.rename(columns=str.title), np.array(["Setosa", "Versi", "Virgi"])[Y]
PSEM = KMExClassifier(2, random_state=0).fit(X, Y)


def joined(text):
    return " ".join(text.split())


def test_an_explanation_says_what_a_person_would():
    found = explain(PSEM, X.iloc[[70]], X_train=X, y_train=Y, reasons=True)
    text = joined(str(found))
    own, other = found.evidence(0)[0], found.evidence(0)[-1]
    assert text.startswith(
        f"Sample 0: predicted Versi, probability {found.probability[0]:.3g}. "
        f"Looks like training row {found.predicted_training_row[0]} of class Versi "
        f"(similarity {own.similarity:.3g}), more similar than "
    )
    assert "% of training rows of class Versi." in text
    members = ", ".join(map(str, found.members[0]))
    assert f"most like it: training rows {members}." in text
    assert f"Runner-up: class Virgi, by a margin of {found.margin[0]:.3g}" in text
    assert other.training_row in found.prototype_rows
    assert f"Reasons: {found.reasons[0]}." in text
    assert len(str(found).splitlines()) <= 10
    assert str(found).isascii()
    assert repr(found) == "Explanation(n_samples=1)"


def test_training_texts_are_quoted():
    texts = ["win a\nprize", "a prize now", "see you", "see you at home"]
    psem = make_pipeline(TfidfVectorizer(), KMExClassifier(1, random_state=0))
    psem.fit(texts, ["spam", "spam", "ham", "ham"])
    text = joined(str(explain(psem, ["see you"], X_train=texts)))
    shown = texts[psem[-1].prototype_indices_[0]]
    assert f'of class ham, "{shown}" (similarity ' in text
    assert 'of class spam, "win a prize" (sim' in text or '"a prize now" (sim' in text
    assert '"' not in str(explain(psem, ["see you"]))


def test_only_the_first_samples_are_written():
    text = str(explain(PSEM, X))
    assert text.count("Sample ") == 5
    assert text.endswith("... and 145 more samples; slice to see others.")
    assert str(explain(PSEM, X)[:0]) == "Explanation(n_samples=0)"
    assert max(map(len, text.splitlines())) <= 80


def test_what_is_not_known_is_not_said():
    psem = Prototypes([0, 10], ["a\x1b[2J", "b"])
    text = str(explain(psem, [[1.0]]))
    assert "\x1b" not in text
    assert "probability" not in text
    assert "Looks like prototype 0 of class a\\x1b[2J (similarity -1)." in text
    assert "like prototype 1 of class b" in text


def test_only_certainty_is_written_as_such():
    found = explain(PSEM, X.iloc[:1])
    sure = {**vars(found), "probabilities": np.array([[1 - 1e-9, 1e-9, 0]])}
    assert "probability above 0.999." in str(Explanation(**sure))
    sure["probabilities"] = np.array([[1.0, 0, 0]])
    assert "probability 1." in str(Explanation(**sure))


def test_rejected_samples():
    psem = RejectingClassifier(PSEM, quantile=0.2, cv=2).fit(X, Y)
    found = explain(psem, X)
    rejected = int(np.flatnonzero(~found.accepted)[0])
    assert ", rejected." in str(found[rejected])
    assert ", rejected." not in str(found[found.accepted][:1])


def test_a_contrast_names_the_columns_on_both_sides():
    found = contrast(PSEM, X.iloc[[70]])
    text = joined(str(found))
    order = np.argsort(-found.contributions[0])
    best, size = found.feature_names[order[0]], found.contributions[0, order[0]]
    assert text.startswith("Sample 0: Versi rather than Virgi, by a margin of ")
    assert f"For Versi: {best} = " in text
    assert f"({size:+.3g})" in text
    assert "For Virgi: " in text
    mixed = make_pipeline(PolynomialFeatures(), KMExClassifier(2, random_state=0))
    text = str(contrast(mixed.fit(X, Y), X.iloc[:1]))
    assert "Columns are those of the step polynomialfeatures." in text
    assert "more columns." in joined(text)


def test_a_contrast_that_weights_decide():
    psem = KMExClassifier(1, priors=[0.999, 0.001], similarity="gaussian")
    psem.fit([[0.0], [1], [9], [10]], [0, 0, 1, 1])
    found = contrast(psem, [[5.05]])
    assert found.decided_by_weights[0]
    assert "The weights of the prototypes decide." in str(found)


def test_a_decision_against_the_most_similar_prototype_is_explained():
    psem = KMExClassifier(1, priors=[0.999, 0.001], similarity="gaussian")
    psem.fit([[0.0], [1], [9], [10]], ["a", "a", "b", "b"])
    text = joined(str(explain(psem, [[5.05]])))
    assert text.startswith("Sample 0: predicted a")
    assert "The most similar prototype is of class b, but the weights, or" in text
    assert "most similar prototype" not in str(explain(psem, [[1.0]]))


def test_what_no_column_explains_is_said():
    forest = RandomForestClassifier(5, random_state=0).fit(X, Y)
    psem = make_kmex(forest, n_prototypes=2, random_state=0).fit(X, Y)
    found = contrast(psem, X.iloc[[0]])
    assert found.base[0]
    said = f"The sum starts from {found.base[0]:+.3g}, the margin if no column is known"
    assert said in joined(str(found))


def test_counterfactuals_say_what_would_change_the_decision():
    found = counterfactuals(PSEM, X.iloc[:1], X_train=X, y_train=Y)
    text = joined(str(found))
    assert f"training row {found.training_rows[0]}, at a distance of" in text
    removed = ", ".join(map(str, found.removals[0]))
    assert f"Class {found.removed_to[0]} would be predicted without proto" in text
    assert text.endswith(f"{removed}.")


def test_influence_says_which_rows_are_for_and_against():
    found = influence(PSEM, X.iloc[[70]], X, Y)
    text = joined(str(found))
    for word, role in (("smaller", "supporting"), ("larger", "opposing")):
        row = getattr(found, f"{role}_rows")[0, 0]
        effect = getattr(found, f"{role}_effects")[0, 0]
        label = Y[row]
        start = f"The margin is {word} without training row {row} of class {label} "
        assert f"{start}({effect:+.3g})" in text


def test_an_audit_says_what_it_found_and_what_not():
    labels = Y.copy()
    labels[7] = "Virgi"
    psem = KMExClassifier(2, random_state=0).fit(X, labels)
    found = audit(psem, X, labels, X_test=X.iloc[:7])
    text = joined(str(found))
    n_suspect = len(found.suspect_rows)
    assert f"wrong ({n_suspect}): row 7 (label Virgi, more like S" in text
    assert "Errors of the model explain all of these labels." in text
    found.n_excess = 1
    assert f"explain {n_suspect - 1} of these labels." in joined(str(found))
    assert "Test samples that are also in X (7): 0, 1, 2, 3, 4 and 2 more." in text
    assert "Prototypes outvoted by another class: none." in text
    assert "Test samples" not in str(audit(psem, X, labels))


@pytest.mark.parametrize("few", [True, False])
def test_a_report_says_its_main_results(few):
    report = SEMReport(PSEM, X[: 20 if few else 150], Y[: 20 if few else 150])
    content, text = report.to_dict(), joined(str(report))
    assert text.startswith(content["title"])
    for sentence in content["summary"]:
        assert joined(sentence) in text
    for warning in content["warnings"]:
        assert joined(f"- {warning['text']}") in text
    assert max(map(len, str(report).splitlines())) <= 80
    assert repr(report).startswith("SEMReport(KMExClassifier, n_samples=")


def test_groups_that_differ_are_printed():
    rows, y = load_iris(return_X_y=True)
    psem = KMExClassifier(2, random_state=0).fit(rows[::2], y[::2])
    correct = psem.predict(rows) == y
    found = group_scores(
        psem, rows, y, {"ok": correct}, measures=["accuracy"], min_size=1
    )
    text = joined(str(found))
    assert text.startswith("Groups ok = False: accuracy 0, -1 compared with all other")
    rest = group_scores(psem, rows, y, {"ok": correct}, min_size=len(rows))
    assert "No group differs from all other samples" in str(rest)
    assert "Too small: ok = False, ok = True." in str(rest)


def test_leaks_are_printed():
    rng = np.random.RandomState(0)
    rows, y = rng.normal(size=(300, 6)), np.arange(300) % 2
    psem = KMExClassifier(2, random_state=0).fit(rows[:200], y[:200])
    assert "No copies of training samples" in str(
        find_leaks(psem, rows[:200], rows[200:])
    )
    found = find_leaks(psem, rows[:200], np.vstack([rows[200:], rows[7:8]]))
    text = joined(str(found))
    assert "(1, of which about 0 by chance)" in text
    assert "row 100 (equal to training row 7)." in text


def test_drift_is_printed():
    rows, y = load_iris(return_X_y=True)
    psem = KMExClassifier(2, random_state=0).fit(rows[::3], y[::3])
    assert "Drift: no difference was found" in str(drift(psem, rows[1::3], rows[2::3]))
    text = str(drift(psem, rows[1::3] + np.eye(4)[2], rows[2::3]))
    assert text.startswith("Drift: the new samples differ from the reference.")
    assert "Adjusted p-values: usage 0." in text
    assert "Rows least similar to any prototype: " in text
