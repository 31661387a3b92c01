"""What counts as a prototypical self-explainable model."""

from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_kmex import KMExClassifier
from sklearn_kmex._model.protocol import find_sem


def test_a_pipeline_is_looked_through(blobs):
    kmex = KMExClassifier(1)
    nested = make_pipeline(StandardScaler(), make_pipeline(StandardScaler(), kmex))
    nested.fit(*blobs)
    assert find_sem(nested) is kmex
    assert find_sem(kmex) is kmex


def test_any_object_with_the_protocol_will_do():
    model = SimpleNamespace(
        classes_=[0], prototypes_=[[0.0]], prototype_classes_=[0], transform=np.negative
    )
    assert find_sem(model) is model
    del model.prototypes_, model.transform
    with pytest.raises(
        TypeError, match="SimpleNamespace has no prototypes_, transform"
    ):
        find_sem(model)


@pytest.mark.parametrize(
    "model", [KMExClassifier(), make_pipeline(StandardScaler(), KMExClassifier())]
)
def test_fit_comes_first(model):
    with pytest.raises(NotFittedError, match="KMExClassifier instance is not fitted"):
        find_sem(model)


def search_without_model():
    search = GridSearchCV(KMExClassifier(), {"n_prototypes": [1]}, cv=2, refit=False)
    return search.fit([[0.0], [1.0], [5.0], [6.0]], [0, 0, 1, 1])


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (LogisticRegression(), "LogisticRegression has no classes_, prototypes_"),
        (make_pipeline(StandardScaler()), "the last step of the Pipeline, has no"),
        (make_pipeline("passthrough"), "str, the last step of the Pipeline, has no"),
        (KMExClassifier, "the class KMExClassifier has no classes_"),
        (None, r"as a fitted KMExClassifier .*; None has no .* with make_kmex\."),
        (
            search_without_model(),
            r"GridSearchCV was fitted with refit=False .* refit=True",
        ),
    ],
)
def test_anything_else_is_refused(model, message):
    with pytest.raises(TypeError, match=message):
        find_sem(model)
