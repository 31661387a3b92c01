"""ROC AUC and average precision: values of scikit-learn, intervals that hold."""

import numpy as np
import pytest
from scipy.stats import norm
from sems import Prototypes
from sklearn.metrics import average_precision_score, roc_auc_score

from sklearn_kmex.report import SEMReport
from sklearn_kmex.report._ranking import lead, of_class, ranking


@pytest.mark.parametrize("n", [2, 5, 60, 400])
@pytest.mark.parametrize("n_levels", [4, 10_000])
def test_values_are_those_of_scikit_learn(n, n_levels):
    rng = np.random.default_rng(n)
    for _ in range(10):
        mine = rng.random(n) < 0.3
        mine[:2] = True, False
        scores = rng.integers(n_levels, size=n) / n_levels
        found = of_class(scores, mine)
        auc, precision = found["roc_auc"], found["average_precision"]
        assert auc["value"] == pytest.approx(roc_auc_score(mine, scores))
        expected = average_precision_score(mine, scores)
        assert precision["value"] == pytest.approx(expected)
        for one in (auc, precision):
            assert 0 <= one["low"] <= one["value"] + 1e-12
            assert one["value"] - 1e-12 <= one["high"] <= 1
            assert one["n"] == n


@pytest.mark.parametrize(("n", "m"), [(50, 50), (20, 200)])
@pytest.mark.parametrize("distance", [0.0, 1.5, 3.0])
def test_intervals_hold_the_value_of_the_population(n, m, distance):
    rng = np.random.default_rng(0)
    mine = np.arange(n + m) < n
    true_auc = norm.cdf(distance / np.sqrt(2))
    many = np.concatenate(
        [rng.normal(distance, size=1000 * n), rng.normal(size=1000 * m)]
    )
    true_precision = average_precision_score(np.arange(len(many)) < 1000 * n, many)
    held = np.zeros(2)
    for _ in range(300):
        scores = rng.normal(size=n + m) + distance * mine
        found = of_class(scores, mine)
        for place, true in enumerate([true_auc, true_precision]):
            one = found[("roc_auc", "average_precision")[place]]
            held[place] += one["low"] <= true <= one["high"]
    assert (held / 300 >= 0.92).all()


def test_large_samples_have_narrow_intervals():
    rng = np.random.default_rng(0)
    mine = np.arange(20_000) < 5_000
    found = of_class(rng.normal(size=20_000) + mine, mine)
    for one in found.values():
        assert 0.005 < one["high"] - one["low"] < 0.03


def test_a_perfect_order_is_not_certain():
    found = of_class(np.arange(40.0), np.arange(40) >= 20)
    for one in found.values():
        assert one["value"] == one["high"] == 1
        assert 0.8 < one["low"] < 0.95
    single = of_class(np.array([0.1, 0.9]), np.array([False, True]))
    assert single["roc_auc"]["low"] < 0.3


@pytest.mark.parametrize("mine", [[True, True], [False, False]])
def test_classes_of_all_or_no_samples_are_undefined(mine):
    found = of_class(np.array([0.1, 0.9]), np.array(mine))
    assert found == {"roc_auc": None, "average_precision": None}


def test_lead_by_hand():
    scores = np.array([[3.0, 1.0, 2.0], [0.0, 0.0, -1.0]])
    assert lead(scores).tolist() == [[1, -2, -1], [0, 0, -1]]


def test_ranks_by_probability_or_by_score(evaluated):
    psem = Prototypes([[0], [10], [20]], list("abc"))
    answers = evaluated(psem, None, [1, 2, 9, 11], list("aabb"))
    found = ranking(answers, list("ABC"))
    assert found["by"] == "score"
    assert [one["label"] for one in found["classes"]] == ["A", "B", "C"]
    assert found["classes"][0]["roc_auc"]["value"] == 1
    assert found["classes"][2]["roc_auc"] is None
    assert found["mean_roc_auc"] == found["mean_average_precision"] == 1
    one_class = evaluated(psem, None, [1, 2], list("aa"))
    assert ranking(one_class, list("ABC"))["mean_roc_auc"] is None


def test_probabilities_of_a_model(digits):
    from sklearn_kmex import KMExClassifier

    X, X_test, y, y_test = digits
    psem = KMExClassifier(2, random_state=0).fit(X, y)
    report = SEMReport(psem, X_test, y_test)
    found = report.to_dict()["performance"]["ranking"]
    assert found["by"] == "probability"
    proba = psem.predict_proba(X_test)
    expected = roc_auc_score(y_test, proba, multi_class="ovr")
    assert found["mean_roc_auc"] == pytest.approx(expected)
    assert f"{found['mean_roc_auc']:.3f} for ROC AUC" in report.to_html()
