"""Converters that replace those of skl2onnx."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from served import run_graph
from sklearn.cluster import KMeans
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import StackingClassifier
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer, OneHotEncoder, PolynomialFeatures
from sklearn.tree import DecisionTreeClassifier

from sklearn_kmex import KMExClassifier
from sklearn_kmex.export import to_onnx

pytest.importorskip("skl2onnx")
pytest.importorskip("onnxruntime")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def check(step, X, y):
    psem = make_pipeline(step, KMExClassifier(1, temperature=1.0)).fit(X, y)
    _, chances, *_ = run_graph(to_onnx(psem, X), X=X)
    atol = 1e-5 if X.dtype == np.float32 else 1e-9
    assert_allclose(chances, psem.predict_proba(X), rtol=0, atol=atol)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("norm", ["l1", "l2", "max"])
def test_rows_of_zeros_are_not_divided(norm, dtype, blobs):
    X, y = blobs
    X[::9] = 0
    check(Normalizer(norm), X.astype(dtype), y)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("strategy", ["mean", "median", "most_frequent", "constant"])
def test_missing_numbers_are_replaced(strategy, dtype, blobs):
    X, y = blobs
    X[::4, 1], X[1::7, 3] = np.nan, np.nan
    check(SimpleImputer(strategy=strategy), X.astype(dtype), y)


@pytest.mark.parametrize("dtype", [np.int64, np.float64])
def test_numbers_that_stand_for_missing_ones_are_replaced(dtype, blobs):
    X, y = blobs
    X[::4, 1] = -1
    check(SimpleImputer(missing_values=-1), X.astype(dtype), y)


def test_missing_text_is_replaced():
    X = np.array([["a", "?"], ["b", "c"], ["?", "d"], ["b", "d"]] * 3, dtype=object)
    imputer = SimpleImputer(missing_values="?", strategy="most_frequent")
    step = make_pipeline(imputer, OneHotEncoder(dtype=np.float32))
    psem = make_pipeline(step, KMExClassifier(1, temperature=1.0)).fit(
        X, [0, 1, 2, 1] * 3
    )
    _, chances, *_ = run_graph(to_onnx(psem, X), X=X)
    assert_allclose(chances, psem.predict_proba(X), rtol=0, atol=1e-5)


@pytest.mark.filterwarnings("ignore:Skipping features without any observed values")
def test_columns_that_imputers_add_or_drop_are_refused(blobs):
    X, y = blobs
    X[::4, 1] = np.nan
    empty = X.copy()
    empty[:, 2] = np.nan
    for step, rows in (SimpleImputer(add_indicator=True), X), (SimpleImputer(), empty):
        psem = make_pipeline(step, KMExClassifier(1)).fit(rows, y)
        with pytest.raises(TypeError, match="SimpleImputer must return the columns"):
            to_onnx(psem, rows)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "step",
    [
        LinearDiscriminantAnalysis(),
        LinearDiscriminantAnalysis(n_components=1, solver="eigen"),
        KMeans(3, n_init=1, random_state=0),
        PolynomialFeatures(3, include_bias=False),
        PolynomialFeatures((2, 2), interaction_only=True),
    ],
    ids=["lda", "eigen", "k-means", "cubes", "products"],
)
def test_steps_that_skl2onnx_converts_otherwise(step, dtype, blobs):
    X, y = blobs
    check(step, (X / 8).astype(dtype), y)


def test_a_graph_that_does_not_fit_together_is_refused_in_a_sentence(blobs):
    X, y = blobs
    stacked = StackingClassifier([("tree", DecisionTreeClassifier())], cv=2)
    psem = make_pipeline(stacked, KMExClassifier(1)).fit(X, y)
    with pytest.raises(TypeError, match=r"fit together; got .* Export the steps after"):
        to_onnx(psem, X)
