"""At home in scikit-learn: what others do with a classifier works on this one."""

import pickle

import joblib
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import config_context
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.cluster import MiniBatchKMeans
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import BaggingClassifier, StackingClassifier
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, log_loss, make_scorer
from sklearn.model_selection import (
    GridSearchCV,
    cross_val_predict,
    cross_validate,
    train_test_split,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_kmex import KMExClassifier


@pytest.fixture(scope="module")
def cancer():
    """A table: X_train, X_test, y_train, y_test."""
    X, y = load_breast_cancer(return_X_y=True)
    return train_test_split(X, y, stratify=y, random_state=0)


def make_psem(**parameters):
    return make_pipeline(StandardScaler(), KMExClassifier(random_state=0, **parameters))


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_grid_search(cancer, n_jobs):
    X, X_test, y, y_test = cancer
    grid = {
        "kmexclassifier__n_prototypes": [1, 5, {0: 4, 1: 2}],
        "kmexclassifier__similarity": ["log", "gaussian"],
        "kmexclassifier__clusterer": [None, MiniBatchKMeans(n_init=1)],
    }
    search = GridSearchCV(make_psem(), grid, cv=3, n_jobs=n_jobs).fit(X, y)
    assert not np.isnan(search.cv_results_["mean_test_score"]).any()
    assert search.score(X_test, y_test) > 0.9


def test_cross_validated_probabilities(cancer):
    X, _, y, _ = cancer
    p = cross_val_predict(make_psem(), X, y, cv=3, method="predict_proba")
    assert log_loss(y, p) < 0.4


@pytest.mark.parametrize(
    "around",
    [
        lambda psem: CalibratedClassifierCV(psem, cv=3),
        lambda psem: StackingClassifier([("psem", psem)], LogisticRegression(), cv=3),
        lambda psem: BaggingClassifier(psem, n_estimators=3, random_state=0),
    ],
    ids=["calibrated", "stacked", "bagged"],
)
def test_inside_other_classifiers(cancer, around):
    X, X_test, y, y_test = cancer
    model = around(make_psem(n_prototypes=3)).fit(X, y)
    assert model.score(X_test, y_test) > 0.9


def test_permutation_importance(cancer):
    X, X_test, y, y_test = cancer
    X, X_test = X.copy(), X_test.copy()
    X[:, 0] = X_test[:, 0] = 0  # says nothing
    psem = make_psem().fit(X, y)
    result = permutation_importance(psem, X_test, y_test, n_repeats=3, random_state=0)
    assert result.importances_mean[0] == 0
    assert result.importances_mean.max() > 0


def test_its_similarities_are_features_for_others(cancer):
    X, X_test, y, y_test = cancer
    model = make_pipeline(
        StandardScaler(),
        KMExClassifier(10, similarity="gaussian", random_state=0),
        StandardScaler(),
        LogisticRegression(),
    )
    assert model.fit(X, y).score(X_test, y_test) > 0.9


@pytest.mark.parametrize(
    "copy",
    [
        lambda psem, path: pickle.loads(pickle.dumps(psem)),
        lambda psem, path: joblib.load(joblib.dump(psem, path / "psem.joblib")[0]),
    ],
    ids=["pickle", "joblib"],
)
def test_stored_and_loaded(cancer, tmp_path, copy):
    X, X_test, y, _ = cancer
    psem = make_psem().fit(X, y)
    loaded = copy(psem, tmp_path)
    assert_array_equal(loaded.predict_proba(X_test), psem.predict_proba(X_test))
    loaded[-1].partial_fit(loaded[:-1].transform(X_test), loaded.predict(X_test))


def test_clone_keeps_parameters_and_forgets_the_fit():
    psem = KMExClassifier({0: 2, 1: 3}, clusterer=MiniBatchKMeans(), temperature=2.0)
    psem.fit(np.arange(20.0).reshape(10, 2), np.arange(10) % 2)
    copy = clone(psem)
    assert copy.n_prototypes == {0: 2, 1: 3}
    assert copy.temperature == 2.0
    assert not hasattr(copy, "prototypes_")


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_frames_in_and_out(cancer, library):
    frames = pytest.importorskip(library)
    X, X_test, y, _ = cancer
    names = [f"column {j}" for j in range(X.shape[1])]
    data = {name: X[:, j] for j, name in enumerate(names)}
    test = frames.DataFrame({name: X_test[:, j] for j, name in enumerate(names)})
    labels = frames.Series(np.where(y, "benign", "malignant").tolist())
    psem = make_psem(n_prototypes=2).set_output(transform=library)
    psem.fit(frames.DataFrame(data), labels)
    if library == "pandas":  # scikit-learn 1.6 reads no names from polars
        assert_array_equal(psem.feature_names_in_, names)
    out = psem.transform(test)
    assert isinstance(out, frames.DataFrame)
    assert list(out.columns) == list(psem[-1].get_feature_names_out())
    assert set(psem.predict(test)) == {"benign", "malignant"}
    plain = make_psem(n_prototypes=2).fit(X, labels.to_numpy())
    assert_allclose(np.asarray(out), plain.transform(X_test))


def test_sample_weight_is_routed(cancer):
    X, _, y, _ = cancer
    weights = np.where(y == 0, 3.0, 1.0)
    with config_context(enable_metadata_routing=True):
        psem = make_pipeline(
            StandardScaler().set_fit_request(sample_weight=False),
            KMExClassifier(2, random_state=0).set_fit_request(sample_weight=True),
        )
        result = cross_validate(
            psem,
            X,
            y,
            cv=3,
            scoring=make_scorer(accuracy_score).set_score_request(sample_weight=False),
            params={"sample_weight": weights},
            return_estimator=True,
        )
    counted = sum(p[-1].prototype_counts_.sum() for p in result["estimator"])
    assert counted == 2 * weights.sum()
    assert result["test_score"].min() > 0.85
