"""Wrappers around trained models: each is embedded, and is the whole black box."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_breast_cancer, load_iris
from sklearn.decomposition import TruncatedSVD
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import (
    RandomForestClassifier,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.experimental import enable_halving_search_cv
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.feature_selection import RFE
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    FixedThresholdClassifier,
    GridSearchCV,
    HalvingGridSearchCV,
    RandomizedSearchCV,
    TunedThresholdClassifierCV,
)
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier
from sklearn.multioutput import MultiOutputClassifier
from sklearn.naive_bayes import ComplementNB, GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler
from sklearn.semi_supervised import SelfTrainingClassifier
from sklearn.svm import SVC, LinearSVC

from sklearn_kmex import make_kmex
from sklearn_kmex._model.steps import steps_before
from sklearn_kmex.embedding import ScoreEmbedder, TreeEmbedder
from sklearn_kmex.metrics import accuracy_gap_scorer, fidelity_scorer
from sklearn_kmex.report import SEMReport

assert enable_halving_search_cv  # which makes the halving searches importable
X, CODES = load_breast_cancer(return_X_y=True)
Y = np.array(["ill", "well"])[CODES]
X_TRAIN, X_TEST, Y_TRAIN, Y_TEST = X[::2], X[1::2], Y[::2], Y[1::2]
DEPTHS = {"max_depth": [2, 4]}


def forest():
    return RandomForestClassifier(8, max_depth=4, random_state=0)


WRAPPERS = {
    "grid": lambda: GridSearchCV(forest(), DEPTHS, cv=2),
    "random": lambda: RandomizedSearchCV(forest(), DEPTHS, n_iter=2, cv=2),
    "halving": lambda: HalvingGridSearchCV(forest(), DEPTHS, cv=2, random_state=0),
    "frozen": lambda: FrozenEstimator(forest().fit(X_TRAIN, Y_TRAIN)),
    "pipelines": lambda: make_pipeline(StandardScaler(), make_pipeline(forest())),
    "in a pipeline": lambda: make_pipeline(
        StandardScaler(), GridSearchCV(forest(), DEPTHS, cv=2)
    ),
    "of a pipeline": lambda: GridSearchCV(
        make_pipeline(StandardScaler(), forest()),
        {"randomforestclassifier__max_depth": [2, 4]},
        cv=2,
    ),
    "tuned": lambda: TunedThresholdClassifierCV(forest(), cv=2, random_state=0),
    "calibrated once": lambda: CalibratedClassifierCV(forest(), cv=2, ensemble=False),
    "calibrated": lambda: CalibratedClassifierCV(forest(), cv=2),
    "one against rest": lambda: OneVsRestClassifier(forest()),
    "pairs": lambda: OneVsOneClassifier(forest()),
    "votes": lambda: VotingClassifier([("a", forest()), ("b", SVC())]),
    "stack": lambda: StackingClassifier([("a", forest()), ("b", SVC())], cv=2),
    "columns": lambda: RFE(forest(), n_features_to_select=8, step=0.5),
    "discriminants": LinearDiscriminantAnalysis,
    "probabilities": lambda: make_pipeline(StandardScaler(), LogisticRegression()),
}


@pytest.mark.parametrize("kind", WRAPPERS)
def test_a_wrapper_is_embedded_and_compared_as_a_whole(kind):
    model = WRAPPERS[kind]().fit(X_TRAIN, Y_TRAIN)
    psem = make_kmex(model, n_prototypes=5, random_state=0).fit(X_TRAIN, Y_TRAIN)
    assert abs(accuracy_gap_scorer(psem, X_TEST, Y_TEST)) < 0.06
    same = np.mean(model.predict(X_TEST) == psem.predict(X_TEST))
    assert fidelity_scorer(psem, X_TEST) == pytest.approx(same)
    assert same > 0.9
    report = SEMReport(psem, X_TEST, Y_TEST).to_dict()["performance"]
    accuracy = report["black_box"]["accuracy"]["value"]
    assert accuracy == pytest.approx(model.score(X_TEST, Y_TEST))
    again = clone(psem).fit(X_TRAIN, Y_TRAIN)
    assert_array_equal(again.predict(X_TEST), psem.predict(X_TEST))


def test_thresholds_and_calibration_are_those_of_the_whole():
    model = FixedThresholdClassifier(forest(), threshold=0.05, pos_label="ill")
    model.fit(X_TRAIN, Y_TRAIN)
    psem = make_kmex(model, n_prototypes=5, random_state=0).fit(X_TRAIN, Y_TRAIN)
    output = psem["embed"].black_box_output(X_TEST)
    assert_array_equal(model.classes_[output.argmax(axis=1)], model.predict(X_TEST))
    by_half = model.estimator_.predict(X_TEST)
    assert np.mean(by_half == model.predict(X_TEST)) < 0.99


def test_a_classifier_that_trained_itself():
    y = np.where(np.arange(len(X_TRAIN)) % 3, CODES[::2], -1)
    model = SelfTrainingClassifier(forest()).fit(X_TRAIN, y)
    psem = make_kmex(model, n_prototypes=5, random_state=0).fit(X_TRAIN, CODES[::2])
    assert fidelity_scorer(psem, X_TEST) > 0.9


def test_calibrated_models_are_embedded_side_by_side():
    model = CalibratedClassifierCV(forest(), cv=3).fit(X_TRAIN, Y_TRAIN)
    Z = make_kmex(model)["embed"].fit_transform(X_TRAIN)
    parts = [
        TreeEmbedder(one.estimator, out_of_bag=False).transform(X_TRAIN)
        for one in model.calibrated_classifiers_
    ]
    assert_array_equal(Z, np.hstack(parts))


def test_wrappers_work_with_a_cache(tmp_path):
    model = CalibratedClassifierCV(forest(), cv=2).fit(X_TRAIN, Y_TRAIN)
    settings = {"n_prototypes": 3, "random_state": 0}
    plain = make_kmex(model, **settings).fit(X_TRAIN, Y_TRAIN)
    cached = make_kmex(model, memory=tmp_path, **settings).fit(X_TRAIN, Y_TRAIN)
    assert fidelity_scorer(cached, X_TEST) == fidelity_scorer(plain, X_TEST)
    assert list(cached["embed"].output_classes) == ["ill", "well"]


@pytest.mark.parametrize(
    "model",
    [
        GridSearchCV(forest(), DEPTHS),
        CalibratedClassifierCV(forest()),
        TunedThresholdClassifierCV(forest()),
        OneVsRestClassifier(forest()),
        StackingClassifier([("a", forest())]),
        LogisticRegression(),
        make_pipeline(StandardScaler(), GaussianNB()),
    ],
    ids=lambda model: type(model).__name__,
)
def test_what_is_not_fitted_is_refused(model):
    with pytest.raises(NotFittedError, match=r"model must be fitted; got a \w+ that"):
        make_kmex(model)


def test_a_search_that_kept_no_model_is_refused():
    search = GridSearchCV(forest(), DEPTHS, cv=2, refit=False).fit(X_TRAIN, Y_TRAIN)
    with pytest.raises(TypeError, match="Fit it with refit=True"):
        make_kmex(search)


def test_models_of_several_targets_are_refused():
    two = np.c_[CODES, 1 - CODES]
    with pytest.raises(TypeError, match=r"one target; .* such as model.estimators_\[0"):
        make_kmex(MultiOutputClassifier(forest()).fit(X, two))


def test_layers_of_a_network_inside():
    X, y = load_iris(return_X_y=True)
    mlp = MLPClassifier((6, 4), solver="lbfgs", max_iter=50, random_state=0)
    with pytest.warns(Warning, match="lbfgs"):
        search = GridSearchCV(mlp, {"alpha": [1e-4]}, cv=2).fit(X, y)
    assert make_kmex(search, layer=0).fit(X, y)["kmex"].n_features_in_ == 6
    with pytest.raises(TypeError, match="layer must be None"):
        make_kmex(CalibratedClassifierCV(GaussianNB(), cv=2).fit(X, y), layer=0)


def test_a_network_behind_sparse_steps():
    pandas = pytest.importorskip("pandas")
    words = np.array(["red", "green", "blue"])
    table = pandas.DataFrame({"color": np.tile(words, 30)})
    y = np.tile([0, 1, 1], 30)
    mlp = MLPClassifier((6,), solver="lbfgs", max_iter=200, random_state=0)
    texts = [f"the {word} one" for word in table["color"]]
    for first, rows in ((OneHotEncoder(), table), (TfidfVectorizer(), texts)):
        model = make_pipeline(first, clone(mlp)).fit(rows, y)
        psem = make_kmex(model, n_prototypes=1, random_state=0).fit(rows, y)
        assert psem.score(rows, y) == fidelity_scorer(psem, rows) == 1


def test_each_part_of_a_vote_is_embedded_in_its_own_way():
    model = VotingClassifier([("a", forest()), ("b", SVC())]).fit(X_TRAIN, Y_TRAIN)
    psem = make_kmex(model, n_prototypes=2).fit(X_TRAIN, Y_TRAIN)
    union = steps_before(psem)[-1][1]
    kinds = [type(one) for _, one in union.transformer_list]
    assert kinds == [TreeEmbedder, ScoreEmbedder]


SPAM = ["win a prize", "a free prize", "win free money", "free money prize"]
HAM = ["see you at home", "home at noon", "lunch at noon", "see you at lunch"]
LABELS = ["spam"] * 4 + ["ham"] * 4


@pytest.mark.parametrize(
    "steps",
    [
        (TfidfVectorizer(), ComplementNB()),
        (TfidfVectorizer(), LogisticRegression()),
        (CountVectorizer(binary=True), LinearSVC()),
        (TfidfVectorizer(), TruncatedSVD(3), KNeighborsClassifier(2)),
        (FunctionTransformer(lambda X: X), TfidfVectorizer(), ComplementNB()),
    ],
    ids=lambda steps: type(steps[-1]).__name__,
)
def test_a_pipeline_of_texts_keeps_its_vectors(steps):
    model = make_pipeline(*steps).fit(SPAM + HAM, LABELS)
    psem = make_kmex(model, n_prototypes=1, random_state=0).fit(SPAM + HAM, LABELS)
    found, expected = (one.transform(SPAM) for one in (psem["embed"], model[:-1]))
    assert found.shape == expected.shape
    assert abs(found - expected).max() == 0
    output = psem["embed"].black_box_output(SPAM)
    assert_array_equal(model.classes_[output.argmax(axis=1)], model.predict(SPAM))
    assert psem.predict(["win money", "lunch at home"]).tolist() == ["spam", "ham"]
    assert fidelity_scorer(psem, SPAM + HAM) == 1


def test_layers_and_trees_embed_texts():
    forest = make_pipeline(TfidfVectorizer(), RandomForestClassifier(5))
    psem = make_kmex(forest.fit(SPAM + HAM, LABELS))
    assert isinstance(psem["embed"].steps[-1][1], TreeEmbedder)
    network = make_pipeline(TfidfVectorizer(), MLPClassifier((7,), max_iter=5))
    with pytest.warns(ConvergenceWarning):
        network.fit(SPAM + HAM, LABELS)
    assert make_kmex(network)["embed"].transform(SPAM).shape == (4, 7)
