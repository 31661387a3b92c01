"""Held-out rows of a fold, compared with its prototypes for each count."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sklearn_kmex._compat import get_namespace_and_device
from sklearn_kmex._data.arrays import map_blocks, squared_norms, to_numpy
from sklearn_kmex._data.rows import Training, gather
from sklearn_kmex._fit.folds import Split
from sklearn_kmex._fit.paths import Members
from sklearn_kmex._fit.temperature import HeldOut
from sklearn_kmex._model.metric import Metric
from sklearn_kmex._model.similarity import squared_distances

# Smaller squared distances, and differences of them, are too rough in float32, as
# shares of the squared norms.
ROUGH = 1e-3
# Distances of the rows of a fold that are computed at once, 32 MiB.
MOST_DISTANCES = 2**22


class ComparedFold(NamedTuple):
    """Held-out rows and prototypes of a fold in the space of a metric."""

    squared: Callable[[int], NDArray]  # distances by count
    owners: list[NDArray[np.intp]]  # positions among the classes of the fold
    counts: list[NDArray[np.float64]]
    codes: NDArray[np.intp]
    weights: NDArray[np.float64]
    targets: NDArray | None

    @classmethod
    def of(
        cls,
        training: Training,
        split: Split,
        targets: NDArray | None,
        metric: Metric,
        paths: Sequence[Sequence[Members]],
    ) -> "ComparedFold":
        """Compare the held-out rows of a fold with the prototypes of each count.

        The training set is that of `in_space`.
        """
        by_count = list(zip(*paths, strict=True))
        vectors = [np.concatenate([p.vectors for p in found]) for found in by_count]
        center = vectors[-1].mean(axis=0, dtype=np.float64)
        rows = gather(training.X, split.held_out)
        if training.prepare is not None:
            rows = training.prepare(rows)
        rows = metric.place(rows, center)
        labels = training.classes[split.present]
        return cls(
            _squared(rows, [metric.place(one, center) for one in vectors]),
            [
                np.repeat(np.arange(len(found)), [len(p.counts) for p in found])
                for found in by_count
            ],
            [np.concatenate([p.counts for p in found]) for found in by_count],
            np.searchsorted(labels, training.y[split.held_out]),
            training.weights[split.held_out],
            targets,
        )

    def distances(self, place: int) -> HeldOut:
        """Return squared distances of the rows to the prototypes of a count."""
        return HeldOut(
            self.squared(place),
            self.owners[place],
            self.counts[place],
            self.codes,
            self.weights,
            self.targets,
        )


def _squared(rows: Any, placed: list[Any]) -> Callable[[int], NDArray]:
    """Return a function of squared distances to the prototypes of one of several sets.

    Those to few prototypes are computed at once.
    """
    if sum(map(len, placed)) * rows.shape[0] > MOST_DISTANCES:
        return lambda place: _distances(rows, placed[place]).T
    xp, *_ = get_namespace_and_device(placed[0])
    ends = np.cumsum([len(some) for some in placed])
    parts = np.split(_distances(rows, xp.concat(placed, axis=0)), ends[:-1])
    return lambda place: parts[place].T


def _distances(rows: Any, prototypes: Any) -> NDArray:
    """Return squared distances, (n_prototypes, n_rows), in float32 if that will do."""
    if isinstance(rows, np.ndarray):
        found = _in_float32(rows, prototypes)
        if found is not None:
            return found
    squared = map_blocks(
        lambda block: squared_distances(block, prototypes, ties=False),
        rows,
        len(prototypes),
    )
    return np.ascontiguousarray(to_numpy(squared).T, dtype=np.float64)


def _in_float32(rows: NDArray, prototypes: NDArray) -> NDArray[np.float32] | None:
    """Return squared distances, or None if they, or how they differ, are too rough."""
    center = prototypes.mean(axis=0, dtype=np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        Z, P = ((of - center).astype(np.float32) for of in (rows, prototypes))
        norms, squares = squared_norms(Z), squared_norms(P)
        ones = np.ones_like(norms), np.ones_like(squares)
        squared = np.column_stack([-2 * P, squares, ones[1]]) @ (
            np.column_stack([Z, ones[0], norms]).T
        )
        least, largest = squared.min(axis=0), norms + squares.max()
        differ = squared.mean() - least.mean() > ROUGH * largest.mean()
        return squared if differ and (least > ROUGH * largest).all() else None
