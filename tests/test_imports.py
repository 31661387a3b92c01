"""What importing the package costs, and what is said when a package is missing."""

import subprocess
import sys

import numpy as np
import pytest

import sklearn_kmex
from sklearn_kmex import KMExClassifier, show_versions
from sklearn_kmex.embedding import SkorchEmbedder, TorchEmbedder
from sklearn_kmex.exceptions import MissingDependencyError
from sklearn_kmex.utils import check_dependency

MODULES = ["sklearn_kmex", *(f"sklearn_kmex.{n}" for n in sklearn_kmex._SUBPACKAGES)]
HEAVY = ["torch", "skorch", "zennit", "matplotlib", "jinja2", "pandas", "polars"]
HEAVY += ["onnx", "skl2onnx", "onnxruntime", "safetensors", "skops"]
HEAVY += ["dask", "distributed", "tqdm"]


def run(code):
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        check=True,
    ).stdout


def test_imports_load_nothing_heavy():
    # scikit-learn itself loads pandas where it is installed: that is not ours.
    code = f"""
import importlib, sys, sklearn.utils.fixes
for name in {MODULES}:
    before = set(sys.modules)
    importlib.import_module(name)
    for heavy in sorted(set({HEAVY}) & set(sys.modules) - before):
        print(name, "loads", heavy)
"""
    assert run(code) == ""


def test_subpackages_load_when_used():
    code = "import sklearn_kmex; print(sklearn_kmex.metrics.fidelity_score([1], [1]))"
    assert run(code).strip() == "1.0"
    assert sklearn_kmex.__getattr__("metrics") is sys.modules["sklearn_kmex.metrics"]
    assert "metrics" in dir(sklearn_kmex)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = sklearn_kmex.nothing


def test_missing_packages_are_named_with_their_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.setitem(sys.modules, "skorch", None)

    class Model:
        named_modules = parameters = forward_iter = predict_proba = None

    for embedder, name in ((TorchEmbedder, "torch"), (SkorchEmbedder, "skorch")):
        for method in ("transform", "black_box_output"):
            with pytest.raises(MissingDependencyError) as caught:
                getattr(embedder(Model()), method)(np.ones((2, 2)))
            assert str(caught.value) == (
                f"{embedder.__name__} requires {name}. Install it with "
                "`pip install sklearn-kmex[torch]`."
            )


def test_check_dependency_returns_the_module():
    assert check_dependency("numpy", caller="this test", extra="all") is np


def test_show_versions(capsys):
    show_versions()
    printed = capsys.readouterr().out
    assert "scikit-learn: " in printed
    assert np.__version__ in printed
    assert sklearn_kmex.__version__ in printed


def test_show_versions_of_what_is_missing(capsys, monkeypatch):
    monkeypatch.setattr("sklearn_kmex.utils._show_versions.PACKAGES", ("no-such",))
    show_versions()
    assert "no-such: not installed" in capsys.readouterr().out


def test_doc_link_leads_to_the_api_page():
    link = KMExClassifier()._get_doc_link()
    assert link.endswith("/api/sklearn_kmex.KMExClassifier.html")
