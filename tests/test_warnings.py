"""Which warnings are errors in tests, by the filters of pyproject.toml."""

import warnings

import pytest

OURS = ["sklearn_kmex", "sklearn_kmex.metrics", "tests.test_warnings", "__main__"]
OTHERS = ["xgboost.core", "numpy.ma", "sklearn_kmeans", "testsuite"]
DEPRECATED = [DeprecationWarning, PendingDeprecationWarning, FutureWarning]


def warn(category, module):
    """Warn as code of the module does."""
    warnings.warn_explicit("a warning", category, f"{module}.py", 1, module)


@pytest.mark.parametrize("category", DEPRECATED)
@pytest.mark.parametrize("module", OURS)
def test_what_our_calls_are_told_is_an_error(category, module):
    with pytest.raises(category, match="a warning"):
        warn(category, module)


@pytest.mark.parametrize("category", DEPRECATED)
@pytest.mark.parametrize("module", OTHERS)
def test_what_others_call_deprecated_among_themselves_is_told(category, module):
    with warnings.catch_warnings(record=True) as told:
        warn(category, module)
    assert [warning.category for warning in told] == [category]


def test_scikit_learn_names_itself_where_it_speaks_of_our_calls():
    with pytest.raises(FutureWarning):
        warn(FutureWarning, "sklearn.utils.deprecation")
    with warnings.catch_warnings(record=True) as told:
        warn(DeprecationWarning, "sklearn.utils.deprecation")
    assert len(told) == 1


@pytest.mark.parametrize("category", [UserWarning, RuntimeWarning])
def test_any_other_warning_is_an_error(category):
    with pytest.raises(category):
        warn(category, "numpy.linalg")
