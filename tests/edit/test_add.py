"""add_prototypes: samples as new prototypes."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_kmex import KMExClassifier
from sklearn_kmex._model.metric import METRICS
from sklearn_kmex.edit import add_prototypes
from sklearn_kmex.explain import explain


def test_a_new_class_from_a_few_samples(digits):
    X, X_test, y, y_test = digits
    old = y < 9
    psem = make_pipeline(StandardScaler(), KMExClassifier(5, random_state=1))
    psem.fit(X[old], y[old])
    nines = X[y == 9][:20]
    edited = add_prototypes(psem, nines, 9, X_val=X_test, y_val=y_test)
    entry = edited[-1].edit_log_[0]
    assert entry["accuracy_after"] > entry["accuracy_before"] + 0.05
    assert np.mean(edited.predict(X_test[y_test == 9]) == 9) > 0.8
    assert edited[-1].classes_.tolist() == list(range(10))
    assert entry["new_ids"] == list(range(45))
    assert entry["ids_after"] == list(range(45, 65))
    assert_array_equal(edited[-1].prototypes_[:45], psem[-1].prototypes_)
    assert_allclose(edited[-1].prototypes_[45:], psem[0].transform(nines))
    assert psem[-1].classes_.tolist() == list(range(9))


def test_samples_are_numbered_on_as_in_a_stream(blobs):
    X, y = blobs
    psem = KMExClassifier(2, random_state=0).fit(X[y < 2], y[y < 2])
    edited = add_prototypes(psem, X[y == 2][:3], 2)
    rows = np.concatenate([X[y < 2], X[y == 2][:3]])
    assert edited.n_samples_seen_ == 63
    assert_array_equal(edited.prototype_indices_[4:], [60, 61, 62])
    assert_array_equal(edited.prototype_counts_[4:], [1, 1, 1])
    explanation = explain(edited, X[y == 2][3:5], X_train=rows, n_prototypes=1)
    assert_array_equal(
        explanation.training_samples[:, 0],
        rows[explanation.training_rows[:, 0]],
    )
    again = edited.partial_fit(X[y == 2], y[y == 2])
    assert again.n_samples_seen_ == 93
    assert_array_equal(again.n_prototypes_, [2, 2, 2])


def test_a_sample_is_its_prototype(blobs):
    X, y = blobs
    psem = KMExClassifier(2, random_state=0).fit(X, y)
    edited = add_prototypes(psem, [[8.0, 9, 8, 7]], 1)
    similarity, number = edited.nearest_prototypes([[8.0, 9, 8, 7]])
    assert_allclose(similarity, -np.log(1e-4))
    assert edited.prototype_classes_[number[0, 0]] == 1
    assert_allclose(edited.inertia_, psem.inertia_)


@pytest.mark.parametrize("metric", METRICS)
def test_a_sample_is_nearest_to_its_prototype_in_every_metric(metric, blobs):
    X, y = blobs
    psem = KMExClassifier(2, metric=metric, random_state=0).fit(X, y)
    sample = np.array([[30.0, 1, 8, 7]])
    edited = add_prototypes(psem, sparse.csr_matrix(sample), 1)
    similarity, number = edited.nearest_prototypes(sample)
    assert_allclose(similarity, -np.log(1e-4), rtol=1e-6)
    assert edited.prototype_classes_[number[0, 0]] == 1
    length = np.linalg.norm(sample) if metric.startswith("cosine") else 1.0
    assert_allclose(edited.prototypes_[number[0]], sample / length)
    assert_allclose(edited.inertia_, psem.inertia_)


@pytest.mark.parametrize("metric", ["cosine", "cosine_mahalanobis"])
def test_a_sample_without_direction_is_refused(metric, blobs):
    psem = KMExClassifier(2, metric=metric, random_state=0).fit(*blobs)
    with pytest.raises(ValueError, match="X must have no row of zeros for a cosine"):
        add_prototypes(psem, np.zeros((1, 4)), 1)


def test_equal_samples_are_one_prototype(blobs):
    psem = KMExClassifier(1).fit(*blobs)
    edited = add_prototypes(psem, [[50.0] * 4, [60] * 4, [50] * 4], 2)
    assert_array_equal(edited.prototype_counts_[2:], [30, 2, 1])
    assert_array_equal(edited.prototype_indices_[3:], [90, 91])
    assert edited.n_samples_seen_ == 93


def test_classes_fall_into_place(blobs):
    X, y = blobs
    names = np.array(["b", "d", "f"])
    psem = KMExClassifier({"b": 1, "d": 1, "f": 1}).fit(X.astype(np.float32), names[y])
    edited = add_prototypes(psem, sparse.csr_matrix([[90.0] * 4]), "carp")
    assert edited.classes_.tolist() == ["b", "carp", "d", "f"]
    assert edited.prototypes_.dtype == np.float32
    assert edited.n_prototypes == {"b": 1, "carp": 1, "d": 1, "f": 1}
    assert_array_equal(edited.predict(np.full((1, 4), 90.0)), ["carp"])
    assert_allclose(edited.class_prior_, 1 / 4)


def test_priors_of_a_new_class(blobs):
    X, y = blobs
    psem = KMExClassifier(1, priors="class").fit(X, y)
    edited = add_prototypes(psem, [[90.0] * 4], 3)
    assert_allclose(edited.class_prior_ * 91, [30, 30, 30, 1])
    psem = KMExClassifier(1, priors=[0.2, 0.3, 0.5]).fit(X, y)
    with pytest.raises(ValueError, match=r"one number for each class.*for 4 classes"):
        add_prototypes(psem, [[90.0] * 4], 3)
    psem.set_params(priors=[0.2, 0.3, 0.4, 0.1])
    assert_allclose(add_prototypes(psem, [[90.0] * 4], 3).class_prior_[3], 0.1)


def test_numbers_fit_classes_that_are_floats(blobs):
    X, y = blobs
    psem = KMExClassifier(1).fit(X, y.astype(float))
    assert add_prototypes(psem, X[:1], 1).prototype_classes_.tolist() == [0, 1, 1, 2]


def test_refusals(blobs):
    X, y = blobs
    psem = KMExClassifier(1).fit(X, y)
    with pytest.raises(ValueError, match="X has 2 features, but KMExClassifier is exp"):
        add_prototypes(psem, X[:1, :2], 1)
    with pytest.raises(ValueError, match="Reshape your data"):
        add_prototypes(psem, X[0], 1)
    with pytest.raises(ValueError, match=r"sample 1 is prototype 2, of class 2. Leave"):
        add_prototypes(psem, [X[0], psem.prototypes_[2]], 1)
    for label in ("fish", 1.5, True):
        with pytest.raises(ValueError, match="label must be of the type of the class"):
            add_prototypes(psem, X[:1], label)
    assert psem.n_samples_seen_ == 90
    assert len(psem.prototypes_) == 3
