"""The temperature against its optimum, and what it cannot learn from."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.cluster import KMeans
from sklearn.datasets import load_breast_cancer, load_iris, load_wine
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler

from sklearn_kmex import KMExClassifier
from sklearn_kmex._data.rows import Rows
from sklearn_kmex._fit import temperature
from sklearn_kmex._fit.kmeans import BatchedKMeans
from sklearn_kmex._fit.prototypes import Plan, class_prototypes
from sklearn_kmex._fit.temperature import HeldOut, held_out_folds
from sklearn_kmex._fit.temperature import fit_temperature as fit_to_parts


def fit_temperature(scores, codes, weights):
    """Fit to rows of one fold, with one prototype of each class."""
    n = scores.shape[1]
    part = HeldOut(scores, np.arange(n), np.ones(n), codes, weights)
    return fit_to_parts([part] if len(codes) else [], "max")


def scores_and_labels(scale=1.0, n=400):
    rng = np.random.RandomState(0)
    codes = rng.randint(3, size=n)
    return scale * (rng.normal(size=(n, 3)) + 1.5 * np.eye(3)[codes]), codes


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_it_has_the_least_log_loss(scale):
    scores, codes = scores_and_labels(scale)
    temperature, n_rows = fit_temperature(scores, codes, np.ones(400))
    assert n_rows == 400

    def loss(t):
        logits = scores / t
        p = np.exp(logits - logits.max(axis=1, keepdims=True))
        return log_loss(codes, p / p.sum(axis=1, keepdims=True))

    grid = scale * np.geomspace(0.05, 20, 200)
    assert loss(temperature) < min(map(loss, grid)) + 1e-3


@given(st.floats(1e-3, 1e3))
def test_it_follows_the_unit_of_the_scores(unit):
    scores, codes = scores_and_labels(n=60)
    one, _ = fit_temperature(scores, codes, np.ones(60))
    other, _ = fit_temperature(unit * scores, codes, np.ones(60))
    assert_allclose(other, unit * one, rtol=1e-3)


def test_the_scale_of_weights_does_not_matter():
    scores, codes = scores_and_labels()
    weights = 1.0 + np.arange(400) % 3
    one, _ = fit_temperature(scores, codes, weights)
    other, _ = fit_temperature(scores, codes, weights / weights.sum())
    assert_allclose(one, other)


def test_perfect_scores_give_a_finite_temperature_that_falls_with_their_number():
    def of(n):
        codes = np.arange(n) % 2
        return fit_temperature(np.eye(2)[codes], codes, np.ones(n))[0]

    assert 0 < of(1000) < of(100) < of(10) < 1
    # Platt's targets: p = 1 - 1 / (n + 2) of the true class, up to the mean over both.
    assert_allclose(of(100), 1 / np.log((1 - 0.5 / 102) / (0.5 / 102)), rtol=1e-3)


def test_scores_that_are_worse_than_chance_become_uniform():
    codes = np.arange(100) % 2
    temperature, _ = fit_temperature(1 - np.eye(2)[codes], codes, np.ones(100))
    assert 1000 < temperature < np.inf


@pytest.mark.parametrize("scores", [np.empty((0, 2)), np.ones((5, 2))])
def test_nothing_to_learn_from(scores):
    codes = np.zeros(len(scores), dtype=int)
    assert fit_temperature(scores, codes, np.ones(len(scores))) == (1.0, 0.0)


def test_targets_of_a_teacher_take_the_place_of_labels():
    scores, codes = scores_and_labels()
    part = HeldOut(scores, np.arange(3), np.ones(3), codes, np.ones(400))
    logits = scores / 2.5
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert_allclose(fit_to_parts([part._replace(targets=p)], "max")[0], 2.5, rtol=0.02)
    labels = np.eye(3)[codes]
    same = fit_to_parts([part._replace(targets=labels)], "max")
    assert_allclose(same, fit_to_parts([part], "max"), rtol=1e-4)


def test_a_mixture_is_fitted_inside_the_sum():
    """Rows of two normal distributions a class: the temperature is their variance."""
    rng = np.random.RandomState(0)
    centers, owners = np.array([0.0, 10.0, 4.0, 14.0]), np.array([0, 0, 1, 1])
    drawn = rng.choice(4, 4000, p=[0.4, 0.1, 0.1, 0.4])
    x = centers[drawn] + np.sqrt(3.0) * rng.normal(size=4000)
    similar = -((x[:, np.newaxis] - centers) ** 2) / 2
    weights = np.array([0.4, 0.1, 0.1, 0.4])
    part = HeldOut(similar, owners, weights, owners[drawn], np.ones(4000))
    temperature, _ = fit_to_parts([part], "sum")
    assert_allclose(temperature, 3.0, rtol=0.15)


@pytest.mark.parametrize("load", [load_breast_cancer, load_wine])
def test_hidden_layers_of_small_tables(load):
    """An MLP that has learned its training rows by heart is the hard case."""
    X, y = load(return_X_y=True)
    losses = []
    for seed in range(3):
        A, B, a, b = train_test_split(
            X, y, test_size=0.3, stratify=y, random_state=seed
        )
        scaler = StandardScaler().fit(A)
        A, B = scaler.transform(A), scaler.transform(B)
        mlp = MLPClassifier((64,), max_iter=600, random_state=seed).fit(A, a)
        A, B = (np.maximum(Z @ mlp.coefs_[0] + mlp.intercepts_[0], 0) for Z in (A, B))
        auto = KMExClassifier(random_state=0).fit(A, a)
        fixed = KMExClassifier(random_state=0, temperature=1.0).fit(A, a)
        best = KMExClassifier(random_state=0).fit(A, a)
        grid = []
        for best.temperature_ in np.geomspace(1e-4, 10, 100):
            grid.append(log_loss(b, best.predict_proba(B)))
        ours = log_loss(b, auto.predict_proba(B))
        assert ours < 0.6 * log_loss(b, fixed.predict_proba(B))
        losses.append((ours, min(grid)))
    ours, best = np.mean(losses, axis=0)
    assert ours < best + 0.15


@pytest.mark.parametrize("clusterer", [BatchedKMeans(), KMeans()])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_folds_of_a_large_class(clusterer, dtype):
    rng = np.random.RandomState(0)
    modes = np.repeat([[0, 0], [20, 0], [0, 20]], 400, axis=0)
    X = (modes + rng.normal(size=(1200, 2)) + 1e3).astype(dtype)
    rows = Rows(X, np.arange(7, 1207), 1.0 + np.arange(1200) % 2)
    plan = Plan(clusterer, (3,), hold_out=True)
    whole = class_prototypes(rows, 3, plan)
    folds = held_out_folds(rows, plan, 2, whole)
    held_out = [fold.held_out - 7 for fold in folds]
    assert_array_equal(np.sort(np.concatenate(held_out)), np.arange(1200))
    for fold, out in zip(folds, held_out, strict=True):
        assert fold.vectors.dtype == dtype
        assert_allclose(fold.weights, rows.weights[out])
        order = np.lexsort((fold.vectors[:, 1], fold.vectors[:, 0] > 1010))
        expected = 1e3 + np.array([[0, 0], [0, 20], [20, 0]])
        assert_allclose(fold.vectors[order], expected, atol=0.3)
        # The rows held out were not used.
        used = np.setdiff1d(np.arange(1200), out)
        assert_allclose(fold.counts.sum(), rows.weights[used].sum())
        mean = np.average(fold.vectors, axis=0, weights=fold.counts)
        expected = np.average(X[used], axis=0, weights=rows.weights[used])
        assert_allclose(mean, expected, rtol=1e-6)


def test_no_row_can_be_held_out():
    assert KMExClassifier(1).fit([[0.0], [1.0]], [0, 1]).temperature_ == 1.0


@pytest.mark.parametrize("load", [load_iris, load_wine])
@pytest.mark.parametrize("aggregation", ["max", "sum"])
def test_rows_compared_fold_by_fold_give_the_same(load, aggregation, monkeypatch):
    """The folds of iris have different numbers of prototypes."""
    X, y = load(return_X_y=True)
    psem = KMExClassifier(5, aggregation=aggregation, random_state=0)
    together = psem.fit(X, y).temperature_
    monkeypatch.setattr(temperature, "FEW_PRODUCTS", 0)
    assert_allclose(psem.fit(X, y).temperature_, together, rtol=1e-5)
