"""Class scores of the held-out rows of all folds at any temperature.

Distances are transposed, and those of folds with equal numbers of prototypes are
joined, so that an operation is one pass over long contiguous rows.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sklearn_kmex._data.arrays import group_sizes, group_starts
from sklearn_kmex._fit.temperature import HeldOut, mean_of
from sklearn_kmex._model.similarity import relative_similarities

# Range of logarithms of inverse temperatures, in the unit of the scores, and the change
# of one for which two derivatives are enough.
BOUNDS, NEAR = (-8.0, 13.0), 0.1
# Smaller similarities have no effect at any temperature.
LEAST = -1e9


class Expansion(NamedTuple):
    """Logarithms of probabilities, with two derivatives by the inverse temperature."""

    inverse: float  # temperature
    logits: NDArray[np.float32]  # (n_classes, n_rows), before they are normalized
    of_target: list[NDArray]  # value, slope and bend for the target of each row
    of_classes: tuple[float, float]  # slope and bend, summed over rows, mean of classes

    def log_likelihood(self, inverse: float) -> NDArray[np.float64]:
        """Return the logarithms for the targets at an inverse temperature near by."""
        change = inverse - self.inverse
        value, slope, bend = self.of_target
        return value.astype(np.float64) + change * (slope + change / 2 * bend)


class Scores(NamedTuple):
    """Class scores of rows, as functions of the temperature."""

    best: NDArray[np.float32]  # (n_classes, n_rows), the largest similarity
    below: NDArray | None  # (n_prototypes, n_rows), minus the largest of the class
    priors: NDArray[np.float32]  # log weights, (n_prototypes or n_classes, n_rows or 1)
    starts: NDArray[np.intp]  # the first prototype of each class
    summed: bool  # or the largest decides
    codes: NDArray[np.intp]
    weights: NDArray[np.float64]
    targets: NDArray | None  # (n_classes, n_rows)

    def at(self, inverse: float) -> Expansion:
        """Return logarithms of probabilities at an inverse temperature."""
        logits, slope, bend = self._classes(np.float32(inverse))
        logits -= logits.max(axis=0)
        share = np.exp(logits)
        total = share.sum(axis=0)
        mean, square = share * slope, share * bend
        square += mean * slope
        mean, square = mean.sum(axis=0) / total, square.sum(axis=0) / total
        common = np.log(total), mean, square - mean**2
        classes = [
            float((values @ self.weights).mean() - self.weights @ of_row)
            for values, of_row in zip((slope, bend), common[1:], strict=True)
        ]
        own = zip((logits, slope, bend), common, strict=True)
        of_target = [self._of_targets(values) - of_row for values, of_row in own]
        return Expansion(inverse, logits, of_target, (classes[0], classes[1]))

    def _classes(self, inverse: np.float32) -> tuple[NDArray, NDArray, NDArray]:
        """Return class scores over the temperature, and two derivatives of them."""
        logits = inverse * self.best
        if self.below is None:
            return logits + self.priors, self.best, np.zeros_like(logits)
        mass = inverse * self.below
        mass += self.priors
        if not self.summed:
            most = reduce_rows(np.maximum, mass, self.starts)
            sizes = group_sizes(self.starts, len(mass))
            deciding = mass == np.repeat(most, sizes, axis=0)
            slope = np.where(deciding, self.below, LEAST)
            slope = reduce_rows(np.maximum, slope, self.starts)
            return logits + most, self.best + slope, np.zeros_like(logits)
        np.exp(mass, out=mass)
        total = reduce_rows(np.add, mass, self.starts)
        mass *= self.below
        slope = reduce_rows(np.add, mass, self.starts) / total
        mass *= self.below
        bend = reduce_rows(np.add, mass, self.starts) / total - slope**2
        return logits + np.log(total), self.best + slope, bend

    def _of_targets(self, values: NDArray) -> NDArray:
        if self.targets is None:
            return values[self.codes, np.arange(len(self.codes))]
        return np.einsum("ij,ij->j", self.targets, values)


class Stack(NamedTuple):
    """Squared distances of the rows of folds to prototypes of equal owners."""

    folds: list[int]  # their numbers
    sizes: list[int]  # their rows
    squared: NDArray  # (n_prototypes, n_rows)
    least: NDArray  # (n_classes, n_rows), those of each class
    owners: NDArray[np.intp]
    starts: NDArray[np.intp]
    codes: NDArray[np.intp]
    weights: NDArray[np.float64]
    targets: NDArray | None

    @classmethod
    def of(cls, folds: list[int], parts: Sequence[HeldOut]) -> "Stack":
        """Join rows that are compared with prototypes of equal owners."""
        squared = np.concatenate([part.similar.T for part in parts], axis=1)
        targets = [part.targets for part in parts if part.targets is not None]
        owners = parts[0].owners
        starts = group_starts(owners)
        return cls(
            folds,
            [len(part.codes) for part in parts],
            squared,
            reduce_rows(np.minimum, squared, starts),
            owners,
            starts,
            np.concatenate([part.codes for part in parts]),
            np.concatenate([part.weights for part in parts]),
            np.concatenate(targets).T if targets else None,
        )

    def decide(
        self,
        best: NDArray,
        below: NDArray | None,
        priors: Sequence[NDArray],
        aggregation: str,
    ) -> Scores:
        """Return class scores for similarities and weights of prototypes of each fold.

        Where the most similar prototype of a class decides at any temperature, only it
        is kept.
        """
        weights = np.stack(priors, axis=1)
        first = self.starts[self.owners]
        alone = len(self.starts) == len(self.owners) or (
            aggregation == "max" and np.array_equal(weights, weights[first])
        )
        logs = np.log(weights / weights.max(axis=0))
        if alone:
            logs = logs[self.starts]
        if (logs == logs[:, :1]).all():
            logs = logs[:, :1]
        else:
            logs = np.repeat(logs, self.sizes, axis=1)
        return Scores(
            best,
            None if alone else below,
            logs.astype(np.float32),
            self.starts,
            aggregation == "sum",
            *(self.codes, self.weights, self.targets),
        )


def stacks_of(parts: Sequence[HeldOut]) -> list[Stack]:
    """Join the folds with equal numbers of prototypes in each class."""
    alike: dict[bytes, list[int]] = {}
    for fold, part in enumerate(parts):
        alike.setdefault(part.owners.tobytes(), []).append(fold)
    return [Stack.of(own, [parts[k] for k in own]) for own in alike.values()]


def in_order(stacks: Sequence[Stack], of_rows: Sequence[NDArray]) -> NDArray:
    """Join values of the rows of all stacks, in the order of the folds."""
    folds: dict[int, NDArray] = {}
    for stack, values in zip(stacks, of_rows, strict=True):
        parts = np.split(values, np.cumsum(stack.sizes)[:-1])
        folds |= zip(stack.folds, parts, strict=True)
    return np.concatenate([folds[k] for k in sorted(folds)])


class Similar(NamedTuple):
    """Similarities of all rows by one function of the distance, over a unit."""

    stacks: list[Stack]
    unit: float  # 0 if all similarities of each row are equal
    best: list[NDArray[np.float32]]  # (n_classes, n_rows), the largest of each class
    below: list[NDArray[np.float32]]  # (n_prototypes, n_rows), minus these, or nothing

    @classmethod
    def of(
        cls, stacks: list[Stack], similarity: str, epsilon: float, whole: bool
    ) -> "Similar":
        """Turn distances into similarities, of all prototypes if `whole`.

        The unit is a power of two near the mean difference between classes.
        """
        known = similarity, epsilon
        nearest = [stack.least.min(axis=0) for stack in stacks]
        best = [
            relative_similarities(stack.least, *known, near)
            for stack, near in zip(stacks, nearest, strict=True)
        ]
        spread = mean_of(-np.concatenate([of.min(axis=0) for of in best]))
        unit = float(np.ldexp(1.0, int(np.frexp(spread)[1]))) if spread else 0.0
        below = [
            relative_similarities(stack.squared, *known, stack.least[stack.owners])
            for stack in stacks
            if whole
        ]
        return cls(
            stacks, unit, *([_rough(of, unit) for of in part] for part in (best, below))
        )

    def decide(self, priors: Sequence[NDArray], aggregation: str) -> list[Scores]:
        """Return the class scores, given weights of the prototypes of each fold."""
        below: Sequence[NDArray | None] = self.below or [None] * len(self.stacks)
        return [
            stack.decide(of, under, [priors[k] for k in stack.folds], aggregation)
            for stack, of, under in zip(self.stacks, self.best, below, strict=True)
        ]


def _rough(values: NDArray, unit: float) -> NDArray[np.float32]:
    """Divide similarities by a unit, in float32."""
    values = (values / (unit or 1.0)).astype(np.float32, copy=False)
    return np.maximum(values, np.float32(LEAST), out=values)


def reduce_rows(ufunc: np.ufunc, values: NDArray, starts: NDArray[np.intp]) -> NDArray:
    """Reduce groups of rows: `ufunc.reduceat`, which is slow along the first axis."""
    sizes = group_sizes(starts, len(values))
    if (sizes == sizes[0]).all():
        return ufunc.reduce(values.reshape(len(starts), sizes[0], -1), axis=1)
    return np.stack([ufunc.reduce(own) for own in np.split(values, starts[1:])])


def rough_temperature(
    parts: Sequence[Scores], near: float
) -> tuple[float, list[Expansion]]:
    """Return the inverse temperature of least smoothed log-loss, and scores near it.

    It is that of `fit_temperature`, right to about a percent. The search starts from
    `near`; where a step of Newton's method fails, the interval left is halved.
    """
    weights = np.concatenate([part.weights for part in parts])
    smoothing = 1 / (float(weights.sum() / np.median(weights)) + 2)
    low, high = BOUNDS
    place, moved = np.inf, float(np.clip(np.log(near), low, high))
    while abs(moved - place) > NEAR:
        place = moved
        inverse = float(np.exp(place))
        found = [part.at(inverse) for part in parts]
        slope, bend = _derivatives(parts, found, smoothing)
        low, high = (low, place) if slope > 0 else (place, high)
        rise = inverse * (inverse * bend + slope)
        moved = place - inverse * slope / rise if rise > 0 else np.inf
        if not low < moved < high:
            moved = (low + high) / 2
    return float(np.exp(moved)), found


def _derivatives(
    parts: Sequence[Scores], found: Sequence[Expansion], smoothing: float
) -> tuple[float, float]:
    """Return two derivatives of the log-loss with smoothed targets."""
    slope = bend = 0.0
    for part, at in zip(parts, found, strict=True):
        _, *of_target = (part.weights @ of_row for of_row in at.of_target)
        slope -= (1 - smoothing) * of_target[0] + smoothing * at.of_classes[0]
        bend -= (1 - smoothing) * of_target[1] + smoothing * at.of_classes[1]
    return float(slope), float(bend)
