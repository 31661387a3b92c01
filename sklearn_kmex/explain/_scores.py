"""Scores that words explain, as functions of the embedding that are linear in it."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sklearn_kmex._model.decision import Decision
from sklearn_kmex._model.rule import Rule
from sklearn_kmex.explain._margin import rivals_of, sides, split_margin
from sklearn_kmex.explain._probe import row_lengths
from sklearn_kmex.explain._settings import prototype_ids
from sklearn_kmex.explain._walk import Split


class Asked(NamedTuple):
    """What is explained for each text; classes are positions in `classes_`."""

    kind: str  # "margin", "class" or "similarity"
    codes: NDArray[np.intp]  # class of each text
    rivals: NDArray[np.intp]  # class that it is compared with
    prototypes: NDArray[np.intp]  # most similar prototype of the class, or that given
    against: NDArray[np.intp]  # most similar prototype of the other class

    def take(self, rows: slice) -> "Asked":
        """Select what is asked about some texts."""
        return Asked(self.kind, *(part[rows] for part in self[1:]))


class Linear(NamedTuple):
    """Scores of embeddings Z: the sum of `slope * Z` over features, and an offset."""

    slope: NDArray[np.float64]  # (n_texts, n_features)
    offset: NDArray[np.float64]  # (n_texts,)

    def score(self, Z: NDArray) -> NDArray[np.float64]:
        """Compute the scores of embeddings."""
        return np.einsum("ij,ij->i", self.slope, Z.astype(np.float64)) + self.offset

    def split(self, Z: NDArray) -> Split:
        """Split the scores over the features."""
        Z = Z.astype(np.float64)
        points, error = np.full((2, *Z.shape), np.nan), np.zeros(len(Z))
        return Split(self.slope * Z, points, self.slope, Z, self.offset, error)


def asked_of(
    found: Decision,
    target: str,
    labels: ArrayLike | None,
    against: ArrayLike | None,
    prototypes: ArrayLike | None,
) -> Asked:
    """Find the classes and prototypes that are explained."""
    _check_asked(target, labels, against, prototypes)
    codes, others = sides(found, labels, against)
    rivals = rivals_of(found, codes, others)
    own = found.nearest_of(codes)
    if prototypes is not None:
        own = prototype_ids(prototypes, found)
        if own.ndim > 1:
            raise ValueError(
                "prototypes must be one for each text, of shape "
                f"({len(codes)},); got shape {own.shape}."
            )
    return Asked(target, codes.copy(), found.owners[rivals], own.copy(), rivals)


def _check_asked(
    target: str,
    labels: ArrayLike | None,
    against: ArrayLike | None,
    prototypes: ArrayLike | None,
) -> None:
    """Refuse what the target has no use for."""
    unused = {
        "margin": {"prototypes": prototypes},
        "class": {"prototypes": prototypes, "against": against},
        "similarity": {"labels": labels, "against": against},
    }[target]
    for name, value in unused.items():
        if value is not None:
            raise ValueError(
                f"{name} must be None for target={target!r}; got {value!r}. labels "
                "selects what 'class' and 'margin' explain, against what 'margin' "
                "compares with, and prototypes what 'similarity' explains."
            )


def linear_score(Z: NDArray, rule: Rule, asked: Asked) -> Linear:
    """Return the score of embeddings as a linear function of them.

    The margin is that of squared distances. A similarity, or the score of a class, is
    minus the squared distance to its prototype. The length by which a cosine metric
    divides is held fixed.
    """
    if asked.kind == "margin":
        split = split_margin(Z, rule, asked.prototypes, asked.against)
        assert split.slope is not None
        linear = np.einsum("ij,ij->i", split.slope, Z.astype(np.float64))
        return Linear(split.slope, split.parts.sum(axis=1) - linear)
    lengths = row_lengths(Z, "l2") if rule.metric.unit else np.ones(len(Z))
    rows = Z / lengths[:, np.newaxis]
    points = np.asarray(rule.prototypes, dtype=np.float64)[asked.prototypes]
    mapped = in_metric(rule, points)
    slope = (2 * mapped - in_metric(rule, rows)) / lengths[:, np.newaxis]
    return Linear(slope, -np.einsum("ij,ij->i", mapped, points))


def in_metric(rule: Rule, rows: NDArray) -> NDArray[np.float64]:
    """Multiply rows by the matrix of the metric."""
    rows = rows.astype(np.float64)
    if not rule.metric.mapped:
        return rows
    of_map = np.asarray(rule.metric.map, dtype=np.float64)
    return rows @ of_map @ of_map.T
