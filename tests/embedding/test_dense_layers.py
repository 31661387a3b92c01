"""Contributions to networks of scikit-learn: by hand, by averages, and by torch."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.neural_network import MLPClassifier, MLPRegressor

from sklearn_kmex.embedding import MLPEmbedder
from sklearn_kmex.embedding._dense_layers import ACTIVATIONS, DERIVATIVES

# What a network has learned does not matter here.
pytestmark = pytest.mark.filterwarnings(
    "ignore:lbfgs failed:sklearn.exceptions.ConvergenceWarning"
)
X = np.random.default_rng(0).normal(size=(60, 5))
Y = X[:, 0] + X[:, 1] * X[:, 2] > 0


def embedder(activation="relu", sizes=(12, 7), layer=-1, **how):
    how = {"solver": "lbfgs", "max_iter": 60, "alpha": 0.01, "random_state": 0, **how}
    mlp = MLPClassifier(sizes, activation=activation, **how)
    return MLPEmbedder(mlp.fit(X, Y), layer).fit(X)


def slopes(embedder, rows=X):
    shape = embedder.transform(rows).shape
    return np.random.default_rng(1).normal(size=shape)


def one_unit(*weights, bias):
    mlp = MLPRegressor(hidden_layer_sizes=(1,), max_iter=1, solver="lbfgs").fit(
        X[:, :2], X[:, 0]
    )
    mlp.coefs_[0], mlp.intercepts_[0] = np.array(weights)[:, None], np.array([bias])
    return MLPEmbedder(mlp)


def averaged_gradients(embedder, slope, n_points):
    """Gradients at the middles of equal parts of each line, by the chain rule."""
    mlp, reference = embedder.mlp, embedder.reference_
    values = slope @ embedder.transform(reference).T
    nearest = np.argsort(values, axis=1)[:, : (len(reference) + 1) // 2]
    total = np.zeros(X.shape)
    for start in (reference[chosen] for chosen in nearest.T):
        for share in (np.arange(n_points) + 0.5) / n_points:
            layer, sums = start + share * (X - start), []
            for weights, biases in zip(mlp.coefs_, mlp.intercepts_, strict=True):
                sums.append(layer @ weights + biases)
                layer = ACTIVATIONS[mlp.activation](sums[-1])
            gradient = slope
            for weights, values in zip(mlp.coefs_[-2::-1], sums[-2::-1], strict=True):
                gradient = gradient * DERIVATIVES[mlp.activation](values) @ weights.T
            total += gradient * (X - start) / n_points / nearest.shape[1]
    return total


def test_by_hand():
    """Of relu(2 x - y + 1) from (0, 0), where it is 1: the sum falls from 1."""
    found = one_unit(2.0, -1.0, bias=1.0)._attribute(
        np.array([[1.0, 2.0], [1.0, 5.0], [0.0, 0.0]]), np.array([[1.0], [3.0], [1.0]])
    )
    # It stays above 0; it is below 0 after a third of the way; it does not move.
    assert_allclose(found.parts, [[2, -2], [3 * 2 / 3, -3 * 5 / 3], [0, 0]])
    assert_allclose(found.base, [1, 3, 1])
    assert_allclose(found.error, 0, atol=1e-12)
    assert found.method == "integrated_gradients"


@pytest.mark.parametrize("sizes", [(12,), (12, 7), (9, 8, 7)])
@pytest.mark.parametrize("activation", DERIVATIVES)
def test_contributions_sum_and_are_averages_of_gradients(activation, sizes):
    model = embedder(activation, sizes)
    slope = slopes(model)
    found = model._attribute(X, slope)
    wanted = (slope * model.transform(X)).sum(axis=1)
    size = np.abs(found.parts).sum(axis=1)
    assert (np.abs(found.parts.sum(axis=1) + found.base - wanted) < 1e-9 * size).all()
    assert_allclose(found.error, 0, atol=1e-9 * size.max())
    expected = averaged_gradients(model, slope, 800)
    off = np.abs(found.parts - expected).sum(axis=1) / np.abs(expected).sum(axis=1)
    assert off.max() < 0.02


@pytest.mark.parametrize("method", ["auto", "epsilon"])
def test_a_column_that_is_not_read_contributes_nothing(method):
    model = embedder()
    model.mlp.coefs_[0][3] = 0
    found = model._attribute(X, slopes(model), method=method)
    assert_array_equal(found.parts[:, 3], 0)
    assert np.abs(found.parts).min(axis=0)[[0, 1, 2, 4]].all()


@pytest.mark.parametrize("method", ["auto", "epsilon_plus"])
def test_rows_one_by_one_sparse_and_single(method):
    model = embedder()
    slope = slopes(model)
    found = model._attribute(X, slope, method=method)
    sparse_rows = sparse.csr_matrix(X)
    assert_allclose(model.transform(sparse_rows), model.transform(X))
    apart = model._attribute(sparse_rows, slope, method=method)
    assert_allclose(apart.parts, found.parts, rtol=1e-9, atol=1e-9)
    one = model._attribute(X[7:8], slope[7:8], method=method)
    assert_allclose(one.parts[0], found.parts[7], rtol=1e-9, atol=1e-12)


def test_references_are_the_rows_that_speak_least_for_it():
    model = embedder()
    slope = slopes(model)
    assert model.reference_.shape == (32, 5)
    assert_array_equal(model.reference_[[0, -1]], X[[0, -1]])
    values = np.sort(slope @ model.transform(model.reference_).T, axis=1)
    assert_allclose(model._attribute(X, slope).base, values[:, :16].mean(axis=1))
    model.reference_ = X.mean(axis=0, keepdims=True)
    base = model._attribute(X, slope).base
    assert_allclose(base, (slope * model.transform(model.reference_)).sum(axis=1))
    unfitted = MLPEmbedder(model.mlp)
    base = unfitted._attribute(X, slope).base
    assert_allclose(base, (slope * unfitted.transform(np.zeros((1, 5)))).sum(axis=1))
    model.reference_ = np.zeros((3, 4))
    with pytest.raises(ValueError, match=r"shape \(n_rows, 5\) .* got shape \(3, 4\)"):
        model._attribute(X, slope)


@pytest.mark.parametrize("method", ["epsilon", "epsilon_plus", "epsilon_alpha2_beta1"])
@pytest.mark.parametrize("activation", ["relu", "tanh", "logistic"])
def test_lrp_is_that_of_torch(activation, method):
    torch = pytest.importorskip("torch")
    pytest.importorskip("zennit")
    from sklearn_kmex.embedding import TorchEmbedder

    model = embedder(activation)
    layer = {"relu": "ReLU", "tanh": "Tanh", "logistic": "Sigmoid"}[activation]
    network = torch.nn.Sequential()
    for weights, biases in zip(model.mlp.coefs_, model.mlp.intercepts_, strict=True):
        linear = torch.nn.Linear(*weights.shape).double()
        linear.weight.data, linear.bias.data = map(torch.tensor, (weights.T, biases))
        network.extend([linear, getattr(torch.nn, layer)()])
    slope = slopes(model)
    found = model._attribute(X, slope, method=method)
    expected = TorchEmbedder(network[:-1]).fit(X)._attribute(X, slope, method=method)
    assert_allclose(found.parts, expected.parts, rtol=1e-6, atol=1e-9)
    assert_allclose(found.error, expected.error, atol=1e-4)  # Z is of float32
    assert found.error.max() > 0.01  # what biases keep


def test_unknown_methods_are_named():
    model = embedder()
    with pytest.raises(ValueError, match=r"'integrated_gradients', .* got 'tree_shap'"):
        model._attribute(X, slopes(model), method="tree_shap")
