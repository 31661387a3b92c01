"""Scores of an embedding that relevance maps explain, and their relevance to it."""

from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Protocol, Self

import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

SMOOTHING = 0.1  # share of the mean squared difference that smooths prp


class Target(NamedTuple):
    """What is explained for each sample; classes are positions in `classes_`."""

    kind: str  # "class", "margin" or "similarity"
    rule: str  # "prp" or "neuralized"
    codes: NDArray  # class of each sample
    rivals: NDArray  # class of the nearest prototype of the other classes
    prototypes: NDArray  # numbers of prototypes, (n_samples, n_maps)


class Prototypes(NamedTuple):
    """Prototypes of a model, and how similarities to them are computed."""

    vectors: Any
    codes: Any
    similarity: str
    epsilon: float
    aggregation: str

    def to(self, reference: Tensor) -> "Prototypes":
        """Copy the arrays to the device and dtype of a tensor."""
        vectors = torch.as_tensor(self.vectors).to(reference)
        return self._replace(
            vectors=vectors, codes=torch.as_tensor(self.codes).to(vectors.device)
        )

    def distances(self, Z: Tensor) -> Tensor:
        """Distance of each embedding to each prototype."""
        return _distances(Z, self.vectors)

    def similarities(self, Z: Tensor) -> Tensor:
        """Similarity of each embedding to each prototype."""
        return similarities(Z, self.vectors, self.similarity, self.epsilon)


def _distances(Z: Tensor, vectors: Tensor) -> Tensor:
    """Distance of each embedding to each vector.

    Differences are squared, not expanded into products: near vectors keep their digits.
    """
    return torch.cdist(Z, vectors, compute_mode="donot_use_mm_for_euclid_dist")


def similarities(Z: Tensor, vectors: Tensor, similarity: str, epsilon: float) -> Tensor:
    """Similarity of each embedding to each vector."""
    d = _distances(Z, vectors)
    if similarity == "gaussian":
        return d**2 / -2
    return torch.log1p((1 - epsilon) / (d + epsilon))


class Score(Protocol):
    """A score of an embedding, explained by one map or more."""

    def take(self, rows: slice) -> "Score":
        """Select the score of some of the samples."""

    def values(self, Z: Tensor) -> Tensor:
        """Score embeddings, (n_samples, n_maps)."""

    def relevance(self, Z: Tensor) -> Tensor:
        """Relevance of each feature, (n_samples, n_maps, n_features)."""


def make_score(target: Target, prototypes: Prototypes, reference: Tensor) -> Score:
    """Make the score of a target, with tensors like the reference."""
    prototypes = prototypes.to(reference)
    codes, rivals, ids = (
        torch.as_tensor(part, device=reference.device)
        for part in (target.codes, target.rivals, target.prototypes)
    )
    if target.kind == "similarity":
        return Similarity(prototypes, ids)
    if target.rule == "neuralized":
        return Margin(prototypes, codes)
    if target.kind == "margin":
        return Difference(ClassScore(prototypes, codes), ClassScore(prototypes, rivals))
    return ClassScore(prototypes, codes)


def prp(Z: Tensor, vectors: Tensor, scores: Tensor) -> Tensor:
    """Share scores among features by their size and their distance to a prototype.

    A feature z with a squared difference d from the prototype gets a share
    proportional to |z| / (d + m), where m is a tenth of the mean of d over the
    features. Due to m, no feature takes nearly all, and each prototype has its own map.
    """
    squared = (Z[:, None] - vectors) ** 2
    tiny = torch.finfo(Z.dtype).tiny
    m = (SMOOTHING * squared.mean(-1, keepdim=True)).clamp(min=tiny)
    size = torch.where((Z == 0).all(1, keepdim=True), 1, Z.abs())[:, None]
    shares = size * m / (squared + m)
    return scores[..., None] * shares / shares.sum(-1, keepdim=True)


@dataclass(frozen=True)
class Similarity:
    """Similarities to prototypes, one map each."""

    prototypes: Prototypes
    ids: Tensor

    def take(self, rows: slice) -> Self:
        return replace(self, ids=self.ids[rows])

    def values(self, Z: Tensor) -> Tensor:
        return self.prototypes.similarities(Z).gather(1, self.ids)

    def relevance(self, Z: Tensor) -> Tensor:
        return prp(Z, self.prototypes.vectors[self.ids], self.values(Z))


@dataclass(frozen=True)
class ClassScore:
    """Score of a class, from the similarities to its prototypes."""

    prototypes: Prototypes
    codes: Tensor

    def take(self, rows: slice) -> Self:
        return replace(self, codes=self.codes[rows])

    def values(self, Z: Tensor) -> Tensor:
        return self._best(Z).values.logsumexp(1, keepdim=True)

    def relevance(self, Z: Tensor) -> Tensor:
        best = self._best(Z)
        shares = best.values.softmax(1) * self.values(Z)
        own = self.prototypes.vectors[best.indices]
        return prp(Z, own, shares).sum(1, keepdim=True)

    def _best(self, Z: Tensor) -> Any:
        """Most similar prototypes of the class: one for "max", and all for "sum"."""
        similar = self.prototypes.similarities(Z)
        others = self.prototypes.codes != self.codes[:, None]
        is_max = self.prototypes.aggregation == "max"
        n_best = 1 if is_max else int((~others).sum(1).max())
        return similar.masked_fill(others, -torch.inf).topk(n_best)


@dataclass(frozen=True)
class Difference:
    """Score of a class minus the score of its rival."""

    own: ClassScore
    rival: ClassScore

    def take(self, rows: slice) -> Self:
        return replace(self, own=self.own.take(rows), rival=self.rival.take(rows))

    def values(self, Z: Tensor) -> Tensor:
        return self.own.values(Z) - self.rival.values(Z)

    def relevance(self, Z: Tensor) -> Tensor:
        return self.own.relevance(Z) - self.rival.relevance(Z)


@dataclass(frozen=True)
class Margin:
    """Squared distance to the nearest prototype of other classes, minus of the class.

    With a the nearest prototype of the class and b that of the others, it is linear in
    z, 2 (a - b)'(z - (a + b) / 2): the nearest-prototype rule as a layer of a network.
    """

    prototypes: Prototypes
    codes: Tensor

    def take(self, rows: slice) -> Self:
        return replace(self, codes=self.codes[rows])

    def values(self, Z: Tensor) -> Tensor:
        return self.relevance(Z).sum(-1)

    def relevance(self, Z: Tensor) -> Tensor:
        others = self.prototypes.codes != self.codes[:, None]
        with torch.no_grad():
            d = self.prototypes.distances(Z)
            a, b = (
                self.prototypes.vectors[d.masked_fill(left_out, torch.inf).argmin(1)]
                for left_out in (others, ~others)
            )
        return (2 * (a - b) * (Z - (a + b) / 2))[:, None]


@dataclass(frozen=True)
class Output:
    """Score of a class by the last linear layer of the black box."""

    weight: Tensor
    bias: Tensor | None
    codes: Tensor

    def take(self, rows: slice) -> Self:
        return replace(self, codes=self.codes[rows])

    def values(self, Z: Tensor) -> Tensor:
        scores = functional.linear(Z, self.weight, self.bias)
        return scores.gather(1, self.codes[:, None])

    def relevance(self, Z: Tensor) -> Tensor:
        return (self.weight[self.codes] * Z)[:, None]
