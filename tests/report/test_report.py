"""SEMReport: formats, files, notebooks, first use, and errors."""

import json
import pickle
import re
import sys
import weakref
from html import unescape
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from pages import Page, check_page, check_report
from sems import Prototypes
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_kmex import KMExClassifier
from sklearn_kmex.exceptions import MissingDependencyError
from sklearn_kmex.report import SEMReport


def without_ids(html):
    uid = re.search(r'<main id="(r[0-9a-f]{12})-main"', html)[1]
    return html.replace(uid, "")


def test_dict_is_a_copy(iris_report):
    first = iris_report.to_dict()
    first["performance"]["accuracy"]["value"] = 2
    first["cases"].clear()
    second = iris_report.to_dict()
    assert second["performance"]["accuracy"]["value"] <= 1
    assert second["cases"]


def test_json_is_strict_and_equals_the_dict(iris_report):
    def refuse(constant):
        raise AssertionError(constant)

    text = iris_report.to_json()
    assert json.loads(text, parse_constant=refuse) == iris_report.to_dict()
    assert text.isascii()


def test_two_pages_differ_in_their_ids_alone(iris_report):
    first, second = iris_report.to_html(), iris_report.to_html()
    assert first != second
    assert without_ids(first) == without_ids(second)
    assert not set(Page(first).ids) & set(Page(second).ids)


def test_two_reports_of_the_same_say_the_same(iris, iris_psem):
    _, X, _, y = iris
    first, second = (SEMReport(iris_psem, X, y).to_dict() for _ in range(2))
    del first["created"], second["created"]
    assert first == second
    assert list(map(str, first.items())) == list(map(str, second.items()))


def test_title_is_the_models_unless_given(iris, iris_psem):
    _, X, _, y = iris
    report = SEMReport(iris_psem, X, y)
    assert report.to_dict()["title"] == "How this KMExClassifier decides"
    titled = SEMReport(iris_psem, X, y, title="Irises of Gaspé")
    assert "# Irises of Gaspé\n" in titled.to_markdown()
    assert "<title>Irises of Gaspé</title>" in titled.to_html()


def test_page_is_written_as_utf8(iris, iris_psem, tmp_path):
    _, X, _, y = iris
    report = SEMReport(iris_psem, X, y, title="猫")
    for path in (tmp_path / "report.html", str(tmp_path / "other.html")):
        report.write_html(path)
        written = Path(path).read_bytes().decode("utf-8")
        assert without_ids(written) == without_ids(report.to_html())
        check_page(written)


def test_files_are_replaced_but_not_by_a_page_that_fails(iris, iris_psem, tmp_path):
    _, X, _, y = iris
    path = tmp_path / "report.html"
    path.write_text("old" * 1_000_000)
    report = SEMReport(iris_psem, X, y)
    report.write_html(path)
    first = path.read_text("utf-8")
    assert first.startswith("<!DOCTYPE html>")
    assert first.endswith("</html>\n")
    del report._content["summary"]
    with pytest.raises(Exception, match="'summary' is undefined"):
        report.write_html(path)
    assert path.read_text("utf-8") == first


def test_folder_that_is_not_there(iris_report, tmp_path):
    with pytest.raises(FileNotFoundError):
        iris_report.write_html(tmp_path / "nowhere" / "report.html")


def test_notebooks_show_the_page_in_a_frame_of_its_own(iris, iris_psem):
    _, X, _, y = iris
    report = SEMReport(iris_psem, X, y, title='"><script>alert(1)</script>')
    page = Page(report._repr_html_())
    ((tag, attributes),) = page.tags
    assert tag == "iframe"
    assert attributes["sandbox"] == "allow-scripts"
    assert attributes["title"] == '"><script>alert(1)</script>'
    assert without_ids(attributes["srcdoc"]) == without_ids(report.to_html())
    check_page(attributes["srcdoc"])


def test_repr(iris_report):
    assert repr(iris_report) == "SEMReport(KMExClassifier, n_samples=75)"


def test_pickle(iris_report):
    again = pickle.loads(pickle.dumps(iris_report))
    assert again.to_dict() == iris_report.to_dict()
    assert without_ids(again.to_html()) == without_ids(iris_report.to_html())


def test_nothing_is_written_to_and_nothing_is_kept(digits):
    X, X_test, y, y_test = (some.copy() for some in digits)
    psem = KMExClassifier(2, random_state=0).fit(X, y)
    images = X_test.reshape(-1, 8, 8).copy()
    given = [X, X_test, y, y_test, images]
    before = [some.copy() for some in given]
    for some in given:
        some.flags.writeable = False
    report = SEMReport(
        psem, X_test, y_test, X_train=X, y_train=y, images=images,
        train_images=X.reshape(-1, 8, 8),
    )  # fmt: skip
    check_report(report)
    for some, copy in zip(given, before, strict=True):
        assert_array_equal(some, copy)
    kept = [weakref.ref(some) for some in (psem, X_test, images)]
    del psem, X_test, images, given, some
    assert [one() for one in kept] == [None, None, None]
    check_report(report)


class Counting(Prototypes):
    """Counts the passes through the model."""

    n_passes = 0

    def transform(self, X):
        self.n_passes += 1
        return super().transform(X)


ROWS, LABELS = [[1.0], [8.0]], ["a", "b"]


def test_the_model_runs_at_the_first_use_and_once():
    psem = Counting([[0], [9]], LABELS)
    report = SEMReport(psem, ROWS, LABELS)
    assert repr(report) == "SEMReport(Counting, n_samples=2)"
    assert psem.n_passes == 0
    content = report.to_dict()
    n_passes = psem.n_passes
    assert n_passes > 0
    assert json.loads(report.to_json()) == report.to_dict() == content
    assert content["title"] in report.to_html()
    assert content["title"] in report.to_markdown()
    assert repr(report) == "SEMReport(Counting, n_samples=2)"
    assert psem.n_passes == n_passes


def test_pickles_hold_the_content_without_model_and_data():
    report = SEMReport(
        Prototypes([[0], [9]], LABELS),
        ROWS,
        LABELS,
        images=lambda rows: np.zeros((len(rows), 2, 2)),  # cannot be pickled
    )
    again = pickle.loads(pickle.dumps(report))
    assert again.to_dict() == report.to_dict()
    assert repr(again) == "SEMReport(Prototypes, n_samples=2)"


def test_an_error_at_the_first_use_is_raised_until_it_is_mended():
    psem = Prototypes([[0], [9]], LABELS)
    psem.transform = lambda X: np.full((len(X), 2), np.nan)
    report = SEMReport(psem, ROWS, LABELS)
    for _ in range(2):
        with pytest.raises(ValueError, match="NaN"):
            report.to_dict()
    del psem.transform
    assert report.to_dict()["performance"]["accuracy"]["value"] == 1


def test_class_names_and_feature_names(iris, iris_psem):
    _, X, _, y = iris
    names, columns = ["S", "Ve", "Vi"], ["sl", "sw", "pl", "pw"]
    report = SEMReport(iris_psem, X, y, class_names=iter(names), feature_names=columns)
    content, _ = check_report(report)
    assert [one["label"] for one in content["data"]["classes"]] == names
    assert {card["label"] for card in content["prototypes"]} == set(names)
    for case in content["cases"]:
        assert {one["feature"] for one in case["columns"]} == set(columns)
        assert {one["feature"] for one in case["contributions"]} == set(columns)
    assert "setosa" not in unescape(report.to_html())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"y": ["setosa"]},
            "y must hold a label for each row of X; got 1 labels for 75",
        ),
        ({"y": None}, "y should be a 1d array"),
        ({"y_train": ["setosa"] * 75}, "X_train must be given with y_train; got None"),
        ({"groups_train": [0] * 75}, "groups must be given with groups_train; got"),
        (
            {"y": ["rose"] * 75},
            r"y must be among the classes .* unknown: \['rose'\]",
        ),
        ({"X": []}, "X must hold at least one row; got none."),
        (
            {"class_names": ["a", "b"]},
            "class_names must give one name for each of the 3",
        ),
        (
            {"feature_names": ["a"]},
            "feature_names must give one name for each of the 4",
        ),
        ({"images": np.zeros((3, 2, 2))}, "images must hold one image for each row"),
        ({"X_train": np.eye(4), "train_images": 3}, "train_images must hold one image"),
        ({"images": np.zeros((75, 2))}, "images must give one image of shape"),
        (
            {"image_shape": (3, 3)},
            r"image_shape must have the 4 values of a sample; got \(3, 3\)",
        ),
        ({"images": lambda rows: 0}, r"images must give one image .* of shape \(\)"),
        ({"relevance": True}, "relevance must be None unless samples are images"),
    ],
)
def test_bad_input_is_named(iris, iris_psem, change, message):
    _, X, _, y = iris
    given = {"X": X.to_numpy(), "y": y} | change
    psem = KMExClassifier(2, random_state=0).fit(X.to_numpy(), y)
    psem.transform = lambda X: pytest.fail("work was done before")
    with pytest.raises(ValueError, match=message):
        SEMReport(psem, given.pop("X"), given.pop("y"), **given)


@pytest.mark.parametrize(
    ("n_rows", "labels", "message"),
    [
        (
            10,
            None,
            "X_train must hold the samples that psem was fitted to; got 10 rows, ",
        ),
        (75, ["setosa"], "y_train must hold a label for each row of X_train; got 1"),
        (
            75,
            ["rose"] * 75,
            r"y_train must be among the classes .* unknown: \['rose'\]",
        ),
        (0, None, "X_train must hold at least one row; got none."),
    ],
)
def test_training_rows_that_do_not_fit(iris, iris_psem, n_rows, labels, message):
    X, X_test, _, y = iris
    with pytest.raises(ValueError, match=message):
        SEMReport(iris_psem, X_test, y, X_train=X[:n_rows], y_train=labels)


def test_labels_in_another_order_than_the_samples(iris, iris_psem):
    pandas = pytest.importorskip("pandas")
    X_train, X, _, y = iris
    X, y = X.set_axis([f"r{row}" for row in range(75)]), np.asarray(y)
    labels = pandas.Series(y, X.index)
    SEMReport(iris_psem, X, labels)
    SEMReport(iris_psem, X, labels.set_axis(range(5, 80)))  # says nothing of the order
    with pytest.raises(ValueError, match=r"y must have the rows of X .* got the label"):
        SEMReport(iris_psem, X, labels[::-1])
    training = {"X_train": X_train.set_axis(X.index), "y_train": labels[::-1]}
    with pytest.raises(ValueError, match=r"y_train must have the rows of X_train"):
        SEMReport(iris_psem, X, labels, **training)


def test_similarities_of_training_rows_that_are_no_numbers():
    class Broken(Prototypes):
        def transform(self, X):
            return np.where(np.asarray(X) > 50, np.nan, super().transform(X))

    psem = Broken([[0], [9]], ["a", "b"])
    with pytest.raises(ValueError, match="NaN"):
        SEMReport(psem, [[1.0], [8.0]], ["a", "b"], X_train=[[0.0], [99.0]]).to_dict()


def test_models_that_are_none(iris):
    _, X, _, y = iris
    with pytest.raises(TypeError, match="LogisticRegression has no prototypes_"):
        SEMReport(LogisticRegression(max_iter=500).fit(X, y), X, y)
    with pytest.raises(NotFittedError):
        SEMReport(KMExClassifier(), X, y)
    with pytest.raises(NotFittedError):
        SEMReport(make_pipeline(StandardScaler(), KMExClassifier()), X, y)


def test_black_box_without_predict(iris, iris_psem):
    _, X, _, y = iris
    with pytest.raises(
        TypeError, match='black_box must be "embedder", None or a fitted model'
    ):
        SEMReport(iris_psem, X, y, black_box=lambda X: y)
    with pytest.raises(TypeError, match="or a fitted model with predict; got 'forest'"):
        SEMReport(iris_psem, X, y, black_box="forest")


def test_samples_that_cannot_be_counted(iris_psem):
    with pytest.raises(TypeError, match="X must have a length and samples that can"):
        SEMReport(iris_psem, iter([[1, 2, 3, 4]]), ["setosa"])


@pytest.mark.parametrize("method", ["to_html", "to_markdown", "write_html"])
def test_missing_jinja2_is_named(monkeypatch, iris_report, method, tmp_path):
    monkeypatch.setitem(sys.modules, "jinja2", None)
    arguments = [tmp_path / "report.html"] if method == "write_html" else []
    with pytest.raises(MissingDependencyError) as caught:
        getattr(iris_report, method)(*arguments)
    assert str(caught.value) == (
        "SEMReport requires jinja2. Install it with `pip install sklearn-kmex[report]`."
    )
    assert not list(tmp_path.iterdir())


def test_missing_pillow_is_named(monkeypatch, digits):
    X, X_test, y, y_test = digits
    psem = KMExClassifier(1, random_state=0).fit(X, y)
    monkeypatch.setitem(sys.modules, "PIL.Image", None)
    with pytest.raises(MissingDependencyError, match=r"requires PIL\. .*\[report\]"):
        SEMReport(psem, X_test, y_test, image_shape=(8, 8))
