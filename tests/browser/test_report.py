"""The report as a reader meets it."""

import numpy as np
import pytest
from sklearn.datasets import load_digits, load_wine
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_kmex import KMExClassifier, make_kmex
from sklearn_kmex.edit import drop_prototypes

pytest.importorskip("jinja2")
pytest.importorskip("PIL")

from sklearn_kmex.report import SEMReport

PARTS = [
    "Summary",
    "Performance",
    "Prototypes",
    "How prototypes decide",
    "Decisions",
    "Probabilities",
    "Unknown samples",
    "Data and model",
]
HOSTILE = [
    "<script>document.title = 'ran'; alert('ran')</script>",
    "</title></style></script><img src=x onerror=\"alert('ran')\">",
    "\" onmouseover=\"alert('ran')\" x='",
    "' autofocus onfocus='alert(1)",
    "javascript:alert('ran')",
    "{{ 7 * 7 }}{% raw %}&lt;b&gt;",
    "\u202eright to left\u202c \u2067\u200f\u05d0\u05d1",
    "\U0001f469\u200d\U0001f52c\U0001f9ec e\u0301 \x00\x1b[31m \ud800",
    "w" * 10_000,
    "many  \n words " * 1_000,
]


def pictures():
    X, y = load_digits(return_X_y=True)
    train, test = slice(0, 1_200), slice(1_200, None)
    network = MLPClassifier((64,), max_iter=300, random_state=0)
    network.fit(X[train], y[train])
    psem = make_kmex(network, n_prototypes=3, random_state=0).fit(X[train], y[train])
    psem = drop_prototypes(psem, 4, reason="blurred", X_val=X[test], y_val=y[test])
    return SEMReport(
        psem,
        X[test],
        y[test],
        image_shape=(8, 8),
        X_train=X[train],
        y_train=y[train],
        title="Digits",
    )


def table():
    X, y = load_wine(return_X_y=True, as_frame=True)
    psem = make_pipeline(StandardScaler(), KMExClassifier(2, random_state=0))
    psem.fit(X[::2], y[::2])
    return SEMReport(psem, X[1::2], y[1::2], class_names=["red", "white", "rosé"])


def texts():
    X = np.repeat(["a cat sat down", "a dog ran off", "cats and cats", "dogs"], 10)
    y = np.repeat(["cat", "dog", "cat", "dog"], 10)
    psem = make_pipeline(TfidfVectorizer(), KMExClassifier(2, random_state=0))
    return SEMReport(psem.fit(X, y), X.tolist(), y, X_train=X.tolist(), y_train=y)


def review():
    """Groups, one of them clearly worse, drift, influence, and samples that leaked."""
    X, y = load_digits(return_X_y=True, as_frame=True)
    X.index = [f"case {i}" for i in X.index]
    train, test = slice(0, 1_200), slice(1_190, None)
    psem = KMExClassifier(3, random_state=0).fit(X[train], y[train])
    new = (X[test] + np.random.RandomState(0).normal(0, 4, X[test].shape)).clip(0, 16)
    wrong = psem.predict(X[test]) != y[test].to_numpy()
    site = np.where(wrong | (np.arange(len(wrong)) % 3 == 0), "north", "south")
    return SEMReport(
        psem,
        X[test],
        y[test],
        image_shape=(8, 8),
        X_train=X[train],
        y_train=y[train],
        groups={"site": site},
        groups_train={"site": np.where(np.arange(1_200) % 3, "south", "north")},
        X_new=new,
    )


def hostile():
    rng = np.random.RandomState(0)
    y = np.arange(60) % len(HOSTILE)
    X = rng.normal(size=(60, 3)) + 4 * y[:, np.newaxis]
    psem = KMExClassifier(1, random_state=0).fit(X, y)
    return SEMReport(
        psem, X, y, class_names=HOSTILE, feature_names=HOSTILE[:3], title=HOSTILE[1]
    )


OPEN = """document.querySelectorAll('details:not(.zoom)').forEach(
  one => { one.open = true; })"""


@pytest.fixture(scope="module")
def reports():
    made = {f.__name__: f() for f in (pictures, table, texts, hostile, review)}
    return {name: report.to_html() for name, report in made.items()}


def parts(page):
    return [one.inner_text() for one in page.tab.locator("h2:visible").all()]


@pytest.mark.parametrize("name", ["pictures", "table", "texts", "hostile"])
@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("dark", [False, True])
def test_each_part_is_without_faults(open_page, reports, name, width, dark):
    page = open_page(reports[name], width=width, dark=dark)
    for part in PARTS:
        page.tab.get_by_role("tab", name=part, exact=True).click()
        assert parts(page) == [part]
        page.tab.evaluate(OPEN)
        assert page.faults() == []


@pytest.mark.parametrize("name", ["pictures", "table", "hostile"])
@pytest.mark.parametrize("width", [360, 1280])
def test_all_of_it_can_be_read_without_scripts(open_page, reports, name, width):
    page = open_page(reports[name], width=width, javascript=False)
    assert parts(page) == PARTS
    assert page.faults() == []
    assert page.tab.locator("button").count() == 0
    page.tab.get_by_role("link", name="Decisions", exact=True).first.click()
    assert page.tab.url.endswith("-decisions")


@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("dark", [False, True])
def test_a_review_is_without_faults(open_page, reports, width, dark):
    page = open_page(reports["review"], width=width, dark=dark)
    for part in [*PARTS, "Groups", "New samples"]:
        page.tab.get_by_role("tab", name=part, exact=True).click()
        assert parts(page) == [part]
        page.tab.evaluate(OPEN)
        assert page.faults() == []


def test_a_review_answers_who_and_why(open_page, reports):
    page = open_page(reports["review"])
    assert "Lowest accuracy: site = north" in page.text()
    page.tab.get_by_role("tab", name="New samples", exact=True).click()
    assert "They differ" in page.text()
    page.tab.get_by_role("tab", name="Decisions", exact=True).click()
    case = page.tab.locator(".case:visible").first
    assert case.get_by_text("support this decision most").count() == 1
    picture = case.locator(".sides .zoom img").first
    assert "which supports the decision" in picture.get_attribute("alt")
    small = picture.bounding_box()["width"]
    picture.click()
    assert picture.bounding_box()["width"] > 5 * small
    picture.click()
    assert "(id case " in case.locator(".sides li").first.inner_text()


def test_tabs_by_keys(open_page, reports):
    page = open_page(reports["pictures"])
    page.press("Tab")
    assert page.focused() == "a: Skip to the report"
    page.press("Tab")
    assert page.focused() == "a: Summary"
    page.press("ArrowRight")
    assert (page.focused(), parts(page)) == ("a: Performance", ["Performance"])
    page.press("End")
    assert parts(page) == ["Data and model"]
    page.press("ArrowRight")
    assert parts(page) == ["Summary"]
    page.press("ArrowLeft", "Home")
    assert parts(page) == ["Summary"]
    page.press("Tab")  # into the part, not to the next tab
    assert page.focused().startswith("section")


def column(page, table, place):
    cells = page.tab.locator(f"{table} tbody tr > :nth-child({place})")
    return [text.split()[0] for text in cells.all_inner_texts()]


def test_sorting_by_mouse_and_keys(open_page, reports):
    page = open_page(reports["pictures"])
    page.tab.get_by_role("tab", name="Performance", exact=True).click()
    table = "table:has(caption:text('Recall (sensitivity) is'))"
    assert column(page, table, 1) == [str(label) for label in range(10)]
    page.tab.locator(table).get_by_role("button", name="Recall", exact=True).click()
    shares = [float(text) for text in column(page, table, 3)]
    assert shares == sorted(shares)
    assert len(set(shares)) > 3
    head = page.tab.locator(f"{table} th[aria-sort]")
    assert head.inner_text().startswith("Recall")
    assert head.get_attribute("aria-sort") == "ascending"
    page.press("Enter")
    shares = [float(text) for text in column(page, table, 3)]
    assert shares == sorted(shares, reverse=True)
    assert head.get_attribute("aria-sort") == "descending"
    page.tab.locator(table).get_by_role("button", name="Class").focus()
    page.press("Space")
    assert column(page, table, 1) == [str(label) for label in range(10)]
    assert page.tab.locator(f"{table} th[aria-sort]").count() == 1


def test_filtering(open_page, reports):
    page = open_page(reports["pictures"])
    page.tab.get_by_role("tab", name="Decisions", exact=True).click()
    cases = page.tab.locator(".case:visible")
    n_cases = cases.count()
    told = page.tab.locator("[role=status]:visible")
    assert told.inner_text() == f"{n_cases} of {n_cases} decisions"
    page.tab.get_by_label("Only errors").check()
    assert 0 < cases.count() < n_cases
    assert all("classified as" in text for text in cases.all_inner_texts())
    page.tab.get_by_label("Find decisions").fill("no such thing")
    assert cases.count() == 0
    assert told.inner_text() == f"0 of {n_cases} decisions"
    page.tab.get_by_role("tab", name="Prototypes", exact=True).click()
    page.tab.get_by_label("Find prototypes").fill("Prototype 28")
    assert page.tab.locator(".card:visible").count() == 1


def test_links_open_the_part_that_holds_their_target(open_page, reports):
    page = open_page(reports["pictures"])
    page.tab.locator(".warnings a").first.click()
    assert parts(page) != ["Summary"]
    page.tab.get_by_role("tab", name="Prototypes", exact=True).click()
    page.tab.get_by_label("Find prototypes").fill("prototype 7")
    page.tab.get_by_text("All prototypes in one table").click()
    page.tab.get_by_role("link", name="12", exact=True).click()
    card = page.tab.locator("[id$='-prototype-12']")
    assert card.is_visible()
    assert "Prototype 12" in card.inner_text()


@pytest.mark.parametrize("name", ["pictures", "table", "texts"])
def test_the_first_screen_answers_without_a_click(open_page, reports, name):
    page = open_page(reports[name], width=1280, height=1000)
    first = page.tab.locator(
        ".tiles, .first .strip li, .first table tbody tr, .first .brief, "
        ".warnings li:nth-child(1)"
    )
    assert first.count() > 4
    for box in first.evaluate_all("all => all.map(one => one.getBoundingClientRect())"):
        assert 0 <= box["top"] < box["bottom"] < 1100
    text = page.text()
    assert "Correctly classified" in text
    assert "Always predicting" in text
    assert "A correct decision" in text


def test_the_confusion_matrix_is_a_table_that_prints(open_page, reports):
    page = open_page(reports["pictures"])
    page.tab.get_by_role("tab", name="Performance", exact=True).click()
    matrix = page.tab.get_by_role("table", name="Confusion matrix")
    assert matrix.get_by_role("row").count() == 11
    assert matrix.get_by_role("columnheader").count() == 10
    own = matrix.locator("td.own").first
    shade = "one => getComputedStyle(one).backgroundColor"
    plain = matrix.locator("td.error:text('·')").first
    for dark in (False, True):
        page.prefer(dark=dark)
        assert own.evaluate(shade) != plain.evaluate(shade)
    page.tab.emulate_media(media="print")
    adjust = "one => getComputedStyle(one).printColorAdjust"
    assert own.evaluate(adjust) == "exact"


@pytest.mark.parametrize("javascript", [False, True])
def test_pictures_enlarge_by_mouse_and_keys(open_page, reports, javascript):
    page = open_page(reports["pictures"], javascript=javascript)
    if javascript:
        page.tab.get_by_role("tab", name="Prototypes", exact=True).click()
    picture = page.tab.locator(".card .zoom img").first
    small = picture.bounding_box()["width"]
    picture.click()
    assert picture.bounding_box()["width"] > 5 * small
    assert page.faults() == []
    picture.click()
    assert picture.bounding_box()["width"] == small
    assert page.tab.evaluate("document.activeElement.tagName") == "SUMMARY"
    page.press("Enter")
    assert picture.bounding_box()["width"] > 5 * small
    page.press("Escape" if javascript else "Enter")
    assert picture.bounding_box()["width"] == small


def test_one_picture_is_large_at_a_time(open_page, reports):
    page = open_page(reports["pictures"], javascript=False)
    page.tab.evaluate("document.querySelectorAll('.zoom').forEach(x => x.open = true)")
    assert page.tab.locator(".zoom[open]").count() == 1


def test_pictures_say_in_words_what_they_show(open_page, reports):
    page = open_page(reports["pictures"])
    said = page.tab.locator("img").evaluate_all("all => all.map(one => one.alt)")
    assert len(said) > 150
    assert all(any(c.isdigit() for c in text) for text in said)
    charts = page.tab.locator("svg").evaluate_all(
        "all => all.map(one => one.getAttribute('aria-label'))"
    )
    assert all(charts)


def test_print_holds_all_parts(open_page, reports, tmp_path):
    page = open_page(reports["pictures"])
    page.tab.get_by_role("tab", name="Decisions", exact=True).click()
    page.tab.emulate_media(media="print")
    assert parts(page) == PARTS
    assert page.n_printed(tmp_path / "report.pdf") > 4


def test_names_are_text_whatever_they_hold(open_page, reports):
    page = open_page(reports["hostile"])
    for part in PARTS:
        page.tab.get_by_role("tab", name=part, exact=True).click()
        for place in ("th", "td", "bdi", "input", "img", "summary"):
            for one in page.tab.locator(f"{place}:visible").all()[:5]:
                one.hover()
    assert page.console_errors() == []
    assert page.requests() == []
    assert page.tab.title().startswith("</title>")
    assert page.tab.locator("h1").inner_text() == HOSTILE[1]
    assert (
        page.tab.locator("main [onmouseover], main [onfocus], [onerror]").count() == 0
    )
    shown = page.tab.locator("bdi").all_inner_texts()
    assert HOSTILE[0] in page.tab.locator("bdi").evaluate_all(
        "all => all.map(one => one.textContent)"
    )
    assert "{{ 7 * 7 }}{% raw %}&lt;b&gt;" in page.tab.locator("main").text_content()
    assert "[U+202E]right to left[U+202C]" in page.tab.locator("main").text_content()
    assert "w" * 10_000 in page.tab.locator("main").text_content()  # in the full names
    assert len(shown) > 50


def test_two_reports_in_one_notebook(open_page):
    one, other = (table()._repr_html_() for _ in range(2))
    style = "<style>td {color: red; font-size: 90px}</style>"
    head = f'<!doctype html><html lang="en"><title>A notebook</title>{style}'
    page = open_page(f"{head}<main><h1>Notebook</h1>{one}{other}</main>", width=700)
    assert page.faults() == []
    frames = page.tab.frames[1:]
    assert len(frames) == 2
    for frame in frames:
        frame.get_by_role("tab", name="Performance", exact=True).click()
        assert frame.locator("h2:visible").inner_text() == "Performance"
        size = frame.locator("td").first.evaluate(
            "one => getComputedStyle(one).fontSize"
        )
        assert size != "90px"


def test_two_pages_in_one_have_ids_of_their_own(open_page):
    report = table()
    page = open_page(report.to_html() + report.to_html())
    assert page.duplicate_ids() == []
