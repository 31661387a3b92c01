"""The API reference lists every public object once, and nothing else."""

import importlib
import importlib.util
from pathlib import Path

from discovery import public_objects

DOCS = Path(__file__).parents[1] / "docs"


def test_api_reference_is_complete():
    spec = importlib.util.spec_from_file_location("ref", DOCS / "api_reference.py")
    reference = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(reference)
    listed = [
        getattr(importlib.import_module(module), name)
        for module, section in reference.API_REFERENCE.items()
        for name in section["names"]
    ]
    assert len(listed) == len(set(listed))
    assert set(listed) == {thing for _, thing in public_objects()}
