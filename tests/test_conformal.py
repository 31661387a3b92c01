"""Conformal sets by MAPIE hold the class as often as promised."""

import numpy as np
import pytest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_kmex import KMExClassifier

classification = pytest.importorskip("mapie.classification")


@pytest.mark.parametrize("level", [0.7, 0.9, 0.95])
@pytest.mark.parametrize("score", ["lac", "aps"])
def test_coverage(load_data, level, score):
    data = load_data("cifar10_resnet18_features.npz")
    X, y = data["features"].astype(np.float32), data["labels"]
    rows = np.random.RandomState(0).permutation(len(y))
    fit, known, new = rows[:3000], rows[3000:7000], rows[7000:]
    psem = make_pipeline(StandardScaler(), KMExClassifier(3, n_init=1, random_state=0))
    mapie = classification.SplitConformalClassifier(
        psem.fit(X[fit], y[fit]),
        confidence_level=level,
        conformity_score=score,
        prefit=True,
        random_state=0,
    ).conformalize(X[known], y[known])
    labels, sets = mapie.predict_set(X[new])
    covered = sets[np.arange(len(new)), y[new], 0].mean()
    spread = np.sqrt(level * (1 - level) * (1 / len(known) + 1 / len(new)))
    print(f"{score}, {level}: covered {covered:.4f}, of {sets.sum(axis=1).mean():.2f}")
    assert covered > level - 3 * spread
    if score == "lac":
        assert covered < level + 3 * spread
    assert np.mean(labels == psem.predict(X[new])) == 1


def test_coverage_over_many_draws(digits):
    X, X_test, y, y_test = digits
    psem = KMExClassifier(2, random_state=0).fit(X, y)
    rng, covered = np.random.RandomState(0), []
    for _ in range(30):
        rows = rng.permutation(len(y_test))
        known, new = rows[:270], rows[270:]
        mapie = classification.SplitConformalClassifier(
            psem, confidence_level=0.9, prefit=True
        ).conformalize(X_test[known], y_test[known])
        sets = mapie.predict_set(X_test[new])[1][:, :, 0]
        covered.append(sets[np.arange(len(new)), y_test[new]].mean())
    assert 0.9 - 0.01 < np.mean(covered) < 0.9 + 0.02
