"""What is asked of an embedding: a score, and where its relevance starts from."""

from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Protocol, Self

import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

SMOOTHING = 0.1  # of the mean squared difference, in the rule of similarities


class Asked(NamedTuple):
    """What is explained of each sample, classes by their places in `classes_`."""

    target: str  # "class", "margin" or "similarity"
    rule: str  # "prp" or "neuralized"
    codes: NDArray  # class of each sample
    rivals: NDArray  # class of the nearest prototype of the others
    prototypes: NDArray  # ids, (n_samples, n_maps)


class Prototypes(NamedTuple):
    """Prototypes of a model, and how it is similar to them."""

    vectors: Any
    codes: Any
    similarity: str
    epsilon: float
    aggregation: str

    def to(self, like: Tensor) -> "Prototypes":
        vectors = torch.as_tensor(self.vectors).to(like)
        return self._replace(
            vectors=vectors, codes=torch.as_tensor(self.codes).to(vectors.device)
        )

    def distances(self, Z: Tensor) -> Tensor:
        return torch.cdist(Z, self.vectors, compute_mode="donot_use_mm_for_euclid_dist")

    def similarities(self, distances: Tensor) -> Tensor:
        if self.similarity == "gaussian":
            return distances**2 / -2
        return torch.log1p((1 - self.epsilon) / (distances + self.epsilon))


class Question(Protocol):
    """What is explained of each sample, by one map or more."""

    def take(self, rows: slice) -> "Question":
        """Ask it of some of the samples."""

    def score(self, Z: Tensor) -> Tensor:
        """Score embeddings, (n_samples, n_maps)."""

    def start(self, Z: Tensor) -> Tensor:
        """Relevance of the embedding to the score, (n_samples, n_maps, n_features)."""


def ask(asked: Asked, prototypes: Prototypes, like: Tensor) -> Question:
    """Make what is asked into tensors beside the weights of a network."""
    ours = prototypes.to(like)
    codes, rivals, ids = (
        torch.as_tensor(part, device=like.device)
        for part in (asked.codes, asked.rivals, asked.prototypes)
    )
    if asked.target == "similarity":
        return Similarity(ours, ids)
    if asked.rule == "neuralized":
        return Margin(ours, codes)
    if asked.target == "margin":
        return Difference(ClassScore(ours, codes), ClassScore(ours, rivals))
    return ClassScore(ours, codes)


def prp(Z: Tensor, vectors: Tensor, scores: Tensor) -> Tensor:
    """Share scores among channels: more to those that are on, as in the prototype.

    With z a channel and d its squared difference from the prototype, it gets
    |z| / (d + m), m a tenth of the mean of d over the channels: then no single one
    takes all, and another prototype gives another map.
    """
    apart = (Z[:, None] - vectors) ** 2
    least = torch.finfo(Z.dtype).tiny
    small = (SMOOTHING * apart.mean(-1, keepdim=True)).clamp(min=least)
    on = torch.where((Z == 0).all(1, keepdim=True), 1, Z.abs())[:, None]
    shares = on * small / (apart + small)
    return scores[..., None] * shares / shares.sum(-1, keepdim=True)


@dataclass(frozen=True)
class Similarity:
    """The similarity to prototypes, each by a map of its own."""

    prototypes: Prototypes
    ids: Tensor

    def take(self, rows: slice) -> Self:
        return replace(self, ids=self.ids[rows])

    def score(self, Z: Tensor) -> Tensor:
        return self.prototypes.similarities(self.prototypes.distances(Z)).gather(
            1, self.ids
        )

    def start(self, Z: Tensor) -> Tensor:
        return prp(Z, self.prototypes.vectors[self.ids], self.score(Z))


@dataclass(frozen=True)
class ClassScore:
    """The score of a class, from the similarities to its prototypes."""

    prototypes: Prototypes
    codes: Tensor

    def take(self, rows: slice) -> Self:
        return replace(self, codes=self.codes[rows])

    def score(self, Z: Tensor) -> Tensor:
        return self._best(Z).values.logsumexp(1, keepdim=True)

    def start(self, Z: Tensor) -> Tensor:
        best = self._best(Z)
        shares = best.values.softmax(1) * self.score(Z)
        own = self.prototypes.vectors[best.indices]
        return prp(Z, own, shares).sum(1, keepdim=True)

    def _best(self, Z: Tensor) -> Any:
        """Most similar prototypes of the class: one, or all where all have a say."""
        ours = self.prototypes
        similar = ours.similarities(ours.distances(Z))
        others = ours.codes != self.codes[:, None]
        n_voters = 1 if ours.aggregation == "max" else int((~others).sum(1).max())
        return similar.masked_fill(others, -torch.inf).topk(n_voters)


@dataclass(frozen=True)
class Difference:
    """The score of a class minus that of its rival."""

    own: ClassScore
    rival: ClassScore

    def take(self, rows: slice) -> Self:
        return replace(self, own=self.own.take(rows), rival=self.rival.take(rows))

    def score(self, Z: Tensor) -> Tensor:
        return self.own.score(Z) - self.rival.score(Z)

    def start(self, Z: Tensor) -> Tensor:
        return self.own.start(Z) - self.rival.start(Z)


@dataclass(frozen=True)
class Margin:
    """How much farther the nearest prototype of the others is, in squared distance.

    With a the nearest of the class and b that of the others it is linear in z,
    2 (a - b)'(z - (a + b) / 2): the nearest-prototype rule as a layer of a network.
    """

    prototypes: Prototypes
    codes: Tensor

    def take(self, rows: slice) -> Self:
        return replace(self, codes=self.codes[rows])

    def score(self, Z: Tensor) -> Tensor:
        return self.start(Z).sum(-1)

    def start(self, Z: Tensor) -> Tensor:
        others = self.prototypes.codes != self.codes[:, None]
        with torch.no_grad():
            distances = self.prototypes.distances(Z)
            a, b = (
                self.prototypes.vectors[distances.masked_fill(out, torch.inf).argmin(1)]
                for out in (others, ~others)
            )
        return (2 * (a - b) * (Z - (a + b) / 2))[:, None]


@dataclass(frozen=True)
class Output:
    """The score of a class by the linear layer that ends the black box."""

    weight: Tensor
    bias: Tensor | None
    codes: Tensor

    def take(self, rows: slice) -> Self:
        return replace(self, codes=self.codes[rows])

    def score(self, Z: Tensor) -> Tensor:
        scores = functional.linear(Z, self.weight, self.bias)
        return scores.gather(1, self.codes[:, None])

    def start(self, Z: Tensor) -> Tensor:
        return (self.weight[self.codes] * Z)[:, None]
