"""LRP by zennit: a rule for each layer, and for each function between layers."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize
from torch.overrides import TorchFunctionMode
from zennit.composites import MixedComposite, NameMapComposite
from zennit.core import BasicHook, Composite, Hook
from zennit.types import Activation, AvgPool, BatchNorm, Linear

from sklearn_kmex._torch.encoder import NO_GRADIENTS
from sklearn_kmex._torch.gradients import Method
from sklearn_kmex._torch.kinds import scripted_in
from sklearn_kmex._torch.layers import first_layer, first_reads_all
from sklearn_kmex._torch.nested import tensors_in
from sklearn_kmex._torch.rules import CONVOLUTIONS, FIRST_RULES, RULES, layer_rules
from sklearn_kmex._torch.speed import fold_norms

# Functions by what they do with values that depend on the input. Names are without
# underscores: `+=` calls `add_`, and `1 - X` calls `__rsub__`.
MOVES = {
    "adaptive_max_pool1d", "adaptive_max_pool2d", "adaptive_max_pool3d", "amax",
    "broadcast_tensors", "cat", "chunk", "clone", "contiguous", "dropout",
    "dropout1d", "dropout2d", "dropout3d", "expand", "expand_as", "flatten",
    "float", "get", "getitem", "identity", "index_select", "max", "max_pool1d",
    "max_pool2d", "max_pool3d", "moveaxis", "movedim", "narrow", "pad", "permute",
    "pixel_shuffle", "pixel_unshuffle", "repeat", "reshape", "reshape_as", "roll",
    "select", "split", "squeeze", "stack", "swapaxes", "t", "to", "transpose",
    "type_as", "unbind", "unflatten", "unsqueeze", "view", "view_as",
}  # fmt: skip
ACTIVATIONS = {
    "batch_norm", "celu", "elu", "gelu", "hardshrink", "hardsigmoid", "hardswish",
    "hardtanh", "leaky_relu", "logsigmoid", "mish", "prelu", "rdiv", "reciprocal",
    "relu", "relu6", "selu", "sigmoid", "silu", "softplus", "softshrink", "softsign",
    "tanh", "tanhshrink", "threshold",
}  # fmt: skip
MEANS = {
    "adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d",
    "avg_pool1d", "avg_pool2d", "avg_pool3d", "interpolate", "mean", "sum", "upsample",
}  # fmt: skip
PLUS = {"add", "radd", "iadd"}
ADDS = PLUS | {"sub", "isub", "subtract"}
PRODUCTS = {"mul", "multiply", "rmul"}
RATIOS = {"div", "divide", "truediv"}
SCALES = ADDS | PRODUCTS | RATIOS | {"neg", "rsub"}
KINDS = {
    name: kind
    for kind, names in {
        "activation": ACTIVATIONS,
        "mean": MEANS,
        "scale": SCALES,
        "linear": {"linear", "matmul"},
    }.items()
    for name in names
}  # the rule of each function of one value that depends on the input
# Gates keep values within bounds; the first ones are always gates, the others
# where they multiply a value of the same size.
GATES = ("Sigmoid", "Hardsigmoid", "Softmax")
SQUASHED = ("Hardtanh", "Tanh")
PASSED = (
    "Alias", "AsStrided", "Clone", "Div", "Expand", "Identity", "Permute", "Reshape",
    "Select", "Slice", "Squeeze", "Transpose", "UnsafeView", "Unsqueeze", "View",
)  # fmt: skip
# The method by default, and that of networks whose first layer reads all values.
DEFAULT, DEFAULT_OF_DENSE = "epsilon_plus_flat", "epsilon_plus"
WITH_RULE = (Linear, AvgPool, BatchNorm, Activation)


INSTEAD = (
    'Use method="gradient_x_input", "integrated_gradients", "smoothgrad" or '
    '"occlusion", or concept_maps.'
)


class FunctionLayer(nn.Module):
    """A function as a layer, for which rules can be registered."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.forward = function


class Recorder(TorchFunctionMode):
    """Applies a rule to each function that a forward pass calls outside of layers.

    A sum of two branches shares relevance in proportion to their values; by its
    gradient, both would get all of it. A function without a rule is an error.
    """

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.kind = type(module).__name__
        self.rules: list[Hook] = []
        self.start()

    def start(self) -> None:
        """Forget the previous pass, which may have stopped inside a layer."""
        self.inside = 0
        self.running: list[str] = []
        self.ran: Counter[str] = Counter()
        for rule in self.rules:
            rule.remove()
        self.rules.clear()

    def __torch_function__(
        self, function: Any, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        name = function.__name__.strip("_")
        args, kwargs = _to_positional(name, args, kwargs or {})
        depends = any(map(_depends_on_input, tensors_in([args, kwargs])))
        if self.inside or not depends or _keeps_relevance(name, args, kwargs):
            return function(*args, **kwargs)
        if (result := self.call_known(name, function, args, kwargs)) is not None:
            return result
        result = function(*args, **kwargs)
        if any(map(_depends_on_input, tensors_in(result))):
            raise ValueError(
                f"LRP has no rule for {name}, called in {self.position()} of "
                f"{self.kind}. {INSTEAD}"
            )
        return result

    def call_known(
        self, name: str, function: Any, args: tuple, kwargs: dict
    ) -> Tensor | None:
        """Call a function under its rule; return None if it has no rule."""
        traced = [_depends_on_input(part) for part in args]
        if sum(traced) != sum(map(_depends_on_input, tensors_in([args, kwargs]))):
            return None
        if traced == [True, True] and name in ADDS:
            pair = torch.stack(torch.broadcast_tensors(*args), dim=-1)
            add = _not_in_place(function)
            return self.call("sum", lambda x: add(*x.unbind(-1), **kwargs), pair)
        if traced == [True, True] and name in PRODUCTS:
            return self.multiply(*args)
        if name in KINDS and sum(traced) == 1:
            place = traced.index(True)
            before, after = args[:place], args[place + 1 :]
            pure = _not_in_place(function)
            if kwargs.get("inplace"):
                kwargs = {**kwargs, "inplace": False}
            kind = "activation" if name in RATIOS and place else KINDS[name]
            return self.call(
                kind, lambda x: pure(*before, x, *after, **kwargs), args[place]
            )
        return None

    def multiply(self, one: Tensor, other: Tensor) -> Tensor:
        """Multiply two values: a gate is held fixed, else each gets half."""
        size = torch.broadcast_shapes(one.shape, other.shape)
        gate, signal = sorted((one, other), key=lambda x: _is_signal(x, size))
        if _is_signal(gate, size) == _is_signal(signal, size):
            pair = torch.stack(torch.broadcast_tensors(one, other), dim=-1)
            return self.call("product", lambda x: x.prod(-1), pair)
        return self.call("activation", lambda x: x * gate.detach(), signal)

    def call(self, kind: str, function: Callable, values: Tensor) -> Tensor:
        """Call a function of one value under the rule of its kind."""
        layer, rule = FunctionLayer(function), RULES[kind]()
        rule.register(layer)
        self.rules.append(rule)
        self.inside += 1
        result = layer(values)
        self.inside -= 1
        return result

    def position(self) -> str:
        """Describe where the pass is."""
        named = [name for name in self.running if name]
        return f"layer {named[-1]!r}" if named else "the forward pass"

    def enter(
        self, name: str, layer: nn.Module, args: tuple, rule: Hook | None
    ) -> None:
        """Note that the pass enters a layer."""
        if any(map(_depends_on_input, args)) and not torch.is_grad_enabled():
            raise ValueError(f"{self.kind} {NO_GRADIENTS}")
        self.ran[name] += 1
        if isinstance(rule, BasicHook) and self.ran[name] > 1:
            raise ValueError(
                f"LRP requires each layer to run once; {name!r} of {self.kind} ran "
                f"again. {INSTEAD}"
            )
        self.running.append(name)
        self.inside += _has_rule(layer)

    def leave(self, layer: nn.Module) -> None:
        """Note that the pass leaves a layer."""
        self.running.pop()
        self.inside -= _has_rule(layer)


def _to_positional(name: str, args: tuple, kwargs: dict) -> tuple[tuple, dict]:
    """Convert the keyword arguments input and other to positional ones."""
    if name not in KINDS:
        return args, kwargs
    named = [kwargs[key] for key in ("input", "other") if key in kwargs]
    rest = {key: part for key, part in kwargs.items() if key not in ("input", "other")}
    return (*args, *named), rest


def _keeps_relevance(name: str, args: tuple, kwargs: dict) -> bool:
    """Whether the gradient of a function propagates relevance without a rule.

    This holds for functions that only move values, and for adding a constant.
    """
    first, *others = map(_depends_on_input, args) if args else [False]
    is_sum = name in ADDS and first != any(others)
    return name in MOVES or (is_sum and (first or (name in PLUS and not kwargs)))


def _is_signal(values: Tensor, size: torch.Size) -> tuple[bool, bool, bool]:
    """Sort the factors of a product of this size: the larger is the signal."""
    node: Any = values.grad_fn
    while type(node).__name__.startswith(PASSED):
        node = node.next_functions[0][0]
    name = type(node).__name__
    return (
        not name.startswith(GATES),
        values.shape == size,
        not name.startswith(SQUASHED),
    )


def _depends_on_input(value: Any) -> bool:
    """Whether a value depends on the input; weights of the copy need no gradient."""
    return isinstance(value, Tensor) and value.requires_grad


def _not_in_place(function: Any) -> Any:
    """Return the variant of a function that does not change its input."""
    name = function.__name__
    if name.endswith("_") and not name.startswith("__"):
        return getattr(torch.Tensor, name[:-1], function)
    return function


def _has_rule(layer: nn.Module) -> bool:
    """Whether zennit's composites have a rule for the type of a layer."""
    return isinstance(layer, WITH_RULE) and not isinstance(layer, nn.MultiheadAttention)


def prepare(twin: nn.Module, layer: str | None) -> None:
    """Prepare a copy of a module for the rules."""
    _refuse_scripts(twin)
    fold_norms(twin, layer)
    for name, part in twin.named_modules():
        _remove_parametrizations(part)
        if isinstance(part, Linear) and "weight" not in part._parameters:
            raise ValueError(
                f"LRP requires layers that store their weights; {name!r} computes "
                f"them. {INSTEAD}"
            )
        if hasattr(part, "inplace"):
            part.inplace = False
        for key, weight in part._parameters.items():
            if weight is not None:
                part._parameters[key] = nn.Parameter(weight.detach(), False)


def _refuse_scripts(twin: nn.Module) -> None:
    """Raise an error for modules that torch.jit scripted."""
    for name, _ in scripted_in(twin):
        raise ValueError(
            f"LRP does not support the scripted {name or 'module'!r}. {INSTEAD}"
        )


def _remove_parametrizations(part: nn.Module) -> None:
    """Replace parametrized weights by their values.

    `remove_parametrizations` of torch also changes the class, which the original
    module shares.
    """
    if parametrize.is_parametrized(part):
        named: Any = part.parametrizations
        values = {name: getattr(part, name).detach() for name in named}
        part.__class__ = parametrize.type_before_parametrizations(part)
        del part.parametrizations
        for name, value in values.items():
            part.register_parameter(name, nn.Parameter(value, False))


def with_input_rule(
    method: Method, twin: nn.Module, trial: Callable, *, is_table: bool
) -> Method:
    """Choose the method where it is None; refuse a rule that does not suit the input.

    The flat rule is meant for layers that read a small part of an image each.
    """
    name = method.name
    if name is not None and not str(name).endswith(("_flat", "_box")):
        return method
    _refuse_scripts(twin)
    first = first_reads_all(twin, trial)
    if name is None:
        return method._replace(name=DEFAULT if first is None else DEFAULT_OF_DENSE)
    if first is None:
        return method
    instead = f"use method={name.rpartition('_')[0]!r} instead of {name!r}."
    if name.endswith("_flat"):
        raise ValueError(
            "The flat rule would give each input value the same relevance, as the "
            f"first layer of {type(twin).__name__}, {first!r}, reads all of them; "
            f"{instead}"
        )
    if is_table:
        raise ValueError(
            "The box rule is for pixels, which share their bounds; on a table, it "
            "would give a column relevance for the width of its bounds, whatever its "
            f"value; {instead}"
        )
    return method


def make_composite(
    method: str, bounds: Any, twin: nn.Module, trial: Callable
) -> Composite:
    """Make the composite of a method.

    The parts of its name are the rules of linear layers, of convolutions, and of the
    first layer.
    """
    name = max((name for name in CONVOLUTIONS if method.startswith(name)), key=len)
    first = FIRST_RULES[method.removeprefix(name)](bounds)
    start = None if first is None else first_layer(twin, trial)
    if start is None:
        return layer_rules(name)
    return MixedComposite([NameMapComposite([((start,), first)]), layer_rules(name)])


@contextmanager
def with_rules(twin: nn.Module, composite: Composite) -> Iterator[Recorder]:
    """Register rules for the layers of a copy of a module, and record the others."""
    recorder = Recorder(twin)
    context: dict = {}
    for name, part in twin.named_modules():
        rule = composite.module_map(context, name, part)
        part.register_forward_pre_hook(
            lambda layer, args, name=name, rule=rule: recorder.enter(
                name, layer, args, rule
            )
        )
    composite.register(twin)
    for part in twin.modules():
        part.register_forward_hook(lambda layer, *_: recorder.leave(layer))
    try:
        yield recorder
    finally:
        composite.remove()
        recorder.start()
