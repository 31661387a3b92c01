"""Manual edits in the report: on the page, in the card and in the data."""

import numpy as np
import pytest
from pages import check_report

from sklearn_kmex import KMExClassifier, edit
from sklearn_kmex.report import SEMReport
from sklearn_kmex.report._edits import describe_edits, in_words


@pytest.fixture
def edited(iris, iris_psem):
    _, X_test, _, y_test = iris
    judged_on = {"X_val": X_test, "y_val": y_test}
    psem = edit.drop_prototypes(
        iris_psem, 8, reason="<b>too far</b> | out", **judged_on
    )
    psem = edit.merge_prototypes(psem, [0, 1])
    psem = edit.relabel_prototypes(psem, 5, "versicolor")
    psem = edit.add_prototypes(psem, X_test.iloc[:2] + 0.01, "mystery")
    return edit.rename(psem, {"setosa": "Setosa"})


def test_edits_are_told_in_words(edited):
    told = describe_edits(edited)
    assert [one["text"] for one in told] == [
        "Dropped prototype 8.",
        "Merged prototypes 0, 1, now prototype 0.",
        "Moved prototype 5 to class versicolor, now prototype 5.",
        "Added prototypes 0, 1 of class mystery.",
        "Renamed classes: setosa to Setosa.",
    ]
    log = edited.edit_log_
    assert [one["accuracy_after"] for one in told] == [
        one["accuracy_after"] for one in log
    ]
    assert told[0]["n_samples"] == 75
    assert told[1]["reason"] is None


def test_page_card_and_data_show_the_log(iris, edited):
    _, X_test, _, y_test = iris
    names = np.where(y_test == "setosa", "Setosa", y_test)
    content, page = check_report(SEMReport(edited, X_test, names))
    assert len(content["edits"]) == 5
    assert "Manual edits" in page.text
    assert "<b>too far</b> | out" in page.text
    assert "Moved prototype 5 to class versicolor, now prototype 5." in page.text
    assert "people edited it: 5 edits are listed" in " ".join(content["summary"])
    assert "# then the edits listed in the report" in content["reproduce"]


def test_the_card_has_them(iris, edited):
    _, X_test, _, y_test = iris
    names = np.where(y_test == "setosa", "Setosa", y_test)
    card = SEMReport(edited, X_test, names).to_markdown()
    (row,) = [line for line in card.splitlines() if "Dropped prototype 8" in line]
    assert "&lt;b&gt;too far&lt;/b&gt; \\| out" in row


def test_no_edits_no_word(iris_report):
    assert iris_report.to_dict()["edits"] == []
    assert "Manual edits" not in iris_report.to_html()
    assert "edits" not in iris_report.to_dict()["reproduce"]
    assert "edits" not in iris_report.to_markdown()


def test_long_edits_are_cut(blobs):
    X, y = blobs
    psem = KMExClassifier(25, random_state=0).fit(X, y)
    psem = edit.drop_prototypes(psem, np.arange(24), reason="x\n" * 5_000)
    (told,) = describe_edits(psem)
    assert told["text"].endswith("18, 19 and 4 more.")
    assert len(told["reason"]) == 1_000


def test_edits_of_another_name():
    entry = {"what": "polish", "ids_before": [1], "ids_after": [], "label": None}
    assert (
        in_words(entry | {"names": None}) == "polish: prototype 1, now prototypes none."
    )
