"""What a notebook shows of estimators and explanations, in a browser."""

import numpy as np
import pytest
from sklearn.decomposition import PCA

from sklearn_kmex import KMExClassifier, KMExClassifierCV, make_kmex
from sklearn_kmex.explain import contrast, counterfactuals, explain

# As JupyterLab lays output out, and with its rules for tables that ours must beat.
NOTEBOOK = """<!doctype html><html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width"><title>Notebook</title><style>
body {{ background: {0}; color: {1}; font: 13px sans-serif; margin: 8px }}
.output {{ overflow: auto }}
.jp-RenderedHTMLCommon:not(.jp-RenderedMarkdown) :is(td, th, tr) {{
  text-align: right; vertical-align: middle; padding: 0.5em; max-width: none }}
.jp-RenderedHTMLCommon table {{ border-collapse: collapse; font-size: 12px }}
</style></head><body data-jp-theme-light="{2}"><main><h1>Notebook</h1>
{3}</main></body></html>"""
LIGHT, DARK = ("white", "black", "true"), ("#111", "#eee", "false")
HOSTILE = [
    "<script>alert('ran')</script>",
    "\"'><img src=x onerror=alert('ran')>",
    "\u202esdrawkcab",
    "😀" * 9,
    "x" * 10_000,
    "</td></table></style><b>",
    "a name of several words, of which there are many",
    "sixteen_letters_",
    "b",
    "c",
]


def notebook(*outputs, dark=False):
    cells = [
        f'<div class="output jp-RenderedHTMLCommon">{output}</div>'
        for output in outputs
    ]
    return NOTEBOOK.format(*(DARK if dark else LIGHT), "\n".join(cells))


@pytest.fixture(scope="module")
def explained(digits):
    """Explanations of every kind, of classes and columns with hostile names."""
    pd = pytest.importorskip("pandas")
    X, X_test, y, _ = digits
    labels = np.array(HOSTILE, dtype=object)[y]
    pixels = [*HOSTILE, *(f"pixel {j}" for j in range(54))]
    frame = pd.DataFrame(X, columns=pixels)
    test = pd.DataFrame(X_test[:4], columns=pixels)
    table = KMExClassifier(2, random_state=0).fit(frame, labels)
    images, some = X.reshape(-1, 8, 8), X_test[:4].reshape(-1, 8, 8)
    flat = make_kmex(lambda X: X.reshape(len(X), -1), n_prototypes=2, random_state=0)
    colour = np.stack([images, images / 2, 16 - images], axis=1)
    pictures = flat.fit(images, labels)
    grey = explain(pictures, some, X_train=images, n_prototypes=4)
    several = explain(flat.fit(colour, y), colour[:3], X_train=colour)
    return {
        "table": explain(table, test),
        "pictures": grey,
        "colours": several,
        "contrast": contrast(table, test),
        "counterfactuals": counterfactuals(table, test),
    }


KINDS = ["table", "pictures", "colours", "contrast", "counterfactuals"]


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_results(open_page, explained, kind, dark):
    html = explained[kind]._repr_html_()
    page = open_page(notebook(html, html, dark=dark), width=360, dark=dark)
    assert page.faults() == []
    # Nor is anything hidden in an output that has to be scrolled itself.
    wide = "all => all.map(one => one.scrollWidth - one.clientWidth)"
    assert page.tab.eval_on_selector_all(".output", wide) == [0, 0]
    page.resize(1280)
    assert page.faults() == []


@pytest.mark.parametrize("kind", KINDS)
def test_without_style_it_is_a_table(open_page, explained, kind):
    """As where a notebook is not trusted, or shown by a site that strips styles."""
    html = explained[kind]._repr_html_().partition("</style>")[2]
    page = open_page(notebook(html), javascript=False)
    assert page.faults() == []
    assert page.tab.locator("tbody > tr").count() >= 3


def test_cells_are_aligned_against_the_rules_of_the_notebook(open_page, explained):
    page = open_page(notebook(explained["table"]._repr_html_()))
    style = """cell => {
      const {textAlign, verticalAlign} = getComputedStyle(cell);
      return [textAlign, verticalAlign];
    }"""
    assert page.tab.eval_on_selector("td", style) == ["left", "top"]


def test_pictures_lie_side_by_side_where_there_is_room(open_page, explained):
    page = open_page(notebook(explained["colours"]._repr_html_()), width=1280)
    tops = "all => all.map(one => one.getBoundingClientRect().top)"
    row = page.tab.locator("tbody > tr").first
    # Prototypes in one line, members below them in another.
    assert len(set(row.locator("img").evaluate_all(tops)[1:])) == 2
    page.resize(360)
    assert len(set(row.locator("img").evaluate_all(tops)[1:])) == 6


def test_names_that_turn_text_around_turn_only_themselves(open_page):
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame([[0.0], [1], [8], [9]], columns=[HOSTILE[2]])
    psem = KMExClassifier(1, temperature=1.0).fit(frame, [0, 0, 1, 1])
    page = open_page(notebook(contrast(psem, frame)._repr_html_()))
    value_is_right_of = """name => {
      const [bdi] = [...document.querySelectorAll("bdi")].filter(one =>
        one.textContent === name);
      const end = bdi.nextElementSibling.getBoundingClientRect();
      return end.left >= bdi.getBoundingClientRect().right;
    }"""
    assert page.tab.evaluate(value_is_right_of, HOSTILE[2])


@pytest.fixture(scope="module")
def estimators(digits):
    pd = pytest.importorskip("pandas")
    X, _, y, _ = digits
    frame = pd.DataFrame(X[:, :10], columns=HOSTILE)
    labels = np.array(HOSTILE, dtype=object)[y]
    reduced = make_kmex(PCA(5).fit(X), n_prototypes=2, random_state=0)
    return [
        KMExClassifier(2, random_state=0),
        KMExClassifier(2, random_state=0).fit(frame, labels),
        KMExClassifierCV(3, cv=2, random_state=0).fit(frame, labels),
        reduced.fit(X, labels),
    ]


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [360, 1280])
def test_estimators(open_page, estimators, width, dark):
    """No fault but those that scikit-learn's own estimators have."""
    outputs = [estimator._repr_html_() for estimator in estimators]
    page = open_page(notebook(*outputs, dark=dark), width=width, dark=dark)
    known = "warning: Expected copy-paste icon is missing from the DOM structure"
    assert set(page.console_errors()) <= {known}
    assert page.requests() == []
    assert page.overflow() == []
    assert page.duplicate_ids() == []
    rules = {"color-contrast", "nested-interactive", "scrollable-region-focusable"}
    assert {fault.split(": ")[1] for fault in page.axe()} <= rules
    assert "temperature_" not in page.text()
    page.tab.locator("summary").evaluate_all("all => all.map(one => one.click())")
    assert "temperature_" in page.text()
    assert HOSTILE[0] in page.text()
    assert set(page.console_errors()) <= {known}
