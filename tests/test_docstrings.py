"""Every public object is documented as numpydoc asks, and documents what is there."""

import inspect
import re

import numpy as np
import pytest
from discovery import public_modules, public_objects

from sklearn_kmex import KMExClassifier

pytest.importorskip("numpydoc")
from numpydoc.docscrape import NumpyDocString
from numpydoc.validate import validate

# GL01, GL02: the summary stands on the line of the quotes. RT02: what is returned
# may have a type and no name. ES01: a summary may say it all. As in scikit-learn.
EVERYWHERE = {"GL01", "GL02", "RT02", "ES01"}
METHODS = EVERYWHERE | {"EX01", "SA01"}  # the class has the example


def public_methods():
    for name, thing in public_objects():
        if not inspect.isclass(thing) or issubclass(thing, Exception):
            continue
        for method in inspect.getmembers(thing, inspect.isfunction):
            defined = method[1].__module__.startswith("sklearn_kmex")
            if defined and not method[0].startswith("_"):
                yield f"{name}.{method[0]}"


def complaints(name, allowed):
    return [(c, text) for c, text in validate(name)["errors"] if c not in allowed]


@pytest.mark.parametrize("name", [name for name, _ in public_objects()])
def test_objects(name):
    assert complaints(name, EVERYWHERE) == []


@pytest.mark.parametrize("name", list(public_methods()))
def test_methods(name):
    assert complaints(name, METHODS) == []


@pytest.mark.parametrize("module", public_modules(), ids=lambda module: module.__name__)
def test_all_is_sorted_and_there(module):
    assert module.__all__ == sorted(module.__all__)
    assert all(hasattr(module, name) for name in module.__all__)
    assert module.__doc__


def test_parameters_are_documented_as_scikit_learn_reads_them():
    """`name : type`, in the order of the signature: the HTML page shows them so."""
    for name, thing in public_objects():
        if issubclass(thing if inspect.isclass(thing) else object, Exception):
            continue
        documented = [
            parameter.name.lstrip("*")
            for parameter in NumpyDocString(inspect.getdoc(thing))["Parameters"]
        ]
        assert documented == list(inspect.signature(thing).parameters), name


def test_attributes_are_those_of_a_fitted_classifier():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(np.arange(20.0).reshape(10, 2), columns=["a", "b"])
    psem = KMExClassifier("auto", random_state=0).fit(frame, np.arange(10) % 2)
    documented = [a.name for a in NumpyDocString(KMExClassifier.__doc__)["Attributes"]]
    fitted = {name for name in vars(psem) if re.fullmatch(r"[a-z]\w*_", name)}
    assert set(documented) == fitted | {"prototype_weights_"}  # a property
