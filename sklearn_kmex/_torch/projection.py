"""From an embedding to the rows that are compared with prototypes, as linear layers."""

from collections.abc import Sequence
from typing import Any, NamedTuple, Self

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.linalg import pinv
from torch import Tensor

from sklearn_kmex._model.metric import Metric


class Affine(NamedTuple):
    """A step that returns `X @ weight + offset`."""

    weight: Any  # (n_in, n_out)
    offset: Any  # (n_out,)


class Length(NamedTuple):
    """A step that divides each row by its norm, and leaves a row of zeros."""

    order: float  # of the norm

    def of(self, rows: Tensor) -> Tensor:
        lengths = torch.linalg.vector_norm(rows, self.order, dim=1, keepdim=True)
        return torch.where(lengths == 0, 1, lengths)


class Projection(NamedTuple):
    """The steps after the embedding, and the metric, in float64.

    For a length that is held fixed, rows are an affine function of the embedding:
    `Z @ weight`, times a factor for each row, plus an offset.
    """

    layers: list[Affine | Length]
    weight: Tensor | None  # (n_features, n_out), None for the identity
    back: Tensor | None  # its pseudoinverse
    metric_map: Tensor | None  # (n_out, n_out), None for the identity

    @classmethod
    def of(
        cls, layers: Sequence[Affine | Length], metric: Metric, reference: Tensor
    ) -> Self:
        """Copy the constants of the layers and the metric to the device of a tensor."""
        affine = [layer for layer in layers if isinstance(layer, Affine)]
        weight = back = None
        if affine:
            whole = affine[0].weight
            for layer in affine[1:]:
                whole = whole @ layer.weight
            weight, back = to_precise([whole, _inverse(whole)], reference)
        here = [
            Affine(*to_precise(layer, reference))
            if isinstance(layer, Affine)
            else layer
            for layer in [*layers, *([Length(2)] if metric.unit else [])]
        ]
        maps = to_precise([metric.map] if metric.mapped else [], reference)
        return cls(here, weight, back, maps[0] if maps else None)

    def rows(self, Z: Tensor) -> tuple[Tensor, Tensor]:
        """Return the rows in the space of `prototypes_`, and the factor of each."""
        rows = Z.to(precise(Z))
        factor = torch.ones_like(rows[:, :1])
        for layer in self.layers:
            if isinstance(layer, Affine):
                rows = rows @ layer.weight + layer.offset
            else:
                length = layer.of(rows)
                rows, factor = rows / length, factor / length
        return rows, factor

    def place(self, rows: Tensor) -> Tensor:
        """Map rows, or differences of rows, so that the distance is Euclidean."""
        return rows if self.metric_map is None else rows @ self.metric_map

    def in_metric(self, directions: Tensor) -> Tensor:
        """Return the slope of the inner product of a row with each direction."""
        if self.metric_map is None:
            return directions
        return directions @ self.metric_map @ self.metric_map.T

    def slopes(self, directions: Tensor) -> Tensor:
        """Return the same slope in the channels of the embedding.

        It is still to be multiplied by the factor of the row.
        """
        slopes = self.in_metric(directions)
        return slopes if self.weight is None else slopes @ self.weight.T

    def shifts(self, rows: Tensor) -> Tensor:
        """Return the smallest change of the embedding that changes rows by these."""
        return rows if self.back is None else rows @ self.back

    def scales(self, Z: Tensor) -> Tensor:
        """Return the distance in the metric that one unit of each channel makes."""
        if self.weight is None and self.metric_map is None:
            return torch.ones(Z.shape[1], dtype=precise(Z), device=Z.device)
        both = self.metric_map if self.weight is None else self.place(self.weight)
        assert both is not None
        return torch.linalg.vector_norm(both, dim=1)


def precise(reference: Tensor) -> torch.dtype:
    """Return the widest float that the device of a tensor supports."""
    return torch.float32 if reference.device.type == "mps" else torch.float64


def to_precise(arrays: Any, reference: Tensor) -> list[Tensor]:
    """Copy arrays to the device of a tensor as its widest floats."""
    dtype = precise(reference)
    return [
        torch.as_tensor(np.asarray(array)).to(reference.device, dtype)
        for array in arrays
    ]


def _inverse(weight: NDArray) -> NDArray:
    """Return the pseudoinverse, fast if the columns are orthogonal."""
    products = weight.T @ weight
    squares = np.diagonal(products).copy()
    sizes = np.sqrt(squares)
    beside = products - np.diag(squares)
    if np.all(np.abs(beside) <= 1e-12 * np.outer(sizes, sizes)):
        squares[squares == 0] = np.inf
        return weight.T / squares[:, np.newaxis]
    return pinv(weight)
