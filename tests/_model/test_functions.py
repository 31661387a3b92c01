"""Functions of a model and its samples that users pass."""

import pytest

from sklearn_kmex._model.functions import check_takes


class Opaque:
    """A function written in C may have no signature."""

    __signature__ = "unknown"

    def __call__(self, psem, X, labels):
        return X


def test_a_function_without_a_signature_passes():
    check_takes(Opaque(), "relevance", "labels")


def test_functions_that_cannot_be_called_so():
    with pytest.raises(
        TypeError, match=r"relevance\(psem, X, labels=labels\); got one"
    ):
        check_takes(lambda psem, X: X, "relevance", "labels")
    with pytest.raises(TypeError, match=r"must be a function.*got 'occlusion'\. For a"):
        check_takes("occlusion", "relevance", "labels")
    with pytest.raises(TypeError, match=r"relevance\(psem, X\); got None\.$"):
        check_takes(None, "relevance")
    check_takes(lambda psem, X, **settings: X, "relevance", "labels")
