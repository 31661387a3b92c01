"""Scorers: the predicates in a search, on KMEx and on other models."""

import copy
import pickle

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn import config_context
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score
from sklearn.model_selection import GridSearchCV, KFold, cross_validate
from sklearn.neighbors import NearestCentroid
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_kmex import KMExClassifier, make_kmex
from sklearn_kmex.exceptions import KMExWarning
from sklearn_kmex.metrics import (
    accuracy_gap_scorer,
    average_drop_loss,
    diversity_score,
    diversity_scorer,
    fidelity_scorer,
    local_lipschitz_error,
    make_faithfulness_scorer,
    make_robustness_scorer,
    relevance_divergence_loss,
    sem_scorers,
    transparency_score,
    transparency_scorer,
)

SCORERS = [transparency_scorer, diversity_scorer, fidelity_scorer, accuracy_gap_scorer]


@pytest.fixture(scope="module")
def forest(digits):
    X, _, y, _ = digits
    return RandomForestClassifier(30, random_state=0).fit(X, y)


@pytest.fixture(scope="module")
def psem(digits, forest):
    X, _, y, _ = digits
    rule = {"metric": "euclidean", "similarity": "log", "aggregation": "max"}
    psem = make_kmex(forest, n_prototypes=2, **rule, priors="uniform", random_state=0)
    return psem.fit(X, y)


def closeness(psem, X, labels):
    _, nearest = psem.nearest_prototypes(X)
    return 1 / (1 + (X - psem.prototypes_[nearest[:, 0]]) ** 2)


def test_scorers_are_the_metrics_of_a_pipeline(digits, forest, psem):
    _, X, _, y = digits
    activations = psem.transform(X).argmax(axis=1)
    assert transparency_scorer(psem, X, y) == transparency_score(activations, 20)
    prototypes = psem["kmex"].prototypes_
    assert diversity_scorer(psem, X, y) == diversity_score(prototypes)
    mine, theirs = psem.predict(X), forest.predict(X)
    assert fidelity_scorer(psem, X, y) == np.mean(mine == theirs)
    gap = accuracy_score(y, mine) - accuracy_score(y, theirs)
    assert accuracy_gap_scorer(psem, X, y) == pytest.approx(gap)


def test_weights_of_rows(digits, psem):
    _, X, _, y = digits
    part = np.arange(len(y)) < 20
    for scorer in SCORERS:
        weighted = scorer(psem, X, y, sample_weight=part.astype(float))
        assert weighted == pytest.approx(scorer(psem, X[:20], y[:20]))
    assert transparency_scorer(psem, X[:3]) == pytest.approx(3 / 20)


@pytest.mark.parametrize("n_jobs", [1, 2])
@pytest.mark.parametrize("routing", [False, True])
def test_a_search_by_all_of_them(digits, forest, n_jobs, routing):
    X, _, y, _ = digits
    psem = make_kmex(forest, temperature=1.0, random_state=0)
    with config_context(enable_metadata_routing=routing):
        search = GridSearchCV(
            psem,
            {"kmex__n_prototypes": [1, 3]},
            scoring=sem_scorers(),
            refit="accuracy",
            cv=2,
            n_jobs=n_jobs,
            error_score="raise",
        ).fit(X[:300], y[:300])
    results = search.cv_results_
    assert results["mean_test_diversity"].std() > 0
    for name in ("accuracy", "transparency", "fidelity", "accuracy_gap"):
        assert np.isfinite(results[f"mean_test_{name}"]).all()
    assert clone(search).scoring.keys() == sem_scorers().keys()


def test_weights_are_routed_where_they_are_asked_for(digits, forest):
    X, _, y, _ = digits
    X, y = X[:300], y[:300]
    weights = np.random.RandomState(0).randint(0, 3, size=300)
    cv = KFold(2)
    with config_context(enable_metadata_routing=True):
        scorer = copy.deepcopy(fidelity_scorer).set_score_request(sample_weight=True)
        kmex = make_kmex(forest, temperature=1.0, random_state=0)
        kmex["kmex"].set_fit_request(sample_weight=False)
        found = cross_validate(
            kmex,
            X,
            y,
            scoring={"fidelity": scorer},
            cv=cv,
            params={"sample_weight": weights},
            return_estimator=True,
            error_score="raise",
        )
    expected = [
        fidelity_scorer(fitted, X[test], sample_weight=weights[test])
        for fitted, (_, test) in zip(found["estimator"], cv.split(X), strict=True)
    ]
    assert_array_equal(found["test_fidelity"], expected)


def test_they_print_pickle_and_copy(digits, forest, psem):
    _, X, _, y = digits
    names = ["transparency", "diversity", "fidelity", "accuracy_gap"]
    assert [repr(scorer) for scorer in SCORERS] == [f"{n}_scorer" for n in names]
    own = sem_scorers(black_box=forest)
    assert repr(own["fidelity"]).startswith(
        "fidelity_scorer(black_box=RandomForestClassifier("
    )
    for scorer in [*SCORERS, own["fidelity"]]:
        for other in (pickle.loads(pickle.dumps(scorer)), clone(scorer)):
            assert other(psem, X, y) == scorer(psem, X, y)
            assert repr(other) == repr(scorer)
    assert copy.deepcopy(own)["fidelity"].settings["black_box"] is forest
    assert "Score the share of samples" in fidelity_scorer.__doc__


class Centroids(ClassifierMixin, BaseEstimator):
    """A prototypical model of another package: scikit-learn's nearest centroid."""

    def fit(self, X, y):
        self.inner_ = NearestCentroid().fit(X, y)
        self.classes_ = self.prototype_classes_ = self.inner_.classes_
        self.prototypes_ = self.inner_.centroids_
        return self

    def transform(self, X):
        return -np.linalg.norm(X[:, np.newaxis] - self.prototypes_, axis=2)

    def predict(self, X):
        return self.inner_.predict(X)


def test_models_of_other_packages(digits, forest):
    X, X_test, y, y_test = digits
    model = make_pipeline(PCA(10, random_state=0), Centroids()).fit(X, y)
    scorers = sem_scorers(black_box=forest)
    found = {name: scorer(model, X_test, y_test) for name, scorer in scorers.items()}
    assert found["transparency"] == 1.0
    assert found["fidelity"] == np.mean(model.predict(X_test) == forest.predict(X_test))
    assert found["accuracy"] == model.score(X_test, y_test)


@pytest.mark.parametrize("labels", ["numbers", "names"])
def test_black_boxes_of_each_kind(digits, labels):
    X, X_test, y, _ = digits
    names = np.array([f"digit {label}" for label in range(10)])[::-1]
    y = names[y] if labels == "names" else y
    scaler = StandardScaler().fit(X)
    mlp = MLPClassifier((16,), solver="lbfgs", max_iter=3_000, random_state=0)
    mlp.fit(scaler.transform(X), y)
    piped = make_kmex(make_pipeline(scaler, mlp), temperature=1.0, random_state=0)
    late = make_pipeline(scaler, *make_kmex(mlp, random_state=0).named_steps.values())
    expected = mlp.predict(scaler.transform(X_test))
    for psem in (piped.fit(X, y), late.fit(X, y)):
        agreed = np.mean(psem.predict(X_test) == expected)
        assert fidelity_scorer(psem, X_test) == agreed > 0.9


def test_outputs_of_a_torch_network_are_in_the_order_of_the_classes(digits):
    torch = pytest.importorskip("torch")
    X, X_test, y, _ = digits
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Linear(64, 8), torch.nn.Linear(8, 10))
    psem = make_kmex(network, temperature=1.0, random_state=0).fit(X, y)
    outputs = network(torch.tensor(X_test, dtype=torch.float32)).argmax(dim=1).numpy()
    with pytest.warns(KMExWarning, match="near chance"):  # it was not trained
        fidelity = fidelity_scorer(psem, X_test)
    assert fidelity == np.mean(psem.predict(X_test) == outputs)
    narrow = torch.nn.Sequential(torch.nn.Linear(64, 8), torch.nn.Linear(8, 1))
    psem = make_kmex(narrow, temperature=1.0, random_state=0).fit(X, y)
    with pytest.raises(ValueError, match=r"each of the 10 classes, \[.*; it gives 2"):
        fidelity_scorer(psem, X_test)


def test_scorers_of_maps_are_the_metrics(digits):
    X, X_test, y, y_test = digits
    kmex = KMExClassifier(2, random_state=0).fit(X, y)
    labels = kmex.predict(X_test)
    columns = np.searchsorted(kmex.classes_, labels)
    maps = closeness(kmex, X_test, labels)
    mean = X.mean(axis=0)

    scorer = make_faithfulness_scorer(closeness, keep=0.3, baseline=mean)
    how = {"score_columns": columns, "keep": 0.3, "baseline": mean}
    drop = average_drop_loss(kmex.predict_proba, X_test, maps, **how)
    assert scorer(kmex, X_test, y_test) == pytest.approx(-drop)
    removed = make_faithfulness_scorer(closeness, baseline=mean, mask="remove")
    how = {"score_columns": columns, "mask": "remove", "baseline": mean}
    drop = average_drop_loss(kmex.predict_proba, X_test, maps, **how)
    assert removed(kmex, X_test, y_test) == pytest.approx(drop)

    other = make_faithfulness_scorer(closeness, relevance_black_box=squares)
    loss = relevance_divergence_loss(squares(kmex, X_test, labels), maps)
    assert other(kmex, X_test, y_test) == pytest.approx(-loss)

    robust = make_robustness_scorer(closeness, n_neighbors=3, random_state=0)
    how = {"n_neighbors": 3, "random_state": 0}
    error = local_lipschitz_error(kmex, X_test, closeness, labels=labels, **how)
    assert robust(kmex, X_test, y_test) == pytest.approx(-error)
    for one in (scorer, robust):
        loaded = pickle.loads(pickle.dumps(one))
        assert_array_equal(loaded(kmex, X_test), one(kmex, X_test))
        weights = np.r_[np.ones(5), np.zeros(len(X_test) - 5)]
        assert one(kmex, X_test, sample_weight=weights) != one(kmex, X_test)


def squares(psem, X, labels):
    return X**2


@pytest.mark.parametrize("make", [make_faithfulness_scorer, make_robustness_scorer])
@pytest.mark.parametrize(
    ("relevance", "message"),
    [
        ("x", r"got 'x'.* pass functools.partial\(relevance, method='x'\)"),
        (None, r"called as relevance\(psem, X, labels=labels\); got None"),
        (lambda a, b: b, r"as relevance\(psem, X, labels=labels\); .* takes \(a, b\)"),
    ],
)
def test_scorers_refuse_what_makes_no_maps(make, relevance, message):
    with pytest.raises(TypeError, match=message):
        make(relevance)


@pytest.mark.parametrize(
    ("make", "settings"),
    [
        (make_robustness_scorer, {"n_neighbors": 0}),
        (make_robustness_scorer, {"radius": 0.0}),
        (make_faithfulness_scorer, {"keep": 0}),
        (make_faithfulness_scorer, {"mask": "drop"}),
    ],
)
def test_scorers_refuse_settings_when_they_are_made(make, settings):
    ((name, value),) = settings.items()
    words = f"'{name}' parameter of {make.__name__} must be .* Got {value!r}"
    with pytest.raises(ValueError, match=words):
        make(closeness, **settings)


def test_maps_of_a_black_box_must_be_made_by_a_function():
    with pytest.raises(TypeError, match="relevance_black_box must be a function"):
        make_faithfulness_scorer(closeness, relevance_black_box="x")


def test_refusals(digits):
    X, _, y, _ = digits
    logistic = LogisticRegression(max_iter=5000).fit(X[:200], y[:200])
    with pytest.raises(TypeError, match=r"LogisticRegression.* has no .*prototypes_"):
        transparency_scorer(logistic, X, y)
    with pytest.raises(NotFittedError):
        diversity_scorer(KMExClassifier(), X, y)
    kmex = KMExClassifier(1, random_state=0).fit(X, y)
    with pytest.raises(TypeError, match=r"KMExClassifier must have a step with black"):
        fidelity_scorer(kmex, X, y)
    assert sem_scorers(black_box=None).keys() == {
        "accuracy",
        "transparency",
        "diversity",
    }
    for wrong in ("forest", 5):
        with pytest.raises(TypeError, match=r'must be "embedder", None or a fitted'):
            sem_scorers(black_box=wrong)
