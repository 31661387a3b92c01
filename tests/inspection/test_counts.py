"""The curve over counts: its error band, and the number chosen."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_kmex import KMExClassifier, KMExClassifierCV, RejectingClassifier
from sklearn_kmex.inspection import PrototypeCountDisplay

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")

draw = PrototypeCountDisplay.from_estimator


@pytest.fixture(scope="module")
def data(digits):
    X, _, y, _ = digits
    return X[:400], y[:400]


def test_band_by_hand():
    display = PrototypeCountDisplay(
        n_prototypes=np.array([1, 2, 5]),
        mean_scores=np.array([0.5, 0.75, 0.8]),
        standard_errors=np.array([0.1, 0.05, 0.0]),
        chosen=(2, 2),
        threshold=0.7,
    ).plot()
    assert_allclose(display.line_.get_xydata(), [[1, 0.5], [2, 0.75], [5, 0.8]])
    corners = display.band_.get_paths()[0].vertices
    for corner in ([1, 0.4], [1, 0.6], [2, 0.7], [2, 0.8], [5, 0.8]):
        assert np.isclose(corners, corner).all(axis=1).any()
    assert display.threshold_.get_ydata()[0] == 0.7
    assert display.chosen_.get_xdata()[0] == 2
    assert display.frame()["chosen"].tolist() == [False, True, False]
    texts = [t.get_text() for t in display.ax_.get_legend().get_texts()]
    assert texts == ["mean", "± one standard error", "required", "chosen"]
    assert [t.get_text() for t in display.ax_.get_xticklabels()] == ["1", "2", "5"]


def test_the_classifier_that_chooses(data):
    psem = KMExClassifierCV(6, random_state=0)
    pipe = make_pipeline(StandardScaler(), psem).fit(*data)
    psem = pipe[-1]
    display = draw(pipe)
    results = psem.cv_results_
    assert_allclose(display.mean_scores, results["mean_test_score"])
    folds = [results[f"split{i}_test_score"] for i in range(5)]
    assert_allclose(display.standard_errors, np.std(folds, axis=0, ddof=1) / 5**0.5)
    assert display.chosen == (psem.n_prototypes_[0],) * 2
    best = display.mean_scores.argmax()  # the rule, seen in the picture
    reach = display.mean_scores[best] - display.standard_errors[best]
    assert np.isclose(display.threshold, reach)
    assert display.ax_.get_ylabel() == "held-out accuracy"


def test_numbers_of_each_class(data):
    psem = KMExClassifierCV(6, per_class=True, random_state=0).fit(*data)
    display = draw(psem)
    counts = psem.n_prototypes_
    assert display.chosen == (counts.min(), counts.max())
    assert counts.min() < counts.max()
    text = display.ax_.get_legend().get_texts()[-1].get_text()
    assert text == f"chosen, {counts.min()} to {counts.max()} by class"


def test_shares(data):
    psem = KMExClassifierCV([0.02, 0.1], random_state=0).fit(*data)
    display = draw(psem)
    assert display.chosen[0] in (0.02, 0.1)
    assert display.ax_.get_xlabel() == "prototypes, share of the rows"
    psem = KMExClassifierCV([0.02, 0.1], per_class=True, random_state=0).fit(*data)
    assert draw(psem).chosen is None


def search(grid, **settings):
    pipe = make_pipeline(StandardScaler(), KMExClassifier(random_state=0, n_init=1))
    return GridSearchCV(pipe, grid, cv=3, **settings)


def test_a_grid_over_a_step(data):
    found = search({"kmexclassifier__n_prototypes": [4, 1, 2]}).fit(*data)
    display = draw(found)
    assert_array_equal(display.n_prototypes, [1, 2, 4])
    means = found.cv_results_["mean_test_score"]
    assert_allclose(display.mean_scores, means[[1, 2, 0]])
    assert display.chosen[0] == found.best_params_["kmexclassifier__n_prototypes"]
    assert display.threshold is None
    assert display.threshold_ is None


def test_other_parameters_are_held_at_the_best(data):
    grid = {
        "kmexclassifier__n_prototypes": [1, 3],
        "kmexclassifier__similarity": ["log", "gaussian"],
        "standardscaler__with_std": [True, False],
    }
    found = search(grid).fit(*data)
    display = draw(found)
    params = found.cv_results_["params"]
    best = found.best_params_
    for number, mean in zip(display.n_prototypes, display.mean_scores, strict=True):
        wanted = best | {"kmexclassifier__n_prototypes": number}
        row = params.index(wanted)
        assert mean == found.cv_results_["mean_test_score"][row]


def test_several_scores(data):
    grid = {"kmexclassifier__n_prototypes": [1, 2]}
    scores = ["accuracy", "f1_macro"]
    found = search(grid, scoring=scores, refit="f1_macro").fit(*data)
    assert draw(found).score_name == "f1 macro"
    display = draw(found, scoring="accuracy")
    assert_allclose(display.mean_scores, found.cv_results_["mean_test_accuracy"])
    with pytest.raises(
        ValueError, match=r"scoring must be one of .*'f1_macro'.*'loss'"
    ):
        draw(found, scoring="loss")
    found = search(grid, scoring=scores, refit=False).fit(*data)
    assert draw(found, scoring="accuracy").chosen is None
    with pytest.raises(ValueError, match="scoring must be one of"):
        draw(found)
    grid["standardscaler__with_std"] = [True, False]
    found = search(grid, scoring=scores, refit=False).fit(*data)
    with pytest.raises(ValueError, match="must know its best candidate"):
        draw(found, scoring="accuracy")


def test_what_is_no_such_search(data):
    with pytest.raises(
        TypeError, match=r"must be a fitted KMExClassifierCV.*without cv"
    ):
        draw(KMExClassifier())
    rejecting = RejectingClassifier(KMExClassifier(1), cv=2).fit(*data)
    with pytest.raises(
        TypeError, match="got RejectingClassifier with KMExClassifier inside"
    ):
        draw(rejecting)
    found = search({"standardscaler__with_std": [True]}).fit(*data)
    with pytest.raises(ValueError, match="must have searched over one n_prototypes"):
        draw(found)
    found = search({"kmexclassifier__n_prototypes": [1, "auto"]}).fit(*data)
    with pytest.raises(
        ValueError, match=r"over numbers of prototypes; got n_prot.*auto"
    ):
        draw(found)
    psem = KMExClassifierCV(2, random_state=0).fit(*data)
    with pytest.raises(ValueError, match="scoring must be one of"):
        draw(psem, scoring="f1")
