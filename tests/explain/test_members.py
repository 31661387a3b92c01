"""The members of the winning prototype that are most like a sample."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from scipy.spatial.distance import cdist
from sems import Prototypes
from sklearn.datasets import load_wine
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from sklearn_kmex import KMExClassifier, RejectingClassifier, make_kmex
from sklearn_kmex.explain import _members, explain


class Counted:
    """A function as encoder that counts its rows."""

    def __init__(self):
        self.n_rows = 0

    def __call__(self, X):
        self.n_rows += len(X)
        return X


@pytest.fixture(scope="module")
def wine():
    """Training rows and samples, and a model with a scaler in front."""
    X, y = load_wine(return_X_y=True)
    psem = make_pipeline(StandardScaler(), KMExClassifier(2, random_state=0))
    return psem.fit(X[::2], y[::2]), X[::2], y[::2], X[1::2]


def by_definition(psem, X_train, labels, X, n_members):
    """Sort the members of the winning prototype, one sample after the other."""
    kmex, Z_train, Z = psem[-1], psem[:-1].transform(X_train), psem[:-1].transform(X)
    distances = cdist(Z_train, kmex.prototypes_)
    distances[labels[:, np.newaxis] != kmex.prototype_classes_] = np.inf
    of_row = distances.argmin(axis=1)
    rows, likeness = [], []
    for z, k in zip(Z, cdist(Z, kmex.prototypes_).argmin(axis=1), strict=True):
        members = np.flatnonzero(of_row == k)
        cosines = 1 - cdist(z[np.newaxis], Z_train[members], "cosine")[0]
        order = np.argsort(-cosines, kind="stable")[:n_members]
        rows.append(members[order])
        likeness.append(cosines[order])
    return np.array(rows), np.array(likeness)


def test_they_are_what_they_say(wine):
    psem, X_train, y_train, X = wine
    found = explain(psem, X, X_train=X_train, y_train=y_train)
    rows, likeness = by_definition(psem, X_train, y_train, X, 3)
    assert_array_equal(found.members, rows)
    assert_allclose(found.member_likeness, likeness, atol=1e-9)
    assert_array_equal(found.member_samples, X_train[rows])
    assert found.members.dtype == np.intp
    assert (y_train[found.members] == found.predictions[:, np.newaxis]).all()


def test_without_labels_they_are_of_the_predicted_class(wine):
    psem, X_train, _, X = wine
    found = explain(psem, X, X_train=X_train, n_members=2)
    rows, _ = by_definition(psem, X_train, psem.predict(X_train), X, 2)
    assert_array_equal(found.members, rows)


def test_labels_decide_and_not_predictions(wine):
    psem, X_train, y_train, X = wine
    wrong = y_train.copy()
    member = explain(psem, X[:1], X_train=X_train, y_train=y_train).members[0, 0]
    wrong[member] = (y_train[member] + 1) % 3
    assert member not in explain(psem, X[:1], X_train=X_train, y_train=wrong).members
    assert member in explain(psem, X[:1], X_train=X_train).members


def test_blocks_change_nothing(digits, monkeypatch):
    X, X_test, y, _ = digits
    psem = KMExClassifier(2, random_state=0).fit(X, y)
    X = np.concatenate([X, X[:300]])  # equal rows in several blocks
    y = np.concatenate([y, y[:300]])
    whole = explain(psem, X_test, X_train=X, y_train=y)
    monkeypatch.setattr(_members, "chunk_rows", lambda X: 101)
    monkeypatch.setattr(_members, "BLOCK_SAMPLES", 7)
    parts = explain(psem, X_test, X_train=X, y_train=y)
    assert_array_equal(parts.members, whole.members)
    assert_allclose(parts.member_likeness, whole.member_likeness, atol=1e-9)


def test_equally_similar_rows_come_in_their_order():
    X = np.array([[1.0, 0], [2, 2], [3, 3], [1, 1], [9, -9]])
    y = [0, 0, 0, 0, 1]
    found = explain(
        KMExClassifier(1, temperature=1.0).fit(X, y), X[[3]], X_train=X, y_train=y
    )
    assert_array_equal(found.members, [[1, 2, 3]])
    assert_array_equal(found.member_likeness, [[1, 1, 1]])


def test_a_prototype_with_few_members():
    X = np.array([[1.0, 0], [0, 1], [0, 2], [0, 3]])
    y = np.array(["a", "b", "b", "b"])
    psem = KMExClassifier(1, temperature=1.0).fit(X, y)
    found = explain(psem, X[:2], X_train=X, y_train=y)
    assert_array_equal(found.members, [[0, -1, -1], [1, 2, 3]])
    assert_array_equal(found.member_likeness[0], [1, np.nan, np.nan])
    assert_array_equal(found.member_samples[0], [[1, 0], [0, 0], [0, 0]])
    # No training row of the class: the model was fitted on others.
    found = explain(psem, X[:1], X_train=X, y_train=np.array(["b"] * 4))
    assert_array_equal(found.members, [[-1, -1, -1]])
    assert_array_equal(found.member_samples, np.zeros((1, 3, 2)))


def test_members_are_those_of_the_prototype_of_the_predicted_class():
    """With the sum over prototypes the nearest of all may be of another class."""
    X = np.array([[1.0, 0], [1, 0.2], [0, 1], [0.1, 1], [0.2, 1], [-1, 0.1]])
    y = np.array([0, 0, 1, 1, 1, 1])
    psem = KMExClassifier(
        {0: 1, 1: 4}, aggregation="sum", temperature=1.0, random_state=0
    ).fit(X, y)
    found = explain(psem, [[0.55, 0.5]], X_train=X, y_train=y, n_members=4)
    assert found.prototypes[0, 0] != found.predicted_prototype[0]
    members = found.members[found.members >= 0]
    assert len(members)
    assert (y[members] == found.predictions[0]).all()


@pytest.mark.parametrize("kind", [sparse.csr_matrix, sparse.csc_array, list])
def test_rows_of_other_kinds(kind, digits):
    X, X_test, y, _ = digits
    psem = make_pipeline(StandardScaler(with_mean=False), KMExClassifier(2)).fit(X, y)
    expected = explain(psem, X_test[:5], X_train=X, y_train=y)
    found = explain(psem, kind(X_test[:5]), X_train=kind(X), y_train=list(y))
    assert_array_equal(found.members, expected.members)
    assert_allclose(found.member_likeness, expected.member_likeness)
    assert (found.member_samples is None) == sparse.issparse(kind(X))


def test_frames_and_texts():
    pd = pytest.importorskip("pandas")
    X, y = load_wine(return_X_y=True, as_frame=True)
    X.index = pd.Index(range(1000, 1000 + len(X)))  # rows are numbers, not labels
    psem = make_pipeline(StandardScaler(), KMExClassifier(2, random_state=0)).fit(X, y)
    found = explain(psem, X[:5], X_train=X, y_train=y)
    assert_array_equal(found.members[:, 0], range(5))
    assert found.member_samples is None
    texts = ["a b", "b c", "x y", "y z"]
    lengths = FunctionTransformer(lambda X: np.array([[ord(t[0]), 1] for t in X]))
    psem = make_pipeline(lengths, KMExClassifier(1, temperature=1.0))
    psem.fit(texts, [0, 0, 1, 1])
    assert_array_equal(
        explain(psem, texts, X_train=texts, y_train=[0, 0, 1, 1], n_members=1).members,
        [[0], [1], [2], [3]],
    )


def test_a_wrapper_is_opened(wine):
    psem, X_train, y_train, X = wine
    rejecting = RejectingClassifier(psem, cv=2).fit(X_train, y_train)
    inside = rejecting.estimator_
    found = explain(rejecting, X, X_train=X_train, y_train=y_train)
    expected = explain(inside, X, X_train=X_train, y_train=y_train)
    assert_array_equal(found.members, expected.members)


def test_only_rows_of_predicted_classes_are_embedded(digits):
    X, X_test, y, y_test = digits
    encoder = Counted()
    psem = make_kmex(encoder, n_prototypes=1, random_state=0).fit(X, y)
    sample = X_test[[0]]
    for given, expected in (
        ({}, 1),
        ({"X_train": X, "n_members": 0}, 1),
        ({"X_train": X, "y_train": y}, 1 + np.sum(y == y_test[0])),
        ({"X_train": X}, 1 + len(X)),
    ):
        encoder.n_rows = 0
        found = explain(psem, sample, **given)
        assert encoder.n_rows == expected
        assert (found.members is None) == (expected == 1)
    assert found.predictions[0] == y_test[0]


def test_what_does_not_fit(wine):
    psem, X_train, y_train, X = wine
    with pytest.raises(ValueError, match=r"y_train must be given with X_train"):
        explain(psem, X, y_train=y_train)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        explain(psem, X, X_train=X_train, y_train=y_train[:9])
    with pytest.raises(ValueError, match=r"y_train must be among .* unknown: \[7\]"):
        explain(psem, X, X_train=X_train, y_train=np.where(y_train == 0, 7, y_train))
    with pytest.raises(ValueError, match=r"'n_members' parameter .* Got -1"):
        explain(psem, X, X_train=X_train, n_members=-1)
    unknown = Prototypes([[0], [1]], [0, 1])
    with pytest.raises(ValueError, match=r"represented by the rows \[-1\]"):
        explain(unknown, [[0.0]], X_train=[[0.0], [1]])
