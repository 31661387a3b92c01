"""Contributions of the input of dense layers, without torch."""

from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, softmax
from sklearn.utils import gen_batches

from sklearn_kmex._data.arrays import BLOCK_ELEMENTS, dense
from sklearn_kmex.embedding._attribution import Attribution, attribution, check_method
from sklearn_kmex.embedding._reference import (
    NETWORK_METHODS,
    least_alike,
    reference_of,
)

SOFTMAX = "softmax"  # only of the last layer, by integrated gradients
ACTIVATIONS: dict[str, Callable[[NDArray], NDArray]] = {
    "identity": lambda X: X,
    "logistic": expit,
    "relu": lambda X: np.maximum(X, 0),
    "tanh": np.tanh,
    SOFTMAX: partial(softmax, axis=1),
}
DERIVATIVES: dict[str, Callable[[NDArray], NDArray]] = {
    "identity": np.ones_like,
    "logistic": lambda X: expit(X) * expit(-X),
    "relu": lambda X: (X > 0).astype(np.float64),
    "tanh": lambda X: 1 - np.tanh(X) ** 2,
}
# Parts of a line from a reference row through two or more layers; more for rows whose
# contributions still change by a larger share.
N_STEPS, MAX_CHANGE = (4, 16, 64, 256), 0.01
SMALL = 1e-6  # share of its size below which a number is taken as zero
TINY = 1e-300  # smallest probability whose logarithm is taken


class DenseLayers(NamedTuple):
    """Layers of a network up to its embedding."""

    weights: list[NDArray]
    biases: list[NDArray]
    activation: str

    @property
    def are_curved(self) -> bool:
        """Whether the gradient turns along a line, not only changes its length."""
        return len(self.weights) > 1 or self.activation == SOFTMAX

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


def attribute_layers(
    embedder: Any,
    layers: DenseLayers,
    X: Any,
    slope: NDArray[np.float64],
    method: str,
) -> Attribution:
    """Split a linear function of the last layer of an embedder over the columns of X.

    X holds numbers, and `reference_` of the embedder the rows to measure from.
    """
    known = NETWORK_METHODS[:1] if layers.activation == SOFTMAX else NETWORK_METHODS
    method = check_method(method, known, "a network or linear model")
    if method == NETWORK_METHODS[0]:
        reference = reference_of(embedder, X.shape[1])
        parts, base = integrated_gradients(layers, X, slope, reference)
    else:  # whose names differ in the rule of convolutions
        parts, base = epsilon_rule(layers, X, slope), np.zeros(X.shape[0])
    return attribution(parts, base, method, slope, layers.embed(X))


def integrated_gradients(
    layers: DenseLayers, X: Any, slope: NDArray[np.float64], reference: NDArray
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Split `(slope * layers.embed(X)).sum(axis=1)` over the columns of X.

    Contributions are measured from the reference rows that speak least for it, and
    averaged. Returned are the contributions, (n_samples, n_columns), and the mean of
    the function over these rows, (n_samples,).
    """
    chosen, base = least_alike(slope, layers.embed(reference))
    parts = np.zeros(X.shape)
    for rows in _blocks(X.shape, layers):
        left = np.arange(len(parts))[rows]
        for n_steps in N_STEPS if layers.are_curved else (1,):
            lines = Lines(layers, reference, chosen[left], n_steps)
            found = lines.contributions(X[left], slope[left])
            change = np.abs(found - parts[left]).sum(axis=1)
            parts[left] = found
            left = left[change > MAX_CHANGE * np.abs(found).sum(axis=1)]
            if len(left) == 0:
                break
    return parts, base


def _blocks(shape: tuple[int, ...], layers: DenseLayers) -> Any:
    """Split rows so that working copies stay small."""
    widest = max(shape[1], *(weights.shape[1] for weights in layers.weights))
    return gen_batches(shape[0], max(1, BLOCK_ELEMENTS // widest))


class Lines(NamedTuple):
    """Lines to each sample from its reference rows, in parts."""

    layers: DenseLayers
    reference: NDArray[np.float64]
    chosen: NDArray[np.intp]  # (n_samples, n_lines), rows of reference
    n_steps: int

    def contributions(self, X: Any, slope: NDArray) -> NDArray[np.float64]:
        """Average the contributions that are measured from each reference row."""
        weights, columns = self.layers.weights[0], self.reference.any(axis=0)
        start, end = self.layers.enter(self.reference), self.layers.enter(X)
        total, taken = np.zeros(end.shape), np.zeros(X.shape)
        for rows in self.chosen.T:
            slopes = self.mean_slopes(start[rows], end, slope)
            at_reference = slopes @ weights[columns].T
            taken[:, columns] += self.reference[rows][:, columns] * at_reference
            total += slopes
        return (dense(X) * (total @ weights.T) - taken) / self.chosen.shape[1]

    def mean_slopes(self, start: NDArray, end: NDArray, slope: NDArray) -> NDArray:
        """Average the gradient at the first layer along the line from start to end.

        Over each part of the line, the mean derivative of an activation is its change
        divided by that of its input. The sum of contributions is therefore exact for
        any number of parts. For one layer, so is the mean gradient.
        """
        shares = np.linspace(0, 1, self.n_steps + 1)
        points = (start + share * (end - start) for share in shares)
        total = np.zeros(end.shape)
        for before, after in pairwise(map(self.layers.values, points)):
            slopes = slope
            for n in reversed(range(len(before))):
                name, weights = self.layers.activation, self.layers.weights[n]
                slopes = _before_activation(name, before[n], after[n], slopes)
                slopes = slopes @ weights.T if n else slopes
            total += slopes
        return total / self.n_steps


def _before_activation(
    name: str, before: NDArray, after: NDArray, slopes: NDArray
) -> NDArray[np.float64]:
    """Take slopes from after an activation to before it, as means over a line.

    A probability of the softmax is the exponential of its score minus their log-sum.
    Its change is the logarithmic mean of the two probabilities times that of this
    difference, and the changes of all of them sum to 0.
    """
    if name != SOFTMAX:
        return slopes * _mean_derivative(name, before, after)
    ends = ACTIVATIONS[SOFTMAX](before), ACTIVATIONS[SOFTMAX](after)
    means = _logarithmic_mean(*ends)
    shared = (slopes * means).sum(axis=1) / means.sum(axis=1)
    return means * (slopes - shared[:, np.newaxis])


def _logarithmic_mean(a: NDArray, b: NDArray) -> NDArray[np.float64]:
    """Divide the difference of positive numbers by that of their logarithms."""
    a, b = np.maximum(a, TINY), np.maximum(b, TINY)
    is_small = np.abs(a - b) <= SMALL * (a + b)
    rise = np.log(a) - np.log(b)
    return np.where(is_small, (a + b) / 2, (a - b) / np.where(is_small, 1, rise))


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
    """Move denominators from zero by a small share of their mean size in the row."""
    size = np.abs(values).mean(axis=1, keepdims=True)
    share = 1e-10 if values.dtype == np.float64 else 1e-6
    least = share * size + np.finfo(values.dtype).tiny
    return values + np.where(values < 0, -least, least)
