"""Skip what needs an optional package where it is not installed."""

import sys
from doctest import UnexpectedException
from importlib.util import find_spec

import pytest

# Files that cannot even be imported without a package; by what they need.
NEEDS = {
    "torch": ["sklearn_kmex/_torch/*", "tests/networks.py", "tests/torch_modules.py"],
    "safetensors": ["sklearn_kmex/_torch/weights.py"],
    "skl2onnx": ["sklearn_kmex/_onnx/*"],
}
OPTIONAL = {
    "matplotlib", "onnx", "onnxruntime", "pandas", "skops", "skorch",
    "tokenizers", "torch", "transformers",
}  # fmt: skip
collect_ignore_glob = [
    pattern
    for package, patterns in NEEDS.items()
    if find_spec(package) is None
    for pattern in patterns
]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item):
    """Skip an example of the docs that asks for a package that is not installed."""
    try:
        return (yield)
    except UnexpectedException as failure:
        skip_if_missing(failure.exc_info[1])
        raise


def skip_if_missing(error):
    """Skip the test if an optional package is what was missing."""
    name = getattr(error, "name", None)
    missing = isinstance(error, ModuleNotFoundError) and name in OPTIONAL
    if missing or type(error).__name__ == "MissingDependencyError":
        pytest.skip(str(error))


@pytest.fixture(autouse=True)
def close_figures():
    """Close what tests and examples in docstrings drew."""
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")
