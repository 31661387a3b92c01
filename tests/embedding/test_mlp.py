"""MLPEmbedder: the exact hidden layer."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.preprocessing import StandardScaler

from sklearn_kmex import make_kmex
from sklearn_kmex.embedding import MLPEmbedder


def fitted(digits, activation="relu", kind=MLPClassifier):
    X, _, y, _ = digits
    mlp = kind(
        hidden_layer_sizes=(12, 7),
        activation=activation,
        solver="lbfgs",
        max_iter=5000,
        random_state=0,
    )
    return mlp.fit(StandardScaler().fit_transform(X[:200]), y[:200])


@pytest.mark.parametrize("activation", ["identity", "logistic", "relu", "tanh"])
def test_the_linear_head_on_the_embedding_is_the_network(digits, activation):
    mlp = fitted(digits, activation)
    X = digits[1][:50]
    hidden = MLPEmbedder(mlp).transform(X)
    assert hidden.shape == (50, 7)
    scores = hidden @ mlp.coefs_[-1] + mlp.intercepts_[-1]
    p = np.exp(scores - scores.max(axis=1, keepdims=True))
    assert_allclose(p / p.sum(axis=1, keepdims=True), mlp.predict_proba(X), atol=1e-9)


def test_layers_count_from_either_end(digits):
    mlp = fitted(digits)
    X = digits[1][:50]
    for one, other, width in ((0, -2, 12), (1, -1, 7)):
        first = MLPEmbedder(mlp, one).fit_transform(X)
        assert first.shape == (50, width)
        assert_allclose(first, MLPEmbedder(mlp, other).transform(X))
    with pytest.raises(ValueError, match=r"between -2 and 1 .* got 2"):
        MLPEmbedder(mlp, 2).transform(X)


@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
def test_black_box_output(digits, kind):
    mlp = fitted(digits, kind=kind)
    X = digits[1][:50]
    says = mlp.predict_proba if kind is MLPClassifier else mlp.predict
    assert_allclose(MLPEmbedder(mlp).black_box_output(X), says(X))


def test_refusals_and_sharing(digits):
    mlp = fitted(digits)
    assert clone(MLPEmbedder(mlp)).mlp is mlp
    with pytest.raises(ValueError, match=r"X has 3 features, but MLPClassifier .* 64"):
        MLPEmbedder(mlp).transform(np.ones((2, 3)))
    with pytest.raises(NotFittedError):
        MLPEmbedder(MLPClassifier()).transform(np.ones((2, 3)))
    with pytest.raises(NotFittedError):
        MLPEmbedder(MLPClassifier()).black_box_output(np.ones((2, 3)))


@pytest.mark.parametrize("method", ["fit", "transform", "black_box_output"])
def test_a_model_without_hidden_layers_is_refused(digits, method):
    logistic = LogisticRegression()
    with pytest.raises(TypeError, match=r"a fitted MLPClassifier .* got LogisticReg"):
        getattr(MLPEmbedder(logistic), method)(digits[0])


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_names_of_columns_reach_the_network(library, digits):
    frames = pytest.importorskip(library)
    names = [f"pixel {j}" for j in range(64)]
    table = frames.DataFrame(dict(zip(names, digits[0].T, strict=True)))
    mlp = MLPClassifier((6,), solver="lbfgs", max_iter=5000, random_state=0)
    mlp.fit(table, digits[2])
    psem = make_kmex(mlp, n_prototypes=1).fit(table, digits[2])
    says = psem["embed"].black_box_output(table)
    assert_array_equal(says, mlp.predict_proba(table))
    rows = table[:9]  # a product may round otherwise for another number of rows
    assert_array_equal(psem["embed"].transform(rows), MLPEmbedder(mlp).transform(rows))
    with pytest.warns(UserWarning, match="X does not have valid .*, but MLPC"):
        MLPEmbedder(mlp).transform(digits[0])
    with pytest.raises(ValueError, match="feature names should match"):
        MLPEmbedder(mlp).transform(table[names[::-1]])
