"""Invariants after any edits, and what copies share with the original."""

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sems import Prototypes
from served import PRIORS
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import check_is_fitted

from sklearn_kmex import (
    KMExClassifier,
    KMExClassifierCV,
    RejectingClassifier,
    edit,
    make_kmex,
)
from sklearn_kmex._model.metric import METRICS

X, Y = load_iris(return_X_y=True)
FITTED = [
    KMExClassifier(4, random_state=0).fit(X, Y),
    KMExClassifier(
        4, prototype="medoid", priors="class", aggregation="sum", random_state=0
    ).fit(X, Y),
    KMExClassifier(3, similarity="gaussian", random_state=0).fit(
        X.astype(np.float32), Y, sample_weight=1 + Y
    ),
    KMExClassifierCV(4, n_init=1, random_state=0).fit(X, Y),
    KMExClassifier(
        4, metric="cosine", priors="prototype", prototype="medoid", random_state=0
    ).fit(X, Y),
    KMExClassifier(
        4, metric="mahalanobis", priors="class", similarity="gaussian", random_state=0
    ).fit(X, Y),
    KMExClassifier(
        4,
        metric="cosine_mahalanobis",
        priors="prototype",
        aggregation="sum",
        random_state=0,
    ).fit(X, Y),
]


def check_invariants(psem, total):
    n = len(psem.prototypes_)
    for name in ("prototype_classes_", "prototype_counts_", "prototype_indices_"):
        assert getattr(psem, name).shape == (n,)
    assert (
        psem._member_means.shape == psem._nearest_rows.shape == psem.prototypes_.shape
    )
    assert psem.prototypes_.dtype == psem._member_means.dtype
    assert_array_equal(psem.classes_, np.unique(psem.classes_))
    assert_array_equal(
        np.repeat(psem.classes_, psem.n_prototypes_), psem.prototype_classes_
    )
    assert (psem.n_prototypes_ >= 1).all()
    assert (psem.prototype_counts_ > 0).all()
    assert_allclose(psem.prototype_counts_.sum(), total)
    assert (psem.inertia_ >= 0).all()
    assert_allclose(psem.class_prior_.sum(), 1)
    assert psem.prototype_weights_.shape == (n,)
    assert (psem.prototype_weights_ > 0).all()
    assert psem.prototype_indices_.min() >= 0
    assert psem.prototype_indices_.max() < psem.n_samples_seen_
    if psem.prototype == "medoid":
        assert_array_equal(psem.prototypes_, psem._nearest_rows)
    scores = psem.decision_function(X)
    assert scores.shape == (len(X), len(psem.classes_))
    answers = psem.classes_[scores.argmax(axis=1)]
    assert_array_equal(psem.predict(X), answers)
    assert_array_equal(psem.classes_[psem.predict_proba(X).argmax(axis=1)], answers)
    assert len(psem.get_feature_names_out()) == psem.transform(X).shape[1] == n


def drop(psem, draw):
    many = np.flatnonzero(psem.n_prototypes_ > 1)
    if not len(many):
        return psem, 0
    label = psem.classes_[draw(st.sampled_from(many.tolist()))]
    ids = np.flatnonzero(psem.prototype_classes_ == label)[1:]
    gone = draw(st.lists(st.sampled_from(ids.tolist()), min_size=1))
    return edit.drop_prototypes(psem, gone), 0


def merge(psem, draw):
    many = np.flatnonzero(psem.n_prototypes_ > 1)
    if not len(many):
        return psem, 0
    label = psem.classes_[draw(st.sampled_from(many.tolist()))]
    ids = np.flatnonzero(psem.prototype_classes_ == label).tolist()
    pair = draw(st.lists(st.sampled_from(ids), min_size=2, unique=True))
    return edit.merge_prototypes(psem, pair), 0


def relabel(psem, draw):
    many = np.flatnonzero(psem.n_prototypes_ > 1)
    if not len(many):
        return psem, 0
    label = psem.classes_[draw(st.sampled_from(many.tolist()))]
    one = int(np.flatnonzero(psem.prototype_classes_ == label)[-1])
    to = draw(st.sampled_from(psem.classes_.tolist()))
    return edit.relabel_prototypes(psem, one, to), 0


def rename(psem, draw):
    new = draw(st.permutations(range(20)))[: len(psem.classes_)]
    return edit.rename(psem, dict(zip(psem.classes_.tolist(), new, strict=True))), 0


def add(psem, draw):
    size = draw(st.integers(1, 3))
    base = 10 + psem.n_samples_seen_ + np.arange(size)
    rows = np.repeat(base[:, np.newaxis], 4, axis=1).astype(float)
    rows[:, 0] = 1  # no two of the same direction
    label = draw(st.sampled_from([*psem.classes_.tolist(), 30]))
    return edit.add_prototypes(psem, rows, label), size


@pytest.mark.parametrize("psem", FITTED, ids=repr)
@given(
    data=st.data(),
    edits=st.lists(st.sampled_from([drop, merge, relabel, rename, add]), max_size=6),
)
def test_any_edits_leave_a_model_whole(psem, edits, data):
    total, before = psem.prototype_counts_.sum(), pickle.dumps(psem)
    edited, done = psem, 0
    for one in edits:
        new, n_added = one(edited, data.draw)
        done += new is not edited
        edited, total = new, total + n_added
        check_invariants(edited, total)
    assert pickle.dumps(psem) == before
    assert len(edited.edit_log_) == done


def edits_of(psem, label=4):
    rows = X[[3, 77]] + 0.01
    yield edit.drop_prototypes(psem, [1, 5], reason="two")
    yield edit.merge_prototypes(psem, [1, 2])
    yield edit.relabel_prototypes(psem, 2, 1)
    yield edit.rename(psem, {0: 9})
    yield edit.add_prototypes(psem, rows, label)


@pytest.mark.parametrize("aggregation", ["max", "sum"])
@pytest.mark.parametrize("priors", PRIORS)
@pytest.mark.parametrize("metric", METRICS)
def test_edited_prototypes_decide_in_the_same_metric(metric, priors, aggregation):
    given = {"array": [0.2, 0.3, 0.5]}.get(priors, priors)
    psem = KMExClassifier(
        3, metric=metric, priors=given, aggregation=aggregation, random_state=0
    ).fit(X, Y)
    for edited in edits_of(psem, label=1 if priors == "array" else 4):
        assert edited.metric_ == metric
        assert_array_equal(edited.metric_map_, psem.metric_map_)
        codes = np.searchsorted(edited.classes_, edited.prototype_classes_)
        counts = edited.prototype_counts_
        weights = {
            "uniform": np.ones(len(counts)),
            "class": np.bincount(codes, counts)[codes],
            "prototype": counts,
            "array": edited.class_prior_[codes],
        }[priors]
        ratios = edited.prototype_weights_ / edited.prototype_weights_[0]
        assert_allclose(ratios, weights / weights[0])
        mass = weights * np.exp(edited.transform(X) / edited.temperature_)
        reduce = {"max": np.max, "sum": np.sum}[aggregation]
        own = [
            reduce(mass[:, codes == code], axis=1)
            for code in range(len(edited.classes_))
        ]
        chances = np.stack(own, axis=1) / np.sum(own, axis=0)[:, np.newaxis]
        assert_allclose(edited.predict_proba(X), chances, rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("metric", ["mahalanobis", "cosine_mahalanobis"])
def test_a_stream_goes_on_with_the_covariance_of_edited_classes(metric):
    fixed = {"metric": metric, "shrinkage": 0.1, "random_state": 0}
    psem = KMExClassifier(3, **fixed).fit(X[:120], Y[:120])
    number = np.flatnonzero(psem.prototype_classes_ == 1)[0]
    edited = edit.relabel_prototypes(psem, number, 2)
    edited = edit.drop_prototypes(edit.add_prototypes(edited, X[-3:], 0), 1)
    labels = np.r_[Y[:120], [0, 0, 0], Y[120:-3]]
    rows = np.r_[X[:120], X[-3:], X[120:-3]]
    Z = (
        rows
        if metric == "mahalanobis"
        else rows / np.linalg.norm(rows, axis=1)[:, None]
    )
    of_class = psem.prototypes_[psem.prototype_classes_ == 1]
    nearest = ((Z[:, np.newaxis] - of_class) ** 2).sum(axis=2).argmin(axis=1)
    labels[:120][(labels[:120] == 1) & (nearest[:120] == 0)] = 2
    edited.partial_fit(rows[123:], labels[123:])
    expected = KMExClassifier(3, **fixed).fit(rows, labels)
    assert_allclose(edited.metric_map_, expected.metric_map_, rtol=1e-9)


@pytest.mark.parametrize("psem", FITTED[:3], ids=repr)
@given(data=st.data())
def test_the_log_tells_where_each_prototype_went(psem, data):
    one = data.draw(st.sampled_from([drop, relabel, rename, add]))
    edited, _ = one(psem, data.draw)
    entry = edited.edit_log_[-1]
    for old, new in enumerate(entry["new_ids"]):
        if new is None:
            assert old in entry["ids_before"]
        else:
            assert_array_equal(edited.prototypes_[new], psem.prototypes_[old])
    added = set(range(len(edited.prototypes_))) - set(entry["new_ids"])
    assert added == (set(entry["ids_after"]) if one is add else set())


def test_edited_models_go_on():
    psem = KMExClassifier(4, random_state=0).fit(X, Y)
    for edited in edits_of(psem):
        again = pickle.loads(pickle.dumps(edited))
        assert again.edit_log_ == edited.edit_log_ != []
        assert_array_equal(again.predict_proba(X), edited.predict_proba(X))
        fresh = clone(edited)
        assert not hasattr(fresh, "edit_log_")
        assert not hasattr(fresh, "prototypes_")
        again.partial_fit(X, np.where(Y == 0, edited.classes_.max(), Y))
        assert again.edit_log_ == edited.edit_log_
        assert again.prototype_counts_.sum() == edited.prototype_counts_.sum() + 150
        assert edited.fit(X, Y).edit_log_ == []
    assert_array_equal(
        psem.predict(X), KMExClassifier(4, random_state=0).fit(X, Y).predict(X)
    )


def test_the_encoder_is_shared_and_its_parameters_are_not():
    mlp = MLPClassifier((8,), max_iter=20, random_state=0)
    with pytest.warns(match="Maximum iterations"):
        mlp.fit(X, Y)
    psem = make_pipeline(StandardScaler(), make_kmex(mlp, random_state=0)).fit(X, Y)
    edited = edit.drop_prototypes(psem, 0)
    assert edited[-1][0].mlp is psem[-1][0].mlp
    assert_array_equal(edited[:-1].transform(X), psem[:-1].transform(X))
    edited.set_params(standardscaler__with_std=False)
    edited[0].fit(X + 100)
    assert psem[0].with_std
    assert psem[0].mean_[0] < 50
    assert len(edited[-1][-1].prototypes_) == len(psem[-1][-1].prototypes_) - 1
    check_is_fitted(edited)


def test_the_model_inside_a_search_is_edited():
    search = GridSearchCV(
        make_pipeline(StandardScaler(), KMExClassifier(random_state=0)),
        {"kmexclassifier__n_prototypes": [2, 3]},
        cv=2,
    ).fit(X, Y)
    before = search.predict(X)
    edited = edit.rename(search, {0: 7})
    assert type(edited) is GridSearchCV
    assert edited.best_params_ == search.best_params_
    assert edited.best_score_ == search.best_score_  # of the unedited model
    assert_array_equal(edited.predict(X), np.where(before == 0, 7, before))
    assert edited.best_estimator_[-1].edit_log_[0]["what"] == "rename"
    assert_array_equal(search.predict(X), before)
    assert search.best_estimator_[-1].edit_log_ == []


@pytest.mark.parametrize("wrap", [lambda psem: psem, make_pipeline, FrozenEstimator])
@pytest.mark.parametrize("one", range(5))
def test_thresholds_of_another_classifier_are_not_kept(wrap, one):
    calls = [
        lambda psem: edit.drop_prototypes(psem, 0),
        lambda psem: edit.merge_prototypes(psem, [0, 1]),
        lambda psem: edit.relabel_prototypes(psem, 0, 1),
        lambda psem: edit.rename(psem, {0: 7}),
        lambda psem: edit.add_prototypes(psem, X[:1] + 0.01, 1),
    ]
    careful = RejectingClassifier(FITTED[0], cv=2, reject_label=-1).fit(X, Y)
    message = (
        r"must not be a RejectingClassifier, because its thresholds .*estimator_, and "
        r"then fit RejectingClassifier\(FrozenEstimator\(edited\)\) on held-out samples"
    )
    with pytest.raises(TypeError, match=message):
        calls[one](wrap(careful))
    edited = calls[one](careful.estimator_)  # as the message says
    again = RejectingClassifier(FrozenEstimator(edited), reject_label=-1)
    labels = edited.predict(X)
    assert set(again.fit(X, labels).predict(X)) - {-1} == set(labels)


def test_arrays_are_not_shared():
    psem = KMExClassifier(2, random_state=0).fit(X, Y)
    edited = edit.rename(psem, {0: 7})
    before = psem.predict_proba(X)
    edited.prototypes_ += 5
    assert_array_equal(psem.predict_proba(X), before)


def test_other_models_are_refused():
    with pytest.raises(TypeError, match="has no prototypes_"):
        edit.drop_prototypes(LogisticRegression(max_iter=1000).fit(X, Y), 0)
    with pytest.raises(TypeError, match=r"a fitted KMExClassifier.*Prototypes"):
        edit.drop_prototypes(Prototypes([[0.0], [1]], [0, 1]), 0)
