"""Every tool takes a model in whatever wraps it: a search, a refusal, a cache."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_kmex import KMExClassifier, RejectingClassifier, make_kmex
from sklearn_kmex._model.protocol import find_sem
from sklearn_kmex._model.steps import (
    copy_model,
    parts_of,
    steps_before,
    uncached_steps,
)
from sklearn_kmex.embedding import TreeEmbedder
from sklearn_kmex.explain import contrast, counterfactuals, explain
from sklearn_kmex.metrics import audit, sem_scorers
from sklearn_kmex.report import SEMReport


def wrap(kind, psem, X, y):
    """Fit a model in one of the wrappers."""
    if kind == "search":
        grid = {"kmex__n_prototypes": [1, 2]}
        return GridSearchCV(psem, grid, cv=2).fit(X, y)
    if kind == "frozen":
        return FrozenEstimator(psem.fit(X, y))
    if kind == "rejecting":
        return RejectingClassifier(psem, cv=2, quantile=0.1).fit(X, y)
    return make_pipeline(FrozenEstimator(psem.fit(X, y))).fit(X, y)


KINDS = ["search", "frozen", "rejecting", "pipeline"]


@pytest.fixture(params=KINDS)
def wrapped(request, tmp_path):
    """A wrapped model behind a cached forest, the Pipeline inside it, X and y."""
    X, y = load_iris(return_X_y=True)
    forest = RandomForestClassifier(5, max_depth=3, random_state=0).fit(X, y)
    embedder = TreeEmbedder(forest, leaves="identity")
    psem = make_kmex(embedder, n_prototypes=2, memory=tmp_path, random_state=0)
    model = wrap(request.param, psem, X, y)
    plain = {
        "search": lambda: model.best_estimator_,
        "frozen": lambda: model.estimator,
        "rejecting": lambda: model.estimator_,
        "pipeline": lambda: model.steps[-1][1].estimator,
    }[request.param]()
    return model, plain, X, y


def test_steps_and_classifier_are_those_inside(wrapped):
    model, plain, _, _ = wrapped
    assert find_sem(model) is plain["kmex"]
    assert [name for name, _ in steps_before(model)] == ["embed"]
    ((_, embedder),) = uncached_steps(model)
    assert type(embedder).__name__ == "TreeEmbedder"


def test_explanations_are_those_of_the_model_inside(wrapped):
    model, plain, X, y = wrapped
    expected = explain(plain, X[:4])
    found = replace(
        explain(model, X[:4]),  # some wrappers reject, and know held-out rows
        accepted=None,
        typicality=expected.typicality,
        typicality_among=None,
    )
    assert found.to_json() == expected.to_json()
    ours, theirs = contrast(model, X[:4]), contrast(plain, X[:4])
    assert_array_equal(ours.contributions, theirs.contributions)
    ours, theirs = (
        counterfactuals(m, X[:4], X_train=X, y_train=y) for m in (model, plain)
    )
    assert_array_equal(ours.sample_indices, theirs.sample_indices)


def test_metrics_judge_the_model_inside(wrapped):
    model, plain, X, y = wrapped
    ours, theirs = audit(model, X, y), audit(plain, X, y)
    assert_array_equal(ours.suspect_rows, theirs.suspect_rows)
    for name, scorer in sem_scorers().items():
        if name != "accuracy":  # a refused row has no label
            assert_allclose(scorer(model, X, y), scorer(plain, X, y))


def test_report_is_of_the_model_inside(wrapped):
    pytest.importorskip("jinja2")
    model, _, X, y = wrapped
    found = SEMReport(model, X, y, X_train=X, y_train=y).to_dict()
    assert found["performance"]["accuracy"]["value"] > 0.9


@pytest.mark.parametrize(
    "name", ["PrototypeDisplay", "UsageDisplay", "CoverageDisplay"]
)
def test_displays_draw_the_model_inside(wrapped, name):
    pytest.importorskip("matplotlib")
    from sklearn_kmex import inspection

    model, plain, X, y = wrapped
    make = getattr(inspection, name).from_estimator
    assert make(model, X, y).frame().equals(make(plain, X, y).frame())


@pytest.mark.parametrize("kind", ["search", "rejecting"])
def test_wrapper_that_was_not_fitted(kind):
    psem = make_pipeline(StandardScaler(), KMExClassifier())
    grid = {"kmexclassifier__n_prototypes": [1, 2]}
    search, rejecting = GridSearchCV(psem, grid), RejectingClassifier(psem)
    with pytest.raises(NotFittedError, match="not fitted"):
        explain({"search": search, "rejecting": rejecting}[kind], np.zeros((1, 4)))


def test_steps_that_are_no_estimators():
    psem = make_pipeline("passthrough", KMExClassifier())
    assert parts_of(psem) == [step for _, step in psem.steps]
    assert parts_of("passthrough") == []
    copied = copy_model(psem, lambda part: None)
    assert copied.steps[0] == psem.steps[0]
    assert copied[-1] is not psem[-1]
