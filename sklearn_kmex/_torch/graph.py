"""The graph of a module: what it calls, and whether the order in memory matters."""

from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.fx.proxy import GraphAppendingTracer
from torch.nn.modules.dropout import _DropoutNd
from torch.nn.utils.parametrize import type_before_parametrizations
from torch.overrides import TorchFunctionMode

from sklearn_kmex._torch.batches import call
from sklearn_kmex._torch.nested import each_tensor

# Functions and methods whose result depends on shapes and numbers only, not on the
# order of the numbers in memory. Names are without the underscore of `relu_`.
ACTIVATIONS = {
    "dropout", "elu", "gelu", "hardsigmoid", "hardswish", "hardtanh", "leaky_relu",
    "relu", "relu6", "selu", "sigmoid", "silu", "softmax", "softplus", "tanh",
}  # fmt: skip
NEW = {"add", "cat", "div", "mul", "sub", "truediv"}  # their result is a new tensor
IN_PLACE = {"iadd", "imul", "isub", "itruediv"}
READS = {"dim", "getattr", "size"}
OTHERS = {
    "abs", "adaptive_avg_pool2d", "adaptive_max_pool2d", "amax", "avg_pool2d", "chunk",
    "clamp", "concat", "expand", "expand_as", "flatten", "floordiv", "getitem",
    "interpolate", "max_pool2d", "mean", "neg", "pad", "radd", "reshape", "rmul",
    "rsub", "split", "squeeze", "stack", "sum", "unsqueeze", "view",
}  # fmt: skip
KNOWN = ACTIVATIONS | NEW | IN_PLACE | READS | OTHERS


def graph_of(twin: nn.Module, batch: Any) -> fx.Graph | None:
    """Trace a private copy of a module, with the layers of torch as nodes.

    The inputs are those of the batch. None if the forward pass cannot be traced, for
    example because what it calls depends on numbers or sizes. `fx.symbolic_trace` would
    replace the calls of all modules of the process while it runs, also those of other
    threads.
    """
    graph = fx.Graph()
    tracer = GraphAppendingTracer(graph)
    layers = [(name, part) for name, part in twin.named_modules() if _is_layer(part)]
    layers = [(name, part) for name, part in layers if name]
    for name, part in layers:
        part.forward = lambda *args, name=name, **kwargs: tracer.create_proxy(
            "call_module", name, args, kwargs
        )
    try:
        call(
            twin, each_tensor(batch, lambda _: fx.Proxy(graph.placeholder("X"), tracer))
        )
    except Exception:  # tracing a forward can raise any error
        return None
    finally:
        for _, part in layers:
            del part.forward
    return graph


def _is_layer(part: nn.Module) -> bool:
    """Whether a module is a layer of torch, with the forward pass of its class."""
    kind = type_before_parametrizations(part)
    is_own = kind.__module__.startswith("torch.nn.modules.")
    return is_own and kind is not nn.Sequential and "forward" not in vars(part)


def takes_any_order(graph: fx.Graph, twin: nn.Module) -> bool:
    """Whether a module computes the same numbers, however they are laid out in memory.

    It calls only functions for which this is known. Whether `reshape` copies depends on
    the order, so a change in place must be of a tensor that nothing else reads.
    """
    parts = dict(twin.named_modules())
    for node in graph.nodes:
        if node.op == "placeholder":
            continue
        if node.op != "call_module" and not _is_known(node):
            return False
        if _is_in_place(node, parts) and not _is_alone(node.args[0], parts):
            return False
    return not twin._forward_hooks  # which would run after the last layer


def _name(node: fx.Node) -> str:
    """Return the name of a function or method, with the underscore of `relu_`."""
    return node.target if isinstance(node.target, str) else node.target.__name__


def _is_known(node: fx.Node) -> bool:
    name = _name(node)
    if name == "getattr":
        return node.args[1] in ("shape", "ndim")
    return name.removesuffix("_") in KNOWN and "out" not in node.kwargs


def _is_in_place(node: fx.Node, parts: dict[str, nn.Module]) -> bool:
    if node.op == "call_module":
        part = parts[str(node.target)]
        return getattr(part, "inplace", False) and not isinstance(part, _DropoutNd)
    name = _name(node)
    flags = [*node.args, node.kwargs.get("inplace")] if name in ACTIVATIONS else []
    return name in IN_PLACE or name.endswith("_") or any(flag is True for flag in flags)


def _is_alone(values: Any, parts: dict[str, nn.Module]) -> bool:
    """Whether values are a new tensor that one other node reads."""
    readers = [
        node
        for node in values.users
        if node.op == "call_module" or _name(node) not in READS
    ]
    if values.op == "call_module":
        part = parts[str(values.target)]
        is_new = bool(part._parameters) or _is_in_place(values, parts)
    elif values.op == "placeholder":
        is_new = False
    else:
        is_new = _name(values) in NEW or _is_in_place(values, parts)
    return is_new and len(readers) == 1


class ViewAsReshape(TorchFunctionMode):
    """Lets `view` copy if the order in memory requires it."""

    def __torch_function__(
        self, function: Any, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        called = Tensor.reshape if function is Tensor.view else function
        return called(*args, **(kwargs or {}))


class ChannelsLast:
    """Forward pass of a module with images in the order that convolutions prefer."""

    def __init__(self, forward: Any) -> None:
        self.forward = self.__wrapped__ = forward  # which has the signature

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        args, kwargs = each_tensor([args, kwargs], _channels_last)
        with ViewAsReshape():
            return self.forward(*args, **kwargs)


def _channels_last(values: Tensor) -> Tensor:
    if values.ndim != 4:
        return values
    return values.contiguous(memory_format=torch.channels_last)
