"""Folds: row numbers of X whatever the weights, groups, and what cannot be a fold."""

import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import config_context
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    GroupShuffleSplit,
    KFold,
    LeaveOneGroupOut,
    LeaveOneOut,
    PredefinedSplit,
    RepeatedStratifiedKFold,
    StratifiedGroupKFold,
    StratifiedShuffleSplit,
    TimeSeriesSplit,
    cross_validate,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_kmex import KMExClassifier, KMExClassifierCV, RejectingClassifier
from sklearn_kmex.exceptions import KMExWarning

PAPER = {"similarity": "log", "aggregation": "max", "priors": "uniform"}
PAPER |= {"metric": "euclidean", "random_state": 0}


def search(cv, **settings):
    return KMExClassifierCV([1, 3], cv=cv, **PAPER | settings)


def rejecting(cv, estimator=None):
    psem = KMExClassifier(2, n_init=1, random_state=0)
    return RejectingClassifier(psem if estimator is None else estimator, cv=cv)


def scores(model):
    """Return the scores of the folds, or of the held-out rows."""
    if isinstance(model, RejectingClassifier):
        return np.concatenate(model.calibration_scores_)
    splits = [name for name in model.cv_results_ if name.startswith("split")]
    return np.array([model.cv_results_[name] for name in splits])


@pytest.fixture
def rows(digits):
    X, _, y, _ = digits
    return X[:300], y[:300]


class ByColumn:
    """A splitter that reads the folds from a column of a frame."""

    def get_n_splits(self, X=None, y=None, groups=None):
        return 3

    def split(self, X, y=None, groups=None):
        for k in range(3):
            yield np.flatnonzero(X["fold"] != k), np.flatnonzero(X["fold"] == k)


def cv_of(kind, fold):
    """Hold out the rows of the folds 0, 1 and 2; rows of -1 are in no test part."""
    masks = [(fold != k, fold == k) for k in range(3)]
    numbers = [tuple(map(np.flatnonzero, pair)) for pair in masks]
    return {
        "masks": masks,
        "lists": [tuple(part.tolist() for part in pair) for pair in numbers],
        "from the end": [tuple(part - len(fold) for part in pair) for pair in numbers],
        "generator": (pair for pair in numbers),
        "predefined": PredefinedSplit(fold),
        "frame": ByColumn(),
    }[kind]


@pytest.mark.parametrize("make", [search, rejecting])
@pytest.mark.parametrize(
    "kind", ["masks", "lists", "from the end", "generator", "predefined", "frame"]
)
def test_row_numbers_are_those_of_X_whatever_the_weights(rows, kind, make):
    X, y = rows
    rng = np.random.RandomState(0)
    fold, weights = rng.randint(-1, 3, len(y)), rng.randint(0, 3, len(y))
    kept, given = weights > 0, X
    if kind == "frame":
        pd = pytest.importorskip("pandas")
        names = [f"pixel {k}" for k in range(X.shape[1])]
        index = np.arange(len(y))[::-1] + 1000
        given = pd.DataFrame(X, columns=names, index=index).assign(fold=fold)
        X = given.to_numpy()
    found = make(cv_of(kind, fold)).fit(given, y, sample_weight=weights)
    without = make(cv_of("lists", fold[kept])).fit(X[kept], y[kept], weights[kept])
    assert_allclose(scores(found), scores(without))
    if make is search:
        assert_array_equal(found.prototypes_, without.prototypes_)


@pytest.mark.parametrize("make", [search, rejecting])
@pytest.mark.parametrize("cv", [None, 3], ids=str)
def test_a_number_of_folds_splits_the_rows_of_positive_weight(rows, make, cv):
    X, y = rows
    weights = np.random.RandomState(0).randint(0, 3, len(y))
    kept = weights > 0
    found = make(cv).fit(X, y, sample_weight=weights)
    without = make(cv).fit(X[kept], y[kept], sample_weight=weights[kept])
    assert_array_equal(scores(found), scores(without))


def test_a_class_whose_weight_is_in_one_fold(rows):
    """Its other rows have weight 0: the fold that lacks it knows nothing of it."""
    X, y = rows
    weights = np.ones(len(y))
    weights[np.flatnonzero(y == 3)[1:]] = 0
    careful = rejecting(KFold(3), KMExClassifier(1, random_state=0))
    careful.fit(X, y, sample_weight=weights)
    held_out = sum(map(len, careful.calibration_weights_))
    assert held_out == np.sum(weights) - 1  # the one row of class 3 is not known
    assert 3 in careful.classes_


@pytest.mark.parametrize("make", [search, rejecting])
@pytest.mark.parametrize(
    "cv",
    [
        LeaveOneOut(),
        TimeSeriesSplit(3),
        RepeatedStratifiedKFold(n_splits=2, n_repeats=2, random_state=0),
        [([*range(50)], [50, 51]), ([*range(40)], [])],
    ],
    ids=repr,
)
def test_folds_without_held_out_rows_are_left_out(make, cv):
    rng = np.random.RandomState(0)
    X, y = rng.normal(size=(60, 2)), np.arange(60) % 3
    y[:17] = 0  # the first fold of a time series knows one class
    weights = np.where(np.arange(60) % 6 == 5, 0, 1)
    assert np.isfinite(scores(make(cv).fit(X, y, sample_weight=weights))).all()


@pytest.mark.parametrize("make", [search, rejecting])
def test_held_out_rows_of_an_unknown_class_are_left_out(rows, make):
    X, y = rows
    train, test = np.arange(200), np.arange(200, 300)
    some = make([(train[y[train] != 3], test)]).fit(X, y)
    known = make([(train[y[train] != 3], test[y[test] != 3])]).fit(X, y)
    assert_array_equal(scores(some), scores(known))


@pytest.mark.parametrize("make", [search, rejecting])
@pytest.mark.parametrize(
    ("cv", "words"),
    [
        ([], "at least one fold; got none. A generator gives its folds once"),
        (
            [([0, 1], [2], [3])],
            r"a pair for each fold.*got .\(\[0, 1\], \[2\], \[3\]\)",
        ),
        ([1, 2], "a pair for each fold.*; got '1'"),
        ([[0, 1]], "a pair for each fold.*; got 0"),
        ([(range(200), [299, 300])], "from 0 to 299.*; got row 300"),
        ([([-301, 5], [6])], "got row -301"),
        ([([0.0, 1.0], [2])], r"got \[0.0, 1.0\]"),
        ([(["a"], [2])], r"got \['a'\]"),
        ([([True] * 9, [2])], r"masks of 300 values; got \[True, True"),
        ([(range(300), [])], "hold out a row of a class .* got no such fold"),
    ],
)
def test_what_cannot_be_a_fold(rows, make, cv, words):
    with pytest.raises(ValueError, match=f"cv must .*{words}"):
        make(cv).fit(*rows)


def test_a_generator_gives_its_folds_once(rows):
    psem = search(iter([(range(200), range(200, 300))])).fit(*rows)
    with pytest.raises(ValueError, match="pass a list of them"):
        psem.fit(*rows)


GROUPED = [
    GroupKFold(3),
    LeaveOneGroupOut(),
    StratifiedGroupKFold(3),
    GroupShuffleSplit(2, random_state=0),
]


@pytest.mark.parametrize("make", [search, rejecting])
@pytest.mark.parametrize("cv", GROUPED, ids=lambda cv: type(cv).__name__)
@pytest.mark.parametrize("routing", [True, False])
def test_groups_reach_the_splitter(rows, make, cv, routing):
    X, y = rows
    groups = np.array(["a", "b", "c", "d"])[np.arange(len(y)) // 75]
    weights = np.random.RandomState(0).randint(0, 3, len(y))
    by_hand = make(list(cv.split(X, y, groups))).fit(X, y, sample_weight=weights)
    with config_context(enable_metadata_routing=routing):
        found = make(cv).fit(X, y, sample_weight=weights, groups=groups.tolist())
        assert_array_equal(scores(found), scores(by_hand))
        with pytest.raises(ValueError, match=r"needs the group .*groups=groups"):
            make(cv).fit(X, y)


def test_groups_are_routed_through_pipelines_and_searches(rows):
    X, y = rows
    groups, cv = np.arange(len(y)) // 30, GroupKFold(3)
    by_hand = search(list(cv.split(X, y, groups))).fit(X, y)
    piped = make_pipeline(StandardScaler(with_mean=False, with_std=False), search(cv))
    inside = piped.fit(X, y, kmexclassifiercv__groups=groups)[-1]
    assert_array_equal(scores(inside), scores(by_hand))
    careful = rejecting(cv, piped)
    with config_context(enable_metadata_routing=True):
        inside = piped.fit(X, y, groups=groups)[-1]
        assert_array_equal(scores(inside), scores(by_hand))
        inside = careful.fit(X, y, groups=groups).estimator_[-1]
        assert_array_equal(scores(inside), scores(by_hand))
        grid = GridSearchCV(piped, {"kmexclassifiercv__scoring": ["accuracy"]}, cv=cv)
        assert grid.fit(X, y, groups=groups).best_score_ > 0.8
        outer = {"cv": cv, "params": {"groups": groups}, "error_score": "raise"}
        assert cross_validate(careful, X, y, **outer)["test_score"].mean() > 0.7
    with pytest.raises(ValueError, match=r"In a Pipeline, .*enable_metadata_routing"):
        careful.fit(X, y, groups=groups)


def test_metadata_that_nothing_takes(rows):
    for make in (search, rejecting):
        with pytest.raises(TypeError, match="nope"):
            make(2).fit(*rows, nope=3)
        with (
            config_context(enable_metadata_routing=True),
            pytest.raises(TypeError, match=r"groups.* not routed to any object"),
        ):
            make(2).fit(*rows, groups=rows[1])
        with pytest.warns(UserWarning, match="groups parameter is ignored"):
            make(2).fit(*rows, np.arange(300) % 3, groups=rows[1])


@pytest.mark.parametrize("scoring", ["neg_log_loss", "accuracy", "balanced_accuracy"])
@pytest.mark.parametrize("per_class", [True, False])
def test_one_validation_split_has_a_standard_error(rows, scoring, per_class):
    cv = StratifiedShuffleSplit(1, test_size=0.3, random_state=0)
    psem = search(cv, scoring=scoring, per_class=per_class, temperature=0.5)
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        psem.fit(*rows)
    results = psem.cv_results_
    assert results["accepted"][psem.best_index_]
    errors = results["standard_error"]
    assert errors[results["mean_test_score"].argmax()] == 0
    assert errors.max() > 0
    twice = search([*cv.split(*rows)] * 2, scoring=scoring, temperature=0.5).fit(*rows)
    assert_allclose(twice.cv_results_["standard_error"], errors)  # no more is known


def test_one_held_out_row_has_no_standard_error(rows):
    one = search([(range(299), [299])], scoring="accuracy")
    with pytest.warns(KMExWarning, match="one held-out row is not known; 0 is used"):
        one.fit(*rows)
    best = one.cv_results_["mean_test_score"].max()
    assert_array_equal(
        one.cv_results_["accepted"], one.cv_results_["mean_test_score"] == best
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error", KMExWarning)
        one.set_params(tolerance=0.0).fit(*rows)


def test_weights_of_zero_in_the_folds_of_any_classifier(rows):
    X, y = rows
    weights = np.where(y == 3, 0, 1)
    logistic = LogisticRegression(max_iter=500)
    careful = RejectingClassifier(logistic, method="probability", cv=3)
    assert 3 in careful.fit(X, y, sample_weight=weights).classes_
    with pytest.raises(ValueError, match=r"zero for all rows of \[3\]. Leave these"):
        rejecting(3).fit(X, y, sample_weight=weights)
