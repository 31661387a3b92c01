"""LRP rules of transformers: attention, norms, and products of two activations.

They are those of AttnLRP (Achtibat et al. 2024, arXiv 2402.05602). Norms follow Ali et
al. 2022 (arXiv 2202.07304): the scale is held fixed.
"""

import math
from collections.abc import Callable, Sequence
from types import FunctionType
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional


def softmax(values: Tensor, dim: int) -> Tensor:
    """Compute a softmax that passes relevance on by its Taylor expansion."""
    return Softmax.apply(values, dim)


class Softmax(torch.autograd.Function):
    """Passes relevance R of y = softmax(x) on as x (R - y sum(R)).

    The constant term of the expansion keeps its share, as a bias does.
    """

    @staticmethod
    def forward(ctx: Any, values: Tensor, dim: int) -> Tensor:
        result = values.softmax(dim)
        ctx.save_for_backward(values, result)
        ctx.dim = dim
        return result

    @staticmethod
    def backward(ctx: Any, *relevance: Tensor) -> Any:
        values, result = ctx.saved_tensors
        total = relevance[0].sum(ctx.dim, keepdim=True)
        masked = values.isinf()
        parts = torch.where(masked, 0, values) * (relevance[0] - result * total)
        return torch.where(masked, 0, parts), None


def attend(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """Compute attention step by step, as `scaled_dot_product_attention` does in one."""
    if enable_gqa:
        copies = query.shape[-3] // key.shape[-3]
        key, value = (one.repeat_interleave(copies, -3) for one in (key, value))
    logits = query @ key.transpose(-2, -1)
    logits = logits * (1 / math.sqrt(query.shape[-1]) if scale is None else scale)
    if is_causal:
        attn_mask = torch.ones_like(logits, dtype=torch.bool).tril()
    if attn_mask is None:
        return functional.softmax(logits, -1) @ value
    if attn_mask.dtype == torch.bool:
        attn_mask = torch.zeros_like(attn_mask, dtype=logits.dtype).masked_fill(
            ~attn_mask, -torch.inf
        )
    no_key = attn_mask.isneginf().all(-1, keepdim=True)
    weights = functional.softmax(logits + attn_mask.masked_fill(no_key, 0), -1)
    return weights.masked_fill(no_key, 0) @ value


def add_product(
    values: Tensor, one: Tensor, other: Tensor, *, value: float = 1
) -> Tensor:
    """Add a product of two values, as `addcmul` does in one step."""
    return values + value * (one * other)


def layer_norm(
    values: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """Compute a layer norm whose scale is held fixed, so that it is affine."""
    axes = tuple(range(-len(normalized_shape), 0))
    return _affine(_standardize(values, axes, eps), weight, bias)


def rms_norm(
    values: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    eps: float | None = None,
) -> Tensor:
    """Compute a norm by the root mean square, which is held fixed."""
    axes = tuple(range(-len(normalized_shape), 0))
    eps = torch.finfo(values.dtype).eps if eps is None else eps
    scale = values.square().mean(axes, keepdim=True).add(eps).rsqrt()
    return _affine(values * scale.detach(), weight, None)


def group_norm(
    values: Tensor,
    num_groups: int,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """Compute a norm of groups of channels, whose scale is held fixed."""
    groups = values.reshape(len(values), num_groups, -1)
    normal = _standardize(groups, (-1,), eps).reshape(values.shape)
    channels = (-1, *[1] * (values.ndim - 2))
    affine = [one if one is None else one.view(channels) for one in (weight, bias)]
    return _affine(normal, *affine)


def normalize(
    values: Tensor,
    p: float = 2.0,
    dim: int = 1,
    eps: float = 1e-12,
    out: Tensor | None = None,
) -> Tensor:
    """Divide values by their length, which is held fixed."""
    length = torch.linalg.vector_norm(values, p, dim, keepdim=True).clamp(min=eps)
    return values / length.detach()


def _standardize(values: Tensor, axes: tuple[int, ...], eps: float) -> Tensor:
    centred = values - values.mean(axes, keepdim=True)
    variance = centred.detach().square().mean(axes, keepdim=True)
    return centred * variance.add_(eps).rsqrt_()


def _affine(values: Tensor, weight: Tensor | None, bias: Tensor | None) -> Tensor:
    values = values if weight is None else values * weight
    return values if bias is None else values + bias


# Norms by the names of their functions, under the rule of linear layers.
NORMS: dict[str, Callable[..., Tensor]] = {
    "layer_norm": layer_norm,
    "rms_norm": rms_norm,
    "group_norm": group_norm,
    "normalize": normalize,
}


def opened(function: Any) -> Any:
    """Return a function that does the same step by step, so that each has a rule.

    It is `function` itself if it has no steps. torch asks for overrides before it runs
    a function that is written in Python; the copy of one that is returned does not.
    """
    if function is functional.scaled_dot_product_attention:
        return attend
    if getattr(function, "__name__", "").strip("_") == "addcmul":
        return add_product
    if not isinstance(function, FunctionType):
        return function
    asks = [name for name in function.__globals__ if "has_torch_function" in name]
    names = {**function.__globals__, **dict.fromkeys(asks, lambda *_: False)}
    copy = FunctionType(function.__code__, names, function.__name__)
    copy.__defaults__ = function.__defaults__
    copy.__kwdefaults__ = function.__kwdefaults__
    return copy
