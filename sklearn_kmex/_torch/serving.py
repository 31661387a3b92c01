"""A whole model as one torch module, for torch.export, torch.compile and GPUs."""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from sklearn_kmex._model.layout import Layout, lay_out
from sklearn_kmex._model.rule import metric_of
from sklearn_kmex._torch.axes import find_tap, pool_activations, usual_axis
from sklearn_kmex._torch.encoder import HALF, Encoder, in_float32
from sklearn_kmex._torch.kinds import fixed_in
from sklearn_kmex._torch.layers import Tap, name_tap
from sklearn_kmex._torch.run import (
    RunSettings,
    copy_module,
    first_parameter,
    first_sample,
    iterate_batches,
)
from sklearn_kmex._torch.scores import (
    distances,
    relative_similarities,
    similarities,
)
from sklearn_kmex._torch.single import double
from sklearn_kmex._torch.speed import CONVOLUTIONS

ROW_DTYPES = {"float32": torch.float32, "float64": torch.float64}
# As in onnx.TensorProto.DataType.
HALF_IN_ONNX = {10: "float16", 16: "bfloat16"}
ACTIVATIONS = {
    "identity": nn.Identity,
    "logistic": nn.Sigmoid,
    "relu": nn.ReLU,
    "tanh": nn.Tanh,
}


class ServedEncoder(Encoder):
    """A frozen encoder that takes rows of any dtype, and returns float32.

    If no sample was run, the width of the embedding tells where its features are.
    """

    def __init__(
        self, twin: nn.Module, tap: Tap, pooling: str, input_shape: Any, width: int
    ) -> None:
        for weight in twin.parameters():
            weight.detach_().requires_grad_(False)
        super().__init__(twin, tap, pooling)
        self.input_shape = input_shape
        self.width = width

    def forward(self, X: Tensor) -> Tensor:
        return super().forward(_as_input(X, self.twin, self.input_shape)).float()

    def pool(self, values: Tensor) -> Tensor:
        axis = usual_axis(values, self.width) if self.axis is None else self.axis
        return pool_activations(values, self.pooling, axis)


def _as_input(X: Tensor, module: nn.Module, input_shape: Any) -> Tensor:
    """Give samples the shape and dtype that a module takes."""
    if input_shape is not None:
        X = X.reshape(-1, *input_shape)
    is_number = X.is_floating_point() or X.dtype == torch.uint8
    return X.to(first_parameter(module).dtype) if is_number else X


def encoder_of(
    module: nn.Module,
    layer: str | None,
    pooling: str,
    input_shape: Any,
    sample: Tensor | None,
    width: int,
) -> ServedEncoder:
    """Copy a module up to a layer; without a layer, a sample is run to find it."""
    twin = copy_module(module, "cpu", share=False)

    def trial() -> None:
        if sample is None:
            raise ValueError(
                "X must be given to find the embedding of "
                f"{type(module).__name__}, which has several linear layers. Pass some "
                "samples, or set layer of the embedder."
            )
        twin(_as_input(double(sample), twin, input_shape))

    find = name_tap if sample is None else find_tap
    return ServedEncoder(twin, find(twin, layer, trial), pooling, input_shape, width)


def first_input(samples: Any, shape: Any, preprocess: Any, dtype: Any) -> Tensor:
    """Return the first sample as the tensor that a graph will take.

    A network takes floats of any dtype: these are of that of the given rows.
    """
    settings = RunSettings(1, "cpu", "float32", preprocess, 0, False)
    batch = next(iter(iterate_batches(first_sample(samples), settings)))
    if not isinstance(batch, Tensor):
        raise TypeError(
            "X must be samples of one array each to be exported; got "
            f"{type(batch).__name__}. Wrap the module in one that takes a tensor."
        )
    batch = batch.to(ROW_DTYPES.get(str(dtype), batch.dtype))
    return batch if shape is None else batch.reshape(1, *shape)


class Affine(nn.Module):
    """Shifts and scales rows in float32, like a fitted StandardScaler."""

    mean: Tensor
    scale: Tensor

    def __init__(self, scaler: Any) -> None:
        super().__init__()
        zeros = np.zeros(scaler.n_features_in_)
        mean = scaler.mean_ if scaler.with_mean else zeros
        scale = scaler.scale_ if scaler.with_std else zeros + 1
        self.register_buffer("mean", _as_float32(mean))
        self.register_buffer("scale", _as_float32(scale))

    def forward(self, X: Tensor) -> Tensor:
        return (X - self.mean) / self.scale


def mlp_layers(mlp: Any, layer: int) -> nn.Module:
    """Hidden layers of a fitted network of scikit-learn, up to one of them."""
    n_hidden = len(mlp.coefs_) - 1
    layers: list[nn.Module] = []
    for depth in range(layer % n_hidden + 1):
        weight = _as_float32(mlp.coefs_[depth].T)
        linear = nn.Linear(weight.shape[1], weight.shape[0])
        bias = _as_float32(mlp.intercepts_[depth])
        linear.load_state_dict({"weight": weight, "bias": bias})
        layers += [linear, ACTIVATIONS[mlp.activation]()]
    return nn.Sequential(*layers).requires_grad_(False)


def _as_float32(values: Any) -> Tensor:
    return torch.tensor(np.ascontiguousarray(values), dtype=torch.float32)


class MetricSpace(nn.Module):
    """Maps rows into the space in which the metric is the Euclidean distance.

    It computes in the dtype of rows, but in float64 with a map, in which features that
    nearly cancel decide; `float` of the module changes that. Rows of zeros stay as they
    are.
    """

    center: Tensor
    map: Tensor | None

    def __init__(self, unit: bool, layout: Layout) -> None:
        super().__init__()
        self.unit = unit
        of_map = None if layout.map is None else torch.tensor(layout.map)
        self.register_buffer("center", torch.tensor(layout.center))
        self.register_buffer("map", of_map)

    def forward(self, Z: Tensor) -> Tensor:
        if self.map is not None:
            Z = Z.to(self.map.dtype)
        if self.unit:
            largest = Z.abs().amax(dim=1, keepdim=True)
            Z = Z / torch.where(largest > 0, largest, 1)
            Z = Z / torch.where(largest > 0, Z.norm(dim=1, keepdim=True), 1)
        Z = Z - self.center
        return (Z if self.map is None else Z @ self.map).float()


class PrototypeNetwork(nn.Module):
    """Encoder, similarities to prototypes, class scores and probabilities in float32.

    Distances are computed about the mean of the prototypes.
    """

    prototypes: Tensor
    columns: Tensor
    shift: Tensor

    def __init__(self, parts: list[nn.Module], kmex: Any, n_prototypes: int) -> None:
        super().__init__()
        metric = metric_of(kmex)
        layout = lay_out(kmex, np.float64 if metric.mapped else np.float32)
        self.encoder = nn.Sequential(*parts)
        self.space = MetricSpace(metric.unit, layout)
        self.register_buffer("columns", torch.tensor(layout.columns))
        for name in ("prototypes", "shift"):
            self.register_buffer(name, _as_float32(getattr(layout, name)))
        self.n_prototypes = n_prototypes
        self.similarity, self.epsilon = kmex.similarity_, float(kmex.epsilon)
        self.aggregation, self.temperature = kmex.aggregation_, kmex.temperature_
        self.classes_ = kmex.classes_.tolist()
        self.prototype_indices_ = kmex.prototype_indices_.tolist()

    def forward(self, X: Tensor) -> dict[str, Tensor]:
        Z = self.space(self.encoder(X))
        known, d = (self.similarity, self.epsilon), distances(Z, self.prototypes)
        scores = self.class_scores(relative_similarities(d, *known))
        below = scores - scores.amax(dim=1, keepdim=True)
        nearest = d.topk(self.n_prototypes, dim=1, largest=False)
        return {
            "class_index": scores.argmax(dim=1),
            "probabilities": torch.softmax(below / self.temperature, dim=1),
            "prototypes": nearest.indices,
            "similarities": similarities(nearest.values, *known),
        }

    def class_scores(self, similar: Tensor) -> Tensor:
        """Score of each class, from weighted similarities."""
        own = similar[:, self.columns] + self.shift
        if self.aggregation == "max":
            return own.amax(dim=2)
        return self.temperature * (own / self.temperature).logsumexp(dim=2)


class FiniteRows(nn.Module):
    """Embedding of an encoder, or NaN for rows that are not finite.

    Embedders refuse these; a network may make finite numbers of them.
    """

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, X: Tensor) -> Tensor:
        Z = self.encoder(X)
        undefined = X.to(Z.dtype).flatten(1) * 0  # infinity times 0 is NaN
        return Z + undefined.sum(dim=1, keepdim=True)


def _check_exports(module: nn.Module) -> None:
    for name in fixed_in(module):
        raise ValueError(
            "The encoder must have no quantized, scripted or traced layers to be "
            f"converted to ONNX; {name!r} of {type(module).__name__} is one. Fit the "
            "model with the torch.nn.Module that it was made from."
        )


def encoder_to_onnx(
    encoder: Encoder, sample: Tensor, opset: int, is_checked: bool
) -> Any:
    """Export an encoder for batches of any size; its embedder may check its rows.

    It is exported in float32 if it runs so.
    """
    _check_exports(encoder.twin)
    encoder = _exported_copy(encoder, sample)
    batch = double(sample)  # a batch size of 1 would become a constant
    is_checked = is_checked and sample.is_floating_point()
    module = FiniteRows(encoder) if is_checked else encoder
    try:
        program: Any = torch.onnx.export(
            module.eval(),
            (batch,),
            dynamic_shapes=({0: torch.export.Dim.DYNAMIC},),
            opset_version=opset,
            dynamo=True,
            verbose=False,
        )
    except Exception as error:  # tracing a forward pass can raise any error
        raise ValueError(
            f"{type(encoder.twin).__name__} must be supported by torch.onnx.export for "
            "batches of any size, without loops over samples or values that depend on "
            f"them; the error was: {_reason(error)}. Use to_torch, or change forward."
        ) from error
    _check_no_half(program.model_proto, encoder)
    return program.model_proto


def _reason(error: BaseException) -> str:
    """Return the first line of the error that caused others."""
    while error.__cause__ is not None:
        error = error.__cause__
    lines = str(error).split("\n")
    return f"{type(error).__name__}: {lines[0].rstrip('.:')}"


def _exported_copy(encoder: Encoder, sample: Tensor) -> Encoder:
    """Return the encoder in a dtype for which runtimes of ONNX have its operations.

    They have few of bfloat16 or float16, and no convolutions of float64.
    """
    convolves = any(isinstance(part, CONVOLUTIONS) for part in encoder.modules())
    dtypes = (*HALF, torch.float64) if convolves else HALF
    return in_float32(encoder, dtypes, lambda twin: twin(sample))


def _check_no_half(graph: Any, encoder: Encoder) -> None:
    """Refuse a graph that converts values to half precision between its layers."""
    own = {str(weight.dtype).removeprefix("torch.") for weight in encoder.parameters()}
    casts = (
        at for node in graph.graph.node for at in node.attribute if at.name == "to"
    )
    found = {HALF_IN_ONNX[at.i] for at in casts if at.i in HALF_IN_ONNX}
    if found - own or "bfloat16" in found:
        raise ValueError(
            "module must compute in float32 to be exported to ONNX; its forward "
            f"converts values to {', '.join(sorted(found))}, as torch.autocast does. "
            "Remove that, and call module.float()."
        )
