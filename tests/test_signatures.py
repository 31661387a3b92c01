"""Signatures are readable in help(), in notebooks and in the docs."""

import inspect
import pydoc

import pytest
from discovery import public_objects

# What NumPy's and typing's names for annotations look like once they are expanded.
EXPANDED = ("Union[", "Optional[", "numpy.", "collections.", "ForwardRef", "~", "<")


def public_functions():
    """Yield (dotted name, function) of functions, constructors and public methods."""
    for name, thing in public_objects():
        if not inspect.isclass(thing):
            yield name, thing
            continue
        for own in thing.__mro__:
            if own.__module__.startswith("sklearn_kmex"):
                for key, method in vars(own).items():
                    method = inspect.unwrap(getattr(method, "__func__", method))
                    method = getattr(method, "fget", method)
                    if inspect.isfunction(method) and key in _shown(own):
                        yield f"{name}.{key}", method


def _shown(kind):
    return {"__init__", *(key for key in vars(kind) if not key.startswith("_"))}


FUNCTIONS = dict(public_functions())


def annotations_of(function):
    signature = inspect.signature(function)
    named = {key: one.annotation for key, one in signature.parameters.items()}
    return {**named, "return": signature.return_annotation}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_signatures_are_as_written_and_short(name):
    function = FUNCTIONS[name]
    annotations = annotations_of(function)
    for key, annotation in annotations.items():
        shown = inspect.formatannotation(annotation)
        assert not any(part in shown for part in EXPANDED), f"{key}: {shown}"
        assert len(shown) <= 80, f"{key}: {shown}"
    assert len(str(inspect.signature(function))) <= 60 * len(annotations)
    signature = pydoc.plain(pydoc.render_doc(function)).split("\n    ")[0]
    assert not any(part in signature for part in EXPANDED[:4])
