"""torch: a whole model as one module, for torch.export, torch.compile and GPUs."""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from sklearn_kmex._model.layout import lay_out
from sklearn_kmex._torch.encoder import Reached
from sklearn_kmex._torch.layers import Tap, find_tap
from sklearn_kmex._torch.run import Run, batches, first, home_of, pool, replica

ACTIVATIONS = {
    "identity": nn.Identity,
    "logistic": nn.Sigmoid,
    "relu": nn.ReLU,
    "tanh": nn.Tanh,
}


class Encoder(nn.Module):
    """A frozen copy of a module that gives what passes one of its layers, pooled.

    Where it is run it stops there, and leaves nothing behind, so that threads may run
    it at once. Where it is traced it goes on to its end: tracers follow no exception,
    and drop what is not read.
    """

    def __init__(self, twin: nn.Module, pooling: str, input_shape: Any) -> None:
        super().__init__()
        self.twin = twin.requires_grad_(False)
        self.pooling = pooling
        self.input_shape = input_shape
        self.layer = ""

    def forward(self, X: Tensor) -> Tensor:
        run = self.traced if torch.compiler.is_compiling() else self.reached
        return pool(run(X), self.pooling).float()

    def traced(self, X: Tensor) -> Tensor:
        self.twin(self.prepared(X))
        layer: Any = self.twin.get_submodule(self.layer)
        values, layer.passing = layer.passing, None
        return values

    def reached(self, X: Tensor) -> Tensor:
        try:
            self.twin(self.prepared(X))
        except Reached as reached:
            return reached.values
        raise ValueError(f"{type(self.twin).__name__} does not run its layer.")

    def prepared(self, X: Tensor) -> Tensor:
        """Give samples the shape and dtype that the module takes."""
        if self.input_shape is not None:
            X = X.reshape(-1, *self.input_shape)
        is_number = X.is_floating_point() or X.dtype == torch.uint8
        return X.to(home_of(self.twin).dtype) if is_number else X

    def read(self, tap: Tap) -> None:
        """Read the embedding at a tap from now on."""
        self.layer = tap.layer
        layer = self.twin.get_submodule(tap.layer)
        if tap.side == "input":
            layer.register_forward_pre_hook(lambda own, args: hand_over(own, args[0]))
        else:
            layer.register_forward_hook(lambda own, _, out: hand_over(own, out))


def hand_over(layer: Any, values: Tensor) -> None:
    """Hand what passes a layer to the encoder around it."""
    if not torch.compiler.is_compiling():
        raise Reached(values)
    layer.passing = values


def encoder_of(
    module: nn.Module,
    layer: str | None,
    pooling: str,
    input_shape: Any,
    sample: Tensor | None,
) -> Encoder:
    """Copy a module up to a layer; a sample is run to find it where none is named."""
    encoder = Encoder(replica(module, "cpu", share=False), pooling, input_shape)

    def trial() -> None:
        if sample is None:
            raise ValueError(
                "X must be given to find the embedding of "
                f"{type(module).__name__}, which has several linear layers. Give some "
                "samples, or name the layer in the embedder."
            )
        encoder.twin(encoder.prepared(sample))

    encoder.read(find_tap(encoder.twin, layer, trial))
    return encoder


def sample_of(samples: Any, shape: Any, preprocess: Any) -> Tensor:
    """Take the first sample as the tensor that a graph will be given."""
    how = Run(1, "cpu", "float32", preprocess, 0, False)
    batch = next(iter(batches(first(samples), how)))
    if not isinstance(batch, Tensor):
        raise TypeError(
            "X must be samples of one array each to be exported; got "
            f"{type(batch).__name__}. Wrap the module in one that takes a tensor."
        )
    return batch if shape is None else batch.reshape(1, *shape)


class Affine(nn.Module):
    """Rows shifted and scaled, as a fitted StandardScaler does it to float32."""

    mean: Tensor
    scale: Tensor

    def __init__(self, scaler: Any) -> None:
        super().__init__()
        none = np.zeros(scaler.n_features_in_)
        mean = scaler.mean_ if scaler.with_mean else none
        scale = scaler.scale_ if scaler.with_std else none + 1
        self.register_buffer("mean", as_float32(mean))
        self.register_buffer("scale", as_float32(scale))

    def forward(self, X: Tensor) -> Tensor:
        return (X - self.mean) / self.scale


def mlp_layers(mlp: Any, layer: int) -> nn.Module:
    """Hidden layers of a fitted network of scikit-learn, up to one of them."""
    n_hidden = len(mlp.coefs_) - 1
    layers: list[nn.Module] = []
    for depth in range(layer % n_hidden + 1):
        weight = as_float32(mlp.coefs_[depth].T)
        linear = nn.Linear(weight.shape[1], weight.shape[0])
        bias = as_float32(mlp.intercepts_[depth])
        linear.load_state_dict({"weight": weight, "bias": bias})
        layers += [linear, ACTIVATIONS[mlp.activation]()]
    return nn.Sequential(*layers).requires_grad_(False)


def as_float32(values: Any) -> Tensor:
    return torch.tensor(np.ascontiguousarray(values), dtype=torch.float32)


class PrototypeNetwork(nn.Module):
    """Encoder, distances to prototypes, class scores and probabilities, in float32.

    Distances are sums of squared differences from the mean of the prototypes, not of
    products, so that near prototypes keep their digits.
    """

    center: Tensor
    prototypes: Tensor
    columns: Tensor
    mask: Tensor
    shift: Tensor

    def __init__(self, parts: list[nn.Module], kmex: Any, n_prototypes: int) -> None:
        super().__init__()
        layout = lay_out(kmex, np.float32)
        self.encoder = nn.Sequential(*parts)
        for name, values in layout._asdict().items():
            whole = name == "columns"
            constant = torch.tensor(values) if whole else as_float32(values)
            self.register_buffer(name, constant)
        self.n_prototypes = n_prototypes
        self.similarity, self.epsilon = kmex.similarity, float(kmex.epsilon)
        self.aggregation, self.temperature = kmex.aggregation, kmex.temperature_
        self.classes_ = kmex.classes_.tolist()
        self.prototype_indices_ = kmex.prototype_indices_.tolist()

    def forward(self, X: Tensor) -> dict[str, Tensor]:
        similar = self.similarities(self.encoder(X))
        scores = self.class_scores(similar)
        below = scores - scores.amax(dim=1, keepdim=True)
        nearest = similar.topk(self.n_prototypes, dim=1)
        return {
            "class_index": scores.argmax(dim=1),
            "probabilities": torch.softmax(below / self.temperature, dim=1),
            "prototypes": nearest.indices,
            "similarities": nearest.values,
        }

    def similarities(self, Z: Tensor) -> Tensor:
        """Similarity of each embedding to each prototype."""
        d = torch.cdist(
            (Z - self.center).float(),
            self.prototypes,
            compute_mode="donot_use_mm_for_euclid_dist",
        )
        if self.similarity == "gaussian":
            return d**2 / -2
        return torch.log1p((1 - self.epsilon) / (d + self.epsilon))

    def class_scores(self, similar: Tensor) -> Tensor:
        """Score of each class, with its prior."""
        own = similar[:, self.columns] + self.mask
        best = own.amax(dim=2) if self.aggregation == "max" else own.logsumexp(dim=2)
        return best + self.shift


def encoder_to_onnx(encoder: Encoder, sample: Tensor, opset: int) -> Any:
    """Export an encoder for batches of any size."""
    batch = torch.cat([sample, sample])  # a batch of one would stay one of one
    program: Any = torch.onnx.export(
        encoder.eval(),
        (batch,),
        input_names=["X"],
        output_names=["embedding"],
        dynamic_shapes=({0: torch.export.Dim.DYNAMIC},),
        opset_version=opset,
        dynamo=True,
        verbose=False,
    )
    return program.model_proto
