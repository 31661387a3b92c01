"""Groups, leaks and drift in a report."""

import json
from pathlib import Path

import numpy as np
import pytest
from pages import check_report

import sklearn_kmex
from sklearn_kmex import KMExClassifier, make_kmex
from sklearn_kmex.report import SEMReport
from sklearn_kmex.report._drift import changed_columns
from sklearn_kmex.report._leaks import leak_warnings

SCHEMA = Path(sklearn_kmex.__file__).parent / "report" / "schema.json"


@pytest.fixture(scope="module")
def reviewed(digits):
    """Report with groups named like markup, leaked images, and other new images."""
    X_train, X, y_train, y = digits
    psem = KMExClassifier(3, random_state=0).fit(X_train, y_train)
    dark = np.where(X.mean(axis=1) > 5, "<b>dark</b>", "light")
    X = np.concatenate([X, X_train[:3]])
    y, dark = np.concatenate([y, y_train[:3]]), [*dark, None, None, None]
    new = np.clip(X + np.random.RandomState(0).normal(0, 4, X.shape), 0, 16)
    return SEMReport(
        psem,
        X,
        y,
        X_train=X_train,
        y_train=y_train,
        image_shape=(8, 8),
        groups={"ink": dark},
        groups_train={"ink": np.where(X_train.mean(axis=1) > 5, "dark", "light")},
        X_new=new,
    )


def test_content(reviewed):
    jsonschema = pytest.importorskip("jsonschema")
    content = reviewed.to_dict()
    jsonschema.validate(content, json.loads(SCHEMA.read_text()))
    names = [one["group"] for one in content["groups"]["groups"]]
    assert names == ["all samples", "ink = <b>dark</b>", "ink = light"]
    assert [one["group"] for one in content["groups"]["too_small"]] == ["ink = missing"]
    accuracy = content["groups"]["measures"][0]
    assert accuracy["title"] == "Accuracy"
    expected = content["performance"]["accuracy"]["value"]
    assert accuracy["scores"][0]["value"] == pytest.approx(expected)
    assert content["leaks"]["n_leaks"] == content["leaks"]["n_equal"] == 3
    assert {one["train_row"] for one in content["leaks"]["pairs"]} == {0, 1, 2}
    assert content["drift"]["drifted"]
    assert all(one["picture"] for one in content["drift"]["examples"])
    sections = {one["section"] for one in content["warnings"]}
    assert {"data", "drift"} <= sections


def test_page(reviewed):
    page = reviewed.to_html()
    assert "&lt;b&gt;dark&lt;/b&gt;" in page
    assert "<b>dark" not in page
    assert "They differ" in page
    (middle,) = (
        one for one in reviewed.to_dict()["drift"]["similarity"] if one["share"] == 0.5
    )
    assert f"<td>{middle['samples']:.3g}</td><td>{middle['new']:.3g}</td>" in page
    assert "nearly equal to a training sample" in page
    assert "Too small to judge" in page


def test_measures_that_differ_clearly_are_open():
    report = grouped_report(30)
    recall, *_ = (
        one for one in report.to_dict()["groups"]["measures"] if one["label"] == "a"
    )
    clear = [row for row in recall["scores"] if (row["difference_high"] or 0) < 0]
    assert len(clear) == 1  # 85 % against 100 %, and the other one for the others
    page, other = report.to_html(), grouped_report(2).to_html()
    said = "<details{}>\n<summary><bdi>Recall of a</bdi>: {}</summary>"
    assert said.format(" open", "differs clearly for 2 groups") in page
    assert said.format("", "no clear difference") in other


def test_of_many_classes_those_that_differ_are_shown():
    rng = np.random.default_rng(0)
    y = np.repeat(np.arange(40), 30)
    X = 100.0 * y[:, np.newaxis] + rng.normal(size=(1200, 1))
    groups = np.arange(1200) % 2
    psem = KMExClassifier(1).fit(X, y)
    X[(y == 7) & (groups == 0)] += 100  # taken for class 8
    page = SEMReport(psem, X, y, groups=groups).to_html()
    assert "Recall of 7</bdi>: differs clearly for 2 groups" in page
    assert "Recall of 9</bdi>" not in page
    n_shown = page.count("<bdi>Recall of") + page.count("<bdi>Precision of")
    assert 0 < n_shown < 4
    assert f"{80 - n_shown} other values, recall or precision of a class" in page


def test_without_groups_and_new_samples(iris_report):
    content = iris_report.to_dict()
    assert content["groups"] is content["drift"] is None
    assert content["leaks"]["n_leaks"] == 0
    assert "New samples" not in iris_report.to_html()


def test_warning_about_leaks():
    leaks = {"n_leaks": 1, "n_expected": 0.2, "n_compared": None}
    (found,) = leak_warnings(leaks)
    assert found.text == (
        "1 sample is equal or nearly equal to a training sample, more than chance "
        "explains: the figures are too optimistic."
    )
    leaks = {"n_leaks": 40, "n_expected": 12.3, "n_compared": 1_000}
    (found,) = leak_warnings(leaks)
    assert found.text.endswith(
        "About 12 of them are so by chance. 1,000 samples drawn at random were "
        "compared; metrics.find_leaks compares all."
    )
    assert not list(leak_warnings(None))
    assert not list(leak_warnings({"n_leaks": 0}))


def test_of_many_samples_a_part_is_compared(monkeypatch):
    monkeypatch.setattr("sklearn_kmex.report._leaks.MOST", 60)
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(200, 5)), np.arange(200) % 2
    samples = np.concatenate([X[:20], rng.normal(size=(80, 5))])
    psem = KMExClassifier(2, random_state=0).fit(X, y)
    report = SEMReport(psem, samples, y[:100], X_train=X, y_train=y)
    leaks = report.to_dict()["leaks"]
    assert leaks["n_compared"] == 60
    assert 0 < leaks["n_leaks"] < 20
    assert all(one["test_row"] == one["train_row"] for one in leaks["pairs"])
    assert "60 test samples drawn at random were compared" in report.to_html()


def test_a_table_shows_the_columns_that_changed(iris, iris_psem):
    X, X_test, _, y_test = iris
    new = X_test.copy()
    new.iloc[:, 2] += 3
    new = new.set_axis([f"case {row}" for row in range(len(new))])
    report = SEMReport(iris_psem, X_test, y_test, X_new=new, groups=y_test)
    example = report.to_dict()["drift"]["examples"][0]
    assert example["id"] == f"case {example['row']}"
    assert f"(id <bdi>case {example['row']}</bdi>)" in report.to_html()
    assert [one["feature"] for one in example["columns"]] == list(X.columns)
    assert example["picture"] is example["text"] is None
    assert report.to_dict()["groups"]["representation"] is None
    assert "groups_train" in report.to_html()
    rows = np.zeros((50, 12))
    other = rows.copy()
    other[:, 9:] = 1
    assert set(changed_columns(other, rows)) >= {9, 10, 11}


def test_arguments_that_do_not_fit(iris, iris_psem):
    _, X_test, _, y_test = iris
    with pytest.raises(ValueError, match="one value for each of the 75 samples"):
        SEMReport(iris_psem, X_test, y_test, groups=["a", "b"])
    with pytest.raises(ValueError, match="groups_train needs X_train"):
        SEMReport(iris_psem, X_test, y_test, groups=y_test, groups_train=y_test)
    shuffled = X_test.set_axis(X_test.index[::-1])
    with pytest.raises(ValueError, match="groups must have the rows of X in the same"):
        SEMReport(iris_psem, X_test, y_test, groups={"long": shuffled.iloc[:, 0] > 6})
    with pytest.raises(ValueError, match="X_new must hold at least two samples"):
        SEMReport(iris_psem, X_test, y_test, X_new=X_test[:1])


def grouped_report(n_wrong):
    """Report of 200 samples, of which the first half is a group with some errors."""
    X = np.tile([[0.0], [10.0]], (100, 1))
    y, shown = np.tile(["a", "b"], 100), np.tile(["a", "b"], 100)
    shown[:n_wrong] = np.where(y[:n_wrong] == "a", "b", "a")
    psem = KMExClassifier(1, temperature=1.0, random_state=0).fit(X, y)
    groups = {"sex": np.repeat(["<i>f</i>", "m"], 100)}
    return SEMReport(psem, X, shown, groups=groups)


def test_the_first_page_names_a_group_that_is_clearly_worse():
    content, page = check_report(grouped_report(30))
    group = content["first"]["group"]
    assert (group["group"], group["n_samples"]) == ("sex = <i>f</i>", 100)
    assert group["value"] == pytest.approx(0.7)
    assert group["low"] < 0.7 < group["high"]
    assert group["difference_low"] < -0.3 < group["difference_high"] < 0
    assert "Lowest accuracy: sex = <i>f</i>" in page.text
    (said,) = [
        one["text"] for one in content["warnings"] if "accuracy is" in one["text"]
    ]
    assert said.endswith("all other samples for sex = <i>f</i> (70.0 %).")
    assert "70.0 % of 100 samples of this group" in page.text
    assert "-30.0 percentage points compared to all other samples" in page.text


def test_the_first_page_names_no_group_that_may_be_worse_by_chance():
    content, page = check_report(grouped_report(2))
    assert content["groups"]["measures"][0]["scores"][1]["difference"] < 0
    assert content["first"]["group"] is None
    assert "Lowest accuracy" not in page.text


def test_leaks_are_listed_with_the_labels_of_the_index(iris):
    X = np.random.RandomState(0).normal(size=(200, 6))
    X[150:153] = X[:3]
    y = X[:, 0] > 0
    frame = type(iris[0])(X, index=[f"<b>{i}" for i in range(200)])
    frame.columns = list("abcdef")
    psem = KMExClassifier(2, random_state=0).fit(frame[:150], y[:150])
    content, page = check_report(
        SEMReport(psem, frame[150:], y[150:], X_train=frame[:150], y_train=y[:150])
    )
    pairs = content["leaks"]["pairs"]
    assert {(one["test_id"], one["train_id"]) for one in pairs} == {
        ("<b>150", "<b>0"), ("<b>151", "<b>1"), ("<b>152", "<b>2"),
    }  # fmt: skip
    assert "2 (id <b>152)2 (id <b>2)equal" in page.text


def test_examples_of_new_images_stay_small():
    rng = np.random.RandomState(0)
    X, new = (rng.randint(0, 256, (40, 224, 224, 3), np.uint8) for _ in range(2))
    y = np.tile(["a", "b"], 20)
    X[y == "b"] //= 4
    psem = make_kmex(lambda X: np.asarray(X)[:, 0, :4, 0].astype(float), n_prototypes=1)
    psem.fit(X, y)
    content = SEMReport(psem, X, y, black_box=None, X_new=new).to_dict()
    pictures = content["pictures"].items()
    sizes = [len(uri) for key, uri in pictures if key.startswith("new-")]
    assert len(sizes) > 4
    assert sum(sizes) < 410_000


def test_equal_rows_that_are_no_leak_may_be_copies():
    rng = np.random.default_rng(0)
    X, y = rng.integers(0, 3, (400, 2)).astype(float), np.arange(400) % 2
    psem = KMExClassifier(1, random_state=0).fit(X[:300], y[:300])
    report = SEMReport(psem, X[300:], y[300:], X_train=X[:300], y_train=y[:300])
    page = report.to_html()
    assert "Equal to another training sample: 100 % of the training samples." in page
    assert "If the samples are copies of the same one, the accuracy for new" in page
