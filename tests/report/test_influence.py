"""Training samples that support the decisions of a report, and that oppose them."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from pages import check_report
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import make_pipeline

from sklearn_kmex import KMExClassifier, KMExClassifierCV, RejectingClassifier
from sklearn_kmex.edit import forget_rows, relabel_prototypes
from sklearn_kmex.explain import influence
from sklearn_kmex.report import SEMReport
from sklearn_kmex.report._text import percent


def report_of(psem, iris):
    X, X_test, y, y_test = iris
    return check_report(SEMReport(psem, X_test, y_test, X_train=X, y_train=y))


def is_shown(psem, iris):
    content, page = report_of(psem, iris)
    shown = {case["influence"] is not None for case in content["cases"]}
    (found,) = shown
    assert ("support this decision most" in page.text) is found
    return found


def test_the_rows_are_those_of_influence(digits):
    X, X_test, y, y_test = digits
    psem = KMExClassifier(3, random_state=0).fit(X, y)
    report = SEMReport(psem, X_test, y_test, X_train=X, y_train=y, image_shape=(8, 8))
    content, page = check_report(report)
    cases = content["cases"]
    expected = influence(psem, X_test[[one["row"] for one in cases]], X, y, n_rows=3)
    for i, case in enumerate(cases):
        for side in ("supporting", "opposing"):
            cards = case["influence"][side]
            rows = getattr(expected, f"{side}_rows")[i]
            effects = getattr(expected, f"{side}_effects")[i]
            assert [one["training_row"] for one in cards] == rows.tolist()
            assert_allclose([one["effect"] for one in cards], effects, rtol=1e-9)
            assert [one["label"] for one in cards] == y[rows].astype(str).tolist()
            assert {one["picture"] for one in cards} <= set(content["pictures"])
    first = cases[0]["influence"]["supporting"][0]
    share = percent(-first["effect"] / cases[0]["margin"])
    assert f"training sample {first['training_row']}{share}" in page.text


def test_a_row_without_which_the_decision_would_change():
    X, y = np.array([[0.0], [3], [9], [20]]), ["a", "a", "a", "b"]
    psem = KMExClassifier(1, temperature=1.0, random_state=0).fit(X, y)
    content, page = check_report(SEMReport(psem, [[11.9]], ["a"], X_train=X, y_train=y))
    (case,) = content["cases"]
    (without_9,) = case["influence"]["supporting"]
    assert without_9["training_row"] == 2
    assert without_9["changes_decision"]
    assert "another class would be predicted" in page.text
    infinite = case["influence"]["opposing"][0]
    assert (infinite["training_row"], infinite["effect"]) == (3, None)
    assert not infinite["changes_decision"]
    assert "no prototype of its class would be left" in page.text


def test_ids_and_texts():
    texts = ["win a prize", "a prize <b>now</b>", "see you", "see you at home"] * 3
    labels = ["spam", "spam", "ham", "ham"] * 3
    psem = make_pipeline(TfidfVectorizer(), KMExClassifier(1, random_state=0))
    psem.fit(texts, labels)
    content, page = check_report(
        SEMReport(psem, texts[:4], labels[:4], X_train=texts, y_train=labels)
    )
    shown = [
        one
        for case in content["cases"]
        for some in case["influence"].values()
        for one in some
    ]
    assert shown
    assert all(one["text"] == texts[one["training_row"]] for one in shown)
    assert "which supports the decision" not in page.text
    assert {f"training-{one['training_row']}" for one in shown} <= set(content["words"])


def test_labels_of_the_index(iris, iris_psem):
    X, X_test, y, y_test = iris
    content, _ = report_of(iris_psem, (X.set_axis(X.index + 1000), X_test, y, y_test))
    one = content["cases"][0]["influence"]["supporting"][0]
    assert one["id"] == str(X.index[one["training_row"]] + 1000)


def test_rows_of_a_table_are_shown_by_values(iris, iris_psem):
    X, X_test, y, y_test = iris
    content, page = report_of(iris_psem, (X, X_test, y, y_test))
    names = [one["feature"] for one in content["cases"][0]["columns"]]
    for case in content["cases"]:
        some = [*case["evidence"], *case["members"], *case["influence"]["supporting"]]
        for one in some:
            row = X.iloc[one["training_row"]]
            assert [cell["feature"] for cell in one["cells"]] == names
            assert [float(cell["value"]) for cell in one["cells"]] == [
                row[name] for name in names
            ]
    nearest = content["prototypes"][0]["nearest"][0]
    value = X_test.iloc[nearest["row"]][names[0]]
    assert nearest["cells"][0] == {"feature": names[0], "value": f"{value:g}"}
    assert f"{names[0]} = {value:g}" in page.text


@pytest.mark.parametrize(
    "made",
    [
        lambda X, y: RejectingClassifier(KMExClassifier(2, random_state=0)).fit(X, y),
        lambda X, y: KMExClassifierCV([1, 2], random_state=0).fit(X, y),
        lambda X, y: KMExClassifier(2, metric="mahalanobis", random_state=0).fit(X, y),
    ],
    ids=["rejecting", "cv", "mahalanobis"],
)
def test_models_that_have_it(iris, made):
    assert is_shown(made(iris[0], iris[2]), iris)


def weighted(X, y):
    weights = np.arange(len(y)) % 3 + 1
    return KMExClassifier(2, random_state=0).fit(X, y, sample_weight=weights)


def of_mean_weight_1(X, y):
    """Fit with weights that add up to the number of rows of each class."""
    weights = np.tile([0.5, 1.5, 1.0], len(y))[: len(y)]
    for label in np.unique(y):
        weights[y == label] /= weights[y == label].mean()
    return KMExClassifier(2, random_state=0).fit(X, y, sample_weight=weights)


def relabelled(X, y):
    psem = KMExClassifier(3, random_state=0).fit(X, y)
    return relabel_prototypes(psem, 3, "virginica")


@pytest.mark.parametrize(
    "made",
    [
        lambda X, y: KMExClassifier(2, prototype="medoid", random_state=0).fit(X, y),
        weighted,
        of_mean_weight_1,
        relabelled,
    ],
    ids=["medoids", "weights", "mean weight 1", "relabelled"],
)
def test_models_that_do_not_have_it(iris, made):
    assert not is_shown(made(iris[0], iris[2]), iris)


def test_without_labels_or_training_samples(iris, iris_psem):
    X, X_test, _, y_test = iris
    for given in ({}, {"X_train": X}):
        content, page = check_report(SEMReport(iris_psem, X_test, y_test, **given))
        assert {case["influence"] for case in content["cases"]} == {None}
        assert "support this decision" not in page.text


def test_after_rows_were_forgotten(iris, iris_psem):
    X, X_test, y, y_test = iris
    rest = X.iloc[2:], y[2:]
    psem = forget_rows(iris_psem, X[:2], y[:2], X_train=rest[0], y_train=rest[1])
    assert is_shown(psem, (rest[0], X_test, rest[1], y_test))
    assert not is_shown(psem, iris)
