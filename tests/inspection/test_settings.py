"""SearchDisplay: what was compared, best first, and what was chosen."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from plots import no_overlap

from sklearn_kmex import KMExClassifier, KMExClassifierCV, make_kmex
from sklearn_kmex.inspection import SearchDisplay

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")

draw = SearchDisplay.from_estimator
NAMES = ["metric", "similarity", "aggregation", "priors", "shrinkage"]


@pytest.fixture(scope="module")
def psem(digits):
    X, _, y, _ = digits
    return KMExClassifierCV([1, 2, 5], cv=3, n_init=1, random_state=0).fit(
        X[:300], y[:300]
    )


def test_by_hand():
    display = SearchDisplay(
        settings=[{"metric": "cosine", "priors": "class"}] * 2
        + [{"metric": "euclidean", "priors": "class"}],
        n_prototypes=[5, 1, 0.125],
        mean_scores=np.array([0.9, 0.875, 0.5]),
        standard_errors=np.array([0.0, 0.05, 0.1]),
        accepted=np.array([True, True, False]),
        chosen=0,
        chosen_n_prototypes=2,
        chosen_score=0.89,
        score_name="accuracy",
    ).plot()
    points = display.errors_.lines[0].get_xydata()
    assert_allclose(points, [[0.9, 0], [0.875, 1], [0.5, 2]])
    ends = [s[:, 0] for s in display.errors_.lines[2][0].get_segments()]
    assert_allclose(ends, [[0.9, 0.9], [0.825, 0.925], [0.4, 0.6]])
    assert_allclose(display.accepted_.get_ydata(), [0, 1])
    assert_allclose(display.chosen_.get_xydata(), [[0.89, 0]])
    assert display.best_.get_xdata()[0] == 0.9
    names = [t.get_text() for t in display.ax_.get_yticklabels()]
    # "priors" is the same in each line, and left out.
    assert names == [
        "cosine, 5 prototypes",
        "cosine, 1 prototype",
        "euclidean, 0.125 of the rows",
    ]
    assert display.ax_.yaxis_inverted()
    assert display.ax_.get_xlabel() == "held-out accuracy"
    texts = [t.get_text() for t in display.ax_.get_legend().get_texts()]
    assert "chosen, 2 prototypes" in texts


def test_the_best_number_of_each_setting(psem):
    frame = draw(psem).frame()
    results = psem.cv_results_
    assert frame["mean_score"].is_monotonic_decreasing
    assert frame["mean_score"][0] == results["mean_test_score"].max()
    assert frame["standard_error"][0] == 0
    assert not frame.duplicated(NAMES).any()
    for line in frame.to_dict("records"):
        rows = [
            row
            for row, one in enumerate(results["params"])
            if all(one[name] == line[name] for name in NAMES)
        ]
        best = max(rows, key=lambda row: results["mean_test_score"][row])
        assert line["n_prototypes"] == results["params"][best]["n_prototypes"]
        assert line["mean_score"] == results["mean_test_score"][best]
        assert line["standard_error"] == results["standard_error"][best]
        assert line["accepted"] == results["accepted"][rows].any()
        assert line["chosen"] == (psem.best_index_ in rows)


def test_the_choice(psem):
    display = draw(psem)
    index, best = psem.best_index_, psem.best_params_
    assert display.settings[display.chosen] == {name: best[name] for name in NAMES}
    assert display.accepted[display.chosen]
    assert display.chosen_n_prototypes == best["n_prototypes"]
    assert display.chosen_score == psem.cv_results_["mean_test_score"][index]
    no_overlap(display.figure_)


def test_a_classifier_that_chooses_for_itself(blobs):
    X, y = blobs
    prior = np.full(3, 1 / 3)
    psem = make_kmex(lambda X: X, n_prototypes={0: 1, 1: 2, 2: 2}, priors=prior)
    display = draw(psem.fit(X, y))
    assert len(display.settings) > 4
    assert_array_equal(display.settings[0]["priors"], prior)
    name = display.ax_.get_yticklabels()[0].get_text()
    assert name.endswith(", given numbers of prototypes")
    assert display.score_name == "neg log loss"


def test_a_single_setting_is_named_in_full(blobs):
    rule = {"metric": "cosine", "similarity": "log", "aggregation": "max"}
    psem = KMExClassifierCV([1, 2], cv=2, priors="class", **rule, random_state=0)
    (name,) = draw(psem.fit(*blobs)).ax_.get_yticklabels()
    assert name.get_text().startswith("cosine, log, max, class, ")


def test_lines_name_the_shrinkage_of_a_covariance(blobs):
    psem = KMExClassifierCV([1, 2], cv=2, shrinkage=0.25, random_state=0).fit(*blobs)
    display = draw(psem)
    names = [label.get_text() for label in display.ax_.get_yticklabels()]
    mapped = ["mahalanobis" in one["metric"] for one in display.settings]
    assert [", shrinkage 0.25, " in name for name in names] == mapped
    assert len(set(mapped)) == 2


def test_a_classifier_that_compared_nothing(blobs):
    with pytest.raises(TypeError, match=r"'auto'; got KMExClassifier, which compared"):
        draw(KMExClassifier(1).fit(*blobs))
