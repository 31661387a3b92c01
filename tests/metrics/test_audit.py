"""Audits of tiny models by hand, and of labels flipped on purpose."""

import pickle
import sys
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from scipy.spatial.distance import cdist
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from sklearn_kmex import KMExClassifier, make_kmex
from sklearn_kmex.exceptions import MissingDependencyError
from sklearn_kmex.metrics import _suspects, audit
from sklearn_kmex.metrics._suspects import Reference


class Prototypes:
    """Only the protocol, with minus the distance as similarity."""

    def __init__(self, prototypes, labels):
        self.prototypes_ = np.asarray(prototypes, dtype=float).reshape(len(labels), -1)
        self.prototype_classes_ = np.asarray(labels)
        self.classes_ = np.unique(labels)

    def transform(self, X):
        return -cdist(np.asarray(X, dtype=float), self.prototypes_)


def column(*values):
    return np.array(values, dtype=float)[:, np.newaxis]


def flip(y, share, seed=0):
    """Replace a share of the labels by those of other classes, at random."""
    rng = np.random.RandomState(seed)
    rows = rng.choice(len(y), round(share * len(y)), replace=False)
    classes = np.unique(y)
    moved = y.copy()
    codes = np.searchsorted(classes, y[rows])
    step = rng.randint(1, len(classes), len(rows))
    moved[rows] = classes[(codes + step) % len(classes)]
    return moved, rows


def recall(found, rows, share, n_rows):
    return np.isin(rows, found.suspect_rows[: int(share * n_rows)]).mean()


def is_empty(found):
    return all(len(values) == 0 for values in found.values())


def test_suspects_by_hand():
    model = Prototypes([[0], [10], [11]], ["a", "b", "b"])
    X = column(0, 1, 9, 2, 10, 5)
    found = audit(model, X, ["a", "a", "a", "b", "b", "a"])
    # Rows 2 (9 from a, 1 from b) and 3 (8 from b, 2 from a); row 5 is half way.
    assert_array_equal(found.suspect_rows, [2, 3])
    assert_allclose(found.suspicion, [8, 6])
    assert_array_equal(found.suspect_labels, ["a", "b"])
    assert_array_equal(found.suggested_labels, ["b", "a"])
    assert_array_equal(found.suggested_prototypes, [1, 0])


def test_all_rows_are_ranked_on_request():
    model = Prototypes([[0], [10]], [0, 1])
    found = audit(model, column(0, 9, 5), [0, 0, 0], min_suspicion=-np.inf)
    assert_array_equal(found.suspect_rows, [1, 2, 0])
    assert_allclose(found.suspicion, [8, 0, -10])
    assert_array_equal(
        audit(model, column(0, 9), [0, 0], min_suspicion=8).suspicion, []
    )


def test_an_outvoted_prototype_has_no_say():
    # Prototype 1 of class 0 sits among rows of class 1: one row there has label 0.
    model = Prototypes([[0], [10], [11]], [0, 0, 1])
    X, y = column(0, 1, 10, 10, 10, 11), [0, 0, 0, 1, 1, 1]
    found = audit(model, X, y)
    assert_array_equal(found.outvoted_prototypes, [1])
    assert_array_equal(found.suspect_rows, [2])
    assert_allclose(found.suspicion, [9])  # 10 from prototype 0, 1 from prototype 2


def test_a_class_outvoted_everywhere_keeps_its_prototypes():
    model = Prototypes([[0], [1]], [0, 1])
    found = audit(model, column(0, 1), [1, 0])
    assert_array_equal(found.outvoted_prototypes, [])
    assert_array_equal(found.suspect_rows, [0, 1])


def test_rare_classes_are_not_outvoted_for_being_rare():
    # Both rows of class 1, and three of the hundred of class 0, are near prototype 2.
    model = Prototypes([[0], [20], [10]], [0, 1, 1])
    X = np.repeat(column(0, 10, 10), [97, 3, 2], axis=0)
    found = audit(model, X, np.repeat([0, 0, 1], [97, 3, 2]))
    assert_array_equal(found.outvoted_prototypes, [])
    assert_array_equal(found.suspect_rows, [97, 98, 99])


def test_impure_and_shadowed_prototypes_by_hand():
    model = Prototypes([[0], [10], [7], [30]], ["a", "b", "b", "b"])
    found = audit(model, column(0, 6, 10, 0), ["a", "a", "b", "b"])
    # Row 1, an "a", is nearest to prototype 2; row 3 ties with row 0 for prototype 0.
    impure = found.impure_prototypes
    assert_array_equal(impure.prototype, [2])
    assert_array_equal(impure.prototype_class, ["b"])
    assert_array_equal(impure.row, [1])
    assert_array_equal(impure.row_class, ["a"])
    assert_array_equal(found.shadowed_prototypes, [3])
    assert_array_equal(found.unreachable_prototypes, [])


def test_near_duplicates_by_hand():
    # Nearest prototypes of another class: 8, 7, 4, 4 and 4.7 away.
    model = Prototypes([[0], [1], [4], [8], [8.7]], [0, 0, 0, 1, 1])
    X, y = model.prototypes_, model.prototype_classes_
    pairs = audit(model, X, y, duplicate_threshold=0.25).duplicate_prototypes
    scale = np.median([8, 7, 4, 4, 4.7])
    assert_array_equal(pairs.prototype, [3, 0])
    assert_array_equal(pairs.other, [4, 1])
    assert_array_equal(pairs.prototype_class, [1, 0])
    assert_allclose(pairs.distance, [0.7, 1])
    assert_allclose(pairs.relative_distance, [0.7 / scale, 1 / scale])
    only = audit(model, X, y, duplicate_threshold=0.15).duplicate_prototypes
    assert_array_equal(only.prototype, [3])
    model.prototypes_ = X * 1000 + 5
    again = audit(model, X, y, duplicate_threshold=0.25).duplicate_prototypes
    assert_allclose(again.relative_distance, pairs.relative_distance)


METRICS = ["euclidean", "cosine", "mahalanobis", "cosine_mahalanobis"]


def weighted(X, y, **params):
    """Prototypes at the distinct rows of each class, weighted by their rows."""
    counts = {label: len(np.unique(X[y == label])) for label in np.unique(y)}
    return KMExClassifier(counts, priors="prototype", **params).fit(X, y)


def test_a_prototype_of_too_little_weight_is_named():
    X = column(*[0] * 98, 1, 2)
    y = np.array(["a"] * 99 + ["b"])
    psem = weighted(X, y, similarity="gaussian", temperature=1.0)
    found = audit(psem, X, y)
    # log 98 is 4.6: the first wins up to 3.3, and the one at 2 beyond.
    light = int(np.argmax(psem.prototypes_ == 1))
    assert_array_equal(found.shadowed_prototypes, [light, 2])
    assert_array_equal(found.unreachable_prototypes, [light])
    assert_array_equal(found.suspect_rows, [99])  # decided for "a"
    assert_allclose(found.suspicion, np.log(98) - 2)
    alike = audit(psem.set_params(priors="uniform").fit(X, y), X, y)
    assert len(alike.shadowed_prototypes) == len(alike.suspect_rows) == 0
    # A log similarity of at most 9.2 outweighs log 98, but not three times that.
    mild = audit(weighted(X, y, temperature=1.0), X, y)
    assert_array_equal(mild.unreachable_prototypes, [])
    warm = audit(weighted(X, y, temperature=3.0), X, y)
    assert_array_equal(warm.unreachable_prototypes, [light, 2])


@given(seed=st.integers(0, 10**6))
def test_unreachable_prototypes_on_a_line(seed):
    """Each wins on the intersection of half lines, which may be empty."""
    rng = np.random.RandomState(seed)
    places = rng.permutation(12)[:6].astype(float)
    X = np.repeat(places, rng.randint(1, 60, 6))[:, np.newaxis]
    y = (X[:, 0] > np.median(places)).astype(int)
    psem = weighted(X, y, similarity="gaussian", temperature=rng.uniform(0.1, 20))
    p = psem.prototypes_.ravel()
    c = psem.temperature_ * np.log(psem.prototype_weights_) - p**2 / 2
    reached = []
    for k in range(6):
        j = np.delete(np.arange(6), k)
        ends = (c[j] - c[k]) / (p[k] - p[j])
        lowest = ends[p[j] < p[k]].max(initial=-np.inf)
        reached.append(lowest < ends[p[j] > p[k]].min(initial=np.inf))
    found = audit(psem, X, y)
    shadowed = np.isin(np.arange(6), found.shadowed_prototypes)
    unreachable = np.flatnonzero(~np.array(reached))
    assert shadowed[unreachable].all()
    assert_array_equal(found.unreachable_prototypes, unreachable)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("similarity", ["log", "gaussian"])
@given(seed=st.integers(0, 10**6))
def test_no_row_activates_what_is_called_unreachable(metric, similarity, seed):
    rng = np.random.RandomState(seed)
    X, y = rng.normal(size=(80, 2)) + 2, rng.randint(2, size=80)
    X[:60] = 2 + 0.1 * X[:60]
    psem = KMExClassifier(
        4, metric=metric, similarity=similarity, priors="prototype", n_init=1,
        temperature=float(rng.choice([0.1, 1, 10])), random_state=0,
    ).fit(X, y)  # fmt: skip
    found = audit(psem, X, y)
    rows = np.vstack([
        rng.normal(size=(2000, 2)) * 10.0 ** rng.uniform(-1, 3, (2000, 1)),
        psem.prototypes_,
    ])  # fmt: skip
    shift = psem.temperature_ * np.log(psem.prototype_weights_)
    active = (psem.transform(rows) + shift).argmax(axis=1)
    assert not np.isin(found.unreachable_prototypes, active).any()
    assert set(found.unreachable_prototypes) <= set(found.shadowed_prototypes)
    active = (psem.transform(X) + shift).argmax(axis=1)
    ghosts = np.setdiff1d(np.arange(len(shift)), active)
    assert_array_equal(found.shadowed_prototypes, ghosts)
    suspects = audit(psem, X, y, min_suspicion=1e-9)
    if len(found.outvoted_prototypes) == 0:
        wrong = np.flatnonzero(psem.predict(X) != y)
        assert set(suspects.suspect_rows) <= set(wrong)


def as_frame(rows):
    pd = pytest.importorskip("pandas")
    return pd.DataFrame(rows, columns=["length", "width"], index=[7] * len(rows))


@pytest.mark.parametrize(
    ("make", "make_test"),
    [
        (np.asarray, np.asarray),
        (np.asarray, np.float32),
        (np.ndarray.tolist, np.asarray),
        (np.asfortranarray, sparse.csr_matrix),
        (sparse.csr_matrix, sparse.coo_matrix),
        (sparse.csc_array, sparse.csr_array),
        (as_frame, as_frame),
        (as_frame, np.asarray),
    ],
)
def test_duplicate_rows(make, make_test):
    X = np.array([[0.0, 1.0], [2.0, 0.0], [0.0, 1.0], [3.0, 3.0]])
    X_test = np.array([[4.0, 0.0], [3.0, 3.0], [-0.0, 1.0], [3.0, 3.0], [1.0, 0.0]])
    found = audit(Cosmetic(), make(X), [0, 1, 0, 1], X_test=make_test(X_test))
    assert_array_equal(found.duplicate_rows.row, [3, 0, 3])
    assert_array_equal(found.duplicate_rows.test_row, [1, 2, 3])


class Cosmetic(Prototypes):
    """Accepts samples of any kind and ignores them."""

    def __init__(self):
        super().__init__([[0], [1]], [0, 1])

    def transform(self, X):
        n_rows = X.shape[0] if hasattr(X, "shape") else len(X)
        return np.tile([1.0, 2.0], (n_rows, 1))


def test_duplicate_images_and_mixed_columns():
    images = np.arange(24, dtype=np.uint8).reshape(3, 2, 2, 2)
    found = audit(Cosmetic(), images, [0, 1, 0], X_test=images[[2, 1]] + [[0], [1]])
    assert_array_equal(found.duplicate_rows.row, [])
    found = audit(Cosmetic(), images, [0, 1, 0], X_test=images[[2, 1]])
    assert_array_equal(found.duplicate_rows.row, [2, 1])

    pd = pytest.importorskip("pandas")
    X = pd.DataFrame({"sex": ["f", None, "m"], "age": [1, 2, 3]})
    X_test = pd.DataFrame({"sex": ["m", "f", None], "age": [3.0, np.nan, 2.0]})
    found = audit(Cosmetic(), X, [0, 1, 0], X_test=X_test)
    assert_array_equal(found.duplicate_rows.row, [2, 1])
    assert_array_equal(found.duplicate_rows.test_row, [0, 2])


def test_no_duplicate_rows_are_looked_for_without_test_rows(blobs):
    psem = KMExClassifier(2, random_state=0).fit(*blobs)
    assert audit(psem, *blobs).duplicate_rows is None
    assert is_empty(audit(psem, *blobs, X_test=blobs[0] + 1).duplicate_rows)


def test_a_clean_model_gives_nothing_to_report(blobs):
    found = audit(KMExClassifier(1, random_state=0).fit(*blobs), *blobs)
    assert len(found.suspect_rows) == len(found.suspicion) == len(found.frame()) == 0
    assert len(found.outvoted_prototypes) == len(found.shadowed_prototypes) == 0
    assert is_empty(found.impure_prototypes)
    assert is_empty(found.duplicate_prototypes)


def test_frame_and_pickle(digits):
    pytest.importorskip("pandas")
    X, _, y, _ = digits
    found = audit(KMExClassifier(1, random_state=0).fit(X, y), X, y)
    table = pickle.loads(pickle.dumps(found)).frame()
    assert list(table) == [
        "row", "label", "suggested_label", "suggested_prototype", "suspicion",
    ]  # fmt: skip
    assert_array_equal(table["row"], found.suspect_rows)
    assert_array_equal(table["label"], y[found.suspect_rows])
    assert (table["label"] != table["suggested_label"]).all()
    assert table["suspicion"].is_monotonic_decreasing


def test_frame_says_what_it_needs(blobs, monkeypatch):
    found = audit(KMExClassifier(1, random_state=0).fit(*blobs), *blobs)
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(MissingDependencyError, match="frame requires pandas"):
        found.frame()


@pytest.mark.parametrize("similarity", ["log", "gaussian"])
@pytest.mark.parametrize("seed", [0, 1])
def test_flipped_labels_of_digits(digits, similarity, seed):
    X, _, y, _ = digits
    labels, rows = flip(y, 0.02, seed)
    psem = KMExClassifier(5, similarity=similarity, random_state=0).fit(X, labels)
    assert recall(audit(psem, X, labels), rows, 0.05, len(y)) >= 0.95


def test_pipeline_and_labels_of_text(digits):
    X, _, y, _ = digits
    names = np.array([f"digit {i}" for i in range(10)])
    labels, rows = flip(names[y], 0.02)
    psem = make_pipeline(
        FunctionTransformer(np.sqrt), make_pipeline(PCA(20), KMExClassifier(5))
    ).fit(X, labels)
    found = audit(psem, X, labels)
    assert recall(found, rows, 0.05, len(y)) >= 0.95
    flipped = np.isin(found.suspect_rows, rows)
    right = found.suggested_labels == names[y[found.suspect_rows]]
    assert right[flipped].mean() > 0.9
    as_object = audit(psem, X, labels.astype(object))
    assert_array_equal(as_object.suspect_rows, found.suspect_rows)


def test_the_order_of_rows_and_prototypes_does_not_matter(digits):
    X, _, y, _ = digits
    psem = KMExClassifier(4, random_state=0).fit(X, y)
    rng = np.random.RandomState(0)
    rows, columns = rng.permutation(len(y)), rng.permutation(40)
    one = Prototypes(psem.prototypes_, psem.prototype_classes_)
    two = Prototypes(psem.prototypes_[columns], psem.prototype_classes_[columns])
    expected, found = audit(one, X, y), audit(two, X[rows], y[rows])
    assert_array_equal(rows[found.suspect_rows], expected.suspect_rows)
    assert_allclose(found.suspicion, expected.suspicion)
    assert_array_equal(
        columns[found.suggested_prototypes], expected.suggested_prototypes
    )
    assert set(columns[found.impure_prototypes.prototype]) == set(
        expected.impure_prototypes.prototype
    )


def test_blocks_and_float32_change_nothing(digits, monkeypatch):
    X, _, y, _ = digits
    psem = KMExClassifier(3, random_state=0).fit(X, y)
    expected = audit(psem, X, y)
    monkeypatch.setattr("sklearn_kmex.metrics._suspects.BLOCK_ELEMENTS", 100)
    assert_array_equal(audit(psem, X, y).suspect_rows, expected.suspect_rows)
    single = audit(psem, X.astype(np.float32), y)
    assert single.suspicion.dtype == np.float32
    assert_allclose(single.suspicion, expected.suspicion, atol=1e-5)


def test_one_class_and_one_prototype():
    found = audit(Prototypes([[0]], ["a"]), column(0, 3), ["a", "a"])
    assert len(found.suspect_rows) == 0
    assert is_empty(found.impure_prototypes)
    assert is_empty(found.duplicate_prototypes)
    apart = Prototypes([[0], [0], [8], [9]], [0] * 4)
    pairs = audit(apart, column(0), [0]).duplicate_prototypes  # the median is 8
    assert_array_equal(pairs.prototype, [0])
    assert_array_equal(pairs.other, [1])


@pytest.mark.parametrize(
    ("labels", "first", "second"),
    [([0, 0, 0], [0, 0, 1], [1, 2, 2]), ([0, 0, 1], [0], [1])],
)
def test_identical_prototypes(labels, first, second):
    found = audit(Prototypes([[5], [5], [5]], labels), column(1, 9), [0, 0])
    assert len(found.suspect_rows) == 0
    assert_array_equal(found.shadowed_prototypes, [1, 2])
    assert_array_equal(found.unreachable_prototypes, [1, 2])
    assert_array_equal(found.duplicate_prototypes.prototype, first)
    assert_array_equal(found.duplicate_prototypes.other, second)
    assert_array_equal(found.duplicate_prototypes.relative_distance, 0)


def test_rows_need_not_hold_every_class():
    found = audit(Prototypes([[0], [9]], [0, 1]), column(1), [0])
    assert len(found.suspect_rows) == 0
    assert_array_equal(found.impure_prototypes.prototype, [1])


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        (
            {"psem": LogisticRegression()},
            TypeError,
            "LogisticRegression has no classes_",
        ),
        ({"psem": KMExClassifier()}, NotFittedError, "not fitted"),
        ({"y": [0, 2]}, ValueError, r"\[0, 1\]; got \[2\] as well"),
        ({"y": [0]}, ValueError, "inconsistent numbers of samples"),
        ({"y": [[0, 1]]}, ValueError, "1d"),
        ({"X_test": [[1.0, 2.0]]}, ValueError, "as many features as X, 1; got 2"),
        ({"duplicate_threshold": -1}, ValueError, "'duplicate_threshold' parameter"),
        ({"min_suspicion": None}, ValueError, "'min_suspicion' parameter"),
    ],
)
def test_refusals(changes, error, message):
    call = {"psem": Prototypes([[0], [1]], [0, 1]), "X": column(0, 1), "y": [0, 1]}
    with pytest.raises(error, match=message):
        audit(**{**call, **changes})


def test_similarities_must_fit_the_prototypes():
    model = Prototypes([[0], [1]], [0, 1])
    model.transform = lambda X: np.zeros((len(X), 3))
    with pytest.raises(ValueError, match="each of the 2 prototypes; got 3 columns"):
        audit(model, column(0), [0])


@pytest.fixture(scope="module")
def flipped_mnist(load_data):
    data = load_data("mnist.npz")
    X = data["x_train"].reshape(60000, -1).astype(np.float32) / 255
    return X, *flip(data["y_train"], 0.02)


def test_mnist_seen_by_a_network_trained_on_the_flipped_labels(flipped_mnist):
    X, labels, rows = flipped_mnist
    mlp = MLPClassifier(64, batch_size=500, max_iter=3, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        mlp.fit(X, labels)
    psem = make_kmex(mlp, n_prototypes=5, n_init=1, random_state=0).fit(X, labels)
    assert recall(audit(psem, X, labels), rows, 0.05, len(X)) >= 0.95


def test_mnist_by_its_pixels(flipped_mnist):
    """Without a network, more than five prototypes of each class are needed."""
    X, labels, rows = flipped_mnist
    kmex = KMExClassifier(10, n_init=1, max_samples=2000, random_state=0)
    psem = make_pipeline(PCA(50, random_state=0), kmex).fit(X, labels)
    assert recall(audit(psem, X, labels), rows, 0.05, len(X)) >= 0.95


@pytest.fixture(scope="module")
def mislabelled(digits):
    """A model fitted to labels of which one in ten is wrong, and these labels."""
    X, X_test, y, y_test = digits
    rng = np.random.default_rng(0)
    wrong = rng.random(len(y)) < 0.1
    labels = np.where(wrong, (y + rng.integers(1, 10, len(y))) % 10, y)
    psem = KMExClassifier(5, random_state=0).fit(X, labels)
    return psem, X, labels, wrong, psem.score(X_test, y_test)


def test_errors_of_a_weak_model_are_no_excess():
    """Correct labels: all suspect ones are errors of the model."""
    rng = np.random.default_rng(3)
    y = rng.integers(2, size=3000)
    X = rng.normal(size=(3000, 2)) + 0.8 * y[:, np.newaxis]
    psem = KMExClassifier(2, random_state=0).fit(X[::2], y[::2])
    score = psem.score(X[1::2], y[1::2])
    assert 0.6 < score < 0.8
    for rate in (None, 1 - score):
        found = audit(psem, X[::2], y[::2], error_rate=rate)
        assert len(found.suspect_rows) > 300
        assert found.n_excess <= 3


def test_excess_of_wrong_labels(mislabelled):
    psem, X, labels, wrong, score = mislabelled
    found = audit(psem, X, labels)
    assert 5 < found.n_excess < wrong.sum()
    assert wrong[found.suspect_rows[: found.n_excess]].mean() > 0.9
    told = audit(psem, X, labels, error_rate=1 - score)
    assert found.n_excess <= told.n_excess < wrong.sum()
    assert audit(psem, X, labels, error_rate=1.0).n_excess == found.n_excess


def test_expected_suspects_are_those_of_drawn_labels(mislabelled):
    """The number at each level of suspicion, against labels drawn many times."""
    psem, X, *_ = mislabelled
    rng = np.random.default_rng(0)
    proba = psem.predict_proba(X)
    cuts = np.array([0.0, 0.05, 0.1])
    counts = []
    for _ in range(60):
        drawn = (rng.random((len(X), 1)) > proba.cumsum(axis=1)).sum(axis=1)
        reference = Reference(
            psem.transform(X), drawn, psem.prototype_classes_, psem.classes_
        )
        suspicion, _ = _suspects._suspicion(reference, np.arange(50))
        counts.append((suspicion[:, np.newaxis] > cuts).sum(axis=0))
    own = [np.flatnonzero(psem.prototype_classes_ == k) for k in range(10)]
    expected = _suspects._expected(psem.transform(X), own, cuts, psem.temperature_)
    assert_allclose(np.mean(counts, axis=0), expected, rtol=0.05, atol=1)


def test_without_a_temperature_only_the_error_rate_explains(mislabelled):
    psem, X, labels, _, score = mislabelled
    other = Prototypes(psem.prototypes_, psem.prototype_classes_)
    assert audit(other, X, labels).n_excess == 0
    assert audit(other, X, labels, error_rate=1 - score).n_excess > 0


def test_classes_that_overlap_are_no_wrong_labels():
    # Nearly all rows of both classes are at 0: by chance a larger share of class 1.
    model = Prototypes([[0], [50], [0.1], [60]], [0, 0, 1, 1])
    model.temperature_ = 1.0
    X = np.repeat(column(0, 50, 0, 60), [145, 6, 155, 4], axis=0)
    found = audit(model, X, np.repeat([0, 1], [151, 159]), error_rate=0.5)
    assert_array_equal(found.outvoted_prototypes, [])
    assert_array_equal(found.suspect_labels, np.ones(155))
    assert_allclose(found.suspicion, 0.1)
    assert found.n_excess == 0
