"""A rule for each function that a forward pass calls between layers."""

from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from zennit.core import BasicHook, Hook
from zennit.types import Activation, AvgPool, BatchNorm, Linear

from sklearn_kmex._torch.attention import NORMS, opened, softmax
from sklearn_kmex._torch.encoder import NO_GRADIENTS
from sklearn_kmex._torch.functions import (
    ADDS,
    JOINS,
    KINDS,
    MATRIX_PRODUCTS,
    PLUS,
    PRODUCTS,
    RATIOS,
    as_function_of,
    depends_on_input,
    is_position,
    is_signal,
    is_softmax,
    keeps_relevance,
    not_in_place,
    to_positional,
)
from sklearn_kmex._torch.nested import tensors_in
from sklearn_kmex._torch.rules import run_under

# Kinds of constants that get a share of the relevance.
CONSTANTS = ("positions", "tokens")
WITH_RULE = (Linear, AvgPool, BatchNorm, Activation)
INSTEAD = (
    'Use method="gradient_x_input", "integrated_gradients", "smoothgrad" or '
    '"occlusion", or concept_maps.'
)


class NoRuleError(ValueError):
    """Error of a network with a part that LRP has no rule for."""


class Recorder(TorchFunctionMode):
    """Applies a rule to each function that a forward pass calls outside of layers.

    A sum of two branches shares relevance in proportion to their values; by its
    gradient, both would get all of it. A function without a rule is an error.
    """

    def __init__(self, module: nn.Module, fixed_attention: bool) -> None:
        super().__init__()
        self.kind = type(module).__name__
        self.fixed_attention = fixed_attention
        self.constants: list[tuple[str, Tensor]] = []
        self.start()

    def start(self) -> None:
        """Forget the previous pass, which may have stopped inside a layer."""
        self.inside = 0
        self.running: list[str] = []
        self.ran: Counter[str] = Counter()
        self.constants.clear()

    def __torch_function__(
        self, function: Any, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        name = function.__name__.strip("_")
        args, kwargs = to_positional(name, args, kwargs or {})
        depends = any(map(depends_on_input, tensors_in([args, kwargs])))
        if self.inside or not depends:
            return function(*args, **kwargs)
        args = self.track_constants(name, args)
        if keeps_relevance(name, args, kwargs):
            return function(*args, **kwargs)
        if (result := self.call_known(name, function, args, kwargs)) is not None:
            return result
        if (steps := opened(function)) is not function:
            with self:
                return steps(*args, **kwargs)
        result = function(*args, **kwargs)
        if any(map(depends_on_input, tensors_in(result))):
            raise NoRuleError(
                f"LRP has no rule for {name}, called in {self.position()} of "
                f"{self.kind}. {INSTEAD}"
            )
        return result

    def track_constants(self, name: str, args: tuple) -> tuple:
        """Make leaves of constants that get a share of the relevance."""
        if name in PLUS and any(map(is_position, args)):
            size = torch.broadcast_shapes(*(one.shape for one in args))
            return tuple(
                self.leaf("positions", one.expand(size)) if is_position(one) else one
                for one in args
            )
        if name in JOINS and isinstance(args[0], list | tuple):
            parts = [
                one if depends_on_input(one) else self.leaf("tokens", one)
                for one in args[0]
            ]
            return (parts, *args[1:])
        return args

    def leaf(self, kind: str, values: Tensor) -> Tensor:
        """Return a constant as a leaf, whose gradient tells its share."""
        leaf = values.detach().clone().requires_grad_(values.is_floating_point())
        if leaf.requires_grad:
            self.constants.append((kind, leaf))
        return leaf

    def call_known(
        self, name: str, function: Any, args: tuple, kwargs: dict
    ) -> Tensor | None:
        """Call a function under its rule; return None if it has no rule."""
        places = [n for n, part in enumerate(args) if depends_on_input(part)]
        if len(places) != sum(map(depends_on_input, tensors_in([args, kwargs]))):
            return None
        if name == "softmax" and places == [0]:
            return softmax(args[0], kwargs.get("dim", *args[1:2]))
        if name in NORMS and places == [0]:
            norm = partial(NORMS[name], **kwargs)
            return run_under("linear", lambda x: norm(x, *args[1:]), args[0])
        if name not in KINDS or len(places) > 2:
            return None
        if kwargs.get("inplace"):
            kwargs = {**kwargs, "inplace": False}
        pure = as_function_of(places, partial(not_in_place(function), **kwargs), args)
        values = [args[place] for place in places]
        if len(places) == 2:
            return self.call_pair(name, pure, *values)
        is_divisor = name in RATIOS and places != [0]
        return run_under("pass" if is_divisor else KINDS[name], pure, *values)

    def call_pair(
        self, name: str, function: Callable, one: Tensor, other: Tensor
    ) -> Tensor | None:
        """Call a function of two values under its rule, if it has one."""
        if name in MATRIX_PRODUCTS:
            return self.multiply_matrices(function, one, other)
        if name in RATIOS:  # the divisor is a scale, which is held fixed
            return run_under("pass", lambda x: x / other.detach(), one)
        if name in PRODUCTS:
            return self.multiply(one, other)
        if name in ADDS:
            return run_under("sum", function, one, other)
        return None

    def multiply_matrices(
        self, function: Callable, one: Tensor, other: Tensor
    ) -> Tensor:
        """Give half to each factor, or all to the one that attention weights."""
        if self.fixed_attention and is_softmax(one):
            return run_under("factors", lambda x: function(one.detach(), x), other)
        if self.fixed_attention and is_softmax(other):
            return run_under("factors", lambda x: function(x, other.detach()), one)
        return run_under("factors", function, one, other)

    def multiply(self, one: Tensor, other: Tensor) -> Tensor:
        """Multiply two values: a gate is held fixed, else each gets half."""
        size = torch.broadcast_shapes(one.shape, other.shape)
        gate, signal = sorted((one, other), key=lambda x: is_signal(x, size))
        if is_signal(gate, size) == is_signal(signal, size):
            return run_under("pass", torch.mul, one, other)
        return run_under("pass", lambda x: x * gate.detach(), signal)

    def position(self) -> str:
        """Describe where the pass is."""
        named = [name for name in self.running if name]
        return f"layer {named[-1]!r}" if named else "the forward pass"

    def enter(
        self, name: str, layer: nn.Module, args: tuple, rule: Hook | None
    ) -> None:
        """Note that the pass enters a layer."""
        if any(map(depends_on_input, args)) and not torch.is_grad_enabled():
            raise NoRuleError(f"{self.kind} {NO_GRADIENTS}")
        self.ran[name] += 1
        if isinstance(rule, BasicHook) and self.ran[name] > 1:
            raise NoRuleError(
                f"LRP requires each layer to run once; {name!r} of {self.kind} ran "
                f"again. {INSTEAD}"
            )
        self.running.append(name)
        self.inside += _has_rule(layer)

    def leave(self, layer: nn.Module) -> None:
        """Note that the pass leaves a layer."""
        self.running.pop()
        self.inside -= _has_rule(layer)


def _has_rule(layer: nn.Module) -> bool:
    """Whether zennit's composites have a rule for the type of a layer."""
    return isinstance(layer, WITH_RULE) and not isinstance(layer, nn.MultiheadAttention)
