"""Held-out rows of a fold, compared with its prototypes for each count."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sklearn_kmex._compat import get_namespace_and_device
from sklearn_kmex._data.arrays import map_blocks, to_numpy
from sklearn_kmex._data.rows import Training, gather
from sklearn_kmex._fit.folds import Split
from sklearn_kmex._fit.paths import Members
from sklearn_kmex._fit.temperature import HeldOut
from sklearn_kmex._model.metric import Metric
from sklearn_kmex._model.similarity import squared_distances

# Distances of the rows of a fold that are computed at once, 32 MiB.
MOST_DISTANCES = 2**22


class ComparedFold(NamedTuple):
    """Held-out rows and prototypes of a fold in the space of a metric."""

    squared: Callable[[int], NDArray[np.float64]]  # distances by count
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


def _squared(rows: Any, placed: list[Any]) -> Callable[[int], NDArray[np.float64]]:
    """Return a function of squared distances to the prototypes of one of several sets.

    Those to few prototypes are computed at once.
    """

    def to(some: Any) -> NDArray[np.float64]:
        squared = map_blocks(
            lambda block: squared_distances(block, some, ties=False), rows, len(some)
        )
        return to_numpy(squared).astype(np.float64, copy=False)

    if sum(map(len, placed)) * rows.shape[0] > MOST_DISTANCES:
        return lambda place: to(placed[place])
    xp, *_ = get_namespace_and_device(placed[0])
    ends = np.cumsum([len(some) for some in placed])
    parts = np.split(np.ascontiguousarray(to(xp.concat(placed, axis=0)).T), ends[:-1])
    return lambda place: parts[place].T
