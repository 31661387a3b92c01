"""Predictions by hand, how often the model runs, and in which blocks."""

import sys
from itertools import count

import numpy as np
import pytest
from encoders import Logging
from numpy.testing import assert_array_equal
from scipy import sparse
from sems import Stubborn
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_kmex import KMExClassifier, make_kmex
from sklearn_kmex._data.samples import RowsError
from sklearn_kmex.report import SEMReport
from sklearn_kmex.report._answers import (
    evaluate,
    growing_blocks,
    in_blocks,
)


def test_answers_by_hand(evaluated):
    answers = evaluated([[0], [10], [4]], ["a", "b", "a"], [1, 9, 5, 8], list("abba"))
    assert answers.codes.tolist() == [0, 1, 1, 0]
    assert answers.nearest.tolist() == [0, 1, 2, 1]
    assert answers.similarity.tolist() == [-1, -1, -1, -2]
    assert answers.correct.tolist() == [True, True, False, False]
    assert answers.of_class_of_nearest.tolist() == [True, True, False, False]
    assert answers.names(["A", "B"]) == {"a": "A", "b": "B"}
    assert answers.probabilities is answers.confidence is answers.black_box is None


def test_correct_is_by_the_prediction_not_by_the_nearest_prototype(bar):
    answers = evaluate(
        Stubborn([[0], [10]], ["a", "b"]), [[9], [1]], ["a", "b"], None, bar
    )
    assert answers.correct.tolist() == [True, False]
    assert answers.of_class_of_nearest.tolist() == [False, False]


def test_answers_are_the_models(digits, bar):
    X, X_test, y, y_test = digits
    psem = KMExClassifier(4, random_state=0).fit(X, y)
    answers = evaluate(psem, X_test, y_test, None, bar)
    proba = psem.predict_proba(X_test)
    predicted = psem.classes_[answers.decision.predicted]
    assert_array_equal(predicted, psem.predict(X_test))
    np.testing.assert_allclose(answers.probabilities, proba)
    np.testing.assert_allclose(answers.confidence, proba.max(axis=1))
    assert_array_equal(answers.nearest, psem.transform(X_test).argmax(axis=1))
    assert sum(bar.steps) == len(X_test)


def test_black_box_answers_in_blocks(iris, bar):
    X, X_test, y, y_test = iris
    psem = make_kmex(StandardScaler().fit(X), n_prototypes=2).fit(X, y)
    model = LogisticRegression(max_iter=500).fit(X, y)
    answers = evaluate(psem, X_test, y_test, model, bar)
    labels = answers.decision.classes[answers.black_box]
    assert_array_equal(labels, model.predict(X_test))
    assert bar.steps == [64, 11]


def test_black_box_may_answer_in_a_column(evaluated):
    class Column:
        def predict(self, X):
            return np.array([["b"]] * len(X))

    answers = evaluated([[0], [10]], ["a", "b"], [1, 9], ["a", "b"], Column())
    assert answers.black_box.tolist() == [1, 1]


def test_blocks_are_small_at_first():
    blocks = list(growing_blocks(10_000))
    assert [len(one) for one in blocks[:7]] == [64, 128, 256, 512, 1024, 2048, 2048]
    assert [row for block in blocks for row in block] == list(range(10_000))
    assert list(growing_blocks(64)) == [range(64)]


@pytest.mark.parametrize("kind", ["array", "csr", "frame", "polars", "list"])
def test_blocks_are_put_together(kind, bar):
    X = np.arange(600).reshape(200, 3)
    made = {
        "array": lambda: X,
        "csr": lambda: sparse.csr_matrix(X),
        "frame": lambda: pytest.importorskip("pandas").DataFrame(
            X, columns=list("abc")
        ),
        "polars": lambda: pytest.importorskip("polars").DataFrame(
            X, schema=list("abc")
        ),
        "list": lambda: X.tolist(),
    }[kind]()
    found = in_blocks(lambda rows: rows, made, bar)
    assert bar.steps == [64, 128, 8]
    assert kind == "list" or type(found) is type(made)
    assert list(getattr(found, "columns", "abc")) == list("abc")
    dense = found.toarray() if kind == "csr" else np.asarray(found)
    assert_array_equal(dense, X)


def test_frames_of_several_blocks_keep_their_names(iris):
    pandas = pytest.importorskip("pandas")
    X, _, y, _ = iris
    many, labels = pandas.concat([X] * 3), np.tile(y, 3)
    psem = KMExClassifier(2, random_state=0).fit(many, labels)
    report = SEMReport(psem, many, labels)  # a warning would be an error here
    assert report.to_dict()["performance"]["accuracy"]["value"] == (
        psem.score(many, labels)
    )


def test_errors_name_samples_by_their_numbers_in_X(bar):
    def read(rows):
        if 90 in rows:
            raise RowsError("Sample ", [list(rows).index(90)], " is broken")
        return rows

    with pytest.raises(ValueError, match="Sample 90 is broken"):
        in_blocks(read, np.arange(100), bar)
    assert bar.steps == [64]


class Counting(TransformerMixin, BaseEstimator):
    """Counts how often it transforms each row, numbered in the first column."""

    def fit(self, X, y=None):
        self.n_features_in_, self.met_ = X.shape[1], np.zeros(2000, dtype=int)
        return self

    def transform(self, X):
        np.add.at(self.met_, X[:, 0].astype(int), 1)
        return X[:, 1:]


def test_each_row_is_embedded_once_but_for_those_explained(digits):
    X, X_test, y, y_test = digits
    numbers = np.arange(len(X) + len(X_test))[:, np.newaxis]
    X, X_test = np.split(np.hstack([numbers, np.vstack([X, X_test])]), [len(X)])
    psem = make_pipeline(Counting(), KMExClassifier(2, random_state=0)).fit(X, y)
    met = psem[0].met_
    met[:] = 0
    look = {"images": lambda rows: rows[:, 1:].reshape(-1, 8, 8)}
    content = SEMReport(psem, X_test, y_test, X_train=X, y_train=y, **look).to_dict()
    explained = len(X) + np.array([case["row"] for case in content["cases"]])
    others = np.delete(met[: len(numbers)], explained)
    assert (others == 1).all()
    assert (met[explained] == 2).all()
    assert len(explained) == 18


def test_callable_embedder_meets_each_row_once(digits, tmp_path):
    X, X_test, y, y_test = digits
    encoder = Logging(tmp_path / "log")
    psem = make_kmex(encoder, n_prototypes=1, random_state=0).fit(X, y)
    encoder.log.unlink()
    content = SEMReport(psem, X_test, y_test, image_shape=(8, 8)).to_dict()
    assert len(encoder.rows_met()) == len(X_test) + len(content["cases"])


def test_network_runs_once_for_embeddings_and_its_own_answers(iris, monkeypatch):
    X, X_test, y, y_test = (np.asarray(some) for some in iris)
    forest = RandomForestClassifier(3, random_state=0).fit(X, y)
    psem = make_kmex(forest, n_prototypes=1, random_state=0).fit(X, y)
    embed, rows = type(psem[0]).embed_with_output, []

    def counting(self, X):
        rows.append(len(X))
        return embed(self, X)

    monkeypatch.setattr(type(psem[0]), "embed_with_output", counting)
    report = SEMReport(psem, X_test, y_test)
    assert rows == []
    report.to_dict()
    assert rows == [64, 11]
    report.to_html()
    assert rows == [64, 11]


def clock(monkeypatch, seconds):
    """Advance the clock of the progress bar by this many seconds at each call."""
    ticks = count(0, seconds)
    monkeypatch.setattr("tqdm.std.time", lambda: next(ticks))


def test_short_work_prints_nothing(iris, iris_psem, capfd, monkeypatch):
    _, X, _, y = iris
    clock(monkeypatch, 0)
    SEMReport(iris_psem, X, y).to_dict()
    assert capfd.readouterr() == ("", "")


def test_long_work_shows_a_bar_on_stderr(capfd, monkeypatch):
    pytest.importorskip("tqdm")
    X = np.linspace(0, 9, 150)[:, np.newaxis]
    psem = make_kmex(lambda X: X, n_prototypes=1, random_state=0)
    y = (X[:, 0] > 4).astype(int)
    psem.fit(X, y)
    clock(monkeypatch, 1)
    SEMReport(psem, X, y, X_train=X).to_dict()
    out, err = capfd.readouterr()
    assert out == ""
    assert "SEMReport: " in err
    assert "/300 [" in err
    assert err.endswith("\r")  # nothing is left on the line


def test_without_tqdm_the_report_is_the_same_and_no_bar_is_shown(
    monkeypatch, capfd, iris, iris_psem
):
    X, X_test, y, y_test = iris
    given = {"X_train": X, "y_train": y}
    expected = SEMReport(iris_psem, X_test, y_test, **given).to_dict()
    for name in [name for name in sys.modules if name.partition(".")[0] == "tqdm"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "tqdm", None)
    report = SEMReport(iris_psem, X_test, y_test, **given)
    assert report.to_dict()["summary"] == expected["summary"]
    assert "<html" in report.to_html()
    assert capfd.readouterr() == ("", "")
