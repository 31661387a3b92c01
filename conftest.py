"""Leave out what needs torch or matplotlib where it is not installed."""

import importlib.util
import sys

import pytest

collect_ignore = []
if importlib.util.find_spec("torch") is None:
    collect_ignore = [
        "docs/user_guide/serve.rst",
        "sklearn_kmex/_attribution_backend.py",
        "sklearn_kmex/_concepts_backend.py",
        "sklearn_kmex/_encoder_backend.py",
        "sklearn_kmex/_gradients_backend.py",
        "sklearn_kmex/_layers_backend.py",
        "sklearn_kmex/_lrp_backend.py",
        "sklearn_kmex/_questions_backend.py",
        "sklearn_kmex/_serving_backend.py",
        "sklearn_kmex/_speed_backend.py",
        "sklearn_kmex/_torch_backend.py",
        "sklearn_kmex/_weights_backend.py",
        "sklearn_kmex/embedding/_skorch.py",
        "sklearn_kmex/embedding/_torch.py",
        "sklearn_kmex/explain/_concepts.py",
        "sklearn_kmex/explain/_faithfulness.py",
        "sklearn_kmex/explain/_relevance.py",
        "sklearn_kmex/export/_torch.py",
        "tests/networks.py",
        "tests/torch_modules.py",
    ]
if importlib.util.find_spec("matplotlib") is None:
    collect_ignore += [
        "docs/user_guide/displays.rst",
        "sklearn_kmex/inspection/_counts.py",
        "sklearn_kmex/inspection/_coverage.py",
        "sklearn_kmex/inspection/_embedding.py",
        "sklearn_kmex/inspection/_explanation.py",
        "sklearn_kmex/inspection/_prototypes.py",
        "sklearn_kmex/inspection/_usage.py",
    ]
for module, files in {
    "jinja2": ["docs/user_guide/report.rst", "sklearn_kmex/report/_report.py"],
    "safetensors": [
        "docs/user_guide/serve.rst",
        "sklearn_kmex/_weights_backend.py",
        "sklearn_kmex/persistence/_file.py",
    ],
    "skl2onnx": [
        "docs/user_guide/serve.rst",
        "sklearn_kmex/_converters_backend.py",
        "sklearn_kmex/_decisions_backend.py",
        "sklearn_kmex/_distances_backend.py",
        "sklearn_kmex/_embedder_converters_backend.py",
        "sklearn_kmex/_graph_backend.py",
        "sklearn_kmex/_onnx_backend.py",
        "sklearn_kmex/_trees_backend.py",
        "sklearn_kmex/export/_onnx.py",
    ],
}.items():
    if importlib.util.find_spec(module) is None:
        collect_ignore += files


@pytest.fixture(autouse=True)
def close_figures():
    """Close what tests and examples in docstrings drew."""
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")
