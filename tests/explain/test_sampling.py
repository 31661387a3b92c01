"""Shapley values of the columns of models that only answer, by sampling."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from sklearn.compose import make_column_transformer
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import SVC

from sklearn_kmex import KMExClassifier, make_kmex
from sklearn_kmex.explain import contrast, explain


def table(n_rows=300):
    rng = np.random.default_rng(0)
    X = pd.DataFrame(
        {
            "age": rng.normal(size=n_rows),
            "job": rng.choice(["none", "clerk", "nurse"], n_rows),
            "noise": rng.normal(size=n_rows),
        }
    )
    return X, np.where((X["age"] > 0) & (X["job"] != "none"), "good", "bad")


def psem_of(model, X, y):
    columns = make_column_transformer(
        (StandardScaler(), ["age", "noise"]), (OneHotEncoder(), ["job"])
    )
    fitted = make_pipeline(columns, model).fit(X, y)
    return make_kmex(fitted, n_prototypes=2, random_state=0).fit(X, y)


@pytest.mark.parametrize("model", [SVC(), KNeighborsClassifier()])
def test_any_model_is_explained_in_the_columns_of_the_table(model):
    X, y = table()
    psem = psem_of(model, X, y)
    why = contrast(psem, X[:60], X_train=X)
    assert (why.space, why.method) == ("input", "sampling")
    assert list(why.feature_names) == ["age", "job", "noise"]
    assert_allclose(why.contributions.sum(axis=1) + why.base, why.margin)
    size = np.abs(why.contributions)
    assert (size.argmin(axis=1) == 2).mean() > 0.8
    assert set(why.values[:, 1]) <= {"none", "clerk", "nurse"}
    assert set(why.prototype_values[:, 1]) <= {"none", "clerk", "nurse"}
    assert "age" in explain(psem, X[:1], X_train=X, reasons=True).reasons[0]


def test_without_training_rows_the_columns_are_those_of_a_step():
    X, y = table()
    assert contrast(psem_of(SVC(), X, y), X[:5]).space != "input"


def test_a_column_without_effect_has_no_contribution_and_integers_stay_exact():
    rng = np.random.default_rng(0)
    X = rng.integers(0, 9, (200, 3))
    y = X[:, 0] > 4

    def first(rows):
        return np.asarray(rows, dtype=np.float64)[:, :1]

    psem = make_kmex(first, n_prototypes=1, random_state=0).fit(X, y)
    rows = X[:20] + 0.25  # which training rows of integers cannot hold
    why = contrast(psem, rows, X_train=X, method="sampling")
    assert not why.contributions[:, 1:].any()
    assert_allclose(why.contributions[:, 0] + why.base, why.margin)


def test_sampling_agrees_with_the_exact_split_of_a_linear_margin():
    # The margin is linear in the columns, so that the contribution of a column is its
    # slope times its distance from the mean of the training rows.
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 4)) * [1, 2, 3, 4]
    y = X[:, 0] + X[:, 1] > 0
    psem = KMExClassifier(1, random_state=0).fit(X, y)
    exact, sampled = (
        contrast(psem, X, X_train=X, method=method) for method in ("auto", "sampling")
    )
    slopes = 2 * (
        psem.prototypes_[exact.prototypes] - psem.prototypes_[exact.against_prototypes]
    )
    wanted = slopes * (X - X.mean(axis=0))
    off = np.abs(sampled.contributions - wanted).mean(axis=0)
    spread = np.abs(slopes).mean(axis=0) * X.std(axis=0)
    assert (off < 0.25 * spread).all()


def test_what_sampling_needs_is_said():
    X, y = table()
    psem = psem_of(SVC(), X, y)
    with pytest.raises(ValueError, match="requires X_train"):
        contrast(psem, X[:5], method="sampling")
    with pytest.raises(TypeError, match="type of X, DataFrame; got ndarray"):
        contrast(psem, X[:5], X_train=X.to_numpy())
