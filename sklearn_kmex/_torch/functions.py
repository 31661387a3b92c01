"""Functions that a forward pass calls, by what they do with relevance."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

# Functions by what they do with values that depend on the input. Names are without
# underscores: `+=` calls `add_`, and `1 - X` calls `__rsub__`.
MOVES = {
    "adaptive_max_pool1d", "adaptive_max_pool2d", "adaptive_max_pool3d", "amax",
    "broadcast_tensors", "cat", "chunk", "clone", "contiguous", "dropout",
    "dropout1d", "dropout2d", "dropout3d", "expand", "expand_as", "flatten",
    "flip", "float", "gather", "get", "getitem", "identity", "index_select",
    "masked_fill", "max", "max_pool1d", "max_pool2d", "max_pool3d", "maximum",
    "minimum", "moveaxis", "movedim", "narrow", "pad", "permute", "pixel_shuffle",
    "pixel_unshuffle", "repeat", "repeat_interleave", "reshape", "reshape_as", "roll",
    "select", "split", "squeeze", "stack", "swapaxes", "swapdims", "t", "to",
    "transpose", "type", "type_as", "unbind", "unflatten", "unsqueeze", "view",
    "view_as", "where",
}  # fmt: skip
ACTIVATIONS = {
    "batch_norm", "celu", "clamp", "clip", "elu", "erf", "exp", "gelu", "hardshrink",
    "hardsigmoid", "hardswish", "hardtanh", "leaky_relu", "log", "logsigmoid", "mish",
    "pow", "prelu", "rdiv", "reciprocal", "relu", "relu6", "rsqrt", "selu", "sigmoid",
    "silu", "softplus", "softshrink", "softsign", "sqrt", "square", "tanh",
    "tanhshrink", "threshold",
}  # fmt: skip
MEANS = {
    "adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d",
    "avg_pool1d", "avg_pool2d", "avg_pool3d", "interpolate", "mean", "sum", "upsample",
}  # fmt: skip
PLUS = {"add", "radd", "iadd"}
JOINS = {"cat", "concat", "concatenate", "stack"}
ADDS = PLUS | {"sub", "isub", "subtract"}
PRODUCTS = {"mul", "multiply", "rmul"}
MATRIX_PRODUCTS = {"addmm", "baddbmm", "bmm", "einsum", "matmul", "rmatmul"}
ATTENTION = {"multi_head_attention_forward", "scaled_dot_product_attention", "softmax"}
LENGTHS = {"linalg_vector_norm", "norm", "std"}
RATIOS = {"div", "divide", "truediv"}
KINDS = {
    name: kind
    for kind, names in {
        "pass": ACTIVATIONS | PRODUCTS | RATIOS | {"neg"},
        "mean": MEANS,
        "sum": ADDS | {"rsub"},
        "linear": LENGTHS | MATRIX_PRODUCTS | {"linear"},
    }.items()
    for name in names
}  # the rule of each function of one value that depends on the input
# Gates keep values within bounds; the first ones are always gates, the others
# where they multiply a value of the same size.
GATES = ("Sigmoid", "Hardsigmoid", "Softmax")
SQUASHED = ("Hardtanh", "Tanh")
PASSED = (
    "Alias", "AsStrided", "Clone", "Div", "Expand", "Identity", "MaskedFill",
    "Permute", "Reshape", "Select", "Slice", "Squeeze", "Transpose", "UnsafeView",
    "Unsqueeze", "View",
)  # fmt: skip


def to_positional(name: str, args: tuple, kwargs: dict) -> tuple[tuple, dict]:
    """Convert the keyword arguments input and other to positional ones."""
    if name == "einsum" and len(args) == 2 and not isinstance(args[1], Tensor):
        return (args[0], *args[1]), kwargs
    if name not in KINDS:
        return args, kwargs
    named = [kwargs[key] for key in ("input", "other") if key in kwargs]
    rest = {key: part for key, part in kwargs.items() if key not in ("input", "other")}
    return (*args, *named), rest


def keeps_relevance(name: str, args: tuple, kwargs: dict) -> bool:
    """Whether the gradient of a function propagates relevance without a rule.

    This holds for functions that only move values, and for adding a constant.
    """
    first, *others = map(depends_on_input, args) if args else [False]
    is_sum = name in ADDS and first != any(others)
    return name in MOVES or (is_sum and (first or (name in PLUS and not kwargs)))


def is_position(value: Any) -> bool:
    """Whether a value that is added is a constant for each position and channel.

    A mask is none: it adds 0, or the smallest number or minus infinity.
    """
    return (
        isinstance(value, Tensor)
        and not value.requires_grad
        and value.is_floating_point()
        and sum(size > 1 for size in value.shape) > 1
        and not bool((value <= torch.finfo(value.dtype).min / 2).any())
    )


def is_signal(values: Tensor, size: torch.Size) -> tuple[bool, bool, bool]:
    """Sort the factors of a product of this size: the larger is the signal."""
    name = _origin(values)
    return (
        not name.startswith(GATES),
        values.shape == size,
        not name.startswith(SQUASHED),
    )


def is_softmax(values: Tensor) -> bool:
    """Whether values are those of a softmax."""
    return _origin(values).startswith("Softmax")


def _origin(values: Tensor) -> str:
    """Return the name of the function that computed values, before they were moved."""
    node: Any = values.grad_fn
    while (name := _name(node)).startswith(PASSED):
        node = node.next_functions[0][0]
    return name


def _name(node: Any) -> str:
    """Return the name of a step of the graph; that of a function under a rule."""
    run = getattr(node, "run", None)
    return type(node if run is None else run.result.grad_fn).__name__


def depends_on_input(value: Any) -> bool:
    """Whether a value depends on the input; weights of the copy need no gradient."""
    return isinstance(value, Tensor) and value.requires_grad


def as_function_of(places: list[int], function: Any, args: tuple) -> Any:
    """Return a function of the arguments at some places; the others are fixed."""

    def call(*values: Tensor) -> Tensor:
        filled = list(args)
        for place, value in zip(places, values, strict=True):
            filled[place] = value
        return function(*filled)

    return call


def not_in_place(function: Any) -> Any:
    """Return the variant of a function that does not change its input."""
    name = function.__name__
    if name.endswith("_") and not name.startswith("__"):
        other = getattr(functional, name[:-1], function)
        return getattr(torch.Tensor, name[:-1], other)
    return function


class _Calls(TorchFunctionMode):
    """Collects the names of the functions that are called."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def __torch_function__(
        self, function: Any, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        self.names.add(function.__name__.strip("_"))
        return function(*args, **(kwargs or {}))


def names_called(run: Callable[[], Any]) -> tuple[set[str], Any]:
    """Return the names of the functions of torch that a function calls, and its result.

    They are called without gradients.
    """
    with _Calls() as calls, torch.no_grad():
        result = run()
    return calls.names, result
