"""A page in the browser, and what it is asked: each answer is a list of faults."""

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Page as Tab

# Lazy images are loaded, too, and those that are still under way waited for.
BROKEN = """async () => {
  const images = [...document.images];
  images.forEach(image => { image.loading = "eager"; });
  await Promise.all(images.map(image => image.decode().catch(() => null)));
  return images.filter(image => !image.naturalWidth)
               .map(image => `${image.alt}: ${image.src.slice(0, 80)}`);
}"""
# An element that scrolls or clips inside of itself keeps what is in it.
OVERFLOW = """() => {
  const root = document.scrollingElement, width = root.clientWidth;
  if (root.scrollWidth <= width) return [];
  const clips = element => {
    const up = element.parentElement;
    return up !== document.body
      && (getComputedStyle(up).overflowX !== "visible" || clips(up));
  };
  const out = [...document.body.querySelectorAll("*")].filter(element => {
    const box = element.getBoundingClientRect();
    return box.width && box.right + scrollX > width + 0.5 && !clips(element);
  });
  const name = element => [element.tagName.toLowerCase(),
    element.id && "#" + element.id,
    ...[...element.classList].map(one => "." + one)].join("");
  return [`page: ${root.scrollWidth} of ${width} px`, ...out.map(element =>
    `${name(element)}: ${Math.ceil(element.getBoundingClientRect().right + scrollX)}`)];
}"""
DUPLICATES = """() => {
  const ids = [...document.querySelectorAll("[id]")].map(element => element.id);
  return [...new Set(ids.filter((id, place) => ids.indexOf(id) !== place))];
}"""
AXE = """async rules => (await axe.run(document, {
  resultTypes: ["violations"], ...(rules && {runOnly: rules})
})).violations.flatMap(rule => rule.nodes.map(node =>
  [rule.impact, `${rule.id}: ${rule.help}: ${node.target.join(" ")}`]))"""
FOCUSED = """() => {
  const element = document.activeElement, label = element.getAttribute("aria-label");
  return `${element.tagName.toLowerCase()}: ${(label || element.innerText).trim()}`;
}"""


def missing(what: str) -> None:
    """Skip, unless these tests have been asked for by `make test-browser`."""
    give_up = pytest.skip
    if os.environ.get("SKLEARN_KMEX_BROWSER") == "required":
        give_up = pytest.fail
    give_up(f"{what}; `make test-browser` says what these tests need")


class Page:
    """What was loaded, listened to from before the first byte.

    Parameters
    ----------
    tab : playwright.sync_api.Page
        An empty tab in a context of its own. What is not here, such as `locator`,
        `mouse`, `get_by_role` or `evaluate`, is asked of it.

    axe : Path
        The script of axe-core.
    """

    def __init__(self, tab: "Tab", axe: Path) -> None:
        self.tab, self.axe_script, self.runs_scripts = tab, axe, True
        self._protocol = tab.context.new_cdp_session(tab)
        self._said: list[str] = []
        self._asked: list[str] = []
        context = tab.context
        context.on("console", self._listen)
        context.on("weberror", lambda error: self._said.append(f"threw: {error.error}"))
        context.on("request", lambda request: self._asked.append(request.url))
        tab.on("websocket", lambda socket: self._asked.append(socket.url))
        tab.on("dialog", self._dismiss)

    def _listen(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self._said.append(f"{message.type}: {message.text}")

    def _dismiss(self, dialog: Any) -> None:
        self._said.append(f"{dialog.type}: {dialog.message}")
        dialog.dismiss()

    def run_scripts(self, run: bool) -> None:
        """Let the page run scripts from here on, or none."""
        change = {"value": not run}
        self._protocol.send("Emulation.setScriptExecutionDisabled", change)
        self.runs_scripts = run

    def console_errors(self) -> list[str]:
        """Errors and warnings of the console, what was thrown, and dialogs."""
        self.tab.wait_for_timeout(50)  # for what scripts do behind the load
        return list(self._said)

    def requests(self) -> list[str]:
        """URLs asked for, but for the page itself and what is written in it."""
        self.tab.wait_for_timeout(50)
        inside = ("data:", "blob:", "about:")
        here = self.tab.url.split("#")[0]
        return [
            url
            for url in self._asked
            if url.split("#")[0] != here and not url.startswith(inside)
        ]

    def broken_images(self) -> list[str]:
        """Alternative text and source of the images that do not load."""
        return self.tab.evaluate(BROKEN)

    def overflow(self) -> list[str]:
        """Elements that reach beyond the page, where it has to be scrolled sideways."""
        return self.tab.evaluate(OVERFLOW)

    def duplicate_ids(self) -> list[str]:
        """Return the ids that more than one element has."""
        return self.tab.evaluate(DUPLICATES)

    def axe(
        self,
        *rules: str,
        impacts: tuple[str, ...] = ("serious", "critical"),
    ) -> list[str]:
        """Violations that axe-core finds, by all of its rules or by some."""
        runs_scripts = self.runs_scripts
        self.run_scripts(True)  # those of the page that did not run, do not now
        if not self.tab.evaluate("() => 'axe' in window"):
            self.tab.evaluate(self.axe_script.read_text(encoding="utf-8"))
        found = self.tab.evaluate(AXE, list(rules) or None)
        self.run_scripts(runs_scripts)
        return [f"{impact}: {text}" for impact, text in found if impact in impacts]

    def contrast(self) -> list[str]:
        """Text that is too much like what is behind it.

        axe-core takes a page without a background to be white, in the dark, too.
        """
        return self.axe("color-contrast")

    def faults(self) -> list[str]:
        """All of the above, at the width and in the colours that the page has now."""
        return [
            *self.console_errors(),
            *self.requests(),
            *self.broken_images(),
            *self.overflow(),
            *self.duplicate_ids(),
            *self.axe(),
        ]

    def press(self, *keys: str) -> None:
        """Press keys one after the other: "Tab", "Enter", "ArrowRight", "Shift+Tab"."""
        for key in keys:
            self.tab.keyboard.press(key)

    def focused(self) -> str:
        """Tag and label of the element that has the focus, "button: Sort"."""
        return self.tab.evaluate(FOCUSED)

    def text(self) -> str:
        """Text that can be seen."""
        return self.tab.inner_text("body")

    def resize(self, width: int, height: int = 900) -> None:
        """Lay the page out anew, as wide as this."""
        self.tab.set_viewport_size({"width": width, "height": height})

    def prefer(self, *, dark: bool = False, reduced_motion: bool = False) -> None:
        """Ask for dark colours, or for pages that do not move."""
        self.tab.emulate_media(
            color_scheme="dark" if dark else "light",
            reduced_motion="reduce" if reduced_motion else "no-preference",
        )

    def n_printed(self, path: Path) -> int:
        """Print to a PDF of A4, and count its pages."""
        pdf = self.tab.pdf(path=path, format="A4", print_background=True)
        return len(re.findall(rb"/Type\s*/Page\b", pdf))

    def screenshot(self, path: Path) -> None:
        """Draw the whole page, whatever its height."""
        self.tab.screenshot(path=path, full_page=True)
