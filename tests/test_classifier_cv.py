"""KMExClassifierCV and "auto": prototypes and rules chosen by held-out rows."""

import pickle
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from scipy.special import log_softmax
from sklearn.base import clone
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.model_selection import (
    GridSearchCV,
    KFold,
    StratifiedKFold,
    cross_val_score,
)

from sklearn_kmex import KMExClassifier, KMExClassifierCV, make_kmex
from sklearn_kmex._fit.choice import Table, fewest
from sklearn_kmex.persistence import load_psem

# The rule of the paper: only numbers of prototypes are chosen.
PAPER = {
    "metric": "euclidean",
    "similarity": "log",
    "aggregation": "max",
    "priors": "uniform",
}
ALL = dict.fromkeys(["n_prototypes", *PAPER], "auto")


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
    accuracy = {"scoring": "accuracy", "random_state": 0} | PAPER
    psem = KMExClassifierCV(12, per_class=True, **accuracy).fit(X, y)
    blob, ring = psem.n_prototypes_
    assert blob == 1
    assert ring >= 3
    assert psem.score(X, y) > 0.97
    equal = KMExClassifierCV(12, **accuracy).fit(X, y)
    assert equal.n_prototypes_[0] == equal.n_prototypes_[1] >= 3
    assert psem.n_prototypes_.sum() < equal.n_prototypes_.sum()


@pytest.mark.slow
def test_the_curve_is_that_of_a_full_search(digits):
    X, X_test, y, y_test = digits
    cv = StratifiedKFold(5, shuffle=True, random_state=0)
    numbers = [1, 2, 4, 8, 12]
    psem = KMExClassifierCV(numbers, cv=cv, scoring="accuracy", **PAPER, random_state=0)
    psem.fit(X, y)
    kmex = KMExClassifier(temperature=1.0, random_state=0)
    search = GridSearchCV(kmex, {"n_prototypes": numbers}, cv=cv).fit(X, y)
    curve = search.cv_results_["mean_test_score"]
    assert_allclose(psem.cv_results_["mean_test_score"], curve, atol=0.015)
    assert psem.score(X_test, y_test) >= search.score(X_test, y_test) - 0.02


def test_rule_and_results_are_what_they_say(digits):
    X, _, y, _ = digits
    psem = KMExClassifierCV([4, 1, 2, 4], cv=3, random_state=0).fit(X, y)
    results = psem.cv_results_
    assert [p["n_prototypes"] for p in results["params"][:9]] == [1] * 3 + [2] * 3 + [
        4
    ] * 3
    assert {p["metric"] for p in results["params"]} == {"euclidean", "mahalanobis"} | {
        "cosine",
        "cosine_mahalanobis",
    }
    splits = np.array([results[f"split{k}_test_score"] for k in range(3)])
    mean = results["mean_test_score"]
    assert_allclose(mean, splits.mean(axis=0))
    assert_allclose(results["std_test_score"], splits.std(axis=0))
    best = mean.argmax()
    assert results["rank_test_score"][best] == 1
    assert results["standard_error"][best] == 0
    allowed = np.maximum(results["standard_error"], 0.02 * -mean[best])
    accepted = mean >= mean[best] - allowed
    assert_array_equal(results["accepted"], accepted)
    assert psem.best_params_ == results["params"][psem.best_index_]
    assert accepted[psem.best_index_]
    counts = results["param_n_prototypes"][accepted]
    assert set(psem.n_prototypes_) == {min(counts, key=lambda n: (n == 1, n))}
    for name in PAPER:
        assert getattr(psem, f"{name}_") == psem.best_params_[name]
        assert getattr(psem, name) == "auto"


def test_any_tolerance_gives_the_plainest_and_none_the_best(digits):
    """One prototype, the mean of a class, looks like none of its rows: it is last."""
    X, _, y, _ = digits
    patient = KMExClassifierCV([1, 2, 4], cv=3, tolerance=100.0, random_state=0)
    assert patient.fit(X, y).best_params_ == {
        "n_prototypes": 2,
        **PAPER,
        "shrinkage": "auto",
    }
    strict = KMExClassifierCV([1, 2, 4], cv=3, tolerance=0.0, random_state=0).fit(X, y)
    assert strict.cv_results_["rank_test_score"][strict.best_index_] == 1


def test_what_is_given_stays_as_given(digits):
    X, _, y, _ = digits
    X, y = X[:400], y[:400]
    psem = KMExClassifier(3, metric="auto", priors="class", random_state=0).fit(X, y)
    assert set(psem.n_prototypes_) == {3}
    assert psem.priors_ == psem.best_params_["priors"] == "class"
    assert psem.similarity_ == "log"
    given = KMExClassifierCV([2], similarity="gaussian", aggregation="max", cv=2)
    params = given.fit(X, y).cv_results_["params"]
    assert {p["similarity"] for p in params} == {"gaussian"}
    assert {p["aggregation"] for p in params} == {"max"}
    plain = KMExClassifier(5, random_state=0).fit(X, y)
    assert not hasattr(plain, "cv_results_")
    paper = KMExClassifier(random_state=0, **ALL).set_params(n_prototypes=5, **PAPER)
    assert_array_equal(paper.fit(X, y).prototypes_, plain.prototypes_)


def test_overlapping_classes_of_any_scale_need_a_metric():
    """The first claim of the package: a choice by held-out rows loses no accuracy."""
    rng = np.random.RandomState(0)
    y = rng.choice(3, 6000, p=[0.7, 0.2, 0.1])
    X = rng.normal(size=(6000, 8)) + np.eye(3, 8)[y] * 2
    X = X @ rng.normal(size=(8, 8)) * np.geomspace(1, 100, 8)
    A, B, a, b = X[:1000], X[1000:], y[:1000], y[1000:]
    black_box = LinearDiscriminantAnalysis().fit(A, a).score(B, b)
    chosen = KMExClassifier(random_state=0, **ALL).fit(A, a)
    assert "mahalanobis" in chosen.metric_
    assert chosen.score(B, b) > black_box - 0.01
    assert KMExClassifier(random_state=0).fit(A, a).score(B, b) < black_box - 0.1


def test_metrics_that_the_rows_do_not_allow_are_left_out(digits):
    X, _, y, _ = digits
    X, y = X[:300].copy(), y[:300]
    zeros = np.where(np.arange(300)[:, np.newaxis] == 7, 0.0, X)
    tried = KMExClassifierCV([2], cv=2, random_state=0).fit(zeros, y).cv_results_
    assert set(tried["param_metric"]) == {"euclidean", "mahalanobis"}
    tried = KMExClassifierCV([2], cv=2).fit(sparse.csr_matrix(X), y).cv_results_
    assert set(tried["param_metric"]) == {"euclidean", "cosine"}
    constant = np.repeat(np.eye(2), 10, axis=0)
    tried = KMExClassifierCV([1], cv=2).fit(constant, np.repeat([0, 1], 10)).cv_results_
    assert set(tried["param_metric"]) == {"euclidean", "cosine"}
    with pytest.raises(ValueError, match=r"All settings .* failed.* must vary within"):
        KMExClassifierCV([1], cv=2, metric="mahalanobis").fit(
            constant, np.repeat([0, 1], 10)
        )


def test_a_teacher_decides_in_the_search_too(digits):
    X, X_test, y, _ = digits
    forest = ExtraTreesClassifier(30, max_depth=4, random_state=0).fit(X, y)
    psem = KMExClassifier(random_state=0, **ALL, teacher=forest).fit(X, y)
    labels = KMExClassifier(random_state=0, **ALL).fit(X, y)
    theirs = forest.predict_proba(X_test)

    def divergence(model):
        return -(theirs * model.predict_log_proba(X_test)).sum(axis=1).mean()

    assert divergence(psem) < divergence(labels) - 0.05
    few = ExtraTreesClassifier(2).fit(X[y < 8], y[y < 8])
    with pytest.raises(ValueError, match=r"teacher must know .* not know \[8, 9\]"):
        KMExClassifier(teacher=few).fit(X, y)


def test_folds_that_hold_out_nothing_known_are_refused(digits):
    X, _, y, _ = digits
    missing = [(np.flatnonzero(y != 3), np.flatnonzero(y == 3))] * 2
    with pytest.raises(ValueError, match="hold out a row of a class"):
        KMExClassifierCV(2, cv=missing, random_state=0).fit(X, y)


@pytest.mark.slow
def test_the_refit_is_as_tight_as_the_classifier(digits):
    X, _, y, _ = digits
    chosen = KMExClassifierCV(6, random_state=0, per_class=True, **PAPER).fit(X, y)
    counts = dict(zip(chosen.classes_, chosen.n_prototypes_, strict=True))
    plain = KMExClassifier(counts, random_state=0).fit(X, y)
    assert (chosen.inertia_ < 1.03 * plain.inertia_).all()
    parallel = clone(chosen).set_params(n_jobs=2).fit(X, y)
    assert_array_equal(parallel.prototypes_, chosen.prototypes_)


def test_auto_is_much_the_same_as_the_search_with_default_settings(digits):
    X, X_test, y, y_test = digits
    auto = KMExClassifier(random_state=0, **ALL).fit(X, y)
    chosen = KMExClassifierCV(random_state=0).fit(X, y)
    for psem in (auto, chosen):
        assert psem.score(X_test, y_test) > 0.95
    piped = make_kmex(lambda X: X, random_state=0, **ALL).fit(X, y)
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
        KMExClassifierCV(8, cv=cv, scoring=scoring, random_state=0, **PAPER).fit(X, y)
        for scoring in ("accuracy", "balanced_accuracy")
    )
    assert balanced.n_prototypes_[0] != plain.n_prototypes_[0]
    mean = balanced.cv_results_["mean_test_score"]
    by_hand = cross_val_score(
        KMExClassifier(1, random_state=0), X, y, cv=cv, scoring="balanced_accuracy"
    )
    assert mean[0] == pytest.approx(by_hand.mean())  # one restart finds the mean, too


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


def test_shares_of_the_classes(rings):
    X, y = rings
    X, y = X[:600], y[:600]  # 400 of the blob, 200 of the ring
    shares = [0.05, 0.005, 0.02]
    psem = KMExClassifierCV(shares, tolerance=0, random_state=0, **PAPER).fit(X, y)
    assert list(psem.cv_results_["param_n_prototypes"]) == [0.005, 0.02, 0.05]
    share = psem.best_params_["n_prototypes"]
    assert_array_equal(psem.n_prototypes_, np.ceil(share * np.array([400, 200])))
    each = KMExClassifierCV([0.005, 0.02, 0.05], per_class=True, random_state=0)
    blob, ring = each.fit(X, y).n_prototypes_
    assert blob in (2, 8, 20)
    assert ring in (1, 4, 10)


@pytest.mark.parametrize("temperature", ["auto", 0.5])
def test_priors_decide_in_the_search_too(rings, temperature):
    X, y = rings
    y = np.where(y == "ring", "a ring", y)
    settings = {"temperature": temperature, "priors": [0.02, 0.98], "random_state": 0}
    cv = StratifiedKFold(3)
    search = {"cv": cv, "scoring": "accuracy", "tolerance": 0}
    search |= {name: PAPER[name] for name in ("metric", "similarity", "aggregation")}
    psem = KMExClassifierCV([4, 8], **search, **settings).fit(X, y)
    curve = psem.cv_results_["mean_test_score"]
    plain = KMExClassifierCV([4, 8], **search, priors="uniform", random_state=0)
    plain.fit(X, y)
    assert (curve < plain.cv_results_["mean_test_score"] - 0.05).all()
    if temperature != "auto":  # the search fits it to other rows
        for number, mean in zip([4, 8], curve, strict=True):
            kmex = KMExClassifier(number, **settings)
            assert_allclose(cross_val_score(kmex, X, y, cv=cv).mean(), mean, atol=0.03)
    auto = KMExClassifier("auto", **settings).fit(X, y)
    assert_allclose(auto.class_prior_, [0.02, 0.98])


def test_a_class_of_one_row_and_priors():
    X = np.array([[0.0], [0.2], [0.4], [0.6], [5.0], [0.8]])
    psem = KMExClassifier("auto", priors="class", random_state=0)
    psem.fit(X, [0, 0, 0, 0, 1, 0])
    assert psem.n_prototypes_[1] == 1
    split = [([0, 1, 2], [3, 4, 5])] * 2  # no fold has a row of class 1 to learn from
    searched = KMExClassifierCV(2, cv=split, priors="class", random_state=0)
    assert searched.fit(X, [0, 0, 0, 0, 1, 0]).n_prototypes_[1] == 1


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
        True,
        [True, 2],
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


@given(
    seed=st.integers(0, 10_000),
    scoring=st.sampled_from(["accuracy", "neg_log_loss"]),
)
def test_chosen_counts_reach_what_they_must(seed, scoring):
    rng = np.random.RandomState(seed)
    tables = [
        Table(rng.normal(size=(30, 3, 4)), rng.randint(3, size=30), np.full(30, 1 / 30))
        for _ in range(3)
    ]

    def score(table, places):
        logits = table.logits[:, np.arange(3), places]
        if scoring == "accuracy":
            return table.weights @ (logits.argmax(axis=1) == table.codes)
        return table.weights @ log_softmax(logits, axis=1)[np.arange(30), table.codes]

    def mean(places):
        return np.mean([score(table, places) for table in tables])

    start = max(range(4), key=lambda place: mean(np.full(3, place)))
    chosen = fewest(tables, start, start, scoring)
    assert mean(chosen) >= mean(np.full(3, start)) - 1e-12
    assert chosen.sum() <= 3 * start
    places = rng.randint(4, size=3)
    one_by_one = [score(tables[0], np.r_[places[:2], k]) for k in range(4)]
    assert_allclose(tables[0].by_count(places, 2, scoring), one_by_one)
