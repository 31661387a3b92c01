"""Answers in float32 are those in float64, whichever way they are computed."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_kmex import KMExClassifier
from sklearn_kmex._model import answers
from sklearn_kmex._model.rule import rule_of

RULES = [
    {},
    {"similarity": "gaussian"},
    {"metric": "cosine", "temperature": 0.02},
    {"aggregation": "sum", "priors": "prototype"},
    {"priors": [0.91, *(0.01,) * 9]},
    {"temperature": 1e-5},
]


def _fit(digits, **settings):
    X, X_test, y, _ = (a.astype(np.float32) for a in digits)
    return KMExClassifier(3, random_state=0, **settings).fit(X, y), X_test


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_float32_rows_are_answered_as_in_float64(digits, rule):
    psem, X = _fit(digits, **rule)
    wide = X.astype(np.float64)
    assert_array_equal(psem.predict(X), psem.predict(wide))
    for method in ("predict_proba", "transform", "decision_function"):
        found, exact = (getattr(psem, method)(rows) for rows in (X, wide))
        assert found.dtype == np.float32
        assert_allclose(found, exact, rtol=1e-4, atol=1e-5)
    for values, exact in zip(
        psem.nearest_prototypes(X, 4), psem.nearest_prototypes(wide, 4), strict=True
    ):
        assert_allclose(values, exact, rtol=1e-4)


def test_rows_that_the_product_leaves_open_are_computed_exactly(digits, monkeypatch):
    psem, X = _fit(digits)
    middle = (psem.prototypes_[:1] + psem.prototypes_[4:5]) / 2
    rows = np.concatenate([X[:5], psem.prototypes_[:1], middle])
    counted = []
    monkeypatch.setattr(
        answers.Rule,
        "squared_distances",
        lambda rule, X: counted.append(len(X)) or squared(rule, X),
    )
    similar = psem.transform(rows)
    assert sum(counted) >= 1
    assert sum(counted) < len(rows)
    assert similar[5, 0] == np.float32(np.log(1e4))


squared = answers.Rule.squared_distances


@pytest.mark.parametrize("method", ["transform", "predict_proba", "nearest_prototypes"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_what_is_not_finite_is_refused(digits, method, value, dtype):
    psem, X = _fit(digits)
    X = X.astype(dtype)
    X[3, 5] = value
    with pytest.raises(ValueError, match="Input X contains"):
        getattr(psem, method)(X)


def test_errors_are_below_their_bound(digits):
    psem, X = _fit(digits)
    rule = rule_of(psem)
    product = answers.Product.of(X, rule, of_values=True)
    scores, squares = product.of_rows(X)
    accuracy = answers.Accuracy.of(rule, product, scores, squares)
    wrong = abs(squares - 2 * scores - rule.squared_distances(X).T)
    assert (wrong <= accuracy.error).all()
    assert (wrong <= 2 * accuracy.typical * accuracy.error).all()
