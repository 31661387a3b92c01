"""The API reference lists every public object once, and nothing else."""

import importlib

from discovery import api_reference, public_objects


def test_api_reference_is_complete():
    listed = [
        getattr(importlib.import_module(module), name)
        for module, section in api_reference().items()
        for name in section["names"]
    ]
    assert len(listed) == len(set(listed))
    assert set(listed) == {thing for _, thing in public_objects()}
