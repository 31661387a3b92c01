"""Influence as a table: rows that support each decision, and those against it."""

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from sklearn_kmex._draw.table import Line, Table, Words

HEAD = ["sample", "prediction", "runner-up", "margin", "supported by", "opposed by"]


class InfluenceLike(Protocol):
    """What is shown of an influence; arrays have a row for each sample."""

    @property
    def sample_indices(self) -> NDArray[np.intp]: ...
    @property
    def predictions(self) -> NDArray: ...
    @property
    def runner_up(self) -> NDArray: ...
    @property
    def margin(self) -> NDArray[np.float64]: ...
    @property
    def prototype_classes(self) -> NDArray: ...
    def __len__(self) -> int: ...


def influence_table(found: InfluenceLike, n_rows: int) -> Table:
    """Describe the first samples by the training rows of the largest effects."""
    rows = [
        [
            found.sample_indices[i],
            found.predictions[i],
            found.runner_up[i],
            f"{found.margin[i]:.3g}",
            _rows(found, "supporting", i),
            _rows(found, "opposing", i),
        ]
        for i in range(n_rows)
    ]
    return Table(repr(found), HEAD, rows, len(found) - n_rows)


def effects_of(found: InfluenceLike, role: str, i: int) -> list[tuple[int, Any, float]]:
    """List the supporting or opposing training rows, their labels and effects."""
    names = ("rows", "prototypes", "effects")
    columns = (getattr(found, f"{role}_{name}")[i] for name in names)
    return [
        (int(row), found.prototype_classes[owner], float(effect))
        for row, owner, effect in zip(*columns, strict=True)
        if row >= 0
    ]


def _rows(found: InfluenceLike, role: str, i: int) -> list[Any]:
    """Name training rows, their classes and their effects."""
    lines: list[Any] = [
        Line([Words(f"training row {row} of class "), label, Words(f": {effect:+.3g}")])
        for row, label, effect in effects_of(found, role, i)
    ]
    return lines or [Words("no training row")]
