"""The tables of the pages, from the results: `python -m study.tables FOLDER`."""

import importlib
import sys
from pathlib import Path

from study import _store, answers
from study.__main__ import QUESTIONS


def write(folder, results=_store.RESULTS):
    """Write reStructuredText for the pages to include; unchanged files are kept.

    `FRAGMENTS` of a module names the functions that write its parts.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for question, name in QUESTIONS.items():
        module = importlib.import_module(f"study.{name}")
        for part in module.FRAGMENTS:
            content = text(question, getattr(module, part), results)
            keep(folder / f"{question}_{part}.inc", content)


def text(question, make, results):
    if not answers.cells(question, results):
        return "Not run yet: `make study` does.\n"
    return make(results)


def keep(path, content):
    if not path.exists() or path.read_text() != content:
        path.write_text(content)


if __name__ == "__main__":
    write(Path(sys.argv[1]))
