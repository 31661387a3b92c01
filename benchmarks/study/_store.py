"""Results of the study: one JSON file for each cell, so that it can be continued."""

import json
import os
import platform
import sys
import time
from importlib.metadata import version
from pathlib import Path

RESULTS = Path(__file__).parents[1] / "results" / "study"
PACKAGES = "sklearn-kmex", "scikit-learn", "numpy", "scipy", "torch", "skorch"


def cell(question, name, run, /, *, folder=RESULTS, **settings):
    """Return the result of `run(**settings)`, from its file if it exists.

    The file is benchmarks/results/study/<question>/<name>.json. If it was written for
    other settings, the cell is run again.
    """
    path = Path(folder) / question / f"{name}.json"
    settings = json.loads(json.dumps(settings))
    if path.exists():
        known = json.loads(path.read_text())
        if known["settings"] == settings:
            return known["found"]
    print(f"{question}: {name} ...", end=" ", flush=True, file=sys.stderr)
    start = time.perf_counter()
    found = json.loads(json.dumps(run(**settings)))
    print(f"{time.perf_counter() - start:.0f} s", file=sys.stderr)
    write(path, {"settings": settings, "found": found, "made with": surroundings()})
    return found


def write(path, content):
    """Write a JSON file atomically."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".part")
    unfinished.write_text(json.dumps(content, indent=2) + "\n")
    unfinished.replace(path)


def surroundings():
    return {
        "versions": {name: version(name) for name in PACKAGES},
        "python": platform.python_version(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
    }
