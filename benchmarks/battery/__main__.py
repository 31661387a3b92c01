"""Try all kinds of models that this environment has: `python -m battery`.

Outcomes are printed, and written to benchmarks/results/battery.json.
"""

import argparse
import json
import platform
from pathlib import Path

from battery.judge import FAILED, judge
from battery.kinds import all_kinds

RESULTS = Path(__file__).parents[1] / "results" / "battery.json"


def main(wanted, path):
    result = {"machine": f"{platform.machine()}, {platform.system()}", "kinds": {}}
    for group, kinds in all_kinds().items():
        for name, make in kinds.items():
            if wanted in f"{group}, {name}":
                found = judge(make())
                result["kinds"][f"{group}: {name}"] = found
                show(name, found)
    if path:
        path.write_text(json.dumps(result, indent=1) + "\n")


def show(name, found):
    steps = found["steps"]
    marks = " ".join(f"{step}={outcome}" for step, (outcome, _) in steps.items())
    print(f"{name}: {marks}", flush=True)
    for step, (outcome, note) in steps.items():
        if outcome == FAILED:
            print(f"    {step}: {note}", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kinds", default="", help="part of the names of kinds to try")
    parser.add_argument("--output", type=Path, default=None)
    arguments = parser.parse_args()
    main(
        arguments.kinds, arguments.output or (RESULTS if not arguments.kinds else None)
    )
