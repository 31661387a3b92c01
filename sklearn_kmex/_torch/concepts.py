"""Where a prototype is found: the locations that an embedding is the mean of."""

from math import isqrt
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from sklearn_kmex._torch.encoder import Encoder, Network, float_batches, tap_of
from sklearn_kmex._torch.run import home_of, replica

UPSAMPLING = {1: "linear", 2: "bilinear", 3: "trilinear"}


class Watch(TorchFunctionMode):
    """Keeps what functions give that may be the locations of an embedding.

    Functions rather than layers, since the last activation is often a function.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width
        self.seen: list[Tensor] = []

    def __torch_function__(
        self, function: Any, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        result = function(*args, **(kwargs or {}))
        is_map = isinstance(result, Tensor) and 2 < result.ndim < 6
        if is_map and self.width in (result.shape[1], result.shape[-1]):
            self.seen.append(result)
        return result


def concepts(
    network: Network, X: Any, prototypes: NDArray, ids: NDArray
) -> NDArray[np.float32]:
    """Inner product of each location with prototypes, (n_samples, n_maps, ...)."""
    twin = replica(network.module, network.how.device)
    encoder = Encoder(twin, tap_of(twin, network.layer, network, X), network.pooling)
    vectors = torch.as_tensor(prototypes).to(home_of(twin))
    chosen = torch.as_tensor(ids, device=vectors.device)
    start, maps = 0, []
    for batch in float_batches(twin, X, network.how):
        places, size = locations(encoder, batch, vectors.shape[1])
        own = vectors[chosen[start : start + len(batch)]]
        similar = torch.einsum("nc...,nkc->nk...", places, own)
        maps.append(enlarge(similar, size).float().cpu().numpy())
        start += len(batch)
    return np.concatenate(maps)


@torch.inference_mode()
def locations(
    encoder: Encoder, X: Tensor, width: int
) -> tuple[Tensor, tuple[int, ...]]:
    """Find the vectors that the embedding of each sample pools, channels first.

    Beside them, the size of the input: of sequences, channels are last if they are so
    in the locations.
    """
    watch = Watch(width)
    with watch:
        Z = encoder(X)
    for values in reversed(watch.seen):
        for view in views(values, X):
            if view.shape[:2] == Z.shape and is_pooled(view, values, Z):
                last = X.ndim == 3 and view is not values
                return view, X.shape[1:2] if last else X.shape[min(X.ndim - 1, 2) :]
    raise ValueError(
        f"The embedding of {type(encoder.twin).__name__} must be the mean over "
        "locations of a feature map or over tokens, or a token beside those of the "
        "patches, to be found in places; it is none of these. Use relevance."
    )


def views(values: Tensor, X: Tensor) -> list[Tensor]:
    """Read values as locations with channels first: as they are, and channels last."""
    last = values.movedim(-1, 1)
    if values.ndim == 3 and X.ndim == 4:
        return [grid for n in range(6) if (grid := patches(last[:, :, n:])) is not None]
    return [view for view in (values, last) if view[0, 0].numel() > 1]


def patches(tokens: Tensor) -> Tensor | None:
    """Lay tokens out as a square, if they make one."""
    side = isqrt(tokens.shape[2])
    return (
        tokens.unflatten(2, (side, side))
        if side > 1 and side**2 == tokens.shape[2]
        else None
    )


def is_pooled(view: Tensor, values: Tensor, Z: Tensor) -> bool:
    """Whether the embedding is the mean of the locations, or the token before them."""
    means = [view.flatten(2).mean(2)]
    if values.ndim == 3:
        means += [values[:, 0], values.mean(1)]
    near = 1e-4 * (1 + Z.abs().max())
    return any(m.shape == Z.shape and (m - Z).abs().max() <= near for m in means)


def enlarge(maps: Tensor, size: tuple[int, ...]) -> Tensor:
    """Bring maps to the size of the input, if it has as many axes."""
    if len(size) != maps.ndim - 2:
        return maps
    return functional.interpolate(maps, size=size, mode=UPSAMPLING[len(size)])
