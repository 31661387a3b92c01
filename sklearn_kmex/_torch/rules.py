"""Rules by which a layer or a function shares relevance among its inputs."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from zennit.composites import LayerMapComposite
from zennit.core import BasicHook, Composite, Hook, ParamMod
from zennit.rules import Flat, Pass
from zennit.types import Activation, AvgPool, BatchNorm, Convolution


def relative(values: Tensor) -> Tensor:
    """Stabilize denominators by about a millionth of their mean size in the sample.

    A constant would absorb relevance in layers with values as small as it.
    """
    least = _small(values) + torch.finfo(values.dtype).tiny
    return torch.copysign(least, values).add_(values)


def _small(values: Tensor) -> Tensor:
    """Return the size of values that are taken as zero."""
    axes = tuple(range(1, values.ndim))
    total = torch.linalg.vector_norm(values, 1, axes, keepdim=True)
    share = 1e-10 if values.dtype == torch.float64 else 1e-6
    return total * (share * total.numel() / max(1, values.numel()))


class Part(NamedTuple):
    """Contributions to an output, and the multiple of its relevance that they get.

    Each term changes the input and the weights. Biases do not contribute.
    """

    multiple: float
    terms: Sequence[tuple[Callable[[Tensor], Tensor], ParamMod]]

    def share(
        self, module: nn.Module, values: Tensor, relevance: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Share relevance in proportion; return it, and what was not shared.

        No relevance of an output is shared if its contributions sum to zero.
        """
        inputs = [change(values).detach().requires_grad_() for change, _ in self.terms]
        total = relevance.new_zeros(())
        for given, (_, weights) in zip(inputs, self.terms, strict=True):
            with torch.enable_grad(), weights(module) as changed:
                total = total + changed.forward(given)
        is_zero = total.abs() <= _small(total)
        ratios = torch.where(is_zero, 0, relevance / torch.where(is_zero, 1, total))
        slopes = torch.autograd.grad(total, inputs, ratios.detach())
        products = [one * slope for one, slope in zip(inputs, slopes, strict=True)]
        shared = torch.stack(products).sum(0).detach()
        return shared, torch.where(is_zero, relevance, 0)


# How relevance is shared where contributions sum to zero, as a function of the layer,
# its input and the relevance of its output.
Otherwise = Callable[[nn.Module, Tensor, Tensor], Tensor]


class Shares(BasicHook):
    """Shares relevance in proportion to contributions, in one part or more.

    What a part cannot share goes to the next part, and then to `otherwise`. By the
    published rules, which divide by the sum of contributions, it would be lost.
    """

    def __init__(self, parts: Sequence[Part], otherwise: Otherwise) -> None:
        super().__init__()
        self.parts = parts
        self.otherwise = otherwise

    def copy(self) -> "Shares":
        return Shares(self.parts, self.otherwise)

    def backward(self, module: nn.Module, grad_input: Any, grad_output: Any) -> Any:
        values = self.stored_tensors["input"][0].detach()
        total, rest = torch.zeros_like(values), torch.zeros_like(grad_output[0])
        for part in self.parts:
            given = part.multiple * grad_output[0] + rest
            if given.any():
                shared, rest = part.share(module, values, given)
                total = total + shared
        if rest.any():
            total = total + self.otherwise(module, values, rest)
        return (total,)


def evenly(module: nn.Module, values: Tensor, relevance: Tensor) -> Tensor:
    """Share relevance evenly over the inputs that an output is computed from."""
    return FLAT.share(module, values, relevance)[0]


def _clamped(low: float | None, high: float | None) -> Callable[..., Tensor]:
    return lambda values, *_: values.clamp(low, high)


def _weights(change: Callable[..., Tensor]) -> ParamMod:
    """Change weights, without biases."""
    return ParamMod(change, zero_params=["bias"], require_params=False)


UP, DOWN = _clamped(0, None), _clamped(None, 0)
FLAT = Part(1, [(torch.ones_like, _weights(lambda weight, _: torch.ones_like(weight)))])
POSITIVE = [(UP, _weights(UP)), (DOWN, _weights(DOWN))]
NEGATIVE = [(UP, _weights(DOWN)), (DOWN, _weights(UP))]


class Run(NamedTuple):
    """A function that ran on values, and the graph by which it did."""

    function: Callable[..., Tensor]
    values: Sequence[Tensor]
    result: Tensor

    def in_proportion(self, ratios: Tensor) -> list[Tensor]:
        """Return what each value contributes to the result, times ratios."""
        slopes = torch.autograd.grad(
            self.result, self.values, ratios, retain_graph=True, materialize_grads=True
        )
        return [one.detach() * s for one, s in zip(self.values, slopes, strict=True)]


# How a function shares the relevance of its result among its values.
Rule = Callable[[Run, Tensor], Sequence[Tensor]]


def run_under(rule: str, function: Callable, *values: Tensor) -> Tensor:
    """Run a function once, whose values share relevance by one of the `RULES`."""
    return _Ruled.apply(RULES[rule], function, *values)


class _Ruled(torch.autograd.Function):
    """Runs a function with a graph of its own, which serves all backward passes."""

    @staticmethod
    def forward(
        ctx: Any, rule: Rule, function: Callable[..., Tensor], *values: Tensor
    ) -> Tensor:
        inputs = [value.detach().requires_grad_() for value in values]
        with torch.enable_grad():
            result = function(*inputs)
        ctx.rule, ctx.run = rule, Run(function, inputs, result)
        ctx.versions = [value._version for value in values]
        return result.detach().clone()  # it may be changed in place

    @staticmethod
    def backward(ctx: Any, *relevance: Tensor) -> Any:
        if ctx.versions != [value._version for value in ctx.run.values]:
            raise ValueError(
                "LRP needs the values that functions get; the network changes a value "
                "in place that it has used before. Write the change as a new value, or "
                'use method="gradient_x_input", "integrated_gradients", "smoothgrad" '
                'or "occlusion".'
            )
        return None, None, *ctx.rule(ctx.run, relevance[0])


def _by_epsilon(run: Run, relevance: Tensor) -> list[Tensor]:
    return run.in_proportion(relevance / relative(run.result.detach()))


def _equally(run: Run, relevance: Tensor) -> list[Tensor]:
    """Share relevance equally among factors, and then in proportion."""
    result = len(run.values) * run.result.detach()
    zero = result.abs() <= torch.finfo(result.dtype).tiny
    return run.in_proportion((relevance / result).masked_fill_(zero, 0))


def _in_proportion_or(otherwise: Rule) -> Rule:
    """Share relevance in proportion; by another rule where the result is zero."""

    def rule(run: Run, relevance: Tensor) -> Sequence[Tensor]:
        result = run.result.detach()
        zero = result.abs() <= _small(result)
        parts = run.in_proportion((relevance / result).masked_fill_(zero, 0))
        rest = relevance.where(zero, 0)
        if not rest.any():
            return parts
        others = otherwise(run, rest)
        return [part + other for part, other in zip(parts, others, strict=True)]

    return rule


def _each(run: Run, relevance: Tensor) -> list[Tensor]:
    """Give each value as much, summed over axes along which it was repeated."""
    share = relevance / len(run.values)
    return [share.sum_to_size(one.shape) for one in run.values]


def _evenly(run: Run, relevance: Tensor) -> list[Tensor]:
    return [evenly(FunctionLayer(run.function), run.values[0].detach(), relevance)]


class FunctionLayer(nn.Module):
    """A function as a layer."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.forward = function


RULES: dict[str, Rule] = {
    "pass": _each,  # of one value, or of a product of two
    "linear": _by_epsilon,
    "factors": _equally,
    "mean": _in_proportion_or(_evenly),
    "sum": _in_proportion_or(_each),
}


class AtLayer(Hook):
    """Runs a layer under one of the `RULES`."""

    def __init__(self, rule: str) -> None:
        super().__init__()
        self.rule = rule

    def copy(self) -> "AtLayer":
        return AtLayer(self.rule)

    def register(self, module: Any) -> Any:
        self.module, forward = module, module.forward
        module.forward = lambda values, *args: run_under(
            self.rule, lambda x: forward(x, *args), values
        )
        return self

    def remove(self) -> None:
        vars(self.module).pop("forward", None)


# Biases of convolutions get no relevance, since batch norms folded into them could get
# nearly all of it. If the contributions to an output have one sign only, they get all
# its relevance. Linear layers follow the epsilon rule.
CONVOLUTIONS: dict[str, Callable[[], Hook]] = {
    "epsilon": lambda: AtLayer("linear"),
    "epsilon_plus": lambda: Shares([Part(1, POSITIVE), Part(0, NEGATIVE)], evenly),
    "epsilon_alpha2_beta1": lambda: Shares(
        [Part(-1, NEGATIVE), Part(2, POSITIVE), Part(0, NEGATIVE)], evenly
    ),
}
FIRST_RULES: dict[str, Callable[[Any], Hook | None]] = {
    "": lambda bounds: None,
    "_flat": lambda bounds: Flat(relative),
    "_box": lambda bounds: _box(*bounds),
}


def _box(low: Any, high: Any) -> Shares:
    """Rule for inputs between bounds: contributions from the bound that adds less."""

    def filled(bound: Any) -> Callable[[Tensor], Tensor]:
        return lambda values: (
            torch.tensor(bound).to(values).reshape(values.shape[1:]).expand_as(values)
        )

    terms = [
        (torch.clone, _weights(lambda weight, _: weight)),
        (filled(low), _weights(lambda weight, _: -weight.clamp(min=0))),
        (filled(high), _weights(lambda weight, _: -weight.clamp(max=0))),
    ]
    return Shares([Part(1, terms)], evenly)


def layer_rules(name: str) -> Composite:
    """Make the rules of layers, by the name of the rule of convolutions."""
    return LayerMapComposite(
        [
            ((nn.MultiheadAttention,), None),  # its function is opened
            ((AvgPool,), AtLayer("mean")),
            ((Activation, BatchNorm), Pass()),
            ((Convolution,), CONVOLUTIONS[name]()),
            ((nn.Linear,), AtLayer("linear")),
        ]
    )
