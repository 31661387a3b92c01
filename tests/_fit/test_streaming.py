"""partial_fit: a stream ends where fit would."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.metrics import log_loss

from sklearn_kmex import KMExClassifier
from sklearn_kmex.exceptions import KMExWarning


def batches(X, y, size):
    return [(X[i : i + size], y[i : i + size]) for i in range(0, len(X), size)]


ORDERS = {
    "as given": lambda y: np.arange(len(y)),
    "backwards": lambda y: np.arange(len(y))[::-1],
    "drawn": lambda y: np.random.RandomState(1).permutation(len(y)),
    "class by class": lambda y: np.argsort(y, kind="stable"),
    "one class at the end": lambda y: np.argsort(y == 3, kind="stable"),
}


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize(
    "size", [pytest.param(size, marks=pytest.mark.slow) for size in (1, 40)] + [200]
)
def test_a_stream_in_any_order_ends_near_fit(digits, order, size):
    X, X_test, y, y_test = digits
    if size == 1:
        X, y = X[:200], y[:200]
    turn = ORDERS[order](y)
    X, y = X[turn], y[turn]
    psem = KMExClassifier(3, random_state=0)
    for batch in batches(X, y, size):
        psem.partial_fit(*batch)
    whole = KMExClassifier(3, random_state=0).fit(X, y)

    assert psem.n_samples_seen_ == len(X)
    assert psem.prototype_counts_.sum() == len(X)
    assert_array_equal(psem.n_prototypes_, whole.n_prototypes_)
    assert_array_equal(y[psem.prototype_indices_], psem.prototype_classes_)
    assert psem.inertia_.sum() < 1.25 * whole.inertia_.sum()
    assert psem.score(X_test, y_test) > whole.score(X_test, y_test) - 0.04
    ours = log_loss(y_test, psem.predict_proba(X_test))
    assert ours < 2.5 * log_loss(y_test, whole.predict_proba(X_test))


def test_the_first_batch_is_a_fit(digits):
    X, X_test, y, _ = digits
    first = KMExClassifier(3, random_state=0).partial_fit(X, y)
    fitted = KMExClassifier(3, random_state=0).fit(X, y)
    assert_array_equal(first.predict_proba(X_test), fitted.predict_proba(X_test))
    assert first.temperature_ == fitted.temperature_


def test_one_prototype_is_the_mean_of_the_stream(blobs):
    X, y = blobs
    psem = KMExClassifier(1, random_state=0).fit(X[:30], y[:30])
    for batch in batches(X[30:], y[30:], 11):
        psem.partial_fit(*batch)
    means = [X[y == label].mean(axis=0) for label in range(3)]
    assert_allclose(psem.prototypes_, means)
    spread = [((X[y == c] - means[c]) ** 2).sum() for c in range(3)]
    assert_allclose(psem.inertia_, spread)


def test_row_numbers_go_through_all_batches(digits):
    X, _, y, _ = digits
    psem = KMExClassifier(2, prototype="medoid", random_state=0)
    for batch in batches(X, y, 100):
        psem.partial_fit(*batch)
    assert_array_equal(psem.prototypes_, X[psem.prototype_indices_])
    assert psem.prototype_indices_.max() > 200


def test_priors_count_all_batches(blobs):
    X, y = blobs
    psem = KMExClassifier(2, priors="class", random_state=0)
    psem.partial_fit(X[y < 2], y[y < 2], classes=[0, 1, 2])
    assert_allclose(psem.class_prior_, [1 / 2, 1 / 2, 0])
    assert_array_equal(psem.predict_proba(X)[:, 2], 0)
    weights = np.full((y == 2).sum(), 2.0)
    psem.partial_fit(X[y == 2], y[y == 2], sample_weight=weights)
    assert_allclose(psem.class_prior_, [1 / 4, 1 / 4, 1 / 2])
    given = KMExClassifier(2, priors=[0.8, 0.1, 0.1], random_state=0)
    given.partial_fit(X[y > 0], y[y > 0], classes=[0, 1, 2])
    assert set(given.predict(X)) == {1, 2}  # nothing is known of the frequent class
    with pytest.raises(ValueError, match=r"shape \(3,\) for 2 classes"):
        KMExClassifier(2, priors=[0.8, 0.1, 0.1]).partial_fit(X[y > 0], y[y > 0])


def test_weights_count_in_a_stream(blobs):
    X, y = blobs
    copies = np.repeat(np.arange(90), 1 + np.arange(90) % 2)
    weighted = KMExClassifier(1).partial_fit(X, y, sample_weight=1 + np.arange(90) % 2)
    copied = KMExClassifier(1).partial_fit(X[copies], y[copies])
    assert_array_equal(weighted.prototypes_, copied.prototypes_)


def test_a_class_may_appear_late(blobs):
    X, y = blobs
    psem = KMExClassifier(2, random_state=0).partial_fit(X[y == 2], y[y == 2])
    assert_array_equal(psem.predict(X), np.full(90, 2))
    assert_allclose(psem.predict_proba(X), 1)
    psem.partial_fit(X[y == 0], y[y == 0])
    assert_array_equal(psem.classes_, [0, 2])
    psem.partial_fit(X[y == 1], y[y == 1])
    assert_array_equal(psem.predict(X), y)
    assert_array_equal(psem.prototype_classes_, [0, 0, 1, 1, 2, 2])


@pytest.mark.parametrize("how", ["classes", "dict"])
def test_classes_named_at_first_have_their_columns(blobs, how):
    X, y = blobs
    counts, classes = ({0: 1, 1: 2, 2: 3}, None) if how == "dict" else (2, [2, 1, 0])
    psem = KMExClassifier(counts, random_state=0)
    psem.partial_fit(X[y < 2], y[y < 2], classes=classes)
    assert_array_equal(psem.classes_, [0, 1, 2])
    probabilities = psem.predict_proba(X)
    assert probabilities.shape == (90, 3)
    assert_array_equal(probabilities[:, 2], 0)
    assert psem.n_prototypes_[2] == 0
    assert np.isfinite(psem.temperature_)
    psem.partial_fit(X[y == 2], y[y == 2])
    assert_array_equal(psem.predict(X), y)
    with pytest.raises(ValueError, match=r"given as classes, .*got also \[5\]\. Give"):
        psem.partial_fit(X[:2], [5, 0])
    with pytest.raises(ValueError, match=r"those of the first call .*got \[0, 1\]"):
        psem.partial_fit(X[:2], [1, 0], classes=[0, 1])
    assert_array_equal(psem.predict(X), y)


def test_classes_may_be_named_again_or_later(blobs):
    X, y = blobs
    psem = KMExClassifier(2).partial_fit(X[y == 0], y[y == 0])
    psem.partial_fit(X, y, classes=[0, 1, 2]).partial_fit(X, y, classes=[0, 1, 2])
    assert psem.prototype_counts_.sum() == 210


def test_labels_of_another_kind_are_refused(blobs):
    X, y = blobs
    psem = KMExClassifier(2).partial_fit(X, y)
    with pytest.raises(ValueError, match="string and number"):
        psem.partial_fit(X, y.astype(str))
    with pytest.raises(ValueError, match="X has 2 features"):
        psem.partial_fit(X[:, :2], y)
    assert psem.n_samples_seen_ == 90


def test_a_failed_first_batch_leaves_nothing(blobs):
    X, y = blobs
    psem = KMExClassifier({0: 1, 1: 1})
    with pytest.raises(ValueError, match=r"only the labels given as classes, \[0, 1\]"):
        psem.partial_fit(X, y)
    assert not [name for name in vars(psem) if name.endswith("_")]


def test_fit_starts_anew(blobs):
    X, y = blobs
    psem = KMExClassifier(2, random_state=0).partial_fit(X + 100, y, classes=[0, 1, 2])
    psem.fit(X[y < 2], y[y < 2])
    fresh = KMExClassifier(2, random_state=0).fit(X[y < 2], y[y < 2])
    assert_array_equal(psem.predict_proba(X), fresh.predict_proba(X))
    assert psem.n_samples_seen_ == 60
    psem.partial_fit(X[y == 2], y[y == 2])  # and the stream may grow again
    assert_array_equal(psem.classes_, [0, 1, 2])


def test_streams_do_not_warn_of_prototypes_to_come(blobs, recwarn):
    X, y = blobs
    KMExClassifier(5).partial_fit(X[:6], y[:6])
    assert not [w for w in recwarn if issubclass(w.category, KMExWarning)]
