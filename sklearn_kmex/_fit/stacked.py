"""Class scores of the held-out rows of all folds at any temperature.

Similarities are transposed, and those of folds with equal numbers of prototypes are
joined, so that an operation is one pass over long contiguous rows.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from sklearn_kmex._fit.temperature import HeldOut
from sklearn_kmex._model.similarity import log_weights

# Logarithms of temperatures, relative to that of the mean difference of similarities
# between classes, and the error of the least one.
RANGE, ROUGH = (-12.0, 7.0), 0.05
# Step in the logarithm from a temperature that is near, and most steps to the least.
STEP, MOST_STEPS = 0.3, 1.5


class Scores(NamedTuple):
    """Class scores of rows, as functions of the temperature."""

    best: NDArray[np.float64]  # (n_classes, n_rows), the largest similarity
    below: NDArray | None  # (n_prototypes, n_rows), minus the largest of the class
    priors: NDArray[np.float64]  # log weights, (n_prototypes or n_classes, n_rows or 1)
    starts: NDArray[np.intp]  # the first prototype of each class
    summed: bool  # or the largest decides
    codes: NDArray[np.intp]
    weights: NDArray[np.float64]
    targets: NDArray | None  # (n_classes, n_rows)

    def logits(self, temperature: float) -> NDArray[np.float64]:
        """Return class scores over the temperature, of shape (n_classes, n_rows)."""
        logits = self.best / temperature
        if self.below is None:
            logits += self.priors
        elif self.summed:
            mass = self.below / temperature
            np.exp(mass, out=mass)
            mass *= np.exp(self.priors)
            logits += np.log(reduce_rows(np.add, mass, self.starts))
        else:
            weighted = self.below / temperature
            weighted += self.priors
            logits += reduce_rows(np.maximum, weighted, self.starts)
        return logits

    def roughly(self, unit: float) -> "Scores":
        """Return scores of the same probabilities in float32, divided by a unit."""
        best = ((self.best - self.best.max(axis=0)) / unit).astype(np.float32)
        if self.below is None:
            return self._replace(best=best)
        with np.errstate(over="ignore"):
            below = (self.below / unit).astype(np.float32)
        return self._replace(best=best, below=below)

    def log_probabilities(self, temperature: float) -> NDArray[np.float64]:
        """Return logarithms of probabilities, of shape (n_classes, n_rows)."""
        logits = self.logits(temperature)
        logits -= logits.max(axis=0)
        logits -= np.log(np.exp(logits).sum(axis=0))
        return logits

    def log_likelihood(self, log_p: NDArray) -> NDArray[np.float64]:
        """Return the mean logarithm of the probability of the target classes."""
        if self.targets is None:
            return log_p[self.codes, np.arange(len(self.codes))]
        return np.einsum("ij,ij->j", self.targets, log_p)

    def smoothed_loss(self, temperature: float, smoothing: float) -> float:
        """Return the weighted sum of log-losses, with smoothed targets."""
        log_p = self.log_probabilities(temperature)
        losses = (1 - smoothing) * self.log_likelihood(log_p)
        return -float(self.weights @ (losses + smoothing * log_p.mean(axis=0)))


class Stack(NamedTuple):
    """Similarities of the rows of folds to prototypes of equal owners."""

    folds: list[int]  # their numbers
    sizes: list[int]  # their rows
    best: NDArray[np.float64]  # (n_classes, n_rows), the largest of each class
    below: NDArray[np.float64]  # (n_prototypes, n_rows), minus the largest
    owners: NDArray[np.intp]
    starts: NDArray[np.intp]
    codes: NDArray[np.intp]
    weights: NDArray[np.float64]
    targets: NDArray | None

    @classmethod
    def of(cls, folds: list[int], parts: Sequence[HeldOut]) -> "Stack":
        """Join rows that are compared with prototypes of equal owners."""
        similar = np.concatenate([part.similar.T for part in parts], axis=1)
        owners = parts[0].owners
        targets = [part.targets for part in parts if part.targets is not None]
        starts = np.flatnonzero(np.diff(owners, prepend=-1))
        best = reduce_rows(np.maximum, similar, starts)
        return cls(
            folds,
            [len(part.codes) for part in parts],
            best,
            similar - best[owners],
            owners,
            starts,
            np.concatenate([part.codes for part in parts]),
            np.concatenate([part.weights for part in parts]),
            np.concatenate(targets).T if targets else None,
        )

    def every(self, step: int) -> "Stack":
        """Keep one of every `step` rows of each fold."""
        ends = np.cumsum(self.sizes)
        kept = np.concatenate(
            [
                np.arange(end - size, end, step)
                for size, end in zip(self.sizes, ends, strict=True)
            ]
        )
        return self._replace(
            sizes=[-(-size // step) for size in self.sizes],
            best=self.best[:, kept],
            below=self.below[:, kept],
            codes=self.codes[kept],
            weights=self.weights[kept],
            targets=None if self.targets is None else self.targets[:, kept],
        )

    def decide(self, priors: Sequence[NDArray], aggregation: str) -> Scores:
        """Return the class scores, given weights of the prototypes of each fold.

        Where the most similar prototype of a class decides at any temperature, only it
        is kept.
        """
        logs = [log_weights(of_fold)[:, np.newaxis] for of_fold in priors]
        first = self.starts[self.owners]
        alone = len(self.starts) == len(self.owners) or (
            aggregation == "max" and all(np.array_equal(of, of[first]) for of in logs)
        )
        if alone:
            logs = [of[self.starts] for of in logs]
        weights = logs[0]
        if not all(np.array_equal(of, weights) for of in logs):
            weights = np.repeat(np.hstack(logs), self.sizes, axis=1)
        below = None if alone else self.below
        return Scores(
            *(self.best, below, weights, self.starts, aggregation == "sum"),
            *(self.codes, self.weights, self.targets),
        )


def stacks_of(parts: Sequence[HeldOut]) -> list[Stack]:
    """Join the folds with equal numbers of prototypes in each class."""
    alike: dict[bytes, list[int]] = {}
    for fold, part in enumerate(parts):
        alike.setdefault(part.owners.tobytes(), []).append(fold)
    return [Stack.of(own, [parts[k] for k in own]) for own in alike.values()]


def reduce_rows(ufunc: np.ufunc, values: NDArray, starts: NDArray[np.intp]) -> NDArray:
    """Reduce groups of rows: `ufunc.reduceat`, which is slow along the first axis."""
    sizes = np.diff(starts, append=len(values))
    if (sizes == sizes[0]).all():
        return ufunc.reduce(values.reshape(len(starts), sizes[0], -1), axis=1)
    return np.stack([ufunc.reduce(own) for own in np.split(values, starts[1:])])


def rough_temperature(parts: Sequence[Scores], near: float | None = None) -> float:
    """Return the temperature of `fit_temperature`, right to a few percent.

    A parabola through three losses finds it if it is close to one that is `near`.
    """
    weights = np.concatenate([part.weights for part in parts])
    apart = np.concatenate([np.ptp(part.best, axis=0) for part in parts])
    most = apart.max()
    if most == 0:
        return 1.0
    unit = float(np.ldexp(1.0, int(np.frexp(most)[1]) - 1))
    middle = np.log(np.mean(apart / unit))
    smoothing = 1 / (float(weights.sum() / np.median(weights)) + 2)
    rough = [part.roughly(unit) for part in parts]
    if near is not None:
        near /= unit
    return unit * _least_loss(rough, smoothing, middle, near)


def _least_loss(
    parts: Sequence[Scores], smoothing: float, middle: float, near: float | None
) -> float:
    """Return the temperature of least loss, in the unit of the scores."""

    def loss(log_temperature: float) -> float:
        temperature = float(np.exp(log_temperature))
        return sum(part.smoothed_loss(temperature, smoothing) for part in parts)

    if near is not None:
        before, here, after = (loss(np.log(near) + k * STEP) for k in (-1, 0, 1))
        bend = before - 2 * here + after
        steps = (before - after) / (2 * bend) if bend > 0 else np.inf
        if abs(steps) <= MOST_STEPS:
            return float(near * np.exp(steps * STEP))
    options = {"xatol": ROUGH}
    bounds = middle + np.array(RANGE)
    found = minimize_scalar(loss, bounds=bounds, method="bounded", options=options)
    return float(np.exp(found.x))
