"""Reports on texts show which words decide."""

import re

import numpy as np
import pytest
from pages import check_report
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, Normalizer

from sklearn_kmex import KMExClassifier
from sklearn_kmex.report import SEMReport, _words

TEXTS = ["win a <b>prize</b> now", "prize, call now", "see you at home", "at work"] * 5
LABELS = ["spam", "spam", "ham", "ham"] * 5


@pytest.fixture(scope="module")
def report():
    psem = make_pipeline(
        TfidfVectorizer(), TruncatedSVD(3, random_state=0), Normalizer(),
        KMExClassifier(1, random_state=0),
    )  # fmt: skip
    psem.fit(TEXTS, LABELS)
    return SEMReport(psem, TEXTS[:8], LABELS[:8], X_train=TEXTS, y_train=LABELS)


def test_texts_that_are_shown_have_words(report):
    content = report.to_dict()
    for case in content["cases"]:
        found = content["words"][f"sample-{case['row']}"]
        assert found["text"] == TEXTS[case["row"]]
        assert found["class"] == case["prediction"]
        assert len(found["spans"]) == len(found["relevance"])
    for card in content["prototypes"]:
        assert (
            content["words"][f"training-{card['training_row']}"]["class"]
            == card["label"]
        )


def test_the_report_is_well_formed(report):
    check_report(report)


def test_page_marks_words_and_finds_texts(report):
    page = report.to_html()
    assert re.search('class="kmex-for[^>]*>prize</span>', page)
    assert "&lt;b&gt;" in page
    assert "<b>prize" not in page
    assert re.search('data-text="[^"]*call now', page)


def test_models_that_would_be_sampled_have_none():
    counts = FunctionTransformer(lambda X: np.array([[len(t) ** 2] for t in X]))
    psem = make_pipeline(counts, KMExClassifier(1)).fit(TEXTS, LABELS)
    report = SEMReport(psem, TEXTS[:8], LABELS[:8])
    assert report.to_dict()["words"] == {}
    assert "see you at home" in report.to_html()


def test_the_first_page_marks_the_most_relevant_part(report):
    page = report.to_html()
    first = page[page.index('class="brief') : page.index('id="', page.index("In sent"))]
    assert re.search('class="kmex-for[^>]*>prize</span>', first)
    assert "support the class, orange ones" in first
    assert page.index("bdi.kmex-text") < page.index("<body>")


def test_a_long_text_is_cut_on_the_first_page():
    texts = [f"{'filler ' * 60}prize", f"home {'filler ' * 60}"] * 5
    psem = make_pipeline(TfidfVectorizer(), KMExClassifier(1, random_state=0))
    psem.fit(texts, ["spam", "ham"] * 5)
    page = SEMReport(psem, texts[:1], ["spam"], X_train=texts).to_html()
    brief = page[page.index('class="brief') : page.index("</article>")]
    assert re.search('class="kmex-for[^>]*>prize</span>', brief)
    shown = re.search("<blockquote>(.*)</blockquote>", brief)[1]
    assert len(re.sub("<[^>]*>", "", shown)) < 180


def test_many_long_texts_are_cut(monkeypatch):
    monkeypatch.setattr(_words, "ALL_TEXTS", 3_000)
    texts = [f"{'filler ' * 200}prize", f"home {'filler ' * 200}"] * 5
    psem = make_pipeline(TfidfVectorizer(), KMExClassifier(1, random_state=0))
    psem.fit(texts, ["spam", "ham"] * 5)
    report = SEMReport(psem, texts[:2], ["spam", "ham"], X_train=texts)
    found = report.to_dict()["words"]
    assert len(found) > 2
    for key, one in found.items():
        assert 150 < len(one["text"]) <= 3_000 // len(found) + 4
        assert ("prize" if one["class"] == "spam" else "home") in one["text"], key
