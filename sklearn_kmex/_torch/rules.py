"""Rules by which a layer or a function shares relevance among its inputs."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from zennit.composites import LayerMapComposite
from zennit.core import BasicHook, Composite, Hook, ParamMod, stabilize
from zennit.rules import Epsilon, Flat, NoMod, Norm, Pass
from zennit.types import Activation, AvgPool, BatchNorm, Convolution


def relative(values: Tensor) -> Tensor:
    """Stabilize denominators by about a millionth of their mean size in the sample.

    A constant would absorb relevance in layers with values as small as it.
    """
    return stabilize(values, _small(values) + torch.finfo(values.dtype).tiny)


def _small(values: Tensor) -> Tensor:
    """Return the size of values that are taken as zero."""
    size = values.abs().mean(dim=tuple(range(1, values.ndim)), keepdim=True)
    return (1e-10 if values.dtype == torch.float64 else 1e-6) * size


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


class Split(Hook):
    """Shares relevance by a function of the layer, its input and the relevance."""

    def __init__(self, share: Otherwise) -> None:
        super().__init__()
        self.share = share

    def copy(self) -> "Split":
        return Split(self.share)

    def backward(self, module: nn.Module, grad_input: Any, grad_output: Any) -> Any:
        return (self.share(module, grad_input[0], grad_output[0]),)


def halves(module: nn.Module, values: Tensor, relevance: Tensor) -> Tensor:
    """Give half of the relevance to each of two values that are stacked."""
    return (relevance / 2)[..., None].expand_as(values)


def as_it_is(module: nn.Module, values: Tensor, relevance: Tensor) -> Tensor:
    """Pass relevance on, summed over axes along which values were repeated."""
    return relevance.sum_to_size(values.shape)


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
VALUES = [Part(1, [(torch.clone, NoMod(param_keys=[]))])]
RULES: dict[str, Callable[[], Hook]] = {
    "activation": lambda: Split(as_it_is),
    "mean": lambda: Shares(VALUES, evenly),
    "scale": lambda: Shares(VALUES, as_it_is),
    "sum": lambda: Shares(VALUES, halves),
    "product": lambda: Split(halves),
    "linear": lambda: Norm(relative),
}
# Biases of convolutions get no relevance, since batch norms folded into them could get
# nearly all of it. If the contributions to an output have one sign only, they get all
# its relevance. Linear layers follow the epsilon rule.
CONVOLUTIONS: dict[str, Callable[[], Hook]] = {
    "epsilon": lambda: Epsilon(relative),
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
            ((AvgPool,), RULES["mean"]()),
            ((Activation, BatchNorm), Pass()),
            ((Convolution,), CONVOLUTIONS[name]()),
            ((nn.Linear,), Epsilon(relative)),
        ]
    )
