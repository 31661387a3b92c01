"""KMExClassifierCV and n_prototypes="auto": counts chosen by held-out rows."""

import pickle
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import clone
from sklearn.model_selection import (
    GridSearchCV,
    KFold,
    StratifiedKFold,
    cross_val_score,
)

from sklearn_kmex import KMExClassifier, KMExClassifierCV, make_kmex
from sklearn_kmex._fit.counts import HeldOut, accuracy, by_count, choose_counts
from sklearn_kmex.persistence import load_psem


@pytest.fixture
def rings():
    """Class 0 is one blob, class 1 lies on a ring around it: it needs more."""
    rng = np.random.RandomState(0)
    angle = rng.uniform(0, 2 * np.pi, 400)
    ring = 4 * np.column_stack([np.cos(angle), np.sin(angle)])
    X = np.concatenate([np.zeros((400, 2)), ring]) + rng.normal(
        scale=0.7, size=(800, 2)
    )
    return X, np.repeat(["blob", "ring"], 400)


def test_classes_get_the_numbers_that_they_need(rings):
    X, y = rings
    psem = KMExClassifierCV(12, per_class=True, random_state=0).fit(X, y)
    blob, ring = psem.n_prototypes_
    assert blob == 1
    assert ring >= 3
    assert psem.score(X, y) > 0.97
    equal = KMExClassifierCV(12, random_state=0).fit(X, y)
    assert equal.n_prototypes_[0] == equal.n_prototypes_[1] >= 3
    assert psem.n_prototypes_.sum() < equal.n_prototypes_.sum()


@pytest.mark.slow
def test_the_curve_is_that_of_a_full_search(digits):
    X, X_test, y, y_test = digits
    cv = StratifiedKFold(5, shuffle=True, random_state=0)
    numbers = [1, 2, 4, 8, 12]
    psem = KMExClassifierCV(numbers, cv=cv, random_state=0).fit(X, y)
    kmex = KMExClassifier(temperature=1.0, random_state=0)
    search = GridSearchCV(kmex, {"n_prototypes": numbers}, cv=cv).fit(X, y)
    curve = search.cv_results_["mean_test_score"]
    assert_allclose(psem.cv_results_["mean_test_score"], curve, atol=0.015)
    assert psem.score(X_test, y_test) >= search.score(X_test, y_test) - 0.02


def test_rule_and_curve_are_what_they_say(digits):
    X, _, y, _ = digits
    psem = KMExClassifierCV([4, 1, 2, 4], cv=3, random_state=0).fit(X, y)
    results = psem.cv_results_
    assert_array_equal(results["n_prototypes"], [1, 2, 4])
    splits = np.array([results[f"split{k}_test_score"] for k in range(3)])
    assert_allclose(results["mean_test_score"], splits.mean(axis=0))
    assert_allclose(results["std_test_score"], splits.std(axis=0))
    best = splits.mean(axis=0).argmax()
    error = splits[:, best].std(ddof=1) / np.sqrt(3)
    assert psem.cv_threshold_ == pytest.approx(splits.mean(axis=0)[best] - error)
    patient = KMExClassifierCV([1, 2, 4], cv=3, tolerance=1.0, random_state=0)
    assert set(patient.fit(X, y).n_prototypes_) == {1}
    strict = KMExClassifierCV([1, 2, 4], cv=3, tolerance=0.0, random_state=0)
    assert set(strict.fit(X, y).n_prototypes_) == {[1, 2, 4][best]}


def test_the_refit_is_what_was_measured(digits):
    X, _, y, _ = digits
    everything = [(np.arange(len(y)), np.arange(len(y)))] * 2
    seen = KMExClassifierCV(6, cv=everything, tolerance=0.02, random_state=0).fit(X, y)
    count = seen.n_prototypes_[0]
    assert 1 < count < 6
    assert seen.score(X, y) == seen.cv_results_["mean_test_score"][count - 1]


@pytest.mark.slow
def test_the_refit_is_as_tight_as_the_classifier(digits):
    X, _, y, _ = digits
    chosen = KMExClassifierCV(6, random_state=0, per_class=True).fit(X, y)
    counts = dict(zip(chosen.classes_, chosen.n_prototypes_, strict=True))
    plain = KMExClassifier(counts, random_state=0).fit(X, y)
    assert (chosen.inertia_ < 1.03 * plain.inertia_).all()
    parallel = clone(chosen).set_params(n_jobs=2).fit(X, y)
    assert_array_equal(parallel.prototypes_, chosen.prototypes_)


@pytest.mark.slow
def test_auto_is_the_same_with_default_settings(digits):
    X, _, y, _ = digits
    auto = KMExClassifier("auto", random_state=0).fit(X, y)
    chosen = KMExClassifierCV(random_state=0).fit(X, y)
    assert_array_equal(auto.prototypes_, chosen.prototypes_)
    piped = make_kmex(lambda X: X, n_prototypes="auto", random_state=0).fit(X, y)
    assert_array_equal(piped["kmex"].prototypes_, auto.prototypes_)


def test_auto_on_few_rows_and_rare_classes():
    X = np.array([[0.0], [0.1], [5.0], [9.0], [9.1], [9.2]])
    one_each = KMExClassifier("auto", random_state=0).fit(X[[0, 2, 4]], [0, 1, 2])
    assert_array_equal(one_each.n_prototypes_, [1, 1, 1])
    rare = KMExClassifier("auto", random_state=0).fit(X, [0, 0, 1, 2, 2, 2])
    assert_array_equal(rare.predict(X), [0, 0, 1, 2, 2, 2])
    weights = np.array([1, 1, 1, 1, 1, 0])
    absent = KMExClassifier("auto", random_state=0).fit(X, [0, 0, 1, 2, 2, 0], weights)
    present = KMExClassifier("auto", random_state=0).fit(X[:5], [0, 0, 1, 2, 2])
    assert_array_equal(absent.prototypes_, present.prototypes_)


def test_rare_classes_count_as_much_where_asked():
    rng = np.random.RandomState(0)
    common = rng.normal(size=(600, 2))
    rare = rng.normal(scale=0.4, size=(40, 2)) + 2 * np.eye(2)[rng.randint(2, size=40)]
    X, y = np.concatenate([common, rare]), np.repeat([0, 1], [600, 40])
    cv = StratifiedKFold(5, shuffle=True, random_state=0)
    plain, balanced = (
        KMExClassifierCV(8, cv=cv, scoring=scoring, random_state=0).fit(X, y)
        for scoring in ("accuracy", "balanced_accuracy")
    )
    assert balanced.n_prototypes_[0] != plain.n_prototypes_[0]
    mean = balanced.cv_results_["mean_test_score"]
    by_hand = cross_val_score(
        KMExClassifier(1, random_state=0), X, y, cv=cv, scoring="balanced_accuracy"
    )
    assert mean[0] == pytest.approx(by_hand.mean())


def test_sparse_rows_folds_of_the_users_own_and_both_aggregations(digits):
    X, _, y, _ = digits
    X, y = X[:300], y[:300]
    folds = KFold(3, shuffle=True, random_state=0)
    for kind in (np.asarray, sparse.csr_matrix):
        for aggregation in ("max", "sum"):
            psem = KMExClassifierCV(
                3, cv=folds, aggregation=aggregation, random_state=0
            ).fit(kind(X), y)
            assert psem.score(kind(X), y) > 0.9
    missing = [(np.flatnonzero(y != 3), np.flatnonzero(y == 3))] * 2
    psem = KMExClassifierCV(2, cv=missing, random_state=0).fit(X, y)
    assert_array_equal(psem.cv_results_["mean_test_score"], [0, 0])


def test_shares_of_the_classes(rings):
    X, y = rings
    X, y = X[:600], y[:600]  # 400 of the blob, 200 of the ring
    psem = KMExClassifierCV([0.05, 0.005, 0.02], tolerance=0, random_state=0).fit(X, y)
    assert_array_equal(psem.cv_results_["n_prototypes"], [0.005, 0.02, 0.05])
    share = psem.cv_results_["n_prototypes"][
        psem.cv_results_["mean_test_score"].argmax()
    ]
    assert_array_equal(psem.n_prototypes_, np.ceil(share * np.array([400, 200])))
    each = KMExClassifierCV([0.005, 0.02, 0.05], per_class=True, random_state=0)
    blob, ring = each.fit(X, y).n_prototypes_
    assert blob in (2, 8, 20)
    assert ring in (1, 4, 10)


@pytest.mark.parametrize("temperature", ["auto", 0.5])
def test_priors_decide_in_the_search_too(rings, temperature):
    X, y = rings
    y = np.where(y == "ring", "a ring", y)
    cv = StratifiedKFold(3)
    priors = [0.02, 0.98]
    settings = {"temperature": temperature, "priors": priors, "random_state": 0}
    psem = KMExClassifierCV([1, 4], cv=cv, tolerance=0, **settings).fit(X, y)
    plain = KMExClassifierCV([1, 4], cv=cv, random_state=0).fit(X, y)
    curve = psem.cv_results_["mean_test_score"]
    assert not np.allclose(curve, plain.cv_results_["mean_test_score"])
    for number, mean in zip([1, 4], curve, strict=True):
        kmex = KMExClassifier(number, **settings)
        assert_allclose(cross_val_score(kmex, X, y, cv=cv).mean(), mean, atol=0.03)
    auto = KMExClassifier("auto", **settings).fit(X, y)
    assert_allclose(auto.class_prior_, priors)


def test_a_class_of_one_row_and_priors():
    X = np.array([[0.0], [0.2], [0.4], [0.6], [5.0], [0.8]])
    psem = KMExClassifier("auto", priors="class", random_state=0)
    psem.fit(X, [0, 0, 0, 0, 1, 0])
    assert_array_equal(psem.n_prototypes_, [1, 1])
    split = [([0, 1, 2], [3, 4, 5])] * 2  # no fold has a row of class 1 to learn from
    searched = KMExClassifierCV(2, cv=split, priors="class", random_state=0)
    assert_array_equal(searched.fit(X, [0, 0, 0, 0, 1, 0]).n_prototypes_, [1, 1])


def test_refusals(digits):
    X, _, y, _ = digits
    for numbers in (
        [0, 1],
        [1.5],
        [0.5, 2],
        [0.0, 0.1],
        [],
        [[1, 2]],
        [1, "a"],
        [[1], [1, 2]],
    ):
        with pytest.raises(
            ValueError, match=r"candidates .* at least 1 or of shares .* 1; got"
        ):
            KMExClassifierCV(numbers).fit(X, y)
    with pytest.raises(AttributeError, match="partial_fit") as caught:
        KMExClassifier("auto").partial_fit(X, y)
    assert "give it n_prototypes as whole numbers" in str(caught.value.__cause__)
    assert hasattr(KMExClassifier(), "partial_fit")
    assert not hasattr(KMExClassifierCV(), "partial_fit")
    failed = KMExClassifierCV(3, cv=2000)
    with pytest.raises(ValueError, match="n_splits=2000"):
        failed.fit(X, y)
    assert not hasattr(failed, "cv_results_")


def test_candidates_have_a_parameter_of_their_own():
    psem = KMExClassifierCV(3)
    assert "n_prototypes" not in psem.get_params()
    assert not hasattr(psem, "n_prototypes")
    assert clone(psem.set_params(candidates=[1, 4])).candidates == [1, 4]
    with pytest.raises(ValueError, match="Invalid parameter 'n_prototypes'"):
        psem.set_params(n_prototypes=3)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.InconsistentVersionWarning")
def test_candidates_of_an_earlier_file_were_called_n_prototypes():
    pytest.importorskip("safetensors")
    pytest.importorskip("skops")
    path = Path(__file__).parent / "persistence/files/classifier_cv.safetensors"
    loaded = load_psem(path)
    assert "n_prototypes" not in loaded.get_params()
    assert loaded.candidates == clone(loaded).candidates
    assert f"candidates={loaded.candidates}" in repr(loaded)
    assert pickle.loads(pickle.dumps(loaded)).candidates == loaded.candidates
    assert not hasattr(loaded, "n_prototypes")


@given(seed=st.integers(0, 10_000), tolerance=st.sampled_from([0.0, 0.05, 0.3]))
def test_chosen_counts_reach_what_they_must(seed, tolerance):
    rng = np.random.RandomState(seed)
    folds = [
        HeldOut(rng.normal(size=(30, 3, 4)), rng.randint(3, size=30), rng.rand(30))
        for _ in range(3)
    ]
    equal = choose_counts(folds, tolerance, per_class=False)
    choice = choose_counts(folds, tolerance, per_class=True)
    for found in (equal, choice):
        reached = np.mean([accuracy(fold, found.places) for fold in folds])
        assert reached >= found.wanted - 1e-12
    assert choice.places.sum() <= equal.places.sum()
    places = rng.randint(4, size=3)
    one_by_one = [accuracy(folds[0], np.r_[places[:2], k]) for k in range(4)]
    assert_allclose(by_count(folds[0], places, 2), one_by_one)
