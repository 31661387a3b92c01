"""A fitted model that is fitted again while other threads ask it."""

import threading

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.datasets import load_iris
from sklearn.pipeline import make_pipeline

from sklearn_kmex import KMExClassifier, RejectingClassifier
from sklearn_kmex.explain import contrast, counterfactuals, explain

X, y = load_iris(return_X_y=True)
NAMED = np.array(["setosa", "versicolor", "virginica"])[y]


def _models():
    yield KMExClassifier(2, priors="class", random_state=0), "predict_proba"
    yield KMExClassifier(2, metric="mahalanobis", random_state=0), "predict"
    careful = RejectingClassifier(KMExClassifier(2, random_state=0), reject_label=None)
    yield careful, "predict"


@pytest.mark.parametrize(("model", "method"), _models())
def test_answers_are_of_one_fit(model, method):
    two = X[y < 2], NAMED[y < 2]
    allowed = [getattr(model.fit(*data), method)(X) for data in (two, (X, y))]
    answers, errors, ended = [], [], threading.Event()

    def ask():
        while not ended.is_set():
            try:
                answers.append(getattr(model, method)(X))
            except Exception as error:
                errors.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    for _ in range(10):
        model.fit(*two).fit(X, y)
    ended.set()
    thread.join()
    assert not errors
    assert len(answers) > 10
    for answer in answers:
        (same,) = [
            one
            for one in allowed
            if one.dtype.kind == answer.dtype.kind and one.shape == answer.shape
        ]
        assert_array_equal(answer, same)


def test_a_failed_fit_changes_nothing():
    psem = KMExClassifier(2, random_state=0).fit(X, y)
    before = vars(psem).copy()
    with pytest.raises(ValueError, match="metric"):
        psem.set_params(metric="manhattan").fit(X[:, :2], y)
    assert vars(psem) == {**before, "metric": "manhattan"}


class Refitted(KMExClassifier):
    """Is fitted again to other data when it is first asked."""

    other = None

    def transform(self, X):
        other, Refitted.other = Refitted.other, None
        if other is not None:
            other.fit(X[y < 2], NAMED[y < 2])
        return super().transform(X)


@pytest.mark.parametrize("wrap", [lambda psem: psem, make_pipeline])
@pytest.mark.parametrize("function", [explain, contrast, counterfactuals])
def test_an_explanation_is_of_one_fit(function, wrap):
    psem = Refitted(2, random_state=0).fit(X, y)
    model = wrap(psem)
    expected = function(model, X)
    Refitted.other = psem
    found = function(model, X)
    assert len(psem.classes_) == 2
    assert found.to_json() == expected.to_json()
