"""Each check finds the fault that it looks for, and none on a page without faults."""

import pytest
from browser.page import missing

PIXEL = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"
PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width"><title>A page</title>
<style>
:root {{ color-scheme: light dark }}
body {{ background: white; color: black }} a {{ color: blue }}
@media (prefers-color-scheme: dark) {{
  body {{ background: black; color: white }} a {{ color: #aaf }}
}}
</style></head>
<body><main><h1>A page</h1>{}</main></body></html>"""
GOOD = f"""<p id="one">All <button>is</button> <a href="#one">well</a>.</p>
<img alt="a pixel" src="{PIXEL}"><img loading="lazy" alt="another" src="{PIXEL}">
<div style="overflow-x: auto" tabindex="0"><p style="width: 2000px">scrolls</p></div>
<script>console.log("fine"); document.body.dataset.ran = "yes"</script>"""


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [360, 1280])
def test_a_page_without_faults(open_page, width, dark):
    page = open_page(PAGE.format(GOOD), width=width, dark=dark)
    assert page.faults() == []
    assert page.contrast() == []
    assert "All is well." in page.text()


def only(page, check):
    """Fault of one kind, and none of any other."""
    faults = getattr(page, check)()
    assert faults
    assert page.faults() == faults
    return " ".join(faults)


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("console.error('wrong')", "error: wrong"),
        ("console.warn('odd')", "warning: odd"),
        ("alert('ran')", "alert: ran"),
        ("nothing.there", "threw: nothing is not defined"),
        ("setTimeout(() => Promise.reject(Error('late')), 10)", "threw: late"),
    ],
)
def test_console_errors(open_page, script, said):
    page = open_page(PAGE.format(f"<script>{script}</script>"))
    assert said in only(page, "console_errors")


@pytest.mark.parametrize(
    "markup",
    [
        '<link rel="stylesheet" href="https://example.invalid/it">',
        '<style>p {background: url("https://example.invalid/it")}</style><p>here</p>',
        '<iframe title="it" src="https://example.invalid/it"></iframe>',
        '<script>fetch("https://example.invalid/it").catch(() => 0)</script>',
        '<script>new WebSocket("wss://example.invalid/it")</script>',
        '<link rel="stylesheet" href="it">',
    ],
)
def test_requests(open_page, markup):
    page = open_page(PAGE.format(markup))
    assert len(page.requests()) == 1
    assert page.requests()[0].endswith("/it")


def test_broken_images(open_page):
    nothing = "data:image/png;base64,AAAA"
    far = (
        f'<p style="height: 9000px"></p><img loading="lazy" alt="far" src="{nothing}">'
    )
    page = open_page(PAGE.format(f'<img alt="near" src="{nothing}">{far}'))
    assert only(page, "broken_images") == f"near: {nothing} far: {nothing}"


def test_overflow(open_page):
    wide = '<p id="wide" class="very" style="width: 500px">wide</p>'
    page = open_page(PAGE.format(wide), width=360)
    assert "of 360 px p#wide.very: 508" in only(page, "overflow")
    page.resize(600)
    assert page.overflow() == []


def test_duplicate_ids(open_page):
    page = open_page(PAGE.format('<p id="a">1</p><p id="b">2</p><p id="a">3</p>'))
    assert page.duplicate_ids() == ["a"]


def test_axe(open_page):
    page = open_page(PAGE.format(f'<img src="{PIXEL}"><button></button>'))
    found = only(page, "axe")
    assert "critical: image-alt" in found
    assert "critical: button-name" in found
    assert page.axe("image-alt", impacts=("minor",)) == []


def test_contrast(open_page):
    grey = '<p style="color: #666">5.7 on white, 3.7 on black</p>'
    page = open_page(PAGE.format(grey))
    assert page.contrast() == []
    page.prefer(dark=True)
    assert "serious: color-contrast" in only(page, "contrast")
    assert page.axe("image-alt") == []


ASKS = """<p id="seen"></p><script>
const asked = {dark: "color-scheme", reduce: "reduced-motion"};
document.getElementById("seen").textContent = Object.keys(asked).filter(value =>
  matchMedia(`(prefers-${asked[value]}: ${value})`).matches).join() || "neither";
</script>"""


def test_what_the_reader_prefers(open_page):
    for settings, seen in (
        ({}, "neither"),
        ({"dark": True}, "dark"),
        ({"reduced_motion": True}, "reduce"),
        ({"dark": True, "reduced_motion": True}, "dark,reduce"),
    ):
        assert open_page(PAGE.format(ASKS), **settings).text() == f"A page\n\n{seen}"
        page = open_page(PAGE.format(ASKS))
        page.prefer(**settings)
        page.tab.reload()
        assert seen in page.text()


def test_without_scripts(open_page):
    clicked = "<button onclick=\"document.body.dataset.ran = 'yes'\">Go</button>"
    body = PAGE.format(f"{GOOD}{clicked}<noscript>no script</noscript>")
    page = open_page(body, javascript=False)
    assert page.faults() == []  # what the tests ask runs all the same
    page.tab.get_by_text("Go").click()
    assert "no script" in page.text()
    assert page.tab.get_attribute("body", "data-ran") is None
    bad = '<p style="width: 2000px; color: #eee" id="a">pale</p><p id="a">a</p>'
    page = open_page(PAGE.format(bad), javascript=False)
    found = [bool(page.overflow()), page.duplicate_ids(), len(page.contrast())]
    assert found == [True, ["a"], 1]


def test_keys(open_page):
    clicked = "this.textContent += ' clicked'"
    buttons = f'<button onclick="{clicked}">A</button><a aria-label="B" href="#x">b</a>'
    page = open_page(PAGE.format(buttons))
    page.press("Tab", "Enter", "Space")
    assert page.focused() == "button: A clicked clicked"
    page.press("Tab")
    assert page.focused() == "a: B"
    page.press("Shift+Tab")
    assert page.focused().startswith("button")


def test_prints(open_page, tmp_path):
    page = open_page(PAGE.format('<p style="height: 2500px">long</p>'))
    assert page.n_printed(tmp_path / "page.pdf") == 3
    assert (tmp_path / "page.pdf").read_bytes().startswith(b"%PDF")
    assert open_page(PAGE.format("short")).n_printed(tmp_path / "short.pdf") == 1


def test_pictures_of_pages(open_page, tmp_path):
    page = open_page(PAGE.format('<p style="height: 2500px">long</p>'), width=360)
    page.screenshot(tmp_path / "page.png")
    header = (tmp_path / "page.png").read_bytes()[:24]
    width, height = (int.from_bytes(header[i : i + 4]) for i in (16, 20))
    assert width == 360
    assert height > 2500


def test_a_file_that_is_there(open_page, tmp_path):
    (tmp_path / "a b.html").write_text(PAGE.format("there"), encoding="utf-8")
    assert "there" in open_page(tmp_path / "a b.html").text()


def test_what_is_missing_skips_or_fails(monkeypatch):
    monkeypatch.delenv("SKLEARN_KMEX_BROWSER", raising=False)
    with pytest.raises(pytest.skip.Exception, match="no browser; `make test-browser`"):
        missing("no browser")
    monkeypatch.setenv("SKLEARN_KMEX_BROWSER", "required")
    with pytest.raises(pytest.fail.Exception, match="no browser"):
        missing("no browser")
