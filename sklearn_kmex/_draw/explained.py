"""What is shown of an explanation, whatever draws it."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from sklearn_kmex._draw.table import how_typical
from sklearn_kmex._draw.words import ExplainedTexts


class Evidence(NamedTuple):
    """One prototype that a sample is compared with."""

    role: str  # "predicted" or "runner-up" for the nearest one of that class, or ""
    prototype: int
    prototype_label: Any
    similarity: float
    training_row: int


class Member(NamedTuple):
    """A training row of the winning prototype that is like the sample."""

    training_row: int
    likeness: float  # cosine similarity of embeddings


class ExplanationLike(ExplainedTexts, Protocol):
    """What is shown of an explanation; arrays have a row for each sample."""

    @property
    def sample_indices(self) -> NDArray[np.intp]: ...
    @property
    def predictions(self) -> NDArray: ...
    @property
    def probability(self) -> NDArray | None: ...
    @property
    def accepted(self) -> NDArray[np.bool_] | None: ...
    @property
    def runner_up(self) -> NDArray: ...
    @property
    def margin(self) -> NDArray: ...
    @property
    def typicality(self) -> NDArray[np.float64] | None: ...
    @property
    def typicality_among(self) -> str | None: ...
    @property
    def prototypes(self) -> NDArray[np.intp]: ...
    @property
    def relevance(self) -> NDArray | None: ...
    @property
    def relevance_of(self) -> str | None: ...
    @property
    def prototype_relevance(self) -> NDArray | None: ...
    @property
    def inputs(self) -> NDArray | None: ...  # where maps have the shape of these
    @property
    def reasons(self) -> NDArray | None: ...
    @property
    def member_likeness(self) -> NDArray[np.float64] | None: ...
    def evidence(self, row: int) -> list[Evidence]: ...
    def __len__(self) -> int: ...
    def __getitem__(self, key: slice) -> Self: ...


def examples_of(
    explanation: ExplanationLike, prototypes: NDArray[np.intp] | Sequence[int]
) -> NDArray | None:
    """Return the training examples of prototypes, if there are examples."""
    known = explanation.example_prototypes
    if explanation.examples is None or known is None:
        return None
    return explanation.examples[np.searchsorted(known, prototypes)]


def members_of(explanation: ExplanationLike, i: int) -> list[Member]:
    """List the members most like a sample, if they are known."""
    if explanation.members is None or explanation.member_likeness is None:
        return []
    pairs = zip(explanation.members[i], explanation.member_likeness[i], strict=True)
    return [Member(int(row), float(likeness)) for row, likeness in pairs if row >= 0]


def typicality_of(explanation: ExplanationLike, i: int) -> str:
    """Say how typical a sample is, or nothing where that is not known."""
    if explanation.typicality is None:
        return ""
    return how_typical(explanation.typicality[i], explanation.typicality_among)


def all_members(explanation: ExplanationLike) -> NDArray | None:
    """Return the values of the members of all samples, (n, ...), if they are known."""
    if explanation.members is None or explanation.member_samples is None:
        return None
    return explanation.member_samples[explanation.members >= 0]


def by_sample(explanation: ExplanationLike, members: Any) -> list[Any]:
    """Split what there is of `all_members` into a list for each sample."""
    if explanation.members is None or members is None:
        return [[] for _ in range(len(explanation))]
    ends = np.count_nonzero(explanation.members >= 0, axis=1).cumsum().tolist()
    return [members[a:b] for a, b in pairwise([0, *ends])]
