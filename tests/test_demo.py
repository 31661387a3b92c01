"""The demo runs, prints its table, writes its pictures and its report."""

import importlib.util
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("matplotlib")
pytest.importorskip("jinja2")

DEMO = Path(__file__).parents[1] / "examples" / "demo_digits.py"


def test_demo(tmp_path, capsys):
    spec = importlib.util.spec_from_file_location("demo_digits", DEMO)
    demo = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(demo)
    demo.main(tmp_path, epochs=2)
    printed = capsys.readouterr().out
    for row in ("accuracy", "fidelity", "ghosting", "diversity", "seconds to train"):
        assert f"\n{row}" in printed
    assert str(tmp_path / "report.html") in printed
    names = {"prototypes.png", "decisions_right.png", "decisions_wrong.png"}
    assert {path.name for path in tmp_path.iterdir()} == {*names, "report.html"}
    assert all(path.stat().st_size > 10_000 for path in tmp_path.iterdir())
