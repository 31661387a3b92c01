"""Concept maps: similarity of prototypes to the locations of a feature map."""

from collections.abc import Sequence
from math import isqrt
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from sklearn_kmex._model.rule import Rule
from sklearn_kmex._torch.encoder import (
    Encoder,
    Network,
    copy_to_explain,
    float_batches,
    tap_of,
)
from sklearn_kmex._torch.projection import Affine, Length, Projection, to_precise
from sklearn_kmex._torch.run import first_parameter

UPSAMPLING = {1: "linear", 2: "bilinear", 3: "trilinear"}


class FeatureMaps(TorchFunctionMode):
    """Records results of functions that may contain the locations of an embedding.

    Functions are recorded, since the last activation is often not a layer.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width
        self.maps: list[Tensor] = []

    def __torch_function__(
        self, function: Any, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        result = function(*args, **(kwargs or {}))
        is_map = isinstance(result, Tensor) and 2 < result.ndim < 6
        if is_map and self.width in (result.shape[1], result.shape[-1]):
            self.maps.append(result)
        return result


def concepts(
    network: Network,
    X: Any,
    rule: Rule,
    layers: Sequence[Affine | Length],
    ids: NDArray,
) -> NDArray[np.float32]:
    """Inner product of each location with prototypes, (n_samples, n_maps, ...)."""
    twin = copy_to_explain(network, X)
    encoder = Encoder(twin, tap_of(twin, network.layer, network, X), network.pooling)
    reference = first_parameter(twin)
    projection = Projection.of(layers, rule.metric, reference)
    (points,) = to_precise([rule.prototypes], reference)
    width = len(points[0] if projection.weight is None else projection.weight)
    chosen = torch.as_tensor(ids, device=points.device)
    start, maps = 0, []
    for batch in float_batches(twin, X, network.settings):
        located, Z, size = _locations(encoder, batch, width)
        own = points[chosen[start : start + len(batch)]]
        similar = _products(located, Z, own, projection)
        maps.append(_enlarge(similar, size).float().cpu().numpy())
        start += len(batch)
    return np.concatenate(maps)


def _products(
    located: Tensor, Z: Tensor, own: Tensor, projection: Projection
) -> Tensor:
    """Inner product of each location with prototypes, in the metric.

    Locations are projected like the embedding Z, and by its length: the mean over the
    locations is the product of the projected embedding.
    """
    rows, factor = projection.rows(Z)
    slopes = projection.slopes(own) * factor[:, None]
    whole = torch.einsum("nc,nkc->nk", rows, projection.in_metric(own))
    offset = whole - torch.einsum("nc,nkc->nk", Z.to(slopes), slopes)
    products = torch.einsum("nc...,nkc->nk...", located, slopes.to(located))
    axes = [1] * (products.ndim - offset.ndim)
    return products + offset.to(products).view(*offset.shape, *axes)


@torch.no_grad()
def _locations(
    encoder: Encoder, X: Tensor, width: int
) -> tuple[Tensor, Tensor, tuple[int, ...]]:
    """Return the vectors that embeddings are pooled from, these, and the input's size.

    Channels are first. The input of a sequence model has channels last if the
    locations do.
    """
    recorded = FeatureMaps(width)
    with recorded:
        Z = encoder(X)
    for values in reversed(recorded.maps):
        values = values[: len(X)]  # one sample runs as two
        for view in _views(values, X):
            if view.shape[:2] == Z.shape and _is_pooled(view, values, Z):
                is_last = X.ndim == 3 and view is not values
                is_last = is_last and view.shape[2] != X.shape[2]
                size = X.shape[1:2] if is_last else X.shape[min(X.ndim - 1, 2) :]
                return view, Z, size
    raise ValueError(
        f"The embedding of {type(encoder.twin).__name__} must be the mean over the "
        "locations of a feature map, the mean over tokens, or the class token, to have "
        "concept maps; it is none of these. Use relevance."
    )


def _views(values: Tensor, X: Tensor) -> list[Tensor]:
    """List views of values with channels first, for each possible position of them."""
    last = values.movedim(-1, 1)
    if values.ndim == 3 and X.ndim == 4:
        return [
            grid for n in range(6) if (grid := _patches(last[:, :, n:])) is not None
        ]
    return [view for view in (values, last) if view[0, 0].numel() > 1]


def _patches(tokens: Tensor) -> Tensor | None:
    """Arrange tokens in a square, if their number allows it."""
    side = isqrt(tokens.shape[2])
    return (
        tokens.unflatten(2, (side, side))
        if side > 1 and side**2 == tokens.shape[2]
        else None
    )


def _is_pooled(view: Tensor, values: Tensor, Z: Tensor) -> bool:
    """Whether embeddings are the mean of the locations, or the first token."""
    means = [view.flatten(2).mean(2)]
    if values.ndim == 3:
        tokens = view if view.ndim == 3 else values.movedim(-1, 1)
        means += [tokens[:, :, 0], tokens.mean(2)]
    share = max(1e-4, 4 * torch.finfo(Z.dtype).eps)
    tolerance = share * (1 + Z.abs().max())
    return any(m.shape == Z.shape and (m - Z).abs().max() <= tolerance for m in means)


def _enlarge(maps: Tensor, size: tuple[int, ...]) -> Tensor:
    """Resize maps to the input, if it has as many axes."""
    if len(size) != maps.ndim - 2:
        return maps
    return functional.interpolate(maps, size=size, mode=UPSAMPLING[len(size)])
