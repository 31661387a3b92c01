"""Axes of activations: samples, features and positions, and the mean over positions."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from sklearn_kmex._torch.layers import Capture, Tap, name_tap
from sklearn_kmex._torch.nested import tensors_in

# Parts of the names of functions that return channels first.
CHANNELS_FIRST = ("conv", "pool", "batch_norm", "instance_norm", "group_norm")
# Functions that return features last; the second ones do so for untagged input alone.
FEATURES_LAST = {
    "embedding", "lstm", "gru", "rnn_tanh", "rnn_relu", "multi_head_attention_forward"
}  # fmt: skip
MOSTLY_LAST = {"linear", "bilinear", "layer_norm", "rms_norm"}
PERMUTATIONS = {
    "transpose", "transpose_", "swapaxes", "swapdims", "permute", "movedim", "moveaxis",
    "adjoint", "t", "einsum", "__get__",
}  # fmt: skip
SIZES = (2, 3, 5, 7, 11, 13, 17, 19)  # tell the axes of a tensor apart


class FeatureAxes(TorchFunctionMode):
    """Notes in each result where its features are, in the attribute `features_axis`.

    Convolutions, pooling and batch norms return them on axis 1, embeddings, recurrent
    and linear layers on axis -1. Transpositions move them, and other functions leave
    them where they were in their input.
    """

    def __torch_function__(
        self, function: Any, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        kwargs = kwargs or {}
        result = function(*args, **kwargs)
        for values in tensors_in(result):
            if values.ndim > 1 and not isinstance(values, nn.Parameter):
                axis = _axis_after(function, args, kwargs, values)
                vars(values)["features_axis"] = -1 if values.ndim == 2 else axis
        return result


def _axis_after(function: Any, args: tuple, kwargs: dict, result: Tensor) -> int | None:
    """Return where a function leaves the features, or None if that is not known."""
    name = getattr(function, "__name__", "")
    if any(part in name for part in CHANNELS_FIRST):
        return 1
    if name in FEATURES_LAST:
        return -1
    inputs = tensors_in([args, kwargs])
    known = [one for one in inputs if axis_of(one) is not None]
    if not known:
        return -1 if name in MOSTLY_LAST else None
    source = max(known, key=lambda one: (one.shape == result.shape, one.ndim))
    axis = axis_of(source)
    if name in PERMUTATIONS and len(inputs) == 1:
        return _moved(function, args, kwargs, source)
    return axis if axis in (1, -1) or source.ndim == result.ndim else None


def axis_of(values: Tensor) -> int | None:
    """Return the axis of the features that `FeatureAxes` noted."""
    return vars(values).get("features_axis")


def _moved(function: Any, args: tuple, kwargs: dict, source: Tensor) -> int | None:
    """Return where a permutation moves the features of its only tensor."""
    sizes, axis = SIZES[: source.ndim], axis_of(source)
    probe = torch.empty(sizes, device="meta")
    swapped = [probe if one is source else one for one in args]
    named = {key: probe if one is source else one for key, one in kwargs.items()}
    after = list(function(*swapped, **named).shape)
    size = sizes[0 if axis is None else axis]
    place = after.index(size) if size in after else None
    return -1 if place == len(after) - 1 else place


def find_tap(module: nn.Module, layer: str | None, trial: Callable) -> Tap:
    """Find where embeddings are read, and the axis of their features, by a trial run.

    The input of a linear layer has its features last.
    """
    tap = name_tap(module, layer, trial)
    captured = Capture(module, tap)
    try:
        with torch.no_grad(), FeatureAxes():
            trial()
            values = captured.pop()
    finally:
        captured.close()
    axis = -1 if tap.side == "input" else axis_of(values)
    return tap._replace(axis=usual_axis(values) if axis is None else axis)


def usual_axis(values: Tensor, width: int | None = None) -> int:
    """Return the axis of the features of values; `width` is the number of features.

    Without it, three axes are those of tokens, and more those of images.
    """
    first, last = values.shape[min(1, values.ndim - 1)], values.shape[-1]
    if width is not None and (first == width) != (last == width):
        return 1 if first == width else -1
    return 1 if values.ndim > 3 else -1


def pool_activations(values: Tensor, pooling: str, axis: Any) -> Tensor:
    """Reduce a batch of activations to one vector per sample.

    "mean" is over all axes but those of the samples and the features; "cls" is the
    first position of a sequence.
    """
    if values.is_quantized:
        values = values.dequantize()
    if values.ndim < 3 or pooling == "flatten":
        return values.flatten(1) if values.ndim > 1 else values[:, None]
    features = axis % values.ndim
    positions = [n for n in range(1, values.ndim) if n != features]
    if pooling == "cls" and values.ndim == 3:
        return values.select(positions[0], 0)
    return values.mean(dim=positions)
