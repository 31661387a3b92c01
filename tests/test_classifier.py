"""KMExClassifier.fit: what its prototypes are, and what it refuses."""

import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import BaseEstimator, clone
from sklearn.cluster import (
    DBSCAN,
    AgglomerativeClustering,
    BisectingKMeans,
    KMeans,
    MiniBatchKMeans,
)
from sklearn.exceptions import NotFittedError
from sklearn.metrics import log_loss, pairwise_distances
from sklearn.neural_network import MLPClassifier

from sklearn_kmex import KMExClassifier
from sklearn_kmex.exceptions import KMExWarning


class MeansWithoutWeights(BaseEstimator):
    """A clusterer whose fit takes no sample_weight."""

    def __init__(self, n_clusters=2):
        self.n_clusters = n_clusters

    def fit(self, X, y=None):
        self.seen_ = X
        self.cluster_centers_ = (
            KMeans(self.n_clusters, random_state=0).fit(X).cluster_centers_
        )
        return self


@pytest.mark.parametrize("prototype", ["centroid", "medoid"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_prototypes_stand_for_the_rows_of_their_class(digits, prototype, dtype):
    X, _, y, _ = digits
    X = X.astype(dtype)
    psem = KMExClassifier(4, prototype=prototype, random_state=0).fit(X, y)

    assert psem.prototypes_.dtype == dtype
    assert_array_equal(psem.prototype_classes_, np.repeat(np.arange(10), 4))
    assert_array_equal(psem.n_prototypes_, np.full(10, 4))
    for code, label in enumerate(psem.classes_):
        own = psem.prototype_classes_ == label
        rows = np.flatnonzero(y == label)
        distances = pairwise_distances(X[rows], psem.prototypes_[own])
        members = np.bincount(distances.argmin(axis=1), minlength=4)
        assert members.min() > 0
        assert_array_equal(psem.prototype_counts_[own], members)
        assert_array_equal(psem.prototype_indices_[own], rows[distances.argmin(axis=0)])
        assert_allclose(
            psem.inertia_[code], (distances.min(axis=1) ** 2).sum(), rtol=1e-5
        )
        if prototype == "centroid":
            means = [
                X[rows[distances.argmin(axis=1) == j]].mean(axis=0) for j in range(4)
            ]
            assert_allclose(psem.prototypes_[own], means, atol=1e-3)
    if prototype == "medoid":
        assert_array_equal(psem.prototypes_, X[psem.prototype_indices_])


def test_inertia_is_that_of_kmeans_with_ten_restarts(digits):
    X, _, y, _ = digits
    psem = KMExClassifier(5, random_state=0).fit(X, y)
    best = [
        KMeans(5, n_init=10, random_state=0).fit(X[y == c]).inertia_ for c in range(10)
    ]
    assert psem.inertia_.sum() < 1.005 * sum(best)


def test_a_dict_gives_each_class_its_count(digits):
    X, X_test, y, y_test = digits
    counts = {label: 1 + label % 3 for label in range(10)}
    psem = KMExClassifier(counts, random_state=0).fit(X, y)
    assert_array_equal(psem.n_prototypes_, list(counts.values()))
    assert psem.score(X_test, y_test) > 0.9


def test_classes_with_few_distinct_rows_are_capped_and_named_once():
    X = np.array([[0.0], [0.0], [0.0], [1.0], [5.0], [6.0], [7.0], [8.0]])
    y = np.array(["few"] * 4 + ["many"] * 4)
    with pytest.warns(KMExWarning, match=r"'few' \(2 of 3\)\.") as caught:
        psem = KMExClassifier(3).fit(X, y)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert_array_equal(psem.n_prototypes_, [2, 3])
    assert_array_equal(np.sort(psem.prototypes_[:2, 0]), [0, 1])
    assert sorted(psem.prototype_counts_[:2]) == [1, 3]


def test_warning_names_ten_classes_at_most():
    y = np.repeat(np.arange(30), 2)
    X = y[:, np.newaxis] * 1.0
    with pytest.warns(KMExWarning, match=r"9 \(1 of 5\) and 20 more\."):
        psem = KMExClassifier().fit(X, y)
    assert psem.temperature_ == 1.0  # no row could be held out
    assert_array_equal(psem.predict(X), y)


def test_a_rare_class_keeps_its_prototype(digits):
    X, _, y, _ = digits
    keep = (y != 3) | (np.cumsum(y == 3) == 1)
    with pytest.warns(KMExWarning, match=r"3 \(1 of 5\)"):
        psem = KMExClassifier(random_state=0).fit(X[keep], y[keep])
    assert psem.predict(psem.prototypes_[psem.prototype_classes_ == 3]) == [3]


@pytest.mark.parametrize(
    "clusterer",
    [
        KMeans(n_init=2),
        MiniBatchKMeans(n_init=2),
        BisectingKMeans(),
        MeansWithoutWeights(),
    ],
)
def test_any_clusterer_with_centers(digits, clusterer):
    X, X_test, y, y_test = digits
    X = X.copy()
    X[1] = X[np.flatnonzero(y == y[1])[-1]]  # a repeated row
    psem = KMExClassifier(3, clusterer=clusterer, random_state=0).fit(X, y)
    again = KMExClassifier(3, clusterer=clusterer, random_state=0).fit(X, y)
    assert psem.score(X_test, y_test) > 0.9
    assert_array_equal(psem.prototypes_, again.prototypes_)
    assert not hasattr(clusterer, "cluster_centers_")


def test_a_clusterer_without_weights_sees_repeated_rows():
    X = np.array([[0.0], [3.0], [10.0], [13.0]])
    y = [0, 0, 1, 1]
    psem = KMExClassifier(1, clusterer=MeansWithoutWeights())
    assert_allclose(psem.fit(X, y, [2, 1, 0.5, 1]).prototypes_, [[1], [12]])
    with pytest.raises(ValueError, match="clusterer must accept sample_weight"):
        psem.fit(X, y, [1, 1.3, 1, 1])


def test_the_seed_of_a_clusterer_is_kept(digits):
    X, _, y, _ = digits
    fitted = [
        KMExClassifier(5, clusterer=KMeans(n_init=1, random_state=3), random_state=s)
        .fit(X, y)
        .prototypes_
        for s in (0, 1)
    ]
    assert_array_equal(*fitted)


@pytest.mark.parametrize("max_samples", [40, 0.3])
def test_max_samples_clusters_some_rows_and_counts_all(digits, max_samples):
    X, X_test, y, y_test = digits
    psem = KMExClassifier(5, max_samples=max_samples, random_state=0).fit(X, y)
    assert psem.prototype_counts_.sum() == len(X)
    assert psem.score(X_test, y_test) > 0.93
    full = KMExClassifier(5, random_state=0).fit(X, y)
    assert psem.inertia_.sum() > full.inertia_.sum()


def test_max_samples_is_never_below_n_prototypes(digits):
    X, _, y, _ = digits
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        psem = KMExClassifier(5, max_samples=1).fit(X, y)
    assert len(psem.prototypes_) == 50


def test_result_depends_on_the_seed_alone(digits):
    X, _, y, _ = digits
    psem = KMExClassifier(3, random_state=0, n_init=1).fit(X, y)
    parallel = KMExClassifier(3, random_state=0, n_init=1, n_jobs=2).fit(X, y)
    other = KMExClassifier(3, random_state=1, n_init=1).fit(X, y)
    assert_array_equal(psem.prototypes_, parallel.prototypes_)
    assert psem.temperature_ == parallel.temperature_
    assert not np.array_equal(psem.prototypes_, other.prototypes_)


@pytest.mark.parametrize("n_prototypes", [1, 4])
def test_weight_two_is_exactly_two_copies(digits, n_prototypes):
    X, X_test, y, _ = digits
    weights = 1 + (np.arange(len(X)) % 3 == 0)
    copies = np.repeat(np.arange(len(X)), weights)
    weighted = KMExClassifier(n_prototypes, random_state=0).fit(X, y, weights)
    copied = KMExClassifier(n_prototypes, random_state=0).fit(X[copies], y[copies])
    assert_array_equal(weighted.prototypes_, copied.prototypes_)
    assert_array_equal(weighted.prototype_counts_, copied.prototype_counts_)
    assert_array_equal(weighted.predict_proba(X_test), copied.predict_proba(X_test))


def test_weight_zero_is_absent(digits):
    X, X_test, y, _ = digits
    weights = (np.arange(len(X)) % 3 > 0).astype(float)
    weighted = KMExClassifier(3, random_state=0).fit(X, y, weights)
    fewer = KMExClassifier(3, random_state=0).fit(X[weights > 0], y[weights > 0])
    assert_array_equal(weighted.predict_proba(X_test), fewer.predict_proba(X_test))
    assert weights[weighted.prototype_indices_].all()


def test_only_the_ratios_of_weights_matter(digits):
    X, X_test, y, _ = digits
    weights = 1.0 + np.arange(len(X)) % 4
    big = KMExClassifier(3, random_state=0).fit(X, y, weights)
    small = KMExClassifier(3, random_state=0).fit(X, y, weights / 1024)
    assert_allclose(big.predict_proba(X_test), small.predict_proba(X_test))


@pytest.mark.parametrize("source", ["digits", "photographs"])
def test_float32_far_from_the_origin(digits, load_data, source):
    if source == "digits":
        train, test, labels, _ = digits
    else:
        data = load_data("mvtec_resnet18_features.npz")
        features = data["features"].astype(np.float64)
        train, test, labels = features[::2], features[1::2], data["labels"][::2]
    exact = KMExClassifier(5, random_state=0).fit(train, labels)
    shifted = KMExClassifier(5, random_state=0)
    shifted.fit((train + 1e4).astype(np.float32), labels)
    scores = np.sort(exact.decision_function(test), axis=1)
    clear = scores[:, -1] - scores[:, -2] > 0.02 * scores[:, -1]
    assert clear.mean() > 0.9
    moved = shifted.predict((test + 1e4).astype(np.float32))
    assert_array_equal(moved[clear], exact.predict(test)[clear])


@pytest.mark.parametrize("unit", [1e-15, 1e30])
def test_float32_of_any_size_is_clustered(digits, unit):
    X, _, y, _ = digits
    psem = KMExClassifier(3, similarity="gaussian", random_state=0)
    psem.fit(X.astype(np.float32), y)
    other = clone(psem).fit((X * unit).astype(np.float32), y)
    assert_allclose(other.prototypes_ / unit, psem.prototypes_, atol=1e-4)


@pytest.mark.parametrize("prototype", ["centroid", "medoid"])
@pytest.mark.parametrize("container", [sparse.csr_matrix, sparse.coo_array])
def test_sparse_rows_are_classified_like_dense_ones(digits, prototype, container):
    X, X_test, y, _ = digits
    X, X_test = X * (X > 6), X_test * (X_test > 6)
    X[5] = X[0]  # copies, and a stored zero
    same = KMeans(n_init=10, max_iter=100)  # which is what clusters sparse rows
    psem = KMExClassifier(3, prototype=prototype, clusterer=same, random_state=0)
    psem.fit(X, y)
    stored = container(X)
    stored.data[np.flatnonzero(stored.data == 7)[:5]] = 0
    rows = KMExClassifier(3, prototype=prototype, random_state=0).fit(stored, y)
    assert isinstance(rows.prototypes_, np.ndarray)
    agree = rows.predict(container(X_test)) == psem.predict(X_test)
    assert agree.mean() > 0.97
    assert_allclose(rows.transform(container(X_test)), rows.transform(X_test))
    similar = rows.nearest_prototypes(container(X_test), 2)[0]
    assert_allclose(similar, rows.nearest_prototypes(X_test, 2)[0])


def test_sparse_streams_and_clusterers_without_weights(digits):
    X, X_test, y, y_test = digits
    X = sparse.csr_array(X)
    psem = KMExClassifier(3, clusterer=MeansWithoutWeights(), random_state=0)
    for start in range(0, 600, 100):
        psem.partial_fit(X[start : start + 100], y[start : start + 100])
    assert psem.prototype_counts_.sum() == 600
    assert psem.score(X_test, y_test) > 0.9


def test_input_is_only_read(digits, tmp_path):
    X, _, y, _ = digits
    np.save(tmp_path / "X.npy", X.astype(np.float32))
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    psem = KMExClassifier(3, random_state=0).fit(mapped, y)
    plain = KMExClassifier(3, random_state=0).fit(X.astype(np.float32), y)
    assert_array_equal(psem.predict_proba(mapped), plain.predict_proba(mapped))
    assert_array_equal(mapped, X.astype(np.float32))
    assert not isinstance(psem.prototypes_, np.memmap)


@pytest.mark.parametrize(
    "labels",
    [
        np.array(["cat", "dog", "eel"]),
        np.array(["cat", "dog", "eel"], dtype=object),
        np.array([-1.0, 0.0, 7.0]),
    ],
)
def test_labels_of_any_kind(blobs, labels):
    X, y = blobs
    psem = KMExClassifier(dict.fromkeys(labels, 2)).fit(X, labels[y])
    assert_array_equal(psem.predict(X), labels[y])
    assert psem.prototype_classes_.dtype == labels.dtype
    assert psem.get_feature_names_out()[0] == f"{labels[0]}_prototype_0"


def test_bool_labels(blobs):
    X, y = blobs
    psem = KMExClassifier({True: 2, False: 1}).fit(X, y > 0)
    assert_array_equal(psem.predict(X), y > 0)
    assert_array_equal(psem.prototype_classes_, [False, True, True])


def test_probabilities_of_a_hidden_layer_are_worth_using(digits):
    X, X_test, y, y_test = digits
    mlp = MLPClassifier((64,), max_iter=400, random_state=0).fit(X / 16, y)

    def hidden(Z):
        return np.maximum(Z / 16 @ mlp.coefs_[0] + mlp.intercepts_[0], 0)

    psem = KMExClassifier(random_state=0).fit(hidden(X), y)
    ours = log_loss(y_test, psem.predict_proba(hidden(X_test)))
    assert ours <= 1.5 * log_loss(y_test, mlp.predict_proba(X_test / 16))


@pytest.mark.parametrize("similarity", ["log", "gaussian"])
@pytest.mark.parametrize("aggregation", ["max", "sum"])
def test_temperature_stays_finite_on_separated_classes(similarity, aggregation):
    rng = np.random.RandomState(0)
    y = np.arange(300) % 3
    X = rng.normal(size=(300, 10)) + 40 * np.eye(3, 10)[y]
    settings = {"similarity": similarity, "aggregation": aggregation, "random_state": 0}
    psem = KMExClassifier(**settings).fit(X[:150], y[:150])
    assert 0 < psem.temperature_ < np.inf
    assert psem.score(X[150:], y[150:]) == 1
    fixed = KMExClassifier(**settings, temperature=1.0).fit(X[:150], y[:150])
    ours = log_loss(y[150:], psem.predict_proba(X[150:]))
    if similarity == "log":  # the gaussian one is certain already
        assert ours < 0.1 * log_loss(y[150:], fixed.predict_proba(X[150:]))
    assert ours < 0.02


def test_temperature_given_is_used_and_changes_no_decision(digits):
    X, X_test, y, _ = digits
    auto = KMExClassifier(2, random_state=0).fit(X, y)
    fixed = KMExClassifier(2, random_state=0, temperature=3).fit(X, y)
    assert fixed.temperature_ == 3.0
    assert_array_equal(fixed.prototypes_, auto.prototypes_)
    assert_array_equal(fixed.decision_function(X_test), auto.decision_function(X_test))


def test_priors_from_weights(blobs):
    X, y = blobs
    weights = np.where(y == 0, 4.0, 1.0)
    uniform = KMExClassifier(2, random_state=0).fit(X, y, weights)
    assert_allclose(uniform.class_prior_, np.full(3, 1 / 3))
    psem = KMExClassifier(2, priors="class", random_state=0).fit(X, y, weights)
    assert_allclose(psem.class_prior_, [4 / 6, 1 / 6, 1 / 6])
    assert_array_equal(psem.prototypes_, uniform.prototypes_)


X_GOOD, Y_GOOD = np.arange(12.0).reshape(6, 2), np.array([0, 0, 0, 1, 1, 1])


@pytest.mark.parametrize(
    ("parameters", "X", "y", "weights", "message"),
    [
        ({}, np.where(X_GOOD == 3, np.nan, X_GOOD), Y_GOOD, None, "contains NaN"),
        ({}, np.where(X_GOOD == 3, np.inf, X_GOOD), Y_GOOD, None, "contains infinity"),
        ({}, X_GOOD + 1j, Y_GOOD, None, "Complex data not supported"),
        ({}, X_GOOD[:, 0], Y_GOOD, None, "Expected 2D array, got 1D"),
        ({}, X_GOOD[:, :, None], Y_GOOD, None, "(dim|dimension) 3.* <= 2"),
        ({}, X_GOOD, Y_GOOD[:5], None, "inconsistent numbers of samples"),
        ({}, X_GOOD, Y_GOOD * 0 + 7, None, r"at least 2 classes; got 1 class: \[7\]"),
        ({}, X_GOOD, Y_GOOD + 0.5, None, "Unknown label type"),
        ({}, X_GOOD, Y_GOOD, np.zeros(6), "[Ww]eight"),
        ({}, X_GOOD, Y_GOOD, -np.ones(6), "[Nn]egative"),
        ({}, X_GOOD, Y_GOOD, np.ones(5), "sample_weight.shape"),
        ({}, X_GOOD, Y_GOOD, Y_GOOD, r"zero for all rows of \[0\]"),
        ({}, X_GOOD, [*"aab", None, *"bb"], None, "for each row; got None in row 3"),
        (
            {},
            X_GOOD,
            np.array([*"aabb", np.nan, "b"], object),
            None,
            "got nan in row 4",
        ),
        ({"n_prototypes": True}, X_GOOD, Y_GOOD, None, "got True. Use 1 for one"),
        ({"n_prototypes": 0}, X_GOOD, Y_GOOD, None, "'n_prototypes' parameter"),
        ({"n_prototypes": {0: 1, 1: 0}}, X_GOOD, Y_GOOD, None, "got 0 for class 1"),
        ({"n_prototypes": {0: 1, 1: 2.0}}, X_GOOD, Y_GOOD, None, "got 2.0 for class 1"),
        ({"n_prototypes": {0: 1, 1: True}}, X_GOOD, Y_GOOD, None, "got True for class"),
        (
            {"n_prototypes": {0: 1, 1: 1, "x": 1}},
            X_GOOD,
            Y_GOOD,
            None,
            r"not in y: \['x'\]",
        ),
        ({"n_prototypes": {0: 1}}, X_GOOD, Y_GOOD, None, r"lacks classes of y: \[1\]"),
        ({"n_prototypes": 1.0}, X_GOOD, Y_GOOD, None, "'n_prototypes' parameter"),
        ({"merge_threshold": -0.1}, X_GOOD, Y_GOOD, None, "'merge_threshold'"),
        ({"priors": "equal"}, X_GOOD, Y_GOOD, None, "'priors' parameter"),
        ({"priors": [1.0]}, X_GOOD, Y_GOOD, None, r"shape \(1,\) for 2 classes"),
        ({"priors": [1, 0]}, X_GOOD, Y_GOOD, None, r"sum to 1; got \[1.0, 0.0\]"),
        ({"priors": [1, 1]}, X_GOOD, Y_GOOD, None, "Divide them by their sum"),
        (
            {"priors": [1.0], "n_prototypes": "auto"},
            X_GOOD,
            Y_GOOD,
            None,
            "for each class, in the order of classes_",
        ),
        ({"temperature": 0.0}, X_GOOD, Y_GOOD, None, "'temperature' parameter"),
        ({"temperature": "hot"}, X_GOOD, Y_GOOD, None, "'temperature' parameter"),
        ({"similarity": "cos"}, X_GOOD, Y_GOOD, None, "'similarity' parameter"),
        ({"epsilon": 0}, X_GOOD, Y_GOOD, None, "'epsilon' parameter"),
        ({"max_samples": 1.5}, X_GOOD, Y_GOOD, None, "'max_samples' parameter"),
        ({"clusterer": "KMeans"}, X_GOOD, Y_GOOD, None, "'clusterer' parameter"),
        ({"clusterer": DBSCAN()}, X_GOOD, Y_GOOD, None, "n_clusters; got DBSCAN"),
        (
            {"n_prototypes": 2, "clusterer": AgglomerativeClustering()},
            X_GOOD,
            Y_GOOD,
            None,
            "cluster_centers_ after fit; AgglomerativeClustering",
        ),
        ({}, X_GOOD * 1e200, Y_GOOD, None, "squared distances in float64"),
    ],
)
@pytest.mark.filterwarnings("ignore::sklearn_kmex.exceptions.KMExWarning")
def test_bad_input_is_refused_and_changes_nothing(parameters, X, y, weights, message):
    new = KMExClassifier(**parameters)
    with pytest.raises(ValueError, match=message):
        new.fit(X, y, weights)
    with pytest.raises(NotFittedError):
        new.predict(X_GOOD)
    assert not [name for name in vars(new) if name.endswith("_")]

    fitted = KMExClassifier(random_state=0, temperature=1.0).fit(
        np.c_[X_GOOD, X_GOOD], Y_GOOD
    )
    before = dict(vars(fitted))
    fitted.set_params(**parameters)
    with pytest.raises(ValueError, match=message):
        fitted.fit(X, y, weights)
    fitted.set_params(**{name: before[name] for name in parameters})
    assert vars(fitted) == before


@pytest.mark.parametrize("dtype", ["string", "object", "category", "boolean"])
def test_missing_labels_of_pandas_are_refused(dtype):
    pandas = pytest.importorskip("pandas")
    labels = [True, False] if dtype == "boolean" else ["a", "b"]
    y = pandas.Series([*labels * 2, pandas.NA, labels[0]], dtype=dtype)
    for method in ("fit", "partial_fit"):
        with pytest.raises(ValueError, match=r"got (<NA>|nan) in row 4|contains NaN"):
            getattr(KMExClassifier(1), method)(X_GOOD, y)


def test_complex_and_feature_count_at_prediction(blobs):
    X, y = blobs
    psem = KMExClassifier(2).fit(X, y)
    for method in ("predict", "predict_proba", "transform", "score_samples"):
        with pytest.raises(ValueError, match=r"X has 3 features.*expecting 4"):
            getattr(psem, method)(X[:, :3])
        with pytest.raises(ValueError, match="contains NaN"):
            getattr(psem, method)(np.full((2, 4), np.nan))
    with pytest.raises(ValueError, match="squared distances in float64"):
        psem.predict(np.full((1, 4), 1e200))


@pytest.mark.parametrize(
    "method", ["predict", "predict_proba", "predict_log_proba", "decision_function",
               "transform", "nearest_prototypes", "score_samples"],
)  # fmt: skip
def test_unfitted_calls_say_so(method):
    with pytest.raises(NotFittedError, match="not fitted yet"):
        getattr(KMExClassifier(), method)(X_GOOD)
    with pytest.raises(NotFittedError, match="not fitted yet"):
        KMExClassifier().get_feature_names_out()


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_columns_of_dates_are_refused(library):
    frames = pytest.importorskip(library)
    days = np.datetime64("2020-01-01", "us") + np.arange(10)
    X = frames.DataFrame({"age": np.arange(10.0), "since": days})
    y = [0, 1] * 5
    with pytest.raises(ValueError, match=r"got column 'since' of (?i:datetime).* days"):
        KMExClassifier(1).fit(X, y)
    assert KMExClassifier(1).fit(X[["age"]], y).n_features_in_ == 1
