"""Run or continue the study: `cd benchmarks && python -m study`."""

import argparse
import importlib
import tempfile
from pathlib import Path

from study import _store, data

# Most important first.
QUESTIONS = {
    "models": "comparison",
    "others": "others",
    "geometry": "geometry",
    "counts": "counts",
    "imbalance": "imbalance",
    "subgroups": "subgroups",
    "approximation": "approximation",
}
QUICK = ["digits", "fashion_mnist"]


def main():
    parser = argparse.ArgumentParser(prog="python -m study", description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="takes minutes, saves nothing"
    )
    parser.add_argument("--only", nargs="+", choices=QUESTIONS, default=[*QUESTIONS])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--data", nargs="+", choices=data.SETS, default=[])
    asked = parser.parse_args()
    names = [name for name in data.names() if name in (asked.data or data.SETS)]
    if not asked.quick:
        return answer(asked.only, names, range(asked.seeds), False, _store.RESULTS)
    with tempfile.TemporaryDirectory() as folder:
        names = [name for name in names if name in QUICK]
        answer(asked.only, names, range(1), True, Path(folder))
        for path in sorted(Path(folder).rglob("*.json")):
            print(f"{path.relative_to(folder)}\n{path.read_text()}")


def answer(questions, names, seeds, quick, folder):
    for question in questions:
        module = importlib.import_module(f"study.{QUESTIONS[question]}")
        module.main(names, seeds, quick, folder)


if __name__ == "__main__":
    main()
