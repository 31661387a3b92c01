"""A copy of a torch module up to the embedding, through which gradients flow."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from sklearn_kmex._torch.layers import Tap, find_tap
from sklearn_kmex._torch.run import (
    Run,
    batches,
    first,
    home_of,
    place,
    pool,
    progress,
    run,
)

NO_GRADIENTS = (
    "gives no gradients, as when its forward turns them off. Use "
    'method="occlusion", or concept_maps.'
)


class Network(NamedTuple):
    """A torch network, and where its embedding is read."""

    module: nn.Module
    layer: str | None
    pooling: str
    how: Run


class Reached(Exception):
    """What passed the tap."""

    def __init__(self, values: Any) -> None:
        self.values = values


class Encoder(nn.Module):
    """A copy of a module up to its tap; what comes after it is not run."""

    def __init__(self, twin: nn.Module, tap: Tap, pooling: str) -> None:
        super().__init__()
        self.twin = twin
        self.pooling = pooling
        layer = twin.get_submodule(tap.layer)
        if tap.side == "input":
            layer.register_forward_pre_hook(halt_before, prepend=True)
        else:
            layer.register_forward_hook(halt_behind)

    def forward(self, X: Tensor) -> Tensor:
        try:
            self.twin(X.clone())  # its forward may change what it is given
        except Reached as reached:
            return self.traceable(X, pool(reached.values, self.pooling))
        raise ValueError(f"{type(self.twin).__name__} does not run its layer.")

    def traceable(self, X: Tensor, Z: Tensor) -> Tensor:
        """Refuse an embedding whose gradients were asked for and are not there."""
        if X.requires_grad and torch.is_grad_enabled() and not Z.requires_grad:
            raise ValueError(f"{type(self.twin).__name__} {NO_GRADIENTS}")
        return Z


def halt_before(_layer: nn.Module, args: tuple) -> None:
    raise Reached(args[0])


def halt_behind(_layer: nn.Module, _args: tuple, output: Any) -> None:
    raise Reached(output)


def tap_of(twin: nn.Module, layer: str | None, network: Network, X: Any) -> Tap:
    return find_tap(twin, layer, trial_of(twin, network, X))


def trial_of(twin: nn.Module, network: Network, X: Any) -> Callable[[], None]:
    """Run one sample through a copy of the module."""
    one, how = first(X), network.how._replace(verbose=False, num_workers=0)
    return lambda: next(run(twin, one, how, home_of(twin).dtype))


def float_batches(twin: nn.Module, X: Any, how: Run) -> Iterator[Tensor]:
    """Yield batches that relevance can be traced back to."""
    home = home_of(twin)
    for batch in progress(batches(X, how), len(X), how):
        values = place(batch, home.device, home.dtype)
        if not isinstance(values, Tensor) or not values.is_floating_point():
            raise ValueError(
                "X must be batches of one array of floats to have relevance; "
                f"{type(twin).__name__} takes {type(values).__name__} of token ids or "
                "of several inputs. Explain the samples by their prototypes alone."
            )
        yield values.detach().clone()
