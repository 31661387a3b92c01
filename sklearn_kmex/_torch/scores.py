"""Scores of an embedding that relevance maps explain, and their relevance to it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Protocol, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from sklearn_kmex._model.rule import Rule
from sklearn_kmex._torch.functions import ATTENTION
from sklearn_kmex._torch.projection import Affine, Length, Projection, to_precise

SMOOTHING = 0.1  # share of the mean squared difference that smooths prp


class Target(NamedTuple):
    """What is explained for each sample; classes are positions in `classes_`."""

    kind: str  # "class", "margin", "similarity" or "lead"
    rule: str | None  # "prp", "neuralized" or "linear"; None chooses by the network
    codes: NDArray  # class of each sample
    rivals: NDArray  # class of the nearest prototype of the other classes
    prototypes: NDArray  # numbers of prototypes, (n_samples, n_maps)
    decides_by: Rule
    layers: Sequence[Affine | Length]  # between the embedding and the classifier

    def score(self, reference: Tensor, names: set[str]) -> "Score":
        """Make the score, for a network that calls functions of these names."""
        default = default_rule(names)
        if default == "prp" and self.kind == "margin":
            default = "neuralized"
        prototypes = Prototypes.of(self.decides_by, self.layers, reference)
        return make_score(self._replace(rule=self.rule or default), prototypes)


def default_rule(names: set[str]) -> str:
    """Choose the rule by the functions that a network calls.

    Attention and norms of layers lead to embeddings with values of both signs.
    """
    return "linear" if names & (ATTENTION | {"layer_norm", "rms_norm"}) else "prp"


class Prototypes(NamedTuple):
    """Prototypes of a model and how they decide, as tensors in float64."""

    points: Tensor  # (n_prototypes, n_features), `prototypes_`
    owners: Tensor  # class code of each
    shift: Tensor  # what the weights add to the similarities
    projection: Projection
    rule: Rule

    @classmethod
    def of(
        cls, rule: Rule, layers: Sequence[Affine | Length], reference: Tensor
    ) -> Self:
        points, shift = to_precise([rule.prototypes, rule.shift], reference)
        owners = torch.as_tensor(rule.owners, device=reference.device)
        projection = Projection.of(layers, rule.metric, reference)
        return cls(points, owners, shift, projection, rule)

    def similarities(self, Z: Tensor) -> Tensor:
        """Similarity of each embedding to each prototype."""
        center = self.points.mean(dim=0)
        rows, points = (
            self.projection.place(one - center)
            for one in (self.projection.rows(Z)[0], self.points)
        )
        known = (self.rule.similarity, self.rule.epsilon)
        return similarities(distances(rows, points), *known)

    def prp(self, Z: Tensor, ids: Tensor, scores: Tensor) -> Tensor:
        """Share scores among channels by their agreement with prototypes."""
        apart = self.projection.rows(Z)[0][:, None] - self.points[ids]
        scales = self.projection.scales(Z)
        tiny = torch.finfo(scales.dtype).tiny
        residuals = self.projection.slopes(apart) / scales.clamp(min=tiny)
        return prp(Z * scales, residuals, scores)

    def linear(self, Z: Tensor, ids: Tensor) -> Tensor:
        """Share what similarities are above that to the mean of the classes.

        The difference of the squared distances to a prototype and to the mean is linear
        in the embedding, as what is quadratic in it cancels.
        """
        points, rows = self.points[ids], self.projection.rows(Z)
        mean = torch.stack(
            [self.points[self.owners == code].mean(0) for code in self.owners.unique()]
        ).mean(0)
        slopes = self.projection.slopes(points - mean) * rows[1][:, None]
        if self.rule.similarity == "gaussian":
            return slopes * Z[:, None]
        near, far = (
            torch.linalg.vector_norm(self.projection.place(apart), dim=-1)
            for apart in (rows[0][:, None] - points, rows[0][:, None] - mean)
        )
        return slopes * Z[:, None] * secant(near, far, self.rule.epsilon)[..., None]

    def most_similar(self, Z: Tensor, allowed: Tensor, n: int = 1) -> Any:
        """Find the most similar of the allowed prototypes, by weight."""
        weighted = self.similarities(Z) + self.shift
        return weighted.masked_fill(~allowed, -torch.inf).topk(n)

    def of_class(self, codes: Tensor) -> Tensor:
        """Mark the prototypes of the class of each row."""
        return self.owners == codes[:, None]


def distances(Z: Tensor, vectors: Tensor) -> Tensor:
    """Euclidean distance of each embedding to each vector.

    Differences are squared, not expanded into products: near vectors keep their digits.
    """
    dtype = torch.promote_types(vectors.dtype, torch.float32)  # cdist has no half
    Z, vectors = Z.to(dtype), vectors.to(dtype)
    return torch.cdist(Z, vectors, compute_mode="donot_use_mm_for_euclid_dist")


def similarities(d: Tensor, similarity: str, epsilon: float) -> Tensor:
    """Similarities at distances."""
    if similarity == "gaussian":
        return d**2 / -2
    return torch.log1p((1 - epsilon) / (d + epsilon))


def secant(near: Tensor, far: Tensor, epsilon: float) -> Tensor:
    """Difference of log similarities for a unit of half the squared distance."""
    tiny = torch.finfo(near.dtype).tiny
    per_distance = (1 - epsilon) / ((near + epsilon) * (far + 1))
    change = (far - near) * per_distance
    is_flat = change == 0
    ratio = torch.where(is_flat, 1, change.log1p() / torch.where(is_flat, 1, change))
    return 2 * per_distance * ratio / (near + far).clamp(min=tiny)


def relative_similarities(d: Tensor, similarity: str, epsilon: float) -> Tensor:
    """Similarities minus the largest of each row, as in `_model.similarity`."""
    near = d.amin(dim=1, keepdim=True)
    if similarity == "gaussian":
        return (near - d) * (near + d) / 2
    share = (1 - epsilon) * (d - near) / ((d + epsilon) * (near + 1))
    known = similarities(d, similarity, epsilon)
    apart = known - known.amax(dim=1, keepdim=True)
    return torch.where(share > 0.5, apart, torch.log1p(-share.clamp(max=0.5)))


class Score(Protocol):
    """A score of an embedding, explained by one map or more.

    What the relevance does not sum to is a constant, which no feature contributes.
    """

    def take(self, rows: Any) -> "Score":
        """Select the score of some of the samples."""

    def values(self, Z: Tensor) -> Tensor:
        """Score embeddings, (n_samples, n_maps)."""

    def relevance(self, Z: Tensor) -> Tensor:
        """Relevance of each feature, (n_samples, n_maps, n_features)."""


def make_score(target: Target, prototypes: Prototypes) -> Score:
    """Make the score of a target."""
    codes, rivals, ids = (
        torch.as_tensor(np.array(part), device=prototypes.points.device)
        for part in (target.codes, target.rivals, target.prototypes)
    )
    is_linear = target.rule == "linear"
    if target.kind == "similarity":
        return Similarity(prototypes, ids, is_linear)
    if target.kind == "lead":
        return Lead(prototypes, ids)
    if target.rule == "neuralized" or (is_linear and target.kind == "margin"):
        return Margin(prototypes, codes, is_linear)
    score = ClassScore(prototypes, codes, is_linear)
    if target.kind == "margin":
        return Difference(score, ClassScore(prototypes, rivals, is_linear))
    return score


def prp(Z: Tensor, residuals: Tensor, scores: Tensor) -> Tensor:
    """Share scores among features by their size and their residual from a prototype.

    A feature z with a squared residual d gets a share proportional to |z| / (d + m),
    where m is a tenth of the mean of d over the features. Due to m, no feature takes
    nearly all, and each prototype has its own map.
    """
    squared = residuals**2
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
    is_linear: bool = False

    def take(self, rows: Any) -> Self:
        return replace(self, ids=self.ids[rows])

    def values(self, Z: Tensor) -> Tensor:
        return self.prototypes.similarities(Z).gather(1, self.ids)

    def relevance(self, Z: Tensor) -> Tensor:
        if self.is_linear:
            return self.prototypes.linear(Z, self.ids)
        return self.prototypes.prp(Z, self.ids, self.values(Z))


@dataclass(frozen=True)
class ClassScore:
    """Score of a class, from the similarities to its prototypes."""

    prototypes: Prototypes
    codes: Tensor
    is_linear: bool = False

    def take(self, rows: Any) -> Self:
        return replace(self, codes=self.codes[rows])

    def values(self, Z: Tensor) -> Tensor:
        return self._sum(self._best(Z).values)

    def relevance(self, Z: Tensor) -> Tensor:
        """Relevance of the score without what the weights of prototypes add to it."""
        best = self._best(Z)
        parts = (best.values / self.prototypes.rule.temperature).softmax(1)
        if self.is_linear:
            shares = self.prototypes.linear(Z, best.indices)
            return (parts[..., None] * shares).sum(1, keepdim=True)
        added = (parts * self.prototypes.shift[best.indices]).sum(1, keepdim=True)
        shares = parts * (self._sum(best.values) - added)
        return self.prototypes.prp(Z, best.indices, shares).sum(1, keepdim=True)

    def _best(self, Z: Tensor) -> Any:
        """Most similar prototypes of the class: one for "max", and all for "sum"."""
        is_max = self.prototypes.rule.aggregation == "max"
        most = int(self.prototypes.owners.bincount().max())
        own = self.prototypes.of_class(self.codes)
        return self.prototypes.most_similar(Z, own, 1 if is_max else most)

    def _sum(self, weighted: Tensor) -> Tensor:
        temperature = self.prototypes.rule.temperature
        return temperature * (weighted / temperature).logsumexp(1, keepdim=True)


@dataclass(frozen=True)
class Difference:
    """Score of a class minus the score of its rival."""

    own: ClassScore
    rival: ClassScore

    def take(self, rows: Any) -> Self:
        return replace(self, own=self.own.take(rows), rival=self.rival.take(rows))

    def values(self, Z: Tensor) -> Tensor:
        return self.own.values(Z) - self.rival.values(Z)

    def relevance(self, Z: Tensor) -> Tensor:
        return self.own.relevance(Z) - self.rival.relevance(Z)


@dataclass(frozen=True)
class Margin:
    """Squared distance to the nearest prototype of other classes, minus of the class.

    With a the nearest prototype of the class and b that of the others, it is linear in
    x, 2 (a - b)'M(x - (a + b) / 2): the nearest-prototype rule as a layer of a network.
    M is the matrix of the metric, and x is linear in the embedding. By the linear rule,
    (a + b) / 2 is part of the constant.
    """

    prototypes: Prototypes
    codes: Tensor
    is_linear: bool = False

    def take(self, rows: Any) -> Self:
        return replace(self, codes=self.codes[rows])

    def values(self, Z: Tensor) -> Tensor:
        place = self.prototypes.projection.place
        apart, moved = self._apart(Z)
        return (place(apart) * place(moved)).sum(1, keepdim=True)

    def relevance(self, Z: Tensor) -> Tensor:
        projection = self.prototypes.projection
        apart, moved = self._apart(Z)
        slopes = projection.slopes(apart)
        if self.is_linear:
            return (slopes * projection.rows(Z)[1] * Z)[:, None]
        return (slopes * projection.shifts(moved))[:, None]

    def _apart(self, Z: Tensor) -> tuple[Tensor, Tensor]:
        """Return 2 (a - b) and x - (a + b) / 2."""
        points = self.prototypes.points
        with torch.no_grad():
            own = self.prototypes.of_class(self.codes)
            a, b = (
                points[self.prototypes.most_similar(Z, side).indices[:, 0]]
                for side in (own, ~own)
            )
        return 2 * (a - b), self.prototypes.projection.rows(Z)[0] - (a + b) / 2


@dataclass(frozen=True)
class Lead:
    """Mean squared distance to the other prototypes given, minus that to each of them.

    It is linear in x, as the margin, so that it has both signs. A single prototype is
    compared with the most similar one of all others.
    """

    prototypes: Prototypes
    ids: Tensor

    def take(self, rows: slice) -> Self:
        return replace(self, ids=self.ids[rows])

    def values(self, Z: Tensor) -> Tensor:
        place = self.prototypes.projection.place
        return self._means(Z, lambda apart, moved: (place(apart) * place(moved)).sum(1))

    def relevance(self, Z: Tensor) -> Tensor:
        slopes, shifts = (
            self.prototypes.projection.slopes,
            self.prototypes.projection.shifts,
        )
        return self._means(Z, lambda apart, moved: slopes(apart) * shifts(moved))

    def _means(self, Z: Tensor, part: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
        """Average a part of the margin of each prototype a over the other ones b.

        It is called with 2 (a - b) and x - (a + b) / 2.
        """
        rows, points = self.prototypes.projection.rows(Z)[0], self.prototypes.points
        with torch.no_grad():
            known = [points[one] for one in self.ids.T]
            others = known if len(known) > 1 else [points[self._nearest_other(Z)]]
        maps = []
        for a in known:
            rest = [b for b in others if b is not a]
            parts = [part(2 * (a - b), rows - (a + b) / 2) for b in rest]
            maps.append(torch.stack(parts).mean(dim=0))
        return torch.stack(maps, dim=1)

    def _nearest_other(self, Z: Tensor) -> Tensor:
        everything = torch.arange(len(self.prototypes.points), device=self.ids.device)
        return self.prototypes.most_similar(Z, everything != self.ids).indices[:, 0]


@dataclass(frozen=True)
class Linear:
    """A linear function of the embedding of each sample."""

    slope: Tensor  # (n_samples, n_features)

    def take(self, rows: Any) -> Self:
        return replace(self, slope=self.slope[rows])

    def values(self, Z: Tensor) -> Tensor:
        return self.relevance(Z).sum(-1)

    def relevance(self, Z: Tensor) -> Tensor:
        return (self.slope * Z)[:, None]


@dataclass(frozen=True)
class Output:
    """Score of a class by the last linear layer of the black box."""

    weight: Tensor
    bias: Tensor | None
    codes: Tensor

    def take(self, rows: Any) -> Self:
        return replace(self, codes=self.codes[rows])

    def values(self, Z: Tensor) -> Tensor:
        scores = functional.linear(Z.to(self.weight), self.weight, self.bias)
        return scores.gather(1, self.codes[:, None])

    def relevance(self, Z: Tensor) -> Tensor:
        return (self.weight[self.codes] * Z)[:, None]
