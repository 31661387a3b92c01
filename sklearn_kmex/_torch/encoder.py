"""A copy of a torch module up to its embedding."""

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from sklearn_kmex._torch.axes import find_tap, pool_activations
from sklearn_kmex._torch.layers import Tap
from sklearn_kmex._torch.run import (
    RunSettings,
    copy_module,
    first_parameter,
    first_sample,
    iterate_batches,
    private_copy,
    run_batches,
    show_progress,
    to_device,
)
from sklearn_kmex._torch.single import SqueezeAsReshape, double

HALF = (torch.bfloat16, torch.float16)
NO_GRADIENTS = (
    "gives no gradients, for example because its forward disables them. Use "
    'method="occlusion", or concept_maps.'
)


class Network(NamedTuple):
    """A torch network, where its embedding is read, and how it is run."""

    module: nn.Module
    layer: str | None
    pooling: str
    settings: RunSettings


class NoGradientsError(ValueError):
    """Error of a network that gives no gradients."""


class Reached(Exception):
    """Stops a forward pass at the tap, and carries the values there."""

    def __init__(self, values: Any) -> None:
        self.values = values


class Encoder(nn.Module):
    """A copy of a module that returns the pooled values at its tap.

    A forward pass stops at the tap and stores nothing, so that several threads can run
    it at once. While torch compiles or exports the encoder, the whole module runs:
    tracing does not follow exceptions, and removes what is not used.
    """

    def __init__(self, twin: nn.Module, tap: Tap, pooling: str) -> None:
        super().__init__()
        self.twin = twin
        self.layer = tap.layer
        self.axis = tap.axis
        self.pooling = pooling
        layer = twin.get_submodule(tap.layer)
        if tap.side == "input":
            layer.register_forward_pre_hook(_hand_over_input, prepend=True)
        else:
            layer.register_forward_hook(_hand_over_output)

    def forward(self, X: Tensor) -> Tensor:
        run = self._trace if torch.compiler.is_compiling() else self._run
        dtype = first_parameter(self.twin).dtype
        X = X.to(dtype) if X.is_floating_point() else X
        if X.shape[0] == 1:
            return run(double(X))[:1]
        return run(X.clone())  # a module may change its input in place

    def _trace(self, X: Tensor) -> Tensor:
        with SqueezeAsReshape() if _is_exporting() else nullcontext():
            self.twin(X)
        layer: Any = self.twin.get_submodule(self.layer)
        values, layer.passing = layer.passing, None
        return self.pool(values)

    def _run(self, X: Tensor) -> Tensor:
        try:
            self.twin(X)
        except Reached as reached:
            Z = self.pool(reached.values)
        else:
            raise ValueError(
                f"{type(self.twin).__name__} does not run its layer {self.layer!r}. "
                "Name a layer that it runs."
            )
        has_gradients = X.requires_grad and torch.is_grad_enabled()
        if has_gradients and not _is_computed_from(Z, X):
            raise NoGradientsError(f"{type(self.twin).__name__} {NO_GRADIENTS}")
        return Z

    def pool(self, values: Tensor) -> Tensor:
        """Reduce the values at the tap to one vector per sample."""
        return pool_activations(values, self.pooling, self.axis)


def _is_computed_from(Z: Tensor, X: Tensor) -> bool:
    """Whether gradients of Z reach X, which is no leaf; those of weights do not."""
    start, nodes, seen = X.grad_fn, [Z.grad_fn], set()
    while nodes:
        node = nodes.pop()
        if node is start:
            return True
        if node is not None and node not in seen:
            seen.add(node)
            nodes.extend(before for before, _ in node.next_functions)
    return False


def _is_exporting() -> bool:
    """Whether torch exports a graph; torch before 2.7 cannot tell."""
    is_exporting = getattr(torch.compiler, "is_exporting", None)
    return is_exporting is not None and is_exporting()


def _hand_over_input(layer: nn.Module, args: tuple) -> None:
    _hand_over(layer, args[0])


def _hand_over_output(layer: nn.Module, _args: tuple, output: Any) -> None:
    _hand_over(layer, output)


def _hand_over(layer: Any, values: Tensor) -> None:
    """Hand the values at a tap to the encoder around the layer."""
    if not torch.compiler.is_compiling():
        raise Reached(values)
    layer.passing = values


def copy_to_explain(network: Network, X: Any) -> nn.Module:
    """Copy a network, in float32 instead of half precision if it runs so."""
    twin = private_copy(network.module, network.settings.device)
    return in_float32(twin, HALF, lambda wide: trial_of(wide, network, X)())


def in_float32(
    module: Any, dtypes: tuple[torch.dtype, ...], run: Callable[[Any], Any]
) -> Any:
    """Return a copy with the values of these dtypes in float32, or else the module.

    A forward pass that converts values itself may run in its own dtypes only.
    """
    values = [*module.parameters(), *module.buffers()]
    if not any(value.dtype in dtypes for value in values):
        return module
    twin = copy_module(module, share=False)
    twin._apply(lambda value: value.float() if value.dtype in dtypes else value)
    try:
        run(twin)
    except Exception:  # a forward pass can raise any error
        return module
    return twin


def tap_of(twin: nn.Module, layer: str | None, network: Network, X: Any) -> Tap:
    """Find where the embedding of a copy of a network is read."""
    return find_tap(twin, layer, trial_of(twin, network, X))


def trial_of(twin: nn.Module, network: Network, X: Any) -> Callable[[], None]:
    """Return a function that runs the first sample through a copy of a network."""
    one = first_sample(X)
    settings = network.settings._replace(verbose=False, num_workers=0)
    return lambda: next(run_batches(twin, one, settings, first_parameter(twin).dtype))


def float_batches(twin: nn.Module, X: Any, settings: RunSettings) -> Iterator[Tensor]:
    """Yield batches that relevance can be propagated to."""
    reference = first_parameter(twin)
    dtype = torch.promote_types(reference.dtype, torch.float32)
    for batch in show_progress(iterate_batches(X, settings), len(X), settings):
        values = to_device(batch, reference.device, dtype)
        if not isinstance(values, Tensor) or not values.is_floating_point():
            raise ValueError(
                "X must be batches of one array of floats to have relevance maps; "
                f"{type(twin).__name__} takes {type(values).__name__} of token ids or "
                "of several inputs. Use explain, which needs no maps."
            )
        yield values.detach()
