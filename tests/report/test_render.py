"""The page and the card: complete, small, and safe with any text."""

import re
from functools import cache
from html import unescape

import numpy as np
import pytest
from pages import Page, check_page, check_report
from sems import Prototypes
from sklearn.compose import make_column_transformer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from sklearn_kmex import KMExClassifier
from sklearn_kmex.report import SEMReport
from sklearn_kmex.report._render import environment, markdown_text
from sklearn_kmex.report._text import as_text

HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "\"' onmouseover='alert(1)' x=\"",
    "</script></style></title></textarea><h1>gone",
    "<!-- -->]]><![CDATA[",
    "&lt;b&gt; &amp;amp; &#60;",
    "{{ 7*7 }} {% raw %} {# #} ${7*7}",
    "javascript:alert(1)",
    "https://example.org/?a=1&b=2",
    "abc\u202egpj.exe \u2067right\u200f",
    "NUL\0 ESC\x1b lone \ud800 \udfff",
    "two\nlines\r\nand\ttabs\u2028more",
    "# | a | **b** _c_ `d` [e](http://f) ![g](h) ~~i~~ \\| $j$ <k>",
    "👩‍🔬 \U0001f9ff 猫 é naïve",
    "long " * 2_000,
    "x" * 10_000,
]
IDS = range(len(HOSTILE))


@cache
def report_of(name):
    """Use a name for classes, columns, cells, parameters and the title."""
    rng = np.random.default_rng(0)
    X = np.array([rng.normal(size=40), [f"{name} 1", name] * 20], dtype=object).T
    y = (X[:, 0] > 0).astype(int)
    y[:2] = 1 - y[:2]
    prepare = make_column_transformer((StandardScaler(), [0]), (OneHotEncoder(), [1]))
    psem = make_pipeline(prepare, KMExClassifier(2, random_state=0)).fit(X, y)
    psem[0].verbose = name
    return SEMReport(
        psem,
        X,
        y,
        X_train=X,
        y_train=y,
        title=name,
        class_names=[name, f"{name} 2"],
        feature_names=[f"{name} size", f"{name} kind"],
    )


def skeleton(page):
    """Tags and the names of their attributes."""
    return [(tag, sorted(attributes)) for tag, attributes in page.tags]


@cache
def harmless_skeleton(length):
    return skeleton(Page(report_of("x" * length).to_html()))


@pytest.mark.parametrize("number", IDS)
def test_hostile_names_are_shown_as_text(number):
    name = HOSTILE[number]
    report = report_of(name)
    content, page = check_report(report)
    assert skeleton(page) == harmless_skeleton(len(as_text(name)))
    assert page.code.count("alert") == 0
    assert content["title"] == as_text(name) == as_text(content["title"])
    assert as_text(name) in page.text
    for label in {card["label"] for card in content["prototypes"]}:
        assert label in page.text
    html = report.to_html()
    assert not set("\0\x1b\u202e\u2067\u200f\u2028") & set(html)
    assert html.encode("utf-8").decode("utf-8") == html


@pytest.mark.parametrize("number", IDS)
def test_hostile_names_stay_text_in_markdown(number):
    name = HOSTILE[number]
    card = report_of(name).to_markdown()
    harmless = report_of("x" * len(as_text(name))).to_markdown()
    lines, others = card.splitlines(), harmless.splitlines()
    assert len(lines) == len(others)
    for line, other in zip(lines, others, strict=True):
        bars, wanted = (re.sub(r"\\.", "", one).count("|") for one in (line, other))
        assert bars == wanted
    assert "<" not in card
    assert as_text(name) in unescape(re.sub(r"\\(.)", r"\1", card))


@pytest.mark.parametrize("number", IDS)
def test_a_markdown_parser_finds_no_markup_in_names(number):
    markdown_it = pytest.importorskip("markdown_it")
    parser = markdown_it.MarkdownIt("commonmark").enable(["table", "strikethrough"])
    kinds = {
        child.type
        for token in parser.parse(report_of(HOSTILE[number]).to_markdown())
        for child in token.children or []
    }
    assert kinds <= {"text", "text_special", "softbreak"}


def test_type_names_are_text_too():
    kind = type("<b>bold\n# head</b>", (Prototypes,), {})
    report = SEMReport(kind([[0], [9]], ["a", "b"]), [[1.0], [8.0]], ["a", "b"])
    _, page = check_report(report)
    assert "A <b>bold # head</b>" in page.text
    assert "\n# head" not in report.to_markdown()


def test_names_that_are_cut_alike_are_told_apart(iris, iris_psem):
    _, X, _, y = iris
    names = ["x" * 130 + end for end in "abc"]
    report = SEMReport(iris_psem, X, y, class_names=names)
    content, page = check_report(report)
    labels = [one["label"] for one in content["performance"]["classes"]]
    assert len(set(labels)) == 3
    wrong = [case for case in content["cases"] if case["kind"] == "wrong"]
    assert all(case["label"] != case["prediction"] for case in wrong)
    assert page.text.count("classified as") >= len(wrong) > 0
    assert all(name in page.text for name in names)  # in full, once


def test_names_that_are_the_same_are_told_apart(iris, iris_psem):
    _, X, _, y = iris
    report = SEMReport(iris_psem, X, y, class_names=["flower", "flower", "other"])
    labels = [one["label"] for one in report.to_dict()["performance"]["classes"]]
    assert labels == ["flower [0]", "flower [1]", "other"]


def test_markdown_is_escaped():
    assert markdown_text("a*b_c|d<e>&f") == r"a\*b\_c\|d&lt;e&gt;&amp;f"
    assert markdown_text(3) == "3"


def test_a_missing_name_is_an_error_and_not_a_gap():
    template = environment().from_string("{{ nothing_here }}")
    with pytest.raises(Exception, match="'nothing_here' is undefined"):
        template.render()


def test_card_says_what_the_page_says(iris_report):
    content, card = iris_report.to_dict(), iris_report.to_markdown()
    said = unescape(re.sub(r"\\(.)", r"\1", card))
    for sentence in content["summary"]:
        assert sentence in said
    for warning in content["warnings"]:
        assert f"- {warning['text']} {warning['action']}\n" in said
    for one in content["performance"]["ranking"]["classes"]:
        assert f"\n| {one['label']} | {one['roc_auc']['value']:.3f} | " in said
    matrix = content["performance"]["matrix"]
    for label, counts in zip(matrix["labels"], matrix["counts"], strict=True):
        assert f"\n| {label} | {' | '.join(map(str, counts))} |\n" in said
    assert content["data"]["samples"]["sha256"] in said
    assert content["data"]["training"]["labels_sha256"] in said
    for one in content["performance"]["classes"]:
        assert f"| {one['label']} | {one['recall']['n']} |" in said
    for one in content["prototypes"]:
        row = f"| {one['prototype']} | {one['label']} | {one['training_row']} |"
        assert f"\n{row} {one['usage']} | " in said
    for one in content["model"]["parameters"]:
        assert f"\n| {one['name']} | {one['value']} |\n" in said


def test_cards_without_what_is_optional():
    psem = Prototypes([[0], [9]], ["a", "b"])
    X = np.repeat([[0.5], [8.5]], 60, axis=0)
    report = SEMReport(psem, X, ["a"] * 60 + ["b"] * 60)
    assert report.to_dict()["warnings"] == []
    card, page = report.to_markdown(), check_page(report.to_html())
    for absent in (
        "Warnings:",
        "## Probabilities",
        "| training samples |",
        "black box",
    ):
        assert absent not in card
    assert "There are no warnings." in page.text


def test_black_box_is_in_card_and_page(iris, iris_psem):
    _, X, _, y = iris
    report = SEMReport(iris_psem, X, y, black_box=iris_psem)
    assert "| Correctly classified by the black box |" in report.to_markdown()
    assert "- Trustworthiness: 0.0 percentage points" in report.to_markdown()
    page = check_page(report.to_html())
    assert "the black box predicts" in page.text


def test_each_prototype_has_a_place_to_link_to(iris_report):
    page = check_page(iris_report.to_html())
    uid = page.all("main")[0]["id"].removesuffix("-main")
    links = [a["href"] for a in page.all("a")]
    for k in range(9):
        assert f"{uid}-prototype-{k}" in page.ids
        assert f"#{uid}-prototype-{k}" in links
    for part in ("summary", "performance", "prototypes", "decisions", "reliability"):
        assert f"#{uid}-{part}" in links


def test_heads_are_in_order(iris_report):
    tags = [tag for tag, _ in check_page(iris_report.to_html()).tags]
    levels = [int(tag[1]) for tag in tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert max(np.diff(levels)) == 1


def test_script_and_policy_have_one_password(iris_report):
    page = check_page(iris_report.to_html())
    (script,) = page.all("script")
    policy = next(m["content"] for m in page.all("meta") if "http-equiv" in m)
    assert f"script-src 'nonce-{script['nonce']}'" in policy
    assert "default-src 'none'" in policy


def noise_report(n_classes, n_prototypes):
    """Report of images of noise, 64 x 64 x 3, each a prototype or near one."""
    rng = np.random.default_rng(0)
    n = n_classes * n_prototypes
    X = rng.integers(0, 256, (2 * n, 64, 64, 3), dtype=np.uint8)
    y = np.arange(2 * n) % n_classes

    class Corner(Prototypes):
        def transform(self, X):
            return super().transform(np.asarray(X)[:, 0, :8].reshape(len(X), -1))

    psem = Corner(X[:n, 0, :8].reshape(n, -1), y[:n])
    psem.prototype_indices_ = np.arange(n)
    return SEMReport(psem, X[n:], y[n:], X_train=X[:n], y_train=y[:n])


@pytest.mark.parametrize(
    ("n_classes", "n_prototypes", "n_nearest"), [(10, 10, 3), (10, 86, 1), (860, 1, 1)]
)
def test_pages_with_many_pictures_stay_small(n_classes, n_prototypes, n_nearest):
    report = noise_report(n_classes, n_prototypes)
    html = report.to_html()
    assert len(html.encode()) < 5e6
    page = check_page(html)
    # At least a training sample and some samples of each prototype.
    assert len(page.all("img")) > (1 + n_nearest) * n_prototypes * n_classes
    nearest = {len(card["nearest"]) for card in report.to_dict()["prototypes"]}
    assert nearest == {n_nearest}
