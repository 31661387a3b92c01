"""The model card of skops: content of the report, and additions by people."""

import re
import sys

import numpy as np
import pytest
from sems import Prototypes
from sklearn.datasets import load_iris

from sklearn_kmex import KMExClassifier
from sklearn_kmex.edit import rename
from sklearn_kmex.exceptions import MissingDependencyError
from sklearn_kmex.persistence import save_psem
from sklearn_kmex.report import SEMReport

skops_card = pytest.importorskip("skops.card")


def test_every_section_of_the_report_is_in_the_card(iris_report):
    card = iris_report.to_card()
    assert isinstance(card, skops_card.Card)
    said = card.render()
    lines = [
        line
        for line in iris_report.to_markdown().splitlines()
        if line and not line.startswith(("#", "Created on"))
    ]
    assert [line for line in lines if line not in said] == []
    assert "| setosa |" in card.select("Model description/Evaluation Results").content
    assert "Training sample" in card.select("Model description/Prototypes").content
    assert "edits" not in said
    heads = re.findall(r"^#+ (.*)$", said, re.MULTILINE)
    assert heads[:3] == [
        "Model description",
        "Intended uses & limitations",
        "Training Procedure",
    ]


def test_people_complete_and_save_it(iris_report, iris_psem, tmp_path):
    card = iris_report.to_card()
    assert "[More Information Needed]" in card.select("Model Card Authors").content
    card.add(**{"Model Card Authors": "Ada", "Model description/Prices": "none"})
    card.model = iris_psem
    card.add_model_plot()
    assert "KMExClassifier" in repr(card)
    card.save(tmp_path / "README.md")
    text = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert "# Model Card Authors\n\nAda\n" in text
    assert "sk-top-container" in text


@pytest.mark.parametrize("name", ["iris.safetensors", "iris.skops"])
def test_its_lines_load_the_model(iris_report, iris_psem, iris, tmp_path, name):
    skops = pytest.importorskip("skops.io")
    path = tmp_path / name
    if path.suffix == ".skops":
        skops.dump(iris_psem, path)
    else:
        save_psem(iris_psem, path)
    told = iris_report.to_card(path).select("How to Get Started with the Model")
    code = re.fullmatch(r"```python\n(.*)```\n", told.content, re.DOTALL)[1]
    there = {"X": iris[1]}
    exec(code, there)
    assert np.array_equal(there["labels"], iris_psem.predict(iris[1]))


def test_edits_are_listed_with_their_reasons():
    X, y = load_iris(return_X_y=True)
    psem = KMExClassifier(2, random_state=0).fit(X[::2], y[::2])
    psem = rename(psem, {0: 7}, reason="agreed | with *them*")
    report = SEMReport(psem, X[1::2], np.where(y[1::2] == 0, 7, y[1::2]))
    found = report.to_card().select("Model description/Training Procedure/Manual edits")
    assert r"agreed \| with \*them\*" in found.content


HOSTILE = "</p><script>x</script>\n# Head\n## Summary\n```\n| [a](javascript:x)"


def test_hostile_text_stays_text():
    psem = Prototypes([[0], [9]], [HOSTILE, "b"])
    X, y = np.repeat([[0.5], [8.5]], 60, axis=0), [HOSTILE] * 60 + ["b"] * 60
    report = SEMReport(psem, X, y, title=HOSTILE, feature_names=[HOSTILE])
    plain = SEMReport(Prototypes([[0], [9]], ["a", "b"]), X, ["a"] * 60 + ["b"] * 60)
    card, usual = (one.to_card("a'\n```\n# b").render() for one in (report, plain))
    for marks in (r"^#+ .*$", r"^```.*$", r"<\w+"):
        found, expected = (re.findall(marks, text, re.M) for text in (card, usual))
        assert found == expected
    assert r"\[a\](javascript:x)" in card
    assert 'psem = load_psem("a\'\\n```\\n# b")' in card


def test_what_is_missing_is_named(iris_report, monkeypatch):
    monkeypatch.setitem(sys.modules, "skops.card", None)
    with pytest.raises(MissingDependencyError, match=r"sklearn-kmex\[persist\]"):
        iris_report.to_card()
