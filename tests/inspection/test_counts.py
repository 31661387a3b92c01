"""The curve over counts: its error band, and the number chosen."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.model_selection import GridSearchCV, StratifiedShuffleSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_kmex import KMExClassifier, KMExClassifierCV, RejectingClassifier
from sklearn_kmex._fit.steps import AUTO_COUNTS
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
        accepted=np.array([False, True, True]),
        best_score=0.8,
    ).plot()
    assert_allclose(display.line_.get_xydata(), [[1, 0.5], [2, 0.75], [5, 0.8]])
    corners = display.band_.get_paths()[0].vertices
    for corner in ([1, 0.4], [1, 0.6], [2, 0.7], [2, 0.8], [5, 0.8]):
        assert np.isclose(corners, corner).all(axis=1).any()
    assert display.best_.get_ydata()[0] == 0.8
    assert_allclose(display.accepted_.get_xdata(), [2, 5])
    assert display.chosen_.get_xdata()[0] == 2
    assert display.frame()["chosen"].tolist() == [False, True, False]
    assert display.frame()["accepted"].tolist() == [False, True, True]
    texts = [t.get_text() for t in display.ax_.get_legend().get_texts()]
    marks = ["accepted", "best setting", "chosen"]
    assert texts == ["mean", "± one standard error", *marks]
    assert [t.get_text() for t in display.ax_.get_xticklabels()] == ["1", "2", "5"]


def test_one_fold_has_no_standard_error(data):
    cv = StratifiedShuffleSplit(1, random_state=0)
    numbers = {"n_prototypes": [1, 2, 3]}
    display = draw(GridSearchCV(KMExClassifier(n_init=1), numbers, cv=cv).fit(*data))
    assert np.isnan(display.standard_errors).all()
    assert np.isfinite(display.mean_scores).all()
    texts = [t.get_text() for t in display.ax_.get_legend().get_texts()]
    assert texts == ["mean", "chosen"]


def test_the_classifier_that_chooses(data):
    pipe = make_pipeline(StandardScaler(), KMExClassifierCV(3, cv=2, random_state=0))
    psem = pipe.fit(*data)[-1]
    display = draw(pipe)
    results, chosen = psem.cv_results_, psem.best_params_
    assert_array_equal(display.n_prototypes, [1, 2, 3])
    for place, number in enumerate(display.n_prototypes):
        row = results["params"].index(chosen | {"n_prototypes": number})
        assert display.mean_scores[place] == results["mean_test_score"][row]
        assert display.standard_errors[place] == results["standard_error"][row]
        assert display.accepted[place] == results["accepted"][row]
    assert display.chosen == (chosen["n_prototypes"],) * 2
    assert display.best_score == results["mean_test_score"].max()
    # The rule, seen in the picture: an accepted band reaches the best score.
    reach = display.mean_scores + display.standard_errors
    assert_array_equal(display.accepted, reach >= display.best_score)
    assert display.accepted[display.n_prototypes == display.chosen[0]]
    assert display.ax_.get_ylabel() == "held-out neg log loss"


def test_a_classifier_that_chooses_for_itself(data):
    psem = KMExClassifier("auto", n_init=1, random_state=0).fit(*data)
    display = draw(psem)
    assert_array_equal(display.n_prototypes, AUTO_COUNTS)
    params = psem.cv_results_["params"]
    order = np.argsort([one["n_prototypes"] for one in params])
    assert_allclose(display.mean_scores, psem.cv_results_["mean_test_score"][order])
    assert display.score_name == "neg log loss"


def test_one_prototype_of_each_class_is_in_the_curve_of_the_sum(data):
    rule = {"metric": "euclidean", "similarity": "gaussian", "priors": "uniform"}
    psem = KMExClassifierCV([1, 2, 3], cv=2, **rule, random_state=0).fit(*data)
    results = psem.cv_results_
    # Make sure that "sum" is the choice; for one prototype, it is equal to "max".
    chosen = dict(psem.best_params_, n_prototypes=3, aggregation="sum")
    psem.best_index_, psem.best_params_ = results["params"].index(chosen), chosen
    assert dict(chosen, n_prototypes=1) not in results["params"]
    display = draw(psem)
    assert_array_equal(display.n_prototypes, [1, 2, 3])
    row = results["params"].index(dict(chosen, n_prototypes=1, aggregation="max"))
    assert display.mean_scores[0] == results["mean_test_score"][row]


def test_a_single_number_is_no_curve(data):
    psem = KMExClassifierCV([2], cv=2, random_state=0).fit(*data)
    with pytest.raises(ValueError, match=r"only n_prototypes=2\. SearchDisplay shows"):
        draw(psem)


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
    folds = [found.cv_results_[f"split{k}_test_score"] for k in range(3)]
    errors = np.std(folds, axis=0, ddof=1) / 3**0.5
    assert_allclose(display.standard_errors, errors[[1, 2, 0]])
    assert display.best_ is None
    assert display.accepted_ is None
    assert "accepted" not in display.frame()


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
        TypeError, match=r"must be a fitted KMExClassifierCV.*'auto'.*without cv"
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
