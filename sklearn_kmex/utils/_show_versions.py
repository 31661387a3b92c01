"""Versions to put into a bug report."""

import platform
import sys
from functools import cache
from importlib.metadata import PackageNotFoundError, version

PACKAGES = (
    "sklearn-kmex", "scikit-learn", "numpy", "scipy", "joblib", "torch", "torchvision",
    "skorch", "zennit", "transformers", "sentence-transformers", "matplotlib", "jinja2",
    "pandas", "polars", "skops",
    "safetensors", "onnx", "skl2onnx", "onnxruntime", "dask", "distributed",
)  # fmt: skip


def show_versions() -> None:
    """Print the versions of Python, the system and the packages in use.

    See Also
    --------
    sklearn.show_versions : The same for scikit-learn, with its thread pools.

    Examples
    --------
    >>> from sklearn_kmex import show_versions
    >>> show_versions()
    System:
    ...
    """
    print("System:")
    print(f"{'python':>14}: {sys.version.split()[0]}")
    print(f"{'machine':>14}: {platform.platform()}")
    print("\nPackages:")
    installed = installed_versions()
    for name in PACKAGES:
        print(f"{name:>14}: {installed.get(name, 'not installed')}")


@cache
def installed_versions() -> dict[str, str]:
    """Return the version of each package that is installed."""
    return {name: found for name in PACKAGES if (found := _version(name))}


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
