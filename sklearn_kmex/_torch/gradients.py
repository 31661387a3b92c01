"""Attribution by gradients and by occlusion, for any layers."""

from collections.abc import Callable
from itertools import product
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from zennit.attribution import Gradient, IntegratedGradients

from sklearn_kmex._torch.scores import Score


class Method(NamedTuple):
    """A method of attribution, and its settings."""

    name: Any  # str, or a composite of zennit
    bounds: Any = None
    baseline: Any = 0.0
    n_steps: int = 20
    noise: float = 0.1
    window: int | None = None
    seed: int = 0

    @property
    def is_lrp(self) -> bool:
        return not isinstance(self.name, str) or self.name.startswith("epsilon")


class ScoredEncoder(nn.Module):
    """An encoder followed by the score that is explained."""

    def __init__(self, encoder: nn.Module, score: Score) -> None:
        super().__init__()
        self.encoder = encoder
        self.score = score

    def forward(self, X: Tensor) -> Tensor:
        return self.score.values(self.encoder(X))


def by_gradients(scored: ScoredEncoder, X: Tensor, method: Method) -> Tensor:
    """Make maps from gradients of the scores, one map at a time."""
    explain = {
        "gradient_x_input": _gradient_x_input,
        "integrated_gradients": _integrated_gradients,
        "smoothgrad": _smoothgrad,
    }[str(method.name)]
    with torch.no_grad():
        n_maps = scored(X).shape[1]
    maps = [explain(scored, X, _one_column(n), method) for n in range(n_maps)]
    return torch.stack(maps, dim=1).detach()


def _gradient_x_input(
    scored: ScoredEncoder, X: Tensor, column: Callable, method: Method
) -> Tensor:
    return Gradient(scored)(X, column)[1] * X


def _integrated_gradients(
    scored: ScoredEncoder, X: Tensor, column: Callable, method: Method
) -> Tensor:
    attributor = IntegratedGradients(
        scored, baseline_fn=lambda x: _baseline_of(method, x), n_iter=method.n_steps
    )
    return attributor(X, column)[1]


def _smoothgrad(
    scored: ScoredEncoder, X: Tensor, column: Callable, method: Method
) -> Tensor:
    """Average gradients at noisy inputs, with the same noise for all samples.

    SmoothGrad of zennit draws from the global generator: the noise would depend on
    the batch, and on other threads.
    """
    generator = torch.Generator().manual_seed(method.seed)
    axes = tuple(range(1, X.ndim))
    scale = method.noise * (X.amax(axes, keepdim=True) - X.amin(axes, keepdim=True))
    total = torch.zeros_like(X)
    for _ in range(method.n_steps):
        noise = torch.randn(X.shape[1:], generator=generator).to(X)
        total += Gradient(scored)(X + noise * scale, column)[1]
    return total / method.n_steps


def _one_column(column: int) -> Callable[[Tensor], Tensor]:
    def select(scores: Tensor) -> Tensor:
        chosen = torch.zeros_like(scores)
        chosen[:, column] = 1
        return chosen

    return select


def _baseline_of(method: Method, X: Tensor) -> Tensor:
    """Return the baseline in the shape of a batch."""
    return torch.tensor(method.baseline).to(X).expand_as(X)


def broadcast_settings(method: Method, shape: torch.Size) -> Method:
    """Broadcast baseline and bounds to the shape of a sample."""
    return method._replace(
        baseline=_broadcast(method.baseline, shape, "baseline"),
        bounds=[_broadcast(bound, shape, "bounds") for bound in method.bounds or ()],
    )


def _broadcast(value: Any, shape: torch.Size, name: str) -> NDArray:
    try:
        return np.broadcast_to(value, shape)
    except ValueError as error:
        raise ValueError(
            f"{name} must broadcast to a sample, of shape {tuple(shape)}; got an array "
            f"of shape {np.shape(value)}."
        ) from error


@torch.no_grad()
def occlusion(scored: ScoredEncoder, X: Tensor, method: Method) -> Tensor:
    """Decrease of each score when a window of the input is replaced."""
    whole, base = scored(X), _baseline_of(method, X)
    sides = X.shape[2:] if X.ndim > 2 else X.shape[1:]
    if method.window is not None and method.window > max(sides):
        raise ValueError(
            f"window must be at most the side length of an input, {max(sides)}; got "
            f"{method.window}."
        )
    windows = [method.window or max(1, side // 8) for side in sides]
    steps = (range(0, side, w) for side, w in zip(sides, windows, strict=True))
    maps = X.new_zeros(X[:, None].repeat_interleave(whole.shape[1], 1).shape)
    for corner in product(*steps):
        spans = (slice(at, at + w) for at, w in zip(corner, windows, strict=True))
        window: Any = (..., *spans)
        occluded = X.clone()
        occluded[window] = base[window]
        decrease = whole - scored(occluded)
        maps[window] = decrease.reshape(*decrease.shape, *[1] * (X.ndim - 1))
    return maps
