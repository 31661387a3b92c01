"""The metric and the weights of the decision, against models that do the same."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from scipy.spatial.distance import cdist
from sklearn.base import clone
from sklearn.covariance import ledoit_wolf
from sklearn.datasets import load_breast_cancer, load_iris, load_wine
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer, StandardScaler

from sklearn_kmex import KMExClassifier, KMExClassifierCV
from sklearn_kmex._data.mapped import file_behind
from sklearn_kmex._data.rows import Training
from sklearn_kmex._fit.covariance import metric_map, scatter_of
from sklearn_kmex.exceptions import KMExWarning

METRICS = ["euclidean", "cosine", "mahalanobis", "cosine_mahalanobis"]
DISCRIMINANT = {"metric": "mahalanobis", "similarity": "gaussian", "priors": "class"}


@pytest.mark.parametrize("load", [load_iris, load_wine, load_breast_cancer])
@pytest.mark.parametrize("shrinkage", ["auto", 0.0])
def test_one_prototype_a_class_is_linear_discriminant_analysis(load, shrinkage):
    """Nearly: LDA averages covariances that are shrunk class by class."""
    X, y = load(return_X_y=True)
    psem = KMExClassifier(1, **DISCRIMINANT, shrinkage=shrinkage, temperature=1.0)
    psem.fit(X, y)
    lda = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=shrinkage or None)
    lda.fit(X, y)
    assert (psem.predict(X) == lda.predict(X)).mean() >= 0.99
    if not shrinkage:  # the same covariance, up to the factor of its degrees of freedom
        assert_allclose(psem.predict_proba(X), lda.predict_proba(X), atol=1e-6)


def test_the_shrinkage_is_that_of_ledoit_and_wolf():
    X, y = load_iris(return_X_y=True)
    psem = KMExClassifier(1, **DISCRIMINANT, temperature=1.0).fit(X, y)
    Z = np.concatenate([X[y == k] - X[y == k].mean(axis=0) for k in range(3)])
    scale = Z.std(axis=0)
    shrunk, _ = ledoit_wolf(Z / scale, assume_centered=True)
    precision = psem.metric_map_ @ psem.metric_map_.T
    assert_allclose(np.linalg.inv(precision), shrunk * np.outer(scale, scale))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_distances_are_those_of_the_covariance(digits, dtype):
    X, X_test, y, _ = digits
    psem = KMExClassifier(2, metric="mahalanobis", similarity="gaussian").fit(X, y)
    precision = psem.metric_map_ @ psem.metric_map_.T
    apart = cdist(X_test, psem.prototypes_, "mahalanobis", VI=precision)
    similar = psem.transform(X_test.astype(dtype))
    assert similar.dtype == dtype
    digits_kept = 1e-4 if dtype == np.float32 else 1e-9
    assert_allclose(similar, -(apart**2) / 2, rtol=digits_kept)
    assert psem.metric_map_.shape == (64, 64)
    plain = KMExClassifier(2, random_state=0).fit(X, y)
    shown = KMExClassifier(2, metric="mahalanobis", random_state=0).fit(X, y)
    assert_array_equal(shown.prototypes_, plain.prototypes_)  # what is shown stays


@pytest.mark.parametrize("pair", [("cosine", "euclidean"), METRICS[3:1:-1]])
def test_a_cosine_is_the_metric_of_normalized_rows(digits, pair):
    X, X_test, y, _ = digits
    cosine, plain = pair
    psem = KMExClassifier(3, metric=cosine, random_state=0).fit(X, y)
    same = make_pipeline(Normalizer(), KMExClassifier(3, metric=plain, random_state=0))
    same.fit(X, y)
    assert_allclose(psem.prototypes_, same[-1].prototypes_, atol=1e-12)
    assert_allclose(psem.predict_proba(X_test), same.predict_proba(X_test), atol=1e-7)
    lengths = np.geomspace(1e-30, 1e30, len(X_test))[:, np.newaxis]
    assert_array_equal(psem.predict(lengths * X_test), psem.predict(X_test))


@given(st.integers(0, 10_000))
def test_a_linear_map_of_the_rows_changes_no_decision(seed):
    rng = np.random.RandomState(seed)
    y = np.arange(90) % 3
    X = rng.normal(size=(90, 4)) + 2 * rng.normal(size=(3, 4))[y]
    mixing = np.linalg.qr(rng.normal(size=(4, 4)))[0] * np.geomspace(0.1, 100, 4)
    settings = {"metric": "mahalanobis", "shrinkage": 0.0, "temperature": 0.7}
    plain = KMExClassifier(2, **settings, random_state=0).fit(X, y)
    mapped = KMExClassifier(2, **settings, random_state=0).fit(X @ mixing, y)
    mapped.prototypes_ = plain.prototypes_ @ mixing
    mapped.prototype_classes_ = plain.prototype_classes_
    mapped.n_prototypes_ = plain.n_prototypes_
    new = 3 * rng.normal(size=(50, 4))
    assert_allclose(
        mapped.decision_function(new @ mixing), plain.decision_function(new), rtol=1e-6
    )


@pytest.mark.parametrize("metric", METRICS)
def test_weights_of_prototypes_are_the_shares_of_their_members(digits, metric):
    X, _, y, _ = digits
    psem = KMExClassifier(3, metric=metric, priors="prototype", random_state=0)
    psem.fit(X, y)
    share = psem.prototype_counts_ / len(X)
    assert_allclose(psem.prototype_weights_, share)
    by_class = psem.set_params(priors="class").fit(X, y)
    expected = np.repeat(np.bincount(y) / len(y), 3)
    assert_allclose(by_class.prototype_weights_, expected)
    equal = psem.set_params(priors="uniform").fit(X, y).prototype_weights_
    assert np.ptp(equal) == 0


def test_a_mixture_by_hand():
    X = np.array([[0.0], [0.2], [0.1], [4.0], [1.0], [1.1], [6.0]])
    y = np.array([0, 0, 0, 0, 1, 1, 1])
    settings = {"similarity": "gaussian", "aggregation": "sum", "priors": "prototype"}
    psem = KMExClassifier(2, **settings, temperature=0.5, random_state=0).fit(X, y)
    new = np.array([[0.5], [5.2]])
    density = np.exp(-cdist(new, psem.prototypes_, "sqeuclidean") / 2 / 0.5)
    mass = density * psem.prototype_counts_ / 7
    by_class = np.add.reduceat(mass, [0, 2], axis=1)
    expected = by_class / by_class.sum(axis=1, keepdims=True)
    assert_allclose(psem.predict_proba(new), expected)


@pytest.mark.parametrize("metric", METRICS)
def test_a_weight_is_that_many_copies(metric):
    X, y = load_wine(return_X_y=True)
    X = StandardScaler().fit_transform(X)
    weights = np.random.RandomState(0).randint(0, 4, size=len(X))
    settings = {"metric": metric, "priors": "class", "temperature": 1.0}
    weighted = KMExClassifier(1, **settings).fit(X, y, sample_weight=weights)
    copies = (np.repeat(a, weights, axis=0) for a in (X, y))
    copied = KMExClassifier(1, **settings).fit(*copies)
    assert_allclose(weighted.predict_proba(X), copied.predict_proba(X), atol=1e-9)


@pytest.mark.parametrize("metric", METRICS)
def test_a_stream_has_the_metric_of_all_rows(digits, metric):
    X, X_test, y, _ = digits
    settings = {"metric": metric, "similarity": "gaussian", "temperature": 1.0}
    settings["shrinkage"] = 0.1  # "auto" of a stream is approximate
    whole = KMExClassifier(1, **settings).fit(X, y)
    stream = KMExClassifier(1, **settings)
    for part in np.array_split(np.random.RandomState(0).permutation(len(X)), 4):
        stream.partial_fit(X[part], y[part], classes=range(10))
    assert_allclose(
        stream.predict_proba(X_test), whole.predict_proba(X_test), atol=1e-6
    )
    if whole.metric_map_ is not None:
        assert_allclose(stream._scatter[0], whole._scatter[0], atol=1e-8 * len(X))


@pytest.mark.parametrize("metric", METRICS[1:])
def test_a_mapped_file_and_dask(digits, metric, tmp_path):
    X, X_test, y, _ = digits
    psem = KMExClassifier(2, metric=metric, random_state=0).fit(X, y)
    np.save(tmp_path / "X.npy", X)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    assert file_behind(mapped) is not None
    again = KMExClassifier(2, metric=metric, random_state=0).fit(mapped, y)
    assert_allclose(again.predict_proba(X_test), psem.predict_proba(X_test), atol=1e-9)
    da = pytest.importorskip("dask.array")
    lazy = da.from_array(X, chunks=(300, -1))
    again = KMExClassifier(2, metric=metric, random_state=0).fit(lazy, y)
    assert_allclose(again.predict_proba(X_test), psem.predict_proba(X_test), atol=1e-9)


@pytest.mark.parametrize("temperature", ["auto", 1.0])  # "auto" holds out all rows
def test_a_sample_of_the_rows_gives_nearly_the_same_covariance(
    digits, monkeypatch, temperature
):
    X, X_test, y, y_test = digits
    X = X + np.random.RandomState(0).normal(size=X.shape)
    settings = {"metric": "mahalanobis", "temperature": temperature}
    psem = KMExClassifier(5, random_state=0, **settings)
    whole = clone(psem).fit(X, y)
    monkeypatch.setattr("sklearn_kmex._fit.covariance.COVARIANCE_ROWS", 600)
    sample = clone(psem).fit(X, y)
    assert sample.score(X_test, y_test) > whole.score(X_test, y_test) - 0.02
    assert_allclose(np.trace(sample._scatter[0]), np.trace(whole._scatter[0]), rtol=0.1)


def test_a_class_that_a_stream_has_not_seen(digits):
    X, _, y, _ = digits
    psem = KMExClassifier(2, metric="mahalanobis", random_state=0)
    first = y < 5
    psem.partial_fit(X[first], y[first], classes=range(10))
    assert np.isfinite(psem.metric_map_).all()
    assert psem.score(X[first], y[first]) > 0.9
    psem.partial_fit(X[~first], y[~first])
    assert psem.score(X, y) > 0.85


def test_columns_that_are_nearly_equal():
    rng = np.random.RandomState(0)
    X = rng.normal(size=(80, 2))
    X = np.column_stack([X, X[:, 0] + 3e-8 * rng.normal(size=80)])
    y = np.arange(80) % 2
    X[y == 1, 1] += 6
    psem = KMExClassifier(1, metric="mahalanobis", shrinkage=0.0).fit(X, y)
    assert psem.score(X, y) == 1


def test_columns_and_classes_without_variance():
    rng = np.random.RandomState(0)
    X = np.column_stack([rng.normal(size=(60, 3)), np.ones(60), np.zeros(60)])
    X[:, 2] = X[:, 0] + X[:, 1]  # rank two
    y = np.r_[np.arange(58) % 2, 2, 3]  # two classes of one row
    X[y == 1, 0] += 5
    for shrinkage in ("auto", 0.0, 1.0):
        psem = KMExClassifier(2, metric="mahalanobis", shrinkage=shrinkage)
        with pytest.warns(match="Fewer prototypes"):
            psem.fit(X, y)
        assert np.isfinite(psem.predict_proba(X)).all()
        assert psem.score(X[y < 2], y[y < 2]) > 0.8


def test_bad_input_is_named():
    X, y = load_iris(return_X_y=True)
    with pytest.raises(ValueError, match=r"'metric' parameter .* Got 'manhattan'"):
        KMExClassifier(metric="manhattan").fit(X, y)
    with pytest.raises(ValueError, match=r"priors.* Got 'empirical'"):
        KMExClassifier(priors="empirical").fit(X, y)
    with pytest.raises(ValueError, match=r"must be dense .* TruncatedSVD, .*'cosine'"):
        KMExClassifier(metric="mahalanobis").fit(sparse.csr_matrix(X), y)
    wide = np.broadcast_to(np.zeros(1), (150, 12_000))
    with pytest.raises(ValueError, match=r"at most 10000 .* 12000, .* 1\.1 GiB.* PCA"):
        KMExClassifier(metric="mahalanobis").fit(wide, y)
    with pytest.raises(ValueError, match=r"at most 10000 .* 12000"):
        KMExClassifierCV([2], metric="cosine_mahalanobis", cv=2).fit(wide, y)
    with pytest.raises(ValueError, match=r"vary within a class .*'euclidean'"):
        KMExClassifier(metric="mahalanobis").fit(np.ones((150, 2)), y)
    with pytest.raises(AttributeError, match="partial_fit"):
        KMExClassifier(metric="auto").partial_fit(X, y)


@pytest.mark.parametrize("kind", [np.asarray, np.float32, sparse.csr_matrix])
def test_rows_of_zeros_have_no_direction_and_are_not_shown(digits, kind):
    X, _, y, _ = digits
    X = X[:300].copy()
    X[:20] = 0
    y = np.where(np.arange(300) < 20, 0, y[:300])
    psem = KMExClassifier(3, metric="cosine", random_state=0)
    with pytest.warns(KMExWarning, match=r"rows of zeros, .* no direction .*euclidean"):
        psem.fit(kind(X), y)
    assert psem.prototype_indices_.min() >= 20
    with pytest.warns(KMExWarning, match="rows of zeros"):
        labels = psem.predict(kind(X))
    with pytest.warns(KMExWarning, match="rows of zeros"):
        probabilities = psem.predict_proba(kind(X))
    assert_array_equal(labels, probabilities.argmax(axis=1))
    assert (labels[20:] == y[20:]).mean() > 0.9


@pytest.mark.filterwarnings("ignore:Fewer prototypes")
def test_a_class_of_zeros_has_no_other_row_to_show(digits):
    X, _, y, _ = digits
    X = np.where((y == 3)[:, np.newaxis], 0.0, X)
    with pytest.warns(KMExWarning, match="rows of zeros"):
        psem = KMExClassifier(2, metric="cosine", random_state=0).fit(X, y)
    (shown,) = psem.prototype_indices_[psem.prototype_classes_ == 3]
    assert y[shown] == 3


def test_a_covariance_that_is_singular_but_for_rounding():
    same = np.nextafter(1, 0)
    of_rank_one = metric_map(np.array([[1.0, same], [same, 1.0]]))
    assert_allclose(of_rank_one, 0.5 / np.sqrt(2), rtol=1e-6)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("value", [0.1, 1 / 3, 1000.1])
def test_a_column_that_is_constant_but_for_rounding_does_not_decide(dtype, value):
    rng = np.random.RandomState(0)
    X = rng.normal(size=(300, 4)).astype(dtype)
    y = (X[:, 0] > 0).astype(int)
    X[:, 3] = value  # its mean is rounded
    mahalanobis = KMExClassifier(3, metric="mahalanobis", random_state=0)
    psem = mahalanobis.fit(X, y)
    assert np.abs(psem.metric_map_).max() < 100
    moved = X + np.array([0, 0, 0, 1e-3], dtype=dtype)
    assert psem.score(moved, y) > 0.95
    for part in np.split(np.arange(300), 3):
        psem = psem.partial_fit(X[part], y[part])
    assert np.abs(psem.metric_map_).max() < 100
    # Divided by the length, which is the same but for rounding.
    of_unit = np.column_stack([np.cos(X[:, 0]), np.sin(X[:, 0]), np.ones(300)])
    scaled = (of_unit * (1 + rng.rand(300, 1))).astype(dtype)
    cosine = KMExClassifier(3, metric="cosine_mahalanobis", random_state=0)
    assert np.abs(cosine.fit(scaled, y).metric_map_).max() < 100


def test_a_column_that_varies_in_one_fold_only_has_no_variance_without_it():
    X = np.random.RandomState(0).normal(size=(200, 3))
    X[20:, 2] = 0.1
    whole, fold = (_scatter_of_one_class(X, np.arange(n)) for n in (200, 20))
    left = whole.merge(fold, -1)
    assert left.products[2, 2] == 0
    assert (np.diag(left.products)[:2] > 100).all()


def _scatter_of_one_class(X, rows):
    weights, labels = np.ones(len(X)), np.zeros(len(X), dtype=int)
    training = Training(X, labels, weights, np.array([0]), [rows], ["class-0"])
    return scatter_of(training, [(rows, weights[rows])])
