"""RejectingClassifier: refuses as many known rows as asked, and the right ones."""

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from served import RULES, fit_rule, four_digits
from sklearn import config_context
from sklearn.base import clone
from sklearn.datasets import make_blobs
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score, cross_validate
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from sklearn_kmex import KMExClassifier, RejectingClassifier, make_kmex
from sklearn_kmex._fit.held_out import predict_and_score
from sklearn_kmex._model.metric import METRICS
from sklearn_kmex._model.protocol import find_sem
from sklearn_kmex._rejecting import threshold

METHODS = ["similarity", "probability"]


@pytest.fixture
def line():
    """Prototypes 0 of "a" and 10 of "b"; scores are minus half a squared distance."""
    psem = KMExClassifier(1, similarity="gaussian", temperature=1.0)
    return FrozenEstimator(psem.fit([[0.0], [10]], ["a", "b"]))


def known_rows():
    """Nine of "a" at 0.1 to 0.9, and four of "b" at 10 to 13."""
    places = [*np.arange(1, 10) / 10, 10, 11, 12, 13]
    return np.array(places)[:, np.newaxis], np.array(["a"] * 9 + ["b"] * 4)


def test_thresholds_by_hand(line):
    careful = RejectingClassifier(line, quantile=0.2).fit(*known_rows())
    # the second least similar of nine; of four, the least similar
    assert_allclose(careful.thresholds_, [-(0.8**2) / 2, -(3**2) / 2])
    X = [[0.8], [0.81], [13], [13.1], [-0.5]]
    assert_array_equal(careful.accept(X), [True, False, True, False, True])
    assert_allclose(careful.typicality(X), [3 / 10, 2 / 10, 2 / 5, 1 / 5, 6 / 10])
    assert_array_equal(careful.predict(X), ["a", "a", "b", "b", "a"])


def test_one_threshold_for_all(line):
    careful = RejectingClassifier(line, quantile=0.2, per_class=False)
    careful.fit(*known_rows())
    assert_allclose(careful.thresholds_, [-(2**2) / 2] * 2)  # second of thirteen
    assert_array_equal(careful.accept([[1.9], [12.1]]), [True, False])


@pytest.mark.parametrize("per_class", [True, False])
def test_a_weight_is_that_many_rows(line, per_class):
    X, y = known_rows()
    weights = np.array([3, 0, 1, 1, 2, 1, 0, 1, 4, 1, 5, 1, 0])
    careful = RejectingClassifier(line, quantile=0.2, per_class=per_class)
    weighted = clone(careful).fit(X, y, sample_weight=weights)
    careful.fit(np.repeat(X, weights, axis=0), np.repeat(y, weights))
    assert_array_equal(weighted.thresholds_, careful.thresholds_)
    rows = np.linspace(-1, 14, 200)[:, np.newaxis]
    assert_allclose(weighted.typicality(rows), careful.typicality(rows))
    assert_array_equal(weighted.accept(rows), careful.accept(rows))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("rule", RULES[::3], ids="-".join)
def test_no_more_are_rejected_than_asked_in_any_metric(rule, method, digits):
    X, y, X_test = four_digits(digits)
    held_out = np.arange(len(y)) % 2 == 1
    psem = fit_rule(rule, X[~held_out], y[~held_out])
    careful = RejectingClassifier(
        FrozenEstimator(psem), quantile=0.1, method=method, reject_label=-1
    ).fit(X[held_out], y[held_out])
    predicted = psem.predict(X[held_out])
    accepted = careful.accept(X[held_out])
    for label in np.unique(predicted):
        assert np.mean(~accepted[predicted == label]) <= 0.1
    assert np.mean(~accepted) > 0
    answers = careful.predict(X_test)
    kept = answers != -1
    assert_array_equal(answers[kept], psem.predict(X_test)[kept])
    noise = np.random.default_rng(0).permuted(X_test, axis=1)
    if method == "similarity":
        assert careful.accept(noise).mean() < 0.5 < careful.accept(X_test).mean()


def test_parameters_are_chosen_inside(digits):
    X, y, X_test = four_digits(digits)
    psem = KMExClassifier(2, metric="auto", priors="auto", n_init=1, random_state=0)
    careful = RejectingClassifier(psem, cv=2, reject_label=-1).fit(X, y)
    assert careful.estimator_.metric_ in METRICS
    kept = careful.predict(X_test) != -1
    assert_array_equal(
        careful.predict(X_test)[kept], careful.estimator_.predict(X_test)[kept]
    )


def test_weights_reach_the_classifier_in_a_pipeline(digits):
    X, _, y, _ = digits
    X, y = X[:400], y[:400]
    weights = np.where(np.arange(400) % 4, 1.0, 0.0)
    weights[1::4] = 5
    psem = make_pipeline(StandardScaler(), KMExClassifier(1, temperature=1.0))
    careful = RejectingClassifier(make_pipeline(psem), cv=3)
    careful.fit(X, y, sample_weight=weights)
    alone = clone(psem).fit(X, y, kmexclassifier__sample_weight=weights)
    found = careful.estimator_[0]["kmexclassifier"].prototypes_
    assert_array_equal(found, alone["kmexclassifier"].prototypes_)
    assert sum(map(np.sum, careful.calibration_weights_)) == weights.sum()
    even = careful.fit(X, y)
    assert not np.array_equal(found, even.estimator_[0]["kmexclassifier"].prototypes_)


def classifiers():
    """Ways to wrap a classifier, with the name of the step that takes weights."""
    psem, scaler = KMExClassifier(2, n_init=1, random_state=0), StandardScaler()
    piped, grid = make_pipeline(scaler, psem), {"kmexclassifier__n_prototypes": [1, 2]}
    return {
        "alone": psem,
        "pipeline": piped,
        "nested": make_pipeline(piped),
        "search": GridSearchCV(psem, {"n_prototypes": [1, 2]}, cv=2),
        "search over a pipeline": GridSearchCV(piped, grid, cv=2),
        "search in a pipeline": make_pipeline(
            scaler, GridSearchCV(psem, {"n_prototypes": [1, 2]}, cv=2)
        ),
        "made": make_kmex(lambda X: X, n_prototypes=2, random_state=0),
        "rejecting": RejectingClassifier(psem, cv=2),
    }


@pytest.mark.parametrize("name", classifiers())
def test_weights_reach_the_classifier_with_metadata_routing_too(blobs, name):
    X, y = blobs
    weights = np.where(np.arange(len(y)) % 3, 1.0, 4.0)
    careful = RejectingClassifier(classifiers()[name], cv=2, method="probability")
    expected = clone(careful).fit(X, y, sample_weight=weights)
    even = clone(careful).fit(X, y)
    assert not np.array_equal(
        find_sem(expected).prototype_counts_, find_sem(even).prototype_counts_
    )
    with config_context(enable_metadata_routing=True):
        found = clone(careful).fit(X, y, sample_weight=weights)
    assert_array_equal(find_sem(found).prototypes_, find_sem(expected).prototypes_)
    assert_array_equal(found.thresholds_, expected.thresholds_)


def test_weights_go_where_they_are_requested(blobs):
    X, y = blobs
    weights = np.where(np.arange(len(y)) % 3, 1.0, 4.0)
    scaler, psem = StandardScaler(), KMExClassifier(1, random_state=0)
    with config_context(enable_metadata_routing=True):
        scaler.set_fit_request(sample_weight=True)
        psem.set_fit_request(sample_weight=False)
        careful = RejectingClassifier(make_pipeline(scaler, psem), cv=2)
        careful.set_fit_request(sample_weight=True)
        found = make_pipeline(careful).fit(X, y, sample_weight=weights)[-1]
        assert_allclose(found.estimator_[0].mean_, np.average(X, 0, weights))
        assert_array_equal(find_sem(found).prototype_counts_, 30)
        assert sum(map(np.sum, found.calibration_weights_)) == weights.sum()
        scaler.set_fit_request(sample_weight=False)
        found = careful.fit(X, y, sample_weight=weights)
        assert_allclose(found.estimator_[0].mean_, X.mean(axis=0))
        assert_array_equal(find_sem(found).prototype_counts_, 30)
        scored = careful.set_score_request(sample_weight=True)
        params = {"params": {"sample_weight": weights}, "error_score": "raise"}
        assert cross_validate(scored, X, y, cv=2, **params)["test_score"].min() == 1
        careful.set_params(estimator=make_pipeline(KNeighborsClassifier()))
        with pytest.raises(TypeError, match=r"accept sample_weight.*KNeighbors"):
            careful.fit(X, y, weights)


@pytest.mark.parametrize("routing", [True, False])
def test_other_metadata_reaches_the_classifier_row_by_row(blobs, routing):
    X, y = blobs

    class Noting(KMExClassifier):
        def fit(self, X, y, sample_weight=None, marks=None):
            self.marks_ = marks
            assert_array_equal(marks, X[:, 0])
            return super().fit(X, y, sample_weight)

    with config_context(enable_metadata_routing=routing):
        psem = Noting(1)
        if routing:
            psem.set_fit_request(marks=True, sample_weight=True)
        careful = RejectingClassifier(psem, cv=2).fit(X, y, np.ones(90), marks=X[:, 0])
        assert_array_equal(careful.estimator_.marks_, X[:, 0])


def test_rows_of_weight_zero_need_not_be_known_to_a_frozen_classifier(line):
    X, y = known_rows()
    careful = RejectingClassifier(line, quantile=0.2).fit(X, y)
    more = np.append(X, [[5.0]], axis=0), np.append(y, "c"), np.append(np.ones(13), 0)
    assert_array_equal(clone(careful).fit(*more).thresholds_, careful.thresholds_)


def test_too_few_known_rows_refuse_nothing(line):
    careful = RejectingClassifier(line, quantile=0.1).fit(*known_rows())
    assert_array_equal(careful.thresholds_ == -np.inf, [False, True])
    assert careful.accept([[1e6]])[0]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("per_class", [True, False])
def test_the_share_of_known_rows_refused(load_data, method, per_class):
    data = load_data("cifar10_resnet18_features.npz")
    X, y = data["features"].astype(np.float32), data["labels"]
    rows = np.random.RandomState(0).permutation(len(y))
    fit, known, test = rows[:4000], rows[4000:8000], rows[8000:]
    psem = KMExClassifier(3, n_init=1, random_state=0).fit(X[fit], y[fit])
    careful = RejectingClassifier(
        FrozenEstimator(psem), method=method, per_class=per_class
    )
    refused = ~careful.fit(X[known], y[known]).accept(X[test])
    labels = psem.predict(X[test])
    groups = [labels == c for c in psem.classes_] if per_class else [labels >= 0]
    for group in groups:
        # three standard deviations of a share, of known rows and of new ones
        spread = 3 * np.sqrt(0.09 * (1 / group.sum() + 1 / (group.sum() * 4 / 7)))
        assert abs(refused[group].mean() - 0.1) < spread
    others = data["other_features"].astype(np.float32)
    if method == "similarity":
        assert np.mean(~careful.accept(others)) > 0.15


def test_folds_hold_rows_out(digits):
    X, X_test, y, _ = digits
    psem = KMExClassifier(20, random_state=0)
    careful = RejectingClassifier(psem, quantile=0.1, per_class=False).fit(X, y)
    frozen = FrozenEstimator(psem.fit(X, y))
    on_train = RejectingClassifier(frozen, quantile=0.1, per_class=False).fit(X, y)
    assert careful.thresholds_[0] < on_train.thresholds_[0]
    assert 0.03 < np.mean(~careful.accept(X_test)) < 0.13
    assert np.mean(~on_train.accept(X_test)) > np.mean(~careful.accept(X_test))
    assert_array_equal(careful.predict(X_test), psem.predict(X_test))
    assert_array_equal(careful.predict_proba(X_test), psem.predict_proba(X_test))


@pytest.mark.parametrize("method", METHODS)
def test_the_rest_is_answered_better(digits, method):
    X, X_test, y, y_test = digits
    careful = RejectingClassifier(KMExClassifier(3, random_state=0), method=method)
    kept = careful.fit(X, y).accept(X_test)
    right = careful.predict(X_test) == y_test
    assert right[kept].mean() > right.mean() + 0.01
    assert 0.8 < kept.mean() < 0.97


def test_rows_unlike_anything_are_refused(blobs):
    X, y = blobs
    careful = RejectingClassifier(KMExClassifier(2, random_state=0), cv=3).fit(X, y)
    assert not careful.accept(X + 100).any()
    assert_allclose(
        careful.typicality(X + 100), 1 / (len(careful.calibration_scores_[2]) + 1)
    )


@pytest.mark.parametrize(
    ("classes", "label"),
    [
        ([0, 1, 2], -1),
        (np.array([0, 1, 2], dtype=np.uint8), -1),
        ([0.0, 1.0, 2.0], -1),
        (["a", "b", "c"], "not known"),
        (np.array(["a", "b", "c"], dtype=object), "not known"),
    ],
)
def test_the_label_of_refusal(blobs, classes, label):
    X, y = blobs
    y = np.asarray(classes)[y]
    careful = RejectingClassifier(KMExClassifier(1), cv=3, reject_label=label).fit(X, y)
    answers = careful.predict(np.concatenate([X, X + 100]))
    kept = careful.accept(X)
    assert_array_equal(answers[:90][kept], careful.estimator_.predict(X)[kept])
    assert all(one == label for one in answers[90:].tolist())
    assert careful.score(X, y) == np.mean(answers[:90] == y)


@pytest.mark.parametrize("label", [1, 1.0, "b", True, np.nan])
def test_labels_that_cannot_tell_a_refusal(blobs, label):
    careful = RejectingClassifier(KMExClassifier(1), cv=3, reject_label=label)
    with pytest.raises(
        ValueError, match=r"must be of the type of the classes, but not one.*got "
    ):
        careful.fit(*blobs)
    assert not hasattr(careful, "estimator_")


def test_it_stands_in_pipelines_and_searches(digits):
    X, _, y, _ = digits
    inside = make_pipeline(
        StandardScaler(), KMExClassifier(2, n_init=1, random_state=0)
    )
    careful = RejectingClassifier(inside, cv=2, reject_label=-1)
    search = GridSearchCV(
        careful,
        {"quantile": [0.05, 0.3], "estimator__kmexclassifier__n_prototypes": [1, 3]},
        cv=2,
    ).fit(X, y)
    assert search.best_params_["quantile"] == 0.05  # score counts refusals as errors
    outside = make_pipeline(StandardScaler(), clone(careful))
    assert cross_val_score(outside, X, y, cv=2).mean() > 0.7
    again = pickle.loads(pickle.dumps(search.best_estimator_))
    assert_array_equal(again.accept(X), search.best_estimator_.accept(X))


def test_any_classifier_refuses_by_probability(digits):
    X, X_test, y, _ = digits
    logistic = make_pipeline(StandardScaler(), LogisticRegression(max_iter=500))
    careful = RejectingClassifier(logistic, method="probability", cv=3).fit(X, y)
    assert 0.03 < np.mean(~careful.accept(X_test)) < 0.2
    labels, scores = predict_and_score(careful.estimator_, X_test, "probability")
    assert_array_equal(scores, careful.predict_proba(X_test).max(axis=1))
    assert_array_equal(labels, careful.predict(X_test))
    assert careful.decision_function(X_test).shape == (len(X_test), 10)


def test_the_encoder_runs_once_for_each_row(digits):
    X, X_test, y, _ = digits
    calls = []

    class Scaler(StandardScaler):
        def transform(self, X, copy=None):
            calls.append(len(X))
            return super().transform(X)

    pipe = make_pipeline(make_pipeline(Scaler()), KMExClassifier(1)).fit(X, y)
    careful = RejectingClassifier(FrozenEstimator(pipe)).fit(X, y)
    calls.clear()
    careful.predict(X_test)
    assert calls == [len(X_test)]


def test_refusals(blobs):
    X, y = blobs
    with pytest.raises(TypeError, match="must have score_samples for method='similar"):
        RejectingClassifier(LogisticRegression()).fit(X, y)
    with pytest.raises(TypeError, match=r"predict_proba.*SVC has none. Use method"):
        RejectingClassifier(SVC(), method="probability").fit(X, y)
    frozen = FrozenEstimator(KMExClassifier(1).fit(X[y < 2], y[y < 2]))
    with pytest.raises(ValueError, match=r"\[0, 1\]; got also \[2\]. Leave rows"):
        RejectingClassifier(frozen).fit(X, y)
    with pytest.raises(
        TypeError, match=r"accept sample_weight .*KNeighborsClassifier do"
    ):
        RejectingClassifier(KNeighborsClassifier(), method="probability").fit(
            X, y, sample_weight=y + 1
        )
    for weights, words in ((0 * y, "all weights are zero"), (y - 1, "Negative values")):
        with pytest.raises(ValueError, match=words):
            RejectingClassifier(KMExClassifier(1)).fit(X, y, sample_weight=weights)
    with pytest.raises(ValueError, match="'quantile' parameter"):
        RejectingClassifier(frozen, quantile=1.0).fit(X, y)


@given(
    st.lists(st.integers(0, 20), max_size=60),
    st.floats(0.01, 0.99),
    st.integers(-1, 21),
)
def test_a_score_below_the_threshold_has_a_small_typicality(known, quantile, score):
    known = np.sort(np.array(known, dtype=float))
    typicality = (np.sum(known <= score) + 1) / (len(known) + 1)
    if score < threshold(known, np.ones(len(known)), quantile):
        assert typicality <= quantile + 1e-12
    else:
        assert typicality > quantile - 1e-12


def test_of_exchangeable_rows_at_most_the_quantile_is_refused():
    """Over many draws of known and new rows, within each predicted class."""
    rng, shares = np.random.RandomState(0), []
    X, y = make_blobs(40_000, centers=2, cluster_std=4.0, random_state=0)
    psem = KMExClassifier(2, random_state=0).fit(X[:500], y[:500])
    labels, scores = predict_and_score(psem, X, "similarity")
    for _ in range(400):
        known, new = rng.choice(len(X), (2, 40))
        own = labels[known] == 0
        limit = threshold(np.sort(scores[known][own]), np.ones(own.sum()), 0.2)
        shares.append(np.mean(scores[new][labels[new] == 0] < limit))
    assert 0.15 < np.mean(shares) < 0.2 + 3 * np.std(shares) / 20
