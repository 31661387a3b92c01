"""Likeness: what is shown for a prototype looks like the samples that it decides."""

import pickle

import numpy as np
import pytest
from scipy import sparse
from scipy.spatial.distance import cdist
from sems import Prototypes
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_kmex import KMExClassifier, make_kmex
from sklearn_kmex.edit import relabel_prototypes
from sklearn_kmex.metrics import (
    _likeness,
    distinct_examples_score,
    distinct_examples_scorer,
    example_likeness_score,
    make_example_likeness_scorer,
    sem_scorers,
)


def by_definition(Z, shown, Z_train, y_train):
    """One sample after the other."""
    cosines = 1 - cdist(Z, Z_train, "cosine")
    shares = []
    for cosine, row in zip(cosines, shown, strict=True):
        of_class = cosine[y_train == y_train[row]]
        shares.append(np.mean(of_class <= cosine[row] + 1e-12))
    return np.array(shares)


@pytest.fixture(scope="module")
def winners(digits):
    """A model of digits, and the training row shown for each test sample."""
    X, X_test, y, _ = digits
    psem = KMExClassifier(5, random_state=0).fit(X, y)
    return psem, psem.prototype_indices_[psem.transform(X_test).argmax(axis=1)]


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint8])
def test_it_is_what_it_says(digits, winners, dtype):
    X, X_test, y, _ = digits
    _, shown = winners
    expected = by_definition(X_test, shown, X, y)
    found = example_likeness_score(X_test.astype(dtype), shown, X.astype(dtype), y)
    assert found == pytest.approx(expected.mean())
    assert 0.8 < found < 1  # the rows shown look alike


def test_weights_of_samples(digits, winners):
    X, X_test, y, _ = digits
    _, shown = winners
    weights = np.arange(len(shown)) % 3
    found = example_likeness_score(X_test, shown, X, y, sample_weight=weights)
    expected = np.average(by_definition(X_test, shown, X, y), weights=weights)
    assert found == pytest.approx(expected)


def test_sparse_embeddings(digits, winners):
    X, X_test, y, _ = digits
    _, shown = winners
    expected = example_likeness_score(X_test, shown, X, y)
    for Z, Z_train in (
        (sparse.csr_array(X_test), sparse.csr_matrix(X)),
        (X_test, sparse.csc_array(X)),
        (sparse.csr_matrix(X_test), X),
    ):
        found = example_likeness_score(Z, shown, Z_train, y)
        assert found == pytest.approx(expected)


def test_blocks_change_nothing(digits, winners, monkeypatch):
    X, X_test, y, _ = digits
    _, shown = winners
    expected = example_likeness_score(X_test, shown, X, y)
    monkeypatch.setattr(_likeness, "BLOCK_ROWS", 7)
    assert example_likeness_score(X_test, shown, X, y) == pytest.approx(expected)


def test_best_worst_and_random_rows(digits):
    X, X_test, y, y_test = digits
    cosines = 1 - cdist(X_test, X, "cosine")
    own = y_test[:, np.newaxis] == y
    most = np.where(own, cosines, -np.inf).argmax(axis=1)
    least = np.where(own, cosines, np.inf).argmin(axis=1)
    assert example_likeness_score(X_test, most, X, y) == 1
    assert example_likeness_score(X_test, least, X, y) < 0.01
    rng = np.random.RandomState(0)
    anyone = [rng.choice(np.flatnonzero(row)) for row in own]
    assert example_likeness_score(X_test, anyone, X, y) == pytest.approx(0.5, abs=0.05)
    # A sample that is a training row looks like itself, however its cosine is rounded.
    itself = np.arange(len(X))
    assert example_likeness_score(X * 0.1, itself, X, y) == 1


def test_only_rows_of_the_class_shown_count():
    Z_train, y_train = [[1, 0], [1, 1], [2, 0.1], [3, 0]], [0, 0, 1, 1]
    assert example_likeness_score([[1, 0]], [1], Z_train, y_train) == 0.5
    assert example_likeness_score([[1, 0]], [2], Z_train, y_train) == 0.5
    assert example_likeness_score([[1, 0]], [3], Z_train, y_train) == 1
    assert example_likeness_score([[1, 0]] * 2, [1, 3], Z_train, y_train) == 0.75


def test_rows_of_equal_likeness_count():
    constant = np.ones((5, 3)) * [[1], [2], [3], [4], [5]]  # of one direction
    assert example_likeness_score(constant, np.zeros(5, int), constant, [0] * 5) == 1
    zeros = [[0, 0], [1, 0], [-1, 0]]  # a zero row is at a right angle to all
    assert example_likeness_score([[1, 0]], [0], zeros, [0, 0, 0]) == pytest.approx(
        2 / 3
    )
    assert example_likeness_score([[0, 0]], [2], zeros, [0, 0, 0]) == 1


def test_what_does_not_fit():
    Z, y = [[1.0, 0], [0, 1]], [0, 1]
    with pytest.raises(ValueError, match=r"from 0 to 1; got -1 to 0.* has -1"):
        example_likeness_score(Z, [-1, 0], Z, y)
    with pytest.raises(ValueError, match="numbers of 2 training rows"):
        example_likeness_score(Z, [2, 0], Z, y)
    with pytest.raises(ValueError, match=r"shown must be row numbers .* dtype float64"):
        example_likeness_score(Z, [0.5, 1], Z, y)
    with pytest.raises(ValueError, match="as many features as Z_train, 2; got 1"):
        example_likeness_score([[1.0], [2]], [0, 1], Z, y)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        example_likeness_score(Z, [0], Z, y)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        example_likeness_score(Z, [0, 1], Z, [0])
    with pytest.raises(ValueError, match="Z_train contains NaN"):
        example_likeness_score(Z, [0, 1], [[np.nan, 0], [0, 1]], y)


def test_distinct_training_rows():
    assert distinct_examples_score([4, 7, 9]) == 1
    assert distinct_examples_score([4, 7, 7, 4]) == 0.5
    with pytest.raises(ValueError, match="shown must be numbers"):
        distinct_examples_score([-1, 0])
    with pytest.raises(ValueError, match="from 0 to 2; got 1 to 3"):
        distinct_examples_score([1, 3], X_train=[[0], [1], [2]])


@pytest.mark.parametrize(
    "X_train",
    [
        np.array([[0.0, 1], [2, 3], [-0.0, 1], [5, 6]]),
        np.array([[0.0, np.nan], [2, 3], [0, np.nan], [5, 6]]),
        sparse.csr_matrix([[0, 1], [2, 3], [0, 1], [5, 6]]),
        ["a text", "another", "a text", "more"],
        [{"ids": np.array([1])}, {"ids": [2]}, {"ids": np.array([1])}, {"ids": [3]}],
        np.arange(4)[:, np.newaxis, np.newaxis] % 2 * [[1, 0], [0, 3]] + [[0], [1]],
    ],
)
def test_equal_rows_are_one_example(X_train):
    assert distinct_examples_score([0, 1]) == 1
    assert distinct_examples_score([0, 1], X_train) == 1
    assert distinct_examples_score([0, 2], X_train) == 0.5
    assert distinct_examples_score([0, 2, 1, 1], X_train) == 0.5


def test_equal_rows_of_a_frame():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"a": ["x", "y", "x"], "b": [1, 1, 1]})
    assert distinct_examples_score([0, 1], frame) == 1
    assert distinct_examples_score([0, 2], frame) == 0.5


def test_scorers_are_the_metrics_of_a_model(digits, winners):
    X, X_test, y, _ = digits
    psem, shown = winners
    scorer = make_example_likeness_scorer(X, y)
    assert scorer(psem, X_test) == example_likeness_score(X_test, shown, X, y)
    weights = np.arange(len(X_test)) < 30
    weighted = scorer(psem, X_test, sample_weight=weights.astype(float))
    assert weighted == pytest.approx(scorer(psem, X_test[:30]))
    assert distinct_examples_scorer(psem, X_test) == 1
    assert repr(scorer).startswith("example_likeness_scorer(X_train=")
    again = pickle.loads(pickle.dumps(scorer))
    assert again(psem, X_test) == scorer(psem, X_test)


def test_likeness_is_that_of_embeddings(digits):
    X, X_test, y, _ = digits
    forest = RandomForestClassifier(10, random_state=0).fit(X, y)
    psem = make_kmex(forest, n_prototypes=2, priors="uniform", random_state=0)
    psem.set_params(kmex__aggregation="max").fit(X, y)
    Z_train, Z = psem[:-1].transform(X), psem[:-1].transform(X_test)
    shown = psem["kmex"].prototype_indices_[psem.transform(X_test).argmax(axis=1)]
    found = make_example_likeness_scorer(X, y)(psem, X_test)
    assert found == example_likeness_score(Z, shown, Z_train, y)
    assert found == make_example_likeness_scorer(Z_train, y)(psem["kmex"], Z)


def test_the_row_shown_is_of_the_predicted_class():
    """With aggregation="sum" the nearest prototype of all may be of another class."""
    X = np.array([[1.0, 0], [1, 0.2], [0, 1], [0.1, 1], [0.2, 1], [-1, 0.1]])
    y = np.array([0, 0, 1, 1, 1, 1])
    psem = KMExClassifier(
        {0: 1, 1: 4}, aggregation="sum", temperature=1.0, random_state=0
    ).fit(X, y)
    sample = np.array([[0.55, 0.5]])
    similar = psem.transform(sample)[0]
    own = np.flatnonzero(psem.prototype_classes_ == psem.predict(sample)[0])
    shown = psem.prototype_indices_[own[similar[own].argmax()]]
    assert psem.prototype_classes_[similar.argmax()] != psem.predict(sample)[0]
    found = make_example_likeness_scorer(X, y)(psem, sample)
    assert found == example_likeness_score(sample, [shown], X, y)


def test_sem_scorers_with_training_rows():
    X, y = load_iris(return_X_y=True)
    kmex = KMExClassifier(3, random_state=0)
    shown = kmex.fit(X, y).prototype_indices_[0]
    X, y = X[np.r_[:150, shown]], np.append(y, 1)  # the same row in another class
    psem = make_pipeline(StandardScaler(with_std=False), kmex).fit(X, y)
    scorers = sem_scorers(black_box=None, X_train=X, y_train=y)
    names = ["accuracy", "transparency", "diversity"]
    assert list(scorers) == [*names, "example_likeness", "distinct_examples"]
    assert list(sem_scorers(black_box=None)) == names
    assert scorers["distinct_examples"](psem, X) == pytest.approx(8 / 9)
    assert distinct_examples_scorer(psem, X) == 1
    found = scorers["example_likeness"](psem, X, y)
    assert found == make_example_likeness_scorer(X, y)(psem, X)
    for one, missing in (({"X_train": X}, "y_train"), ({"y_train": y}, "X_train")):
        with pytest.raises(ValueError, match=f"given together; got no {missing}"):
            sem_scorers(**one)


def test_other_training_rows_are_refused():
    X, y = load_iris(return_X_y=True)
    scorer = make_example_likeness_scorer(X, y)
    with pytest.raises(ValueError, match=r"In cross-validation each split"):
        cross_validate(
            KMExClassifier(2, random_state=0), X, y, scoring=scorer, error_score="raise"
        )
    psem = KMExClassifier(2, random_state=0).fit(X, y)
    with pytest.raises(ValueError, match=r"got 40 rows, .* represented by rows"):
        make_example_likeness_scorer(X[:40], y[:40])(psem, X)
    with pytest.raises(ValueError, match="inconsistent numbers"):
        make_example_likeness_scorer(X, y[:40])(psem, X)
    unknown = Prototypes([[0.0], [1]], [0, 1])
    with pytest.raises(ValueError, match=r"-1 to -1 \(-1 is unknown\)"):
        make_example_likeness_scorer([[0.0], [1]], [0, 1])(unknown, [[0.0]])
    with pytest.raises(ValueError, match="has -1"):
        distinct_examples_scorer(unknown, None)


def test_an_edited_model_needs_corrected_labels():
    X, y = load_iris(return_X_y=True)
    psem = KMExClassifier(2, random_state=0).fit(X, y)
    edited = relabel_prototypes(psem, 3, 2)
    with pytest.raises(ValueError, match=r"of class 2, is represented by row \d+"):
        make_example_likeness_scorer(X, y)(edited, X)
    corrected = y.copy()
    corrected[psem.prototype_indices_[3]] = 2
    assert make_example_likeness_scorer(X, corrected)(edited, X) > 0.5
