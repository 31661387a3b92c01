"""Held-out rows, and their class scores at any temperature."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sklearn_kmex._model.similarity import log_weights


class HeldOut(NamedTuple):
    """Similarities of held-out rows to prototypes, as NumPy arrays."""

    similar: NDArray  # (n_rows, n_prototypes)
    owners: NDArray[np.intp]  # class code of each prototype, sorted
    priors: NDArray[np.float64]  # weights of the prototypes
    codes: NDArray[np.intp]  # true classes
    weights: NDArray[np.float64]
    targets: NDArray | None = None  # probabilities of the classes, by a teacher

    def every(self, step: int) -> "HeldOut":
        """Keep one of every `step` rows."""
        kept = slice(None, None, step)
        targets = None if self.targets is None else self.targets[kept]
        return self._replace(
            similar=self.similar[kept],
            codes=self.codes[kept],
            weights=self.weights[kept],
            targets=targets,
        )


class Stack(NamedTuple):
    """Similarities of the rows of several folds to as many prototypes.

    They are transposed, so that an operation passes over long contiguous rows. Where the
    most similar prototype of a class decides at any temperature, only that one is kept.
    """

    best: NDArray[np.float64]  # (n_classes, n_rows), the largest of each class
    below: NDArray[np.float64] | None  # (n_prototypes, n_rows), minus the largest
    priors: NDArray[np.float64]  # log weights, (n_prototypes or n_classes, n_rows or 1)
    starts: NDArray[np.intp]  # the first prototype of each class
    summed: bool  # or the largest decides
    codes: NDArray[np.intp]
    weights: NDArray[np.float64]
    targets: NDArray | None  # (n_classes, n_rows)

    @classmethod
    def of(cls, parts: Sequence[HeldOut], aggregation: str) -> "Stack":
        """Join rows that are compared with prototypes of the same classes."""
        codes, weights, targets = (
            None
            if parts[0][field] is None
            else np.concatenate([p[field] for p in parts])
            for field in (3, 4, 5)
        )
        similar = np.concatenate([part.similar.T for part in parts], axis=1)
        similar = similar.astype(np.float64, copy=False)
        _, starts, owners = np.unique(
            parts[0].owners, return_index=True, return_inverse=True
        )
        best = np.maximum.reduceat(similar, starts, axis=0)
        priors = [log_weights(part.priors)[:, np.newaxis] for part in parts]
        alone = all(np.array_equal(of, of[starts][owners]) for of in priors)
        alone &= aggregation == "max" or len(starts) == len(owners)
        if any(not np.array_equal(of, priors[0]) for of in priors):
            sizes = [len(part.codes) for part in parts]
            priors = [np.repeat(np.hstack(priors), sizes, axis=1)]
        return cls(
            best,
            None if alone else similar - best[owners],
            priors[0][starts] if alone else priors[0],
            starts,
            aggregation == "sum",
            codes,
            weights,
            None if targets is None else targets.T,
        )

    def scaled(self, exponent: int) -> "Stack":
        """Multiply similarities by a power of two."""
        below = None if self.below is None else np.ldexp(self.below, exponent)
        return self._replace(best=np.ldexp(self.best, exponent), below=below)

    def log_probabilities(self, temperature: float) -> NDArray[np.float64]:
        """Return the logarithm of the probability of each class: (n_classes, n_rows)."""
        logits = self.best / temperature
        if self.below is None:
            logits += self.priors
        elif self.summed:
            mass = np.exp(self.below / temperature)
            mass *= np.exp(self.priors)
            logits += np.log(np.add.reduceat(mass, self.starts, axis=0))
        else:
            weighted = self.below / temperature
            weighted += self.priors
            logits += np.maximum.reduceat(weighted, self.starts, axis=0)
        logits -= logits.max(axis=0)
        logits -= np.log(np.exp(logits).sum(axis=0))
        return logits

    def log_likelihood(self, log_p: NDArray) -> NDArray[np.float64]:
        """Return the mean logarithm of the probability of the target classes."""
        if self.targets is None:
            return log_p[self.codes, np.arange(len(self.codes))]
        return np.einsum("ij,ij->j", self.targets, log_p)


def stacks_of(parts: Sequence[HeldOut], aggregation: str) -> list[Stack]:
    """Join the parts with equal numbers of prototypes in each class."""
    alike: dict[bytes, list[HeldOut]] = {}
    for part in parts:
        alike.setdefault(part.owners.tobytes(), []).append(part)
    return [Stack.of(of, aggregation) for of in alike.values()]
