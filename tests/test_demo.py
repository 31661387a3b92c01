"""The demo runs, prints its table, writes its pictures and its report."""

import runpy
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("matplotlib")
pytest.importorskip("jinja2")

DEMO = Path(__file__).parents[1] / "examples" / "demo_digits.py"


@pytest.mark.slow
def test_demo(tmp_path, capsys, monkeypatch):
    options = ["--output", str(tmp_path), "--epochs", "2"]
    monkeypatch.setattr(sys, "argv", [str(DEMO), *options])
    runpy.run_path(str(DEMO), run_name="__main__")
    printed = capsys.readouterr().out
    for row in ("accuracy", "fidelity", "ghosting", "diversity", "seconds to train"):
        assert f"\n{row}" in printed
    assert str(tmp_path / "report.html") in printed
    names = {"prototypes.png", "decisions_right.png", "decisions_wrong.png"}
    assert {path.name for path in tmp_path.iterdir()} == {*names, "report.html"}
    assert all(path.stat().st_size > 10_000 for path in tmp_path.iterdir())
