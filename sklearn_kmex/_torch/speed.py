"""Prepare a copy of a module to run faster, with the same output."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_weights

from sklearn_kmex._torch.graph import ChannelsLast, graph_of, takes_any_order

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
ONE_TENSOR = torch.empty(0)  # a batch, of which only the kind matters
SMALL = 4  # positions of a small feature map


def speed_up(twin: nn.Module, layer: str | None, batch: Any = ONE_TENSOR) -> None:
    """Prepare a copy of a module for many batches like one; its output stays the same.

    A batch norm is folded into the convolution before it if nothing else uses the
    output of that, and the output of `layer` does not change. Convolutions run
    channels last, or as a matrix product for small feature maps, if the order of
    values in memory changes no number.
    """
    if (graph := graph_of(twin, batch)) is None:
        return
    if takes_any_order(graph, twin):
        for part in twin.modules():
            if type(part) is nn.Conv2d and "weight" in part._parameters:
                vars(part)["forward"] = Convolution(part)
        vars(twin)["forward"] = ChannelsLast(twin.forward)
    _fold_norms(graph, twin, layer)


def fold_norms(twin: nn.Module, layer: str | None) -> None:
    """Fold batch norms into the convolutions before them, as the graph allows."""
    if (graph := graph_of(twin, ONE_TENSOR)) is not None:
        _fold_norms(graph, twin, layer)


def _fold_norms(graph: fx.Graph, twin: nn.Module, layer: str | None) -> None:
    for conv, norm in list(_foldable(graph, twin)):
        if not _changes(layer, conv, norm):
            _fold(twin.get_submodule(conv), twin.get_submodule(norm))
            _replace(twin, norm, nn.Identity())


@torch.no_grad()
def _fold(conv: Any, norm: Any) -> None:
    """Fold a batch norm into the convolution before it."""
    conv.weight, conv.bias = fuse_conv_bn_weights(
        conv.weight,
        conv.bias,
        norm.running_mean,
        norm.running_var,
        norm.eps,
        norm.weight,
        norm.bias,
    )


def halve(twin: nn.Module, start: str | None) -> torch.dtype:
    """Convert all layers but the first to bfloat16; return the dtype of the input.

    Rounding after the first layer changes fewer decisions than rounding the input,
    at nearly no cost.
    """
    if start is None:
        twin.bfloat16()
        return torch.bfloat16
    layer = twin.get_submodule(start)
    exact = {name: values.clone() for name, values in layer.state_dict().items()}
    twin.bfloat16()
    layer.float().load_state_dict(exact)
    layer.register_forward_hook(lambda _, _args, output: output.bfloat16())
    return torch.float32


class Convolution:
    """Forward pass of a convolution: channels last, a matrix product for small maps.

    For maps of 2 x 2, five of the nine products of a 3 x 3 convolution are padding.
    """

    def __init__(self, conv: nn.Conv2d) -> None:
        self.conv = conv
        self.weight: Tensor | None = None
        self.multiplies = conv.groups == 1 and conv.padding_mode == "zeros"
        self.products: dict[torch.Size, tuple[Tensor, Tensor | None, torch.Size]] = {}

    def __call__(self, X: Tensor) -> Tensor:
        size, taps = X.shape[2:], self.conv.weight[0, 0].numel()
        if not self.multiplies or X.ndim != 4 or size.numel() > min(SMALL, taps / 2):
            return self._channels_last(X)
        if size not in self.products:
            self.products[size] = self._product(size)
        matrix, bias, out_size = self.products[size]
        rows = X.permute(0, 2, 3, 1).reshape(len(X), -1)
        out = functional.linear(rows, matrix, bias)
        return out.view(len(X), *out_size, -1).permute(0, 3, 1, 2)

    def _channels_last(self, X: Tensor) -> Tensor:
        if self.weight is None:
            weight = self.conv.weight.detach()
            self.weight = weight.contiguous(memory_format=torch.channels_last)
        return self.conv._conv_forward(X, self.weight, self.conv.bias)

    def _product(self, size: torch.Size) -> tuple[Tensor, Tensor | None, torch.Size]:
        """Weights from all input to all output values, biases, and the output size."""
        conv, weight = self.conv, self.conv.weight.detach()
        n_out, n_in, n_positions = *weight.shape[:2], size.numel()
        one_hot = torch.eye(n_positions, dtype=weight.dtype, device=weight.device)
        read = functional.conv2d(
            one_hot.view(-1, 1, *size),
            weight.flatten(0, 1).unsqueeze(1),  # a filter for each pair of channels
            None,
            conv.stride,
            conv.padding,
            conv.dilation,
        )
        matrix = read.view(n_positions, n_out, n_in, -1).permute(3, 1, 0, 2)
        bias = None if conv.bias is None else conv.bias.repeat(len(matrix))
        return matrix.reshape(-1, n_positions * n_in), bias, read.shape[2:]


def _foldable(graph: fx.Graph, twin: nn.Module) -> Iterator[tuple[str, str]]:
    """Yield names of convolutions, each with the batch norm that alone uses it."""
    modules = dict(twin.named_modules())
    calls = [node for node in graph.nodes if node.op == "call_module"]
    times = Counter(node.target for node in calls)
    for node in calls:
        before = node.args[0] if node.args else None
        if not isinstance(before, fx.Node) or before.op != "call_module":
            continue
        conv, norm = modules[before.target], modules[node.target]
        if (
            type(conv) in CONVOLUTIONS
            and type(norm) in BATCH_NORMS
            and norm.running_var is not None
            and not norm.training
            and len(before.users) == times[before.target] == times[node.target] == 1
            and not (conv._forward_hooks or norm._forward_hooks)
            and "weight" in conv._parameters
        ):
            yield str(before.target), str(node.target)


def _changes(layer: str | None, conv: str, norm: str) -> bool:
    """Whether folding would change the output of the layer."""
    if layer is None:
        return False
    within = f"{layer}."
    return f"{conv}.".startswith(within) and not f"{norm}.".startswith(within)


def _replace(module: nn.Module, name: str, part: nn.Module) -> None:
    parent, _, leaf = name.rpartition(".")
    setattr(module.get_submodule(parent), leaf, part)
