"""Scores of stacked folds are those of each fold, at any temperature."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.special import log_softmax

from sklearn_kmex._fit.stacked import rough_temperature, stacks_of
from sklearn_kmex._fit.temperature import HeldOut, class_logits, fit_temperature

EQUAL, RAGGED = np.array([0, 0, 1, 1, 2, 2]), np.array([0, 1, 1, 1, 2, 2])
ALONE = np.array([0, 1, 2])


def fold(seed, owners, priors=None, taught=False, scale=1.0):
    rng = np.random.RandomState(seed)
    codes = rng.randint(3, size=40 + seed)
    similar = rng.normal(size=(len(codes), len(owners)))
    similar += 1.5 * (owners == codes[:, np.newaxis])
    priors = np.ones(len(owners)) if priors is None else priors
    weights = rng.uniform(1, 2, size=len(codes))
    targets = rng.dirichlet(np.ones(3), size=len(codes)) if taught else None
    return HeldOut(scale * similar, owners, priors, codes, weights, targets)


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


def decided(parts, aggregation):
    """Return the folds of each stack, and its class scores."""
    return [
        (stack, stack.decide([parts[k].priors for k in stack.folds], aggregation))
        for stack in stacks_of(parts)
    ]


@pytest.mark.parametrize("aggregation", ["max", "sum"])
@pytest.mark.parametrize("parts", FOLDS.values(), ids=FOLDS.keys())
def test_rows_are_scored_as_fold_by_fold(parts, aggregation):
    temperature = 0.3 * np.abs(parts[0].similar).max()
    for stack, scores in decided(parts, aggregation):
        each = [class_logits(parts[k], aggregation, temperature) for k in stack.folds]
        log_p = log_softmax(np.concatenate(each), axis=1)
        assert_allclose(scores.log_probabilities(temperature).T, log_p, atol=1e-12)
        of_true = log_p[np.arange(len(log_p)), scores.codes]
        assert_allclose(scores.log_likelihood(log_p.T), of_true)


@pytest.mark.parametrize("aggregation", ["max", "sum"])
@pytest.mark.parametrize("parts", FOLDS.values(), ids=FOLDS.keys())
def test_the_temperature_is_that_of_all_folds(parts, aggregation):
    scores = [of for _, of in decided(parts, aggregation)]
    whole, _ = fit_temperature(parts, aggregation)
    assert_allclose(rough_temperature(scores), whole, rtol=0.1)
    for near in (1.5 * whole, 50 * whole, whole / 50):  # inside and outside the range
        assert_allclose(rough_temperature(scores, near), whole, rtol=0.1)


def test_targets_of_a_teacher():
    parts = [fold(k, EQUAL, taught=True) for k in range(2)]
    ((_, scores),) = decided(parts, "max")
    log_p = scores.log_probabilities(2.0)
    wanted = np.concatenate([part.targets for part in parts]) * log_p.T
    assert_allclose(scores.log_likelihood(log_p), wanted.sum(axis=1))
    assert_allclose(
        rough_temperature([scores]), fit_temperature(parts, "max")[0], rtol=0.1
    )


def test_some_rows_of_each_fold():
    parts = FOLDS["weights"]
    (few,) = [stack.every(3) for stack in stacks_of(parts)]
    (wanted,) = stacks_of([part.every(3) for part in parts])
    assert few.targets is None
    for name in ("sizes", "best", "below", "codes", "weights"):
        assert_allclose(getattr(few, name), getattr(wanted, name))


def test_nothing_to_learn_from():
    parts = [HeldOut(np.ones((4, 3)), ALONE, np.ones(3), np.zeros(4, int), np.ones(4))]
    assert rough_temperature([scores for _, scores in decided(parts, "max")]) == 1.0
