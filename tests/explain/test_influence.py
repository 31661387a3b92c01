"""Influence: what removing a training row would change, checked by removing it."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from scipy.stats import spearmanr
from sems import Prototypes
from sklearn.cluster import KMeans
from sklearn.datasets import load_breast_cancer, load_digits, load_wine
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler, TargetEncoder

from sklearn_kmex import KMExClassifier, RejectingClassifier, edit, make_kmex
from sklearn_kmex._fit.validation import class_priors
from sklearn_kmex._model.metric import METRICS
from sklearn_kmex._model.rule import rule_of
from sklearn_kmex.edit._state import copy_for_edit
from sklearn_kmex.exceptions import KMExWarning
from sklearn_kmex.explain import Influence, explain, influence

X, Y = load_wine(return_X_y=True)
X = StandardScaler().fit_transform(X)
SAMPLES = X[::12]


def margins(rule, predicted, samples=SAMPLES):
    """Return the lead of the classes that were predicted before."""
    scores, rows = rule.absolute_scores(samples), np.arange(len(samples))
    own = scores[rows, predicted]
    scores[rows, predicted] = -np.inf
    return own - scores.max(axis=1)


def refitted(psem, rows, owners, weights, left_out):
    """Set each prototype to the mean of its members, one of which is left out."""
    _, new = copy_for_edit(psem)
    weights = weights.copy()
    weights[left_out] = 0
    counts = np.bincount(owners, weights, len(psem.prototypes_))
    kept = counts > 0
    codes = np.searchsorted(psem.classes_, psem.prototype_classes_)
    new.prototypes_ = np.stack(
        [np.average(rows[owners == k], axis=0, weights=weights[owners == k])
         for k in np.flatnonzero(kept)]
    )  # fmt: skip
    new.prototype_counts_, new.prototype_classes_ = (
        counts[kept], psem.prototype_classes_[kept]
    )  # fmt: skip
    new.n_prototypes_ = np.bincount(codes[kept], minlength=3)
    new.class_prior_ = class_priors(psem.priors_, np.bincount(codes, counts, 3))
    return new


@pytest.mark.parametrize("aggregation", ["max", "sum"])
@pytest.mark.parametrize("priors", ["uniform", "class", "prototype", [0.2, 0.5, 0.3]])
@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("similarity", ["log", "gaussian"])
def test_it_is_the_change_of_a_refit_with_fixed_members(
    metric, priors, aggregation, similarity
):
    train, y = np.r_[X[::2], X[:4]], np.r_[Y[::2], Y[:4]]  # some rows twice
    weights = np.arange(len(train)) % 3.0
    psem = KMExClassifier(
        [1, 4, 14][len(metric) % 3],
        metric=metric,
        similarity=similarity,
        aggregation=aggregation,
        priors=priors,
        tol=0,
        random_state=0,
    ).fit(train, y, weights)
    rows = (
        train / np.linalg.norm(train, axis=1)[:, np.newaxis]
        if "cosine" in metric
        else train
    )
    distances = ((rows[:, np.newaxis] - psem.prototypes_) ** 2).sum(axis=2)
    distances[y[:, np.newaxis] != psem.prototype_classes_] = np.inf
    owners = distances.argmin(axis=1)

    found = influence(psem, SAMPLES, train, y, sample_weight=weights, keep_effects=True)
    predicted = np.searchsorted(psem.classes_, found.predictions)
    assert_array_equal(found.predictions, psem.predict(SAMPLES))
    assert_allclose(found.margin, margins(rule_of(psem), predicted), atol=1e-10)
    for i in range(0, len(train), 5):
        new = refitted(psem, rows, owners, weights, i)
        change = margins(rule_of(new), predicted) - found.margin
        assert_allclose(found.effects[:, i], change, rtol=1e-8, atol=1e-8)


def test_the_rows_of_the_largest_effects_are_listed():
    psem = KMExClassifier(3, random_state=0).fit(X, Y)
    found = influence(psem, SAMPLES, X, Y, n_rows=4, keep_effects=True)
    for i, effects in enumerate(found.effects):
        order = np.argsort(effects)
        assert_array_equal(found.supporting_effects[i], effects[order[:4]])
        assert_array_equal(effects[found.supporting_rows[i]], effects[order[:4]])
        assert_array_equal(found.opposing_effects[i], effects[order[:-5:-1]])
    assert (found.supporting_effects < 0).all()
    assert (found.opposing_effects > 0).all()
    owners = found.supporting_prototypes
    assert_array_equal(psem.prototype_classes_[owners], Y[found.supporting_rows])
    assert_array_equal(found.margin, explain(psem, SAMPLES).margin)
    assert_array_equal(found.runner_up, explain(psem, SAMPLES).runner_up)


def test_most_rows_have_no_effect():
    psem = KMExClassifier(5, random_state=0).fit(X, Y)
    found = influence(psem, SAMPLES[:1], X, Y, n_rows=len(X))
    decided = explain(psem, SAMPLES[:1])
    both = [decided.predicted_prototype[0], decided.runner_up_prototype[0]]
    assert np.isin(both, found.supporting_prototypes).all()
    known = np.r_[found.supporting_rows[0], found.opposing_rows[0]]
    known = known[known >= 0]
    assert len(np.unique(known)) == len(known) < len(X) / 2
    none = found.supporting_rows < 0
    assert np.isnan(found.supporting_effects[none]).all()
    assert (found.supporting_prototypes[none] == -1).all()


def test_a_part_of_the_training_rows_and_blocks_give_the_same(monkeypatch):
    psem = KMExClassifier(3, random_state=0).fit(X, Y)
    whole = influence(psem, X, X, Y, keep_effects=True)
    part = influence(psem, X, X[40:90], Y[40:90], keep_effects=True)
    assert_allclose(part.effects, whole.effects[:, 40:90], atol=1e-14)
    monkeypatch.setattr("sklearn_kmex.explain._influence.BLOCK_SAMPLES", 50)
    monkeypatch.setattr("sklearn_kmex.explain._influence.MOST_ROWS", 7)
    monkeypatch.setattr("sklearn_kmex.explain._removal.ELEMENTS", 150)
    blocks = influence(psem, X, X, Y, keep_effects=True)
    assert_allclose(blocks.effects, whole.effects, atol=1e-14)
    for name in ("supporting_rows", "opposing_rows"):  # effects may tie
        rows, expected = getattr(blocks, name), getattr(whole, name)
        assert_array_equal(rows < 0, expected < 0)
        effects = [
            np.take_along_axis(whole.effects, some, 1) for some in (rows, expected)
        ]
        assert_allclose(*effects, atol=1e-14)


def test_it_is_that_of_forgetting_the_row():
    psem = KMExClassifier(4, priors="prototype", random_state=0).fit(X, Y)
    found = influence(psem, SAMPLES, X, Y, keep_effects=True)
    predicted = np.searchsorted(psem.classes_, found.predictions)
    unlisted = np.setdiff1d(np.arange(len(X)), psem.prototype_indices_)
    for i in unlisted[::20]:
        edited = edit.forget_rows(psem, X[[i]], Y[[i]])
        change = margins(rule_of(edited), predicted) - found.margin
        assert_allclose(found.effects[:, i], change, atol=1e-10)


def test_it_ranks_rows_as_refits_without_them_do():
    """Refits are k-means from the same prototypes, in which rows may change hands."""
    images, digits = load_digits(return_X_y=True)
    psem = KMExClassifier(5, random_state=0).fit(images, digits)
    samples = images[::60]
    found = influence(psem, samples, images, digits, keep_effects=True)
    predicted = np.searchsorted(psem.classes_, found.predictions)
    rows = np.random.RandomState(0).permutation(len(images))[:200]
    effects = np.empty((len(samples), 200))
    for place, i in enumerate(rows):
        own, others = psem.prototype_classes_ == digits[i], digits == digits[i]
        others[i] = False
        prototypes = psem.prototypes_.copy()
        again = KMeans(5, init=prototypes[own], n_init=1, tol=0).fit(images[others])
        prototypes[own] = again.cluster_centers_
        rule = rule_of(psem)._replace(prototypes=prototypes)
        effects[:, place] = margins(rule, predicted, samples) - found.margin
    pairs = zip(effects.round(12), found.effects[:, rows].round(12), strict=True)
    ranks = [spearmanr(*pair).statistic for pair in pairs]
    assert np.median(ranks) > 0.99
    assert np.quantile(ranks, 0.25) > 0.9


def test_a_class_of_one_row_is_all_that_holds_its_decisions_up():
    rows, labels = np.array([[0.0], [1], [5], [9]]), np.array([0, 0, 1, 2])
    psem = KMExClassifier(1).fit(rows, labels)
    found = influence(psem, [[5.5], [3.2]], rows, labels, keep_effects=True)
    assert_array_equal(found.predictions, [1, 1])
    assert_array_equal(found.effects[:, 2], [-np.inf, -np.inf])
    assert_array_equal(found.supporting_rows[:, 0], [2, 2])
    two = KMExClassifier(1).fit(rows[:3], labels[:3])
    effects = influence(two, [[0.1]], rows[:3], labels[:3], keep_effects=True).effects
    assert effects[0, 2] == np.inf


def test_any_model_and_any_rows():
    calls = []

    def encode(rows):
        calls.append(len(rows))
        return np.asarray(rows)

    last = KMExClassifier(2, random_state=0)
    psem = make_pipeline(FunctionTransformer(encode), last).fit(X, Y)
    expected = influence(psem[-1], SAMPLES, X, Y)
    calls.clear()
    found = influence(psem, SAMPLES, X.tolist(), Y.tolist())
    assert sorted(calls) == [len(SAMPLES), len(X)]  # each once
    assert_array_equal(found.supporting_rows, expected.supporting_rows)
    rejecting = RejectingClassifier(psem, cv=2).fit(X, Y)
    assert len(influence(rejecting, SAMPLES, X, Y)) == len(SAMPLES)
    search = GridSearchCV(last, {"n_prototypes": [2]}, cv=2).fit(X, Y)
    again = influence(search, SAMPLES, X, Y)
    assert_array_equal(again.supporting_rows, expected.supporting_rows)
    thin = KMExClassifier(2, random_state=0).fit(sparse.csr_array(X), Y)
    some = influence(thin, sparse.csr_array(SAMPLES), sparse.csr_array(X), Y)
    dense = influence(thin, SAMPLES, X, Y)
    assert_array_equal(some.supporting_rows, dense.supporting_rows)
    assert_allclose(some.supporting_effects, dense.supporting_effects)
    names = Y.astype(str)
    named = KMExClassifier(2, random_state=0).fit(X.astype(np.float32), names)
    found = influence(named, SAMPLES.astype(np.float32), X.astype(np.float32), names)
    assert found.predictions.dtype.kind == "U"
    assert_allclose(found.supporting_effects, expected.supporting_effects, atol=1e-6)


@pytest.mark.parametrize("offset", [0, 1e6])
def test_rows_at_a_prototype_are_exact(offset):
    """Near a prototype, squared distances from products cancel."""
    rows = offset + np.array([[0.0], [0], [0], [2], [2], [7], [8]])
    labels = np.array([0, 0, 0, 0, 0, 1, 1])
    psem = KMExClassifier(2, random_state=0).fit(rows, labels)
    samples = offset + np.array([[0.0], [2], [1.0]])
    found = influence(psem, samples, rows, labels, keep_effects=True)
    # All members are equal.
    assert_allclose(found.effects[:, :5], 0, atol=1e-9 if offset else 1e-12)
    moved = KMExClassifier(1).fit(rows[[0, 1, 2, 3, 5]], labels[[0, 1, 2, 3, 5]])
    found = influence(moved, offset + np.zeros((1, 1)), rows[:4], [0] * 4,
                      keep_effects=True)  # fmt: skip
    expected = rule_of(KMExClassifier(1).fit(rows[[0, 1, 2, 5]], [0, 0, 0, 1]))
    scores = expected.absolute_scores(offset + np.zeros((1, 1)))[0]
    assert_allclose(found.effects[0, 3], scores[0] - scores[1] - found.margin[0])


def test_wrong_arguments():
    medoids = KMExClassifier(2, prototype="medoid").fit(X, Y)
    with pytest.raises(ValueError, match=r"prototype='medoid'.*prototype='centroid'"):
        influence(medoids, SAMPLES, X, Y)
    psem = KMExClassifier(2).fit(X, Y)
    with pytest.raises(ValueError, match=r"y_train must be among .*unknown: \[7\]"):
        influence(psem, SAMPLES, X[:1], [7])
    with pytest.raises(ValueError, match="inconsistent numbers"):
        influence(psem, SAMPLES, X, Y[1:])
    with pytest.raises(ValueError, match="n_rows"):
        influence(psem, SAMPLES, X, Y, n_rows=0)
    with pytest.raises(TypeError, match="must be a fitted KMExClassifier"):
        influence(Prototypes([0, 1], [0, 1]), SAMPLES, X, Y)


def test_what_is_returned_is_a_record():
    psem = KMExClassifier(2, random_state=0).fit(X, Y)
    found = influence(psem, SAMPLES, X, Y, n_rows=3, keep_effects=True)
    assert found[2:4].effects.shape == (2, len(X))
    again = Influence.from_json(found.to_json())
    assert_array_equal(again.supporting_rows, found.supporting_rows)
    assert "supported by" in found.to_markdown()
    table = found[:1].frame()
    assert table["role"].tolist() == ["supporting"] * 3 + ["opposing"] * 3
    assert table["training_row"].tolist()[:3] == found.supporting_rows[0].tolist()
    assert_array_equal(Y[table["training_row"]], table["label"])
    first, *lines = str(found[:1]).splitlines()
    row, effect = found.supporting_rows[0, 0], found.supporting_effects[0, 0]
    assert first.startswith("Sample 0: predicted ")
    assert f"without training row {row} of class" in lines[0]
    assert f"{effect:+.3g}" in "".join(lines)


def test_prototypes_of_another_clusterer_count_as_well():
    clusterer = KMeans(n_init=1, tol=0, random_state=0)
    psem = KMExClassifier(2, clusterer=clusterer).fit(X, Y)
    assert (influence(psem, SAMPLES, X, Y).supporting_rows[:, 0] >= 0).all()


def test_rows_of_a_forest_are_embedded_as_in_fit():
    X, y = load_breast_cancer(return_X_y=True)
    seen, new = slice(0, 300), slice(300, 320)
    pipeline = make_pipeline(StandardScaler(), RandomForestClassifier(20))
    psem = make_kmex(pipeline.fit(X[seen], y[seen]), n_prototypes=2)
    Z = psem[:-1].fit_transform(X[seen])
    psem.fit(X[seen], y[seen])
    found = influence(psem, X[new], X[seen], y[seen], keep_effects=True)
    by_hand = influence(
        psem["kmex"], psem[:-1].transform(X[new]), Z, y[seen], keep_effects=True
    )
    assert_allclose(found.effects, by_hand.effects, atol=1e-12)
    with pytest.warns(KMExWarning, match="299 rows .* Pass all training rows"):
        influence(psem, X[new], X[1:300], y[1:300])


def test_rows_that_are_not_those_of_fit():
    psem = KMExClassifier(2, random_state=0).fit(X, Y)
    for rows, labels in ((3 * X, Y), (X, np.roll(Y, 60))):
        with pytest.raises(ValueError, match=r"X_train must .* class .* scaled as in"):
            influence(psem, SAMPLES, rows, labels)


def test_rows_that_are_not_weighted_or_transformed_as_in_fit():
    weights = np.random.default_rng(0).uniform(0.01, 2, len(X))
    psem = KMExClassifier(2, random_state=0).fit(X, Y, weights)
    with pytest.warns(
        KMExWarning, match=r"are rough\. Check y_train and sample_weight"
    ):
        influence(psem, SAMPLES, X, Y)
    influence(psem, SAMPLES, X, Y, sample_weight=weights)
    influence(psem, SAMPLES, X[:50], Y[:50], sample_weight=weights[:50])
    stream = KMExClassifier(2, random_state=0)
    for part in (slice(None, None, 2), slice(1, None, 2)):
        stream.partial_fit(X[part], Y[part], classes=[0, 1, 2])
    influence(stream, SAMPLES, X, Y)
    kinds = np.random.default_rng(1).integers(0, 30, (len(X), 2))
    encoded = make_pipeline(TargetEncoder(), KMExClassifier(2, random_state=0))
    encoded.fit(kinds, Y)
    with pytest.warns(KMExWarning, match="as TargetEncoder does"):
        influence(encoded, kinds[:3], kinds, Y)
