"""Contributions of the input of dense layers, without torch."""

from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from sklearn.utils import gen_batches

from sklearn_kmex._data.arrays import BLOCK_ELEMENTS, dense
from sklearn_kmex.embedding._reference import Unlike, least_alike

ACTIVATIONS = {
    "identity": lambda X: X,
    "logistic": expit,
    "relu": lambda X: np.maximum(X, 0),
    "tanh": np.tanh,
}
DERIVATIVES = {
    "identity": np.ones_like,
    "logistic": lambda X: expit(X) * expit(-X),
    "relu": lambda X: (X > 0).astype(np.float64),
    "tanh": lambda X: 1 - np.tanh(X) ** 2,
}
N_STEPS = 8  # parts of a path through two or more layers
SMALL = 1e-6  # share of its size below which a number is taken as zero


class DenseLayers(NamedTuple):
    """Layers of a network up to its embedding."""

    weights: list[NDArray]
    biases: list[NDArray]
    activation: str

    def activate(self, values: NDArray) -> NDArray:
        return ACTIVATIONS[self.activation](values)

    def enter(self, X: Any) -> NDArray:
        """Compute the first layer before its activation."""
        return X @ self.weights[0] + self.biases[0]

    def values(self, entered: NDArray) -> list[NDArray]:
        """Compute all layers before their activation, from the first one."""
        found = [entered]
        for weights, biases in zip(self.weights[1:], self.biases[1:], strict=True):
            found.append(self.activate(found[-1]) @ weights + biases)
        return found

    def embed(self, X: Any) -> NDArray:
        """Compute the last layer."""
        return self.activate(self.values(self.enter(X))[-1])


def integrated_gradients(
    layers: DenseLayers, X: Any, slope: NDArray[np.float64], reference: NDArray
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Split `(slope * layers.embed(X)).sum(axis=1)` over the columns of X.

    Contributions are measured from the reference rows that speak least for it, and
    averaged. Returned are the contributions, (n_samples, n_columns), and the mean of
    the function over these rows, (n_samples,).
    """
    unlike = least_alike(slope, layers.embed(reference))
    parts = np.empty(X.shape)
    for rows in _blocks(X.shape, layers):
        some = Unlike(unlike.rows[rows], unlike.base[rows])
        parts[rows] = _from_rows(layers, X[rows], slope[rows], reference, some)
    return parts, unlike.base


def _blocks(shape: tuple[int, ...], layers: DenseLayers) -> Any:
    """Split rows so that working copies stay small."""
    widest = max(shape[1], *(weights.shape[1] for weights in layers.weights))
    return gen_batches(shape[0], max(1, BLOCK_ELEMENTS // widest))


def _from_rows(
    layers: DenseLayers, X: Any, slope: NDArray, reference: NDArray, unlike: Unlike
) -> NDArray[np.float64]:
    """Average contributions that are measured from several rows."""
    weights, columns = layers.weights[0], np.flatnonzero(reference.any(axis=0))
    start, end, total = layers.enter(reference), layers.enter(X), 0.0
    taken = np.zeros(X.shape)
    for chosen in unlike.rows.T:
        slopes = _mean_slopes(layers, start[chosen], end, slope)
        at_reference = slopes @ weights[columns].T
        taken[:, columns] += reference[np.ix_(chosen, columns)] * at_reference
        total = total + slopes
    return (dense(X) * (total @ weights.T) - taken) / unlike.rows.shape[1]


def _mean_slopes(
    layers: DenseLayers, start: NDArray, end: NDArray, slope: NDArray
) -> NDArray[np.float64]:
    """Average the gradient at the first layer along the line from start to end.

    Over each part of the line, the mean derivative of an activation is its change
    divided by that of its input. The sum of contributions is therefore exact for any
    number of parts. For one layer, so is the mean gradient.
    """
    n_steps = N_STEPS if len(layers.weights) > 1 else 1
    points = (start + k / n_steps * (end - start) for k in range(n_steps + 1))
    total = np.zeros(end.shape)
    for before, after in pairwise(map(layers.values, points)):
        slopes = slope
        for n in reversed(range(len(before))):
            slopes = slopes * _mean_derivative(layers.activation, before[n], after[n])
            slopes = slopes @ layers.weights[n].T if n else slopes
        total += slopes
    return total / n_steps


def _mean_derivative(name: str, before: NDArray, after: NDArray) -> NDArray[np.float64]:
    """Average the derivative of an activation between two values."""
    change = after - before
    is_small = np.abs(change) <= SMALL * (np.abs(before) + np.abs(after))
    risen = ACTIVATIONS[name](after) - ACTIVATIONS[name](before)
    at_middle = DERIVATIVES[name]((before + after) / 2)
    return np.where(is_small, at_middle, risen / np.where(is_small, 1, change))


def epsilon_rule(
    layers: DenseLayers, X: Any, slope: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Share `slope * layers.embed(X)` among the columns of X, layer by layer.

    An input of a layer gets the share that it has in the sum before the activation.
    Biases keep their share.
    """
    parts = np.empty(X.shape)
    for rows in _blocks(X.shape, layers):
        sums = layers.values(layers.enter(X[rows]))
        inputs = [dense(X[rows]), *map(layers.activate, sums)]
        relevance = slope[rows] * inputs.pop()
        for weights, values, total in zip(
            *(reversed(each) for each in (layers.weights, inputs, sums)), strict=True
        ):
            relevance = values * ((relevance / _stabilized(total)) @ weights.T)
        parts[rows] = relevance
    return parts


def _stabilized(values: NDArray) -> NDArray:
    """Move denominators from zero by a millionth of their mean size in the row."""
    size = np.abs(values).mean(axis=1, keepdims=True)
    least = SMALL * size + np.finfo(values.dtype).tiny
    return values + np.where(values < 0, -least, least)
