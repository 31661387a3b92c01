"""The nearest prototype: sure, or left open to exact distances."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_array_equal
from scipy.spatial.distance import cdist

from sklearn_kmex import KMExClassifier
from sklearn_kmex._model import nearest as products
from sklearn_kmex._model.metric import Metric
from sklearn_kmex._model.rule import Rule, rule_of

POINTS = arrays(np.float64, (6, 3), elements=st.floats(-3, 3, width=16))
OFFSETS, UNITS = st.sampled_from([0.0, 1e4]), st.sampled_from([1e-25, 1e-6, 1.0, 1e12])
DTYPES = st.sampled_from([np.float32, np.float64])


def fitted(prototypes, similarity="log"):
    """Two prototypes for each of three classes, as if fitted."""
    psem = KMExClassifier(2, similarity=similarity, temperature=1.0, random_state=0)
    psem.fit(np.arange(6.0)[:, np.newaxis] + np.zeros(3), [0, 0, 1, 1, 2, 2])
    psem.prototypes_ = prototypes
    return psem


def rule(prototypes, **settings):
    """One prototype for each class, of equal weights."""
    n = len(prototypes)
    return Rule(prototypes, np.arange(n), n, np.ones(n), **settings)


def sure_nearest(X, rule):
    """The prototype of the largest score of each row, and whether it is certain."""
    product = products.Product.of(X, rule)
    with np.errstate(over="ignore", invalid="ignore"):
        scores, squares = product.of_rows(X)
        return products.sure_nearest(scores, product.lead.over(squares))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("offset", [0.0, 1e4])
def test_nearest_by_hand(dtype, offset):
    prototypes = np.array([[0.0, 0.0], [4.0, 0.0], [0.0, 4.0]], dtype) + dtype(offset)
    X = np.array([[1.0, 0.5], [3.0, 1.0], [0.0, 9.0], [2.0, 0.0]], dtype)
    nearest, sure = sure_nearest(X + dtype(offset), rule(prototypes))
    assert_array_equal(sure, [True, True, True, False])  # the last is half way
    assert_array_equal(nearest[:3], [0, 1, 2])


@given(POINTS, POINTS, OFFSETS, UNITS, DTYPES)
def test_what_is_sure_is_so(X, prototypes, offset, unit, dtype):
    X, prototypes = ((unit * (a + offset)).astype(dtype) for a in (X, prototypes))
    nearest, sure = sure_nearest(X, rule(prototypes))
    apart = cdist(X / dtype(unit), prototypes / dtype(unit), "sqeuclidean")
    assert_array_equal(nearest[sure], apart.argmin(axis=1)[sure])


MAPS = arrays(np.float64, (3, 3), elements=st.floats(-3, 3, width=16))


@given(POINTS, POINTS, MAPS, OFFSETS, UNITS, DTYPES, st.booleans())
def test_what_is_sure_is_so_in_a_metric_and_with_weights(
    X, prototypes, of_metric, offset, unit, dtype, weighted
):
    X, prototypes = ((unit * (a + offset)).astype(dtype) for a in (X, prototypes))
    metric = Metric("mahalanobis", of_metric / unit)
    weights = np.geomspace(1, 100, 6) if weighted else np.ones(6)
    how = rule(prototypes, metric=metric, similarity="gaussian")
    how = how._replace(weights=weights, temperature=0.7)
    nearest, sure = sure_nearest(X, how)
    scores = how.weigh(how.similarities(X))
    assert_array_equal(nearest[sure], scores.argmax(axis=1)[sure])


@given(POINTS, POINTS, OFFSETS, UNITS, DTYPES, st.sampled_from(["log", "gaussian"]))
def test_predict_is_the_argmax_of_the_scores(
    X, prototypes, offset, unit, dtype, similarity
):
    X, prototypes = ((unit * (a + offset)).astype(dtype) for a in (X, prototypes))
    X = np.concatenate([X, prototypes, (X + prototypes) / 2])  # ties and zeros, too
    psem = fitted(prototypes, similarity)
    scores = psem.decision_function(X)
    assert_array_equal(psem.predict(X), scores.argmax(axis=1))
    assert_array_equal(psem.predict(X), psem.predict_proba(X).argmax(axis=1))


def test_ties_are_decided_alike_in_any_batch():
    rng = np.random.RandomState(0)
    prototypes = rng.normal(size=(6, 40))
    prototypes[3:, ::2] *= -1  # mirrored: as near to rows of zeros in those columns
    prototypes[3:, 1::2] = prototypes[:3, 1::2]
    X = rng.normal(size=(200, 40))
    X[:, ::2] = 0
    psem = fitted(prototypes)
    psem.n_features_in_ = 40
    whole = psem.decision_function(X)
    alone = np.concatenate([psem.decision_function(row[np.newaxis]) for row in X])
    assert_array_equal(alone.argmax(axis=1), whole.argmax(axis=1))
    assert_array_equal(psem.predict(X), whole.argmax(axis=1))


def test_most_rows_are_sure(digits):
    X, X_test, y, _ = digits
    psem = KMExClassifier(5, temperature=1.0, random_state=0).fit(X, y)
    for dtype in (np.float32, np.float64):
        sure = sure_nearest(X_test.astype(dtype), rule_of(psem))[1]
        assert sure.mean() > 0.98


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_what_is_not_finite_is_refused(value, dtype):
    psem = fitted(np.eye(6, 3, dtype=dtype))
    for place in range(3):
        X = np.ones((4, 3), dtype)
        X[2, place] = value
        with pytest.raises(ValueError, match="Input X contains"):
            psem.predict(X)


def test_rows_too_large_to_square_in_float32():
    psem = fitted(np.arange(18, dtype=np.float32).reshape(6, 3) * np.float32(1e25))
    assert_array_equal(psem.predict(psem.prototypes_), [0, 0, 1, 1, 2, 2])


def test_many_prototypes_and_several_blocks(monkeypatch):
    rng = np.random.RandomState(0)
    X, prototypes = rng.normal(size=(300, 4)), rng.normal(size=(200, 4))
    monkeypatch.setattr("sklearn_kmex._model.nearest.BLOCK_ROWS", 64)
    monkeypatch.setattr("sklearn_kmex._model.nearest.BLOCK_ELEMENTS", 4)
    nearest, sure = sure_nearest(X, rule(prototypes))
    assert sure.all()
    assert_array_equal(nearest, cdist(X, prototypes).argmin(axis=1))


def test_tables_of_sparse_columns():
    pd = pytest.importorskip("pandas")
    X = np.eye(6, 3)
    psem = fitted(np.eye(6, 3))
    frame = pd.DataFrame(X, columns=list("abc")).astype(pd.SparseDtype(float, 0.0))
    with pytest.warns(UserWarning, match="feature names"):
        assert_array_equal(psem.predict(frame), psem.predict(X))
