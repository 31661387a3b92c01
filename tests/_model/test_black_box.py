"""The black box of a model: the whole of what was passed, and whose labels it has."""

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_kmex import KMExClassifier, make_kmex
from sklearn_kmex._model.black_box import check_black_box, has_black_box
from sklearn_kmex._model.matching import BlackBoxError
from sklearn_kmex.exceptions import KMExWarning
from sklearn_kmex.metrics import accuracy_gap_scorer, fidelity_scorer, sem_scorers
from sklearn_kmex.report import SEMReport

X, CODES = load_iris(return_X_y=True)
NAMES = np.array(["setosa", "versicolor", "virginica"])


def forest(y, X=X):
    return RandomForestClassifier(10, max_depth=3, random_state=0).fit(X, y)


def psem_of(model, y, X=X, **settings):
    return make_kmex(model, n_prototypes=2, random_state=0, **settings).fit(X, y)


@pytest.mark.parametrize(
    ("trained", "fitted"),
    [
        (CODES, NAMES[CODES]),
        (NAMES[CODES], CODES),
        (CODES, CODES.astype(str)),
        (CODES.astype(str), CODES),
        (CODES.astype(float), CODES),
        (CODES, CODES + 1),
    ],
    ids=["codes", "names", "to text", "from text", "floats", "from one"],
)
def test_figures_are_right_however_the_labels_are_written(trained, fitted):
    model = forest(CODES)
    by_codes = psem_of(model, CODES).predict(X)
    psem = psem_of(forest(trained), fitted)
    assert fidelity_scorer(psem, X) == np.mean(model.predict(X) == by_codes) > 0.8
    gap = np.mean(by_codes == CODES) - model.score(X, CODES)
    assert accuracy_gap_scorer(psem, X, fitted) == pytest.approx(gap)
    found = SEMReport(psem, X, fitted).to_dict()["performance"]
    assert found["black_box"]["accuracy"]["value"] == model.score(X, CODES)
    assert found["black_box_doubt"] is None


def test_codes_in_another_order_are_an_error_when_the_model_is_fitted():
    with pytest.raises(BlackBoxError, match=r"labels in y for 3\d%.*Pass classes="):
        psem_of(forest(CODES), NAMES[2 - CODES])


def test_codes_in_another_order_are_no_figure_where_labels_were_the_targets():
    model, y = forest(CODES), NAMES[2 - CODES]
    psem = psem_of(model, y, teacher=None)
    for scorer in (fidelity_scorer, accuracy_gap_scorer):
        with pytest.raises(
            BlackBoxError, match=r"3\d% of .*; taken for .* they would for (8|9|10)\d%"
        ):
            scorer(psem, X, y)
    report = SEMReport(psem, X, y).to_dict()
    assert report["performance"]["black_box"] is None
    texts = [one["text"] for one in report["warnings"]]
    assert sum("was not compared with its black box" in text for text in texts) == 1


def test_classes_name_the_outputs_everywhere():
    model, y, classes = forest(CODES), NAMES[2 - CODES], NAMES[::-1]
    named, told = psem_of(model, y, classes=classes), psem_of(model, y, teacher=None)
    assert fidelity_scorer(named, X) > 0.85
    assert sem_scorers(classes=classes)["fidelity"](told, X, y) > 0.85
    assert sem_scorers(model, classes=classes)["fidelity"](told, X, y) > 0.85
    report = SEMReport(told, X, y, classes=classes).to_dict()["performance"]
    assert report["black_box"]["agreement"]["value"] > 0.85
    assert list(named["embed"].output_classes) == list(classes)


@pytest.mark.parametrize("classes", [[1, 1], [[1, 2]]])
def test_classes_that_are_no_labels(classes):
    with pytest.raises(ValueError, match="different label for each output"):
        check_black_box(None, classes)
    with pytest.raises(ValueError, match="different label for each output"):
        make_kmex(forest(CODES), classes=classes)


def test_classes_must_be_as_many_as_outputs():
    psem = psem_of(forest(CODES), CODES, classes=[1, 2])
    with pytest.raises(BlackBoxError, match=r"its labels, \[1, 2\]; it gives 3"):
        fidelity_scorer(psem, X)


def test_classes_of_what_has_no_outputs():
    with pytest.raises(TypeError, match="classes must be None unless"):
        make_kmex(np.sqrt, classes=["a", "b"])


def test_some_classes_are_known_to_one_of_them_only():
    psem = psem_of(forest(CODES), CODES[:100], X[:100])
    with pytest.warns(KMExWarning, match=r"\[0, 1, 2\], are not .* \[0, 1\]"):
        assert fidelity_scorer(psem, X[:100]) > 0.85


def test_labels_of_other_things_are_an_error():
    with pytest.raises(BlackBoxError, match=r"must be the classes of the model"):
        fidelity_scorer(psem_of(forest(NAMES[CODES]), np.array(list("xyz"))[CODES]), X)
    psem = psem_of(forest(CODES), CODES)
    with pytest.raises(ValueError, match=r"y must be .* unknown: \['0', '1', '2'\]"):
        accuracy_gap_scorer(psem, X, CODES.astype(str))
    with pytest.raises(BlackBoxError, match="must be the classes of the model"):
        sem_scorers(LinearRegression().fit(X, CODES))["fidelity"](psem, X, CODES)


def test_a_class_unknown_to_the_model_is_an_error_of_both_in_the_gap():
    psem = psem_of(forest(CODES), CODES)
    y = np.where(np.arange(150) % 50 == 0, 7, CODES)
    perfect = accuracy_gap_scorer(psem, X, CODES)
    assert abs(accuracy_gap_scorer(psem, X, y) - perfect) < 0.03


class Given:
    """Predicts given labels."""

    def __init__(self, labels, classes=None):
        self.labels = labels
        if classes is not None:
            self.classes_ = classes

    def predict(self, X):
        return self.labels


@pytest.mark.parametrize(
    "model",
    [
        Given(NAMES[CODES]),
        Given(NAMES[CODES][:, np.newaxis]),
        Given(CODES),
        Given(CODES, NAMES),  # as a net of skorch with codes
        Given(NAMES[CODES], NAMES[::-1]),
        Given(CODES, [np.arange(3)]),
    ],
)
def test_a_given_black_box_of_any_kind(model):
    psem = psem_of(forest(CODES), NAMES[CODES])
    assert sem_scorers(model)["fidelity"](psem, X, NAMES[CODES]) > 0.85


def test_a_given_black_box_that_predicts_no_class_of_its_own():
    psem = psem_of(forest(CODES), CODES)
    with pytest.raises(
        BlackBoxError, match=r"its classes, \[0, 1\].*it predicts \[9\]"
    ):
        sem_scorers(Given(np.full(150, 9), [0, 1]))["fidelity"](psem, X, CODES)


def test_several_targets_are_refused():
    two = np.c_[CODES, CODES == 1]
    psem = psem_of(forest(two), CODES)
    with pytest.raises(BlackBoxError, match="one target; it predicts 2"):
        fidelity_scorer(psem, X)
    doubt = SEMReport(psem, X, CODES).to_dict()["performance"]["black_box_doubt"]
    assert "it predicts 2" in doubt
    with pytest.raises(BlackBoxError, match=r"array of shape \(150, 2\)"):
        sem_scorers(forest(two))["fidelity"](psem, X, CODES)
    mlp = MLPClassifier((4,), solver="lbfgs", max_iter=500, random_state=0)
    psem = psem_of(mlp.fit(X, two > 0), CODES)
    with pytest.raises(BlackBoxError, match="fitted on 2 targets"):
        fidelity_scorer(psem, X)


def test_numbers_of_a_regressor_are_no_labels():
    regressor = RandomForestRegressor(5, random_state=0).fit(X, CODES)
    with pytest.raises(BlackBoxError, match=r"outputs of shape \(150,\)"):
        fidelity_scorer(psem_of(regressor, CODES), X)


def test_outputs_that_are_no_numbers_are_an_error():
    class Broken(StandardScaler):
        def black_box_output(self, X):
            return np.where(np.arange(len(X))[:, np.newaxis] < 5, np.nan, 1.0)

    psem = make_pipeline(Broken(), KMExClassifier(2, random_state=0)).fit(X, CODES)
    with pytest.raises(BlackBoxError, match="NaN; they are for 5 of 150"):
        fidelity_scorer(psem, X)


def test_no_black_box_is_an_error_of_scorers_and_nothing_in_a_report():
    psem = KMExClassifier(2, random_state=0).fit(X, CODES)
    assert not has_black_box(psem)
    with pytest.raises(TypeError, match="must have a step with black_box_output"):
        fidelity_scorer(psem, X)
    found = SEMReport(psem, X, CODES).to_dict()["performance"]
    assert found["black_box"] is found["black_box_doubt"] is None


def test_steps_after_the_embedder_run_once():
    scaled = make_pipeline(*psem_of(forest(CODES), CODES)[:1], StandardScaler())
    psem = make_pipeline(scaled, KMExClassifier(2, random_state=0)).fit(X, CODES)
    model = LogisticRegression(max_iter=500).fit(X, CODES)
    assert fidelity_scorer(psem, X) > 0.85
    assert sem_scorers(model)["fidelity"](psem, X, CODES) > 0.85


def test_a_black_box_is_not_doubted_for_the_errors_of_the_model():
    psem = KMExClassifier(2, random_state=0).fit(X, np.array([0, 2, 1])[CODES])
    found = SEMReport(psem, X, CODES, black_box=forest(CODES)).to_dict()["performance"]
    assert found["black_box"]["agreement"]["value"] < 0.5
    assert found["black_box_doubt"] is None
