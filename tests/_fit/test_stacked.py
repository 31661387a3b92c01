"""Scores of stacked folds are those of each fold, at any temperature."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import log_softmax

from sklearn_kmex._fit.stacked import Similar, in_order, rough_temperature, stacks_of
from sklearn_kmex._fit.temperature import HeldOut, class_logits, fit_temperature
from sklearn_kmex._model.similarity import similarities

EQUAL, RAGGED = np.array([0, 0, 1, 1, 2, 2]), np.array([0, 1, 1, 1, 2, 2])
ALONE = np.array([0, 1, 2])


def fold(seed, owners, priors=None, taught=False, scale=1.0):
    rng = np.random.RandomState(seed)
    codes = rng.randint(3, size=40 + seed)
    squared = 5 + rng.normal(size=(len(codes), len(owners)))
    squared -= 1.5 * (owners == codes[:, np.newaxis])
    priors = np.ones(len(owners)) if priors is None else priors
    weights = rng.uniform(1, 2, size=len(codes))
    targets = None
    if taught:
        targets = 0.7 * np.eye(3)[codes] + 0.3 * rng.dirichlet(np.ones(3), len(codes))
    return HeldOut(
        scale * np.maximum(squared, 0.1), owners, priors, codes, weights, targets
    )


FOLDS = {
    "equal": [fold(k, EQUAL) for k in range(3)],
    "ragged": [fold(k, RAGGED) for k in range(3)],
    "different": [fold(0, EQUAL), fold(1, RAGGED), fold(2, EQUAL)],
    "one prototype": [fold(k, ALONE) for k in range(3)],
    "weights": [fold(k, EQUAL, np.arange(1, 7) + k) for k in range(3)],
    "weights of classes": [fold(0, EQUAL, np.array([1, 1, 2, 2, 3, 3]))],
    "large": [fold(k, RAGGED, scale=1e200) for k in range(3)],
    "small": [fold(k, RAGGED, scale=1e-200) for k in range(3)],
}


def similar_of(parts, similarity="gaussian"):
    """Return similarities of folds; those of `parts` are the squared distances."""
    return Similar.of(stacks_of(parts), similarity, 1e-4, whole=True)


def scores_of(parts, aggregation):
    return similar_of(parts).decide([part.priors for part in parts], aggregation)


def with_similarities(parts):
    """Return folds with similarities in place of the squared distances."""
    return [part._replace(similar=-part.similar / 2) for part in parts]


def of_true(log_p, part):
    return log_p[np.arange(len(log_p)), part.codes]


@pytest.mark.parametrize("aggregation", ["max", "sum"])
@pytest.mark.parametrize("parts", FOLDS.values(), ids=FOLDS.keys())
def test_rows_are_scored_as_fold_by_fold(parts, aggregation):
    similar = similar_of(parts)
    temperature = 0.3 * similar.unit
    found = [of.at(1 / 0.3) for of in scores_of(parts, aggregation)]
    ours = in_order(similar.stacks, [at.log_likelihood(1 / 0.3) for at in found])
    predicted = in_order(similar.stacks, [at.logits.argmax(axis=0) for at in found])
    logits = [
        class_logits(p, aggregation, temperature) for p in with_similarities(parts)
    ]
    pairs = zip(logits, parts, strict=True)
    theirs = [of_true(log_softmax(of, axis=1), part) for of, part in pairs]
    assert_allclose(ours, np.concatenate(theirs), atol=1e-5)
    assert_array_equal(predicted, np.concatenate([of.argmax(axis=1) for of in logits]))


@pytest.mark.parametrize(
    ("name", "aggregation"),
    [("equal", "max"), ("equal", "sum"), ("ragged", "sum"), ("weights", "sum")],
)
def test_derivatives_by_the_inverse_temperature(name, aggregation):
    for scores in scores_of(FOLDS[name], aggregation):
        before, here, after = (scores.at(2.0 + k / 64) for k in (-1, 0, 1))
        value, slope, bend = here.of_target
        change = after.of_target[0] - before.of_target[0]
        assert_allclose(slope, 32 * change, atol=3e-3)
        assert_allclose(
            bend, 32 * (after.of_target[1] - before.of_target[1]), atol=3e-3
        )
        assert_allclose(here.log_likelihood(2 + 1 / 64), after.of_target[0], atol=1e-4)
        assert_array_equal(here.log_likelihood(2.0), value)


@pytest.mark.parametrize("aggregation", ["max", "sum"])
@pytest.mark.parametrize("parts", FOLDS.values(), ids=FOLDS.keys())
def test_the_temperature_is_that_of_all_folds(parts, aggregation):
    scores, unit = scores_of(parts, aggregation), similar_of(parts).unit
    whole, _ = fit_temperature(with_similarities(parts), aggregation)
    for start in (unit / whole, 8.0, 50 * unit / whole, unit / whole / 50):
        inverse, found = rough_temperature(scores, start)
        assert_allclose(unit / inverse, whole, rtol=0.03)
        for at, of in zip(found, scores, strict=True):
            exact = of.at(inverse).of_target[0]
            assert_allclose(at.log_likelihood(inverse), exact, atol=2e-3)


def test_targets_of_a_teacher():
    parts = [fold(k, EQUAL, taught=True) for k in range(2)]
    (scores,) = scores_of(parts, "max")
    logits = [
        class_logits(p, "max", similar_of(parts).unit) for p in with_similarities(parts)
    ]
    wanted = np.concatenate([part.targets for part in parts])
    wanted = (wanted * log_softmax(np.concatenate(logits), axis=1)).sum(axis=1)
    assert_allclose(scores.at(1.0).log_likelihood(1.0), wanted, atol=1e-5)
    inverse, _ = rough_temperature([scores], 1.0)
    whole, _ = fit_temperature(with_similarities(parts), "max")
    assert_allclose(similar_of(parts).unit / inverse, whole, rtol=0.03)


def test_similarities_by_the_logarithm_of_the_distance():
    parts = FOLDS["ragged"]
    similar = similar_of(parts, "log")
    (below,), (best,), (stack,) = similar.below, similar.best, similar.stacks
    squared = np.concatenate([part.similar.T for part in parts], axis=1)
    wanted = similarities(squared, "log", 1e-4)
    found = similar.unit * (best[stack.owners].astype(float) + below)
    assert_allclose(found, wanted - wanted.max(axis=0), atol=1e-5)


def test_nothing_to_learn_from():
    parts = [HeldOut(np.ones((4, 3)), ALONE, np.ones(3), np.zeros(4, int), np.ones(4))]
    assert similar_of(parts).unit == 0
    (scores,) = scores_of(parts, "max")
    assert_allclose(scores.at(1.0).log_likelihood(1.0), -np.log(3), rtol=1e-6)
