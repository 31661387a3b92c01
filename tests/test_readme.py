"""The examples of README.md run, one after the other, as a reader would run them."""

import re
from pathlib import Path

import pytest
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split

README = Path(__file__).parents[1] / "README.md"


def test_blocks_run_in_order(tmp_path, monkeypatch, capsys):
    """Nothing is known at first but a fitted model and its data, as the text says."""
    for package in (
        "jinja2",
        "matplotlib",
        "onnxruntime",
        "pandas",
        "safetensors",
        "skl2onnx",
    ):
        pytest.importorskip(package)
    monkeypatch.chdir(tmp_path)
    X, y = load_digits(return_X_y=True)
    X_train, X_test, y_train, _ = train_test_split(X, y, random_state=0)
    model = LogisticRegression(max_iter=10_000).fit(X_train, y_train)
    known = {"model": model, "X_train": X_train, "y_train": y_train, "X_test": X_test}
    text = README.read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    for block in blocks:
        exec(compile(block, str(README), "exec"), known)
    printed = capsys.readouterr().out
    for said in re.findall(r"^print\(.*\)(?:  |\n)# (.+)$", text, re.MULTILINE):
        assert f"{said}\n" in printed
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "groups.html",
        "psem.safetensors",
        "report.html",
    ]


@pytest.mark.parametrize(
    "link", re.findall(r"\]\(([^)h#][^)]*)\)", README.read_text("utf-8"))
)
def test_links_lead_to_files(link):
    """Links to files of this repository are right."""
    assert (README.parent / link).exists()
