"""Explanations, contrasts and counterfactuals are written in the same ways."""

from html.parser import HTMLParser

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.datasets import load_iris

from sklearn_kmex import KMExClassifier
from sklearn_kmex.explain import contrast, counterfactuals, explain


@pytest.fixture(scope="module", params=[explain, contrast, counterfactuals])
def records(request):
    X, y = load_iris(return_X_y=True)
    names = np.array(["<i>setosa", "versi|color", "virginica"])
    psem = KMExClassifier(2, random_state=0).fit(X, names[y])
    return request.param(psem, X[::3])


class Reader(HTMLParser):
    def __init__(self, page):
        super().__init__()
        self.tags = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)


def test_html_is_a_document_of_all_samples(records, tmp_path):
    page = records.to_html()
    assert page.startswith("<!DOCTYPE html>")
    tags = Reader(page).tags
    assert tags.count("html") == tags.count("title") == 1
    assert tags.count("tr") == len(records) + 1 == 51
    assert "i" not in tags
    assert "http" not in page
    path = tmp_path / "page.html"
    path.write_text("before")
    records.write_html(path)
    assert path.read_text(encoding="utf-8") == page


def test_notebooks_show_the_first_samples(records):
    shown = records._repr_html_()
    assert Reader(shown).tags.count("tr") == 21
    assert "30 more samples" in shown
    assert "DOCTYPE" not in shown


def test_markdown_has_a_row_for_each_sample(records):
    lines = records.to_markdown().splitlines()
    assert lines[0].startswith(type(records).__name__)
    head, rule, *rows = lines[2:]
    assert head.startswith("| sample |")
    assert set(rule) == set("|- ")
    assert len(rows) == 50
    assert rows[0].startswith("| 0 | &lt;i&gt;setosa")
    columns = head.count("|")
    for row in rows:
        assert row.replace(r"\|", "").count("|") == columns


def test_json_gives_the_same_fields_back(records):
    again = type(records).from_json(records.to_json())
    assert again.to_markdown() == records.to_markdown()
    for name, value in vars(records).items():
        assert_array_equal(getattr(again, name), value)
