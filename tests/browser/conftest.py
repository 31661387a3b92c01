"""Debian's chromium, and pages in it.

Playwright rather than Selenium: it emulates widths, colours and keys without a line of
ours, needs no driver beside the browser, and runs a chromium that it did not download.
"""

import importlib.util
import shutil
from pathlib import Path

import pytest
from browser.page import Page, missing

BROWSERS = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="session")
def axe():
    """Script of axe-core, out of the package that carries it."""
    spec = importlib.util.find_spec("axe_playwright_python")
    if spec is None:
        missing("axe-playwright-python is not installed")
    return Path(spec.origin).parent / "axe.min.js"


@pytest.fixture(scope="session")
def chromium(axe):
    """Start the browser once, headless; Playwright turns updates and the like off."""
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        missing(f"none of {', '.join(BROWSERS)} is installed")
    if importlib.util.find_spec("playwright") is None:
        missing("playwright is not installed")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        flags = ["--disable-gpu", "--no-sandbox"]
        browser = playwright.chromium.launch(executable_path=path, args=flags)
        yield browser
        browser.close()


@pytest.fixture
def open_page(chromium, axe, tmp_path):
    """Write HTML to a file, open it as such, offline; or open a file that is there."""
    contexts = []

    def open_page(
        html,
        *,
        width=1280,
        height=900,
        dark=False,
        javascript=True,
        reduced_motion=False,
    ):
        context = chromium.new_context(
            viewport={"width": width, "height": height},
            color_scheme="dark" if dark else "light",
            reduced_motion="reduce" if reduced_motion else "no-preference",
            offline=True,
        )
        context.set_default_timeout(10_000)
        contexts.append(context)
        path = html
        if not isinstance(html, Path):
            path = tmp_path / f"page-{len(contexts)}.html"
            path.write_text(html, encoding="utf-8")
        page = Page(context.new_page(), axe)
        page.run_scripts(javascript)
        page.tab.goto(path.resolve().as_uri())
        return page

    yield open_page
    for context in contexts:
        context.close()
