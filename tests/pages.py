"""What holds of every report: its content, its page and its card."""

import json
import re
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

import jsonschema

import sklearn_kmex

SCHEMA = json.loads(
    (Path(sklearn_kmex.__file__).parent / "report" / "schema.json").read_text("utf-8")
)
VOID = {"meta", "img", "br", "input", "link"}
POINTERS = ("aria-labelledby", "aria-controls", "aria-describedby", "for", "data-for")
LOADS = {"src", "srcset", "data", "poster", "background", "action", "formaction"}


class Page(HTMLParser):
    """The elements of a page, its text, and the rest of what it holds."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.text, self.code, self.open = [], "", "", []
        self.feed(html)
        self.close()
        assert not self.open, self.open

    def handle_starttag(self, tag, attributes):
        assert len(dict(attributes)) == len(attributes), (tag, attributes)
        self.tags.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, (tag, self.open)

    def handle_data(self, data):
        if self.open and self.open[-1] in ("script", "style"):
            self.code += data
        else:
            self.text += data

    def all(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]

    @property
    def ids(self):
        return [there["id"] for _, there in self.tags if "id" in there]


def check_content(content):
    """The content fits the schema, and is JSON."""
    jsonschema.Draft202012Validator(SCHEMA).validate(content)
    assert json.loads(json.dumps(content, allow_nan=False)) == content
    keys = {case["row"] for case in content["cases"]}
    assert len(keys) == len(content["cases"])  # no case twice
    shown = re.findall(r"'(?:picture|relevance)': '([^']+)'", str(content))
    assert set(shown) == set(content["pictures"])


def check_page(html):
    """Tags are closed, ids are unique, what is referred to is there, nothing loads."""
    page = Page(html)
    twice = [one for one, n in Counter(page.ids).items() if n > 1]
    assert not twice
    for tag, attributes in page.tags:
        for name in POINTERS:
            for target in attributes.get(name, "").split():
                assert target in page.ids, (tag, attributes)
        check_loads_nothing(tag, attributes)
    assert [tag for tag, _ in page.tags if tag == "script"] == ["script"]
    assert not re.search(r"@import|url\(|https?:", page.code)
    assert all(image["alt"] for image in page.all("img"))
    assert page.tags[0] == ("html", {"lang": "en"})
    return page


def check_loads_nothing(tag, attributes):
    """No attribute runs a script, and none names a place outside the page."""
    if "href" in attributes:
        assert tag == "a"
        assert attributes["href"].startswith("#")
    for name, value in attributes.items():
        assert not name.startswith("on")
        if name in LOADS:
            assert value.startswith("data:image/"), (tag, name, value)
    assert "url(" not in attributes.get("style", "")
    assert tag not in ("iframe", "object", "embed", "link", "base", "form")
    assert attributes.get("http-equiv", "Content-Security-Policy") == (
        "Content-Security-Policy"
    )


def check_report(report):
    """All forms of a report; return its content and its page."""
    content = report.to_dict()
    check_content(content)
    assert json.loads(report.to_json()) == content
    page = check_page(report.to_html())
    links = [a["href"][1:] for a in page.all("a")]
    assert set(links) <= set(page.ids)
    assert report.to_markdown().startswith("# ")
    return content, page
