"""Attribution by gradients and by occlusion, which ask nothing of the layers."""

from collections.abc import Callable
from itertools import product
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from zennit.attribution import Gradient, IntegratedGradients, SmoothGrad

from sklearn_kmex._encoder_backend import Encoder
from sklearn_kmex._questions_backend import Question


class Method(NamedTuple):
    """A method of attribution, and its settings."""

    name: Any  # or a composite of zennit
    bounds: Any = None
    baseline: Any = 0.0
    n_steps: int = 20
    noise: float = 0.1
    window: int | None = None
    seed: int = 0

    @property
    def is_lrp(self) -> bool:
        return not isinstance(self.name, str) or self.name.startswith("epsilon")


class Scored(nn.Module):
    """From the input to the scores that are explained."""

    def __init__(self, encoder: Encoder, question: Question) -> None:
        super().__init__()
        self.encoder = encoder
        self.question = question

    def forward(self, X: Tensor) -> Tensor:
        return self.question.score(self.encoder(X))


def by_gradients(scored: Scored, X: Tensor, method: Method) -> Tensor:
    """Make maps from gradients of the scores, one map after the other."""
    attributor = {
        "gradient_x_input": lambda: Gradient(scored),
        "integrated_gradients": lambda: IntegratedGradients(
            scored, baseline_fn=lambda x: filling(method, x), n_iter=method.n_steps
        ),
        "smoothgrad": lambda: SmoothGrad(
            scored, noise_level=method.noise, n_iter=method.n_steps
        ),
    }[str(method.name)]()
    with torch.no_grad():
        n_maps = scored(X).shape[1]
    maps = []
    for column in range(n_maps):
        with torch.random.fork_rng([X.device] if X.is_cuda else []):
            torch.manual_seed(method.seed)
            _, relevance = attributor(X, one_column(column))
        maps.append(relevance.detach())
    result = torch.stack(maps, dim=1)
    return result * X[:, None] if method.name == "gradient_x_input" else result


def one_column(column: int) -> Callable[[Tensor], Tensor]:
    def select(scores: Tensor) -> Tensor:
        chosen = torch.zeros_like(scores)
        chosen[:, column] = 1
        return chosen

    return select


def filling(method: Method, X: Tensor) -> Tensor:
    """Return the baseline in the shape of a batch."""
    return torch.as_tensor(method.baseline).to(X).expand_as(X)


@torch.no_grad()
def occlusion(scored: Scored, X: Tensor, method: Method) -> Tensor:
    """How much of each score is lost without a window of the input."""
    whole, base = scored(X), filling(method, X)
    sides = X.shape[2:] if X.ndim > 2 else X.shape[1:]
    windows = [method.window or max(1, side // 8) for side in sides]
    steps = (range(0, side, w) for side, w in zip(sides, windows, strict=True))
    maps = X.new_zeros(X[:, None].repeat_interleave(whole.shape[1], 1).shape)
    for corner in product(*steps):
        spans = (slice(at, at + w) for at, w in zip(corner, windows, strict=True))
        here: Any = (..., *spans)
        masked = X.clone()
        masked[here] = base[here]
        lost = whole - scored(masked)
        maps[here] = lost.reshape(*lost.shape, *[1] * (X.ndim - 1))
    return maps
