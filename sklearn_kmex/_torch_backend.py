"""torch: run a private copy of a module, and read what passes one of its layers."""

import copy
from collections.abc import Callable, Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, Subset

from sklearn_kmex._folding_backend import speed_up

# From this number of samples on, preparing the copy costs less than it saves.
MANY_SAMPLES = 512


class Run(NamedTuple):
    """How to run a module over samples."""

    batch_size: int
    device: str
    precision: str
    preprocess: Callable | None
    num_workers: int
    verbose: bool


class Samples(Dataset):
    """Samples one at a time, without labels, through `preprocess`."""

    def __init__(self, X: Any, preprocess: Callable | None) -> None:
        self.X = X
        self.preprocess = preprocess

    def __len__(self) -> int:
        return len(self.X)

    def __getitem__(self, index: int) -> Any:
        try:
            sample = self.X[index]
            if isinstance(self.X, Dataset) and isinstance(sample, tuple | list):
                sample = sample[0]
            return sample if self.preprocess is None else self.preprocess(sample)
        except Exception as error:
            raise RuntimeError(
                f"Sample {index} of X could not be read: {error!r}"
            ) from error


class Capture:
    """What passes a layer: its output, or the input of the last linear layer run."""

    def __init__(self, module: nn.Module, layer: str | None) -> None:
        self.name = "a linear layer" if layer is None else f"layer {layer!r}"
        self.seen: list[Any] = []
        if layer is not None:
            find_layer(module, layer).register_forward_hook(self._keep_output)
            return
        for part in linear_layers(module):
            part.register_forward_pre_hook(self._keep_input)

    def _keep_output(self, _module: nn.Module, _args: Any, output: Any) -> None:
        self.seen.append(output)

    def _keep_input(self, _module: nn.Module, args: tuple) -> None:
        self.seen = [args[0]]

    def take(self) -> Tensor:
        """Hand over what was seen in one forward pass."""
        seen, self.seen = self.seen, []
        if len(seen) != 1:
            raise ValueError(
                f"{self.name} must run once in a forward pass; it ran {len(seen)} "
                "times. Name another layer."
            )
        if not isinstance(seen[0], Tensor):
            raise TypeError(
                f"{self.name} must give a tensor; got {type(seen[0]).__name__}. Name a "
                "layer inside it."
            )
        return seen[0]


def find_layer(module: nn.Module, layer: str) -> nn.Module:
    """Look a layer up by its dotted name; suggest others where there is none."""
    layers = dict(module.named_modules())
    if layer in layers and layer:
        return layers[layer]
    names = [name for name in layers if name]
    close = get_close_matches(layer, names) or names[-5:]
    raise ValueError(
        f"layer must name a layer of {type(module).__name__}; got {layer!r}. "
        f"Did you mean one of {close}?"
    )


def linear_layers(module: nn.Module) -> list[nn.Linear]:
    """Return the linear layers of a module, of which there must be one."""
    found = [part for part in module.modules() if isinstance(part, nn.Linear)]
    if not found:
        names = [name for name, _ in module.named_modules() if name]
        raise ValueError(
            f"{type(module).__name__} has no linear layer, whose input is the default "
            f"embedding. Give layer, for example one of {names[-5:]}."
        )
    return found


def replica(module: nn.Module, device: str = "auto", precision: str = "float32") -> Any:
    """Copy a module for evaluation; its weights are shared where they can be.

    Flags, hooks and buffers of the copy are its own: the module notices nothing,
    also when several threads run it at once or a run fails half way.
    """
    home = next(module.parameters(), torch.empty(0)).device
    try:
        to = home if device == "auto" else torch.device(device)
        stays = to == home and precision == "float32"
        shared = {id(weight): weight for weight in module.parameters()} if stays else {}
        twin = copy.deepcopy(module, shared).to(to).eval()
    except (AssertionError, RuntimeError) as error:
        raise ValueError(
            f"module must be one that copy.deepcopy copies, and device={device!r} one "
            f"that is there; got the error: {error}"
        ) from error
    return twin.to(torch.bfloat16) if precision == "bfloat16" else twin


def first(X: Any) -> Any:
    """Take the first sample, as input of its own."""
    return Subset(X, [0]) if isinstance(X, Dataset) else X[:1]


def batches(X: Any, how: Run) -> Iterable[Any]:
    """Split X into batches; what is not an array or tensor goes through a loader."""
    if len(X) == 0:
        raise ValueError("X must hold at least one sample; got none.")
    if how.preprocess is None and isinstance(X, np.ndarray):
        starts = range(0, len(X), how.batch_size)
        return (torch.tensor(X[i : i + how.batch_size]) for i in starts)
    if how.preprocess is None and isinstance(X, Tensor):
        return torch.split(X, how.batch_size)
    samples = Samples(X, how.preprocess)
    return DataLoader(samples, how.batch_size, num_workers=how.num_workers)


def progress(steps: Iterable[Any], total: int, how: Run) -> Iterable[Any]:
    """Show a progress bar over the batches, where asked for."""
    if not how.verbose:
        return steps
    from tqdm.auto import tqdm

    return tqdm(steps, total=-(-total // how.batch_size), unit="batch")


def run(twin: nn.Module, X: Any, how: Run) -> Iterator[Any]:
    """Yield the output of the module for each batch of X."""
    like = next(twin.parameters(), torch.empty(0))

    def place(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {key: place(part) for key, part in value.items()}
        if value.dtype != torch.uint8 and not value.is_floating_point():
            return value.to(like.device)  # token ids
        value = value.to(like)
        last = value.ndim == 4 and len(X) >= MANY_SAMPLES
        return value.contiguous(memory_format=torch.channels_last) if last else value

    for batch in progress(batches(X, how), len(X), how):
        placed = place(batch)
        yield twin(**placed) if isinstance(placed, dict) else twin(placed)


def embed(
    module: nn.Module, X: Any, layer: str | None, pooling: str, how: Run
) -> NDArray[np.float32]:
    """Activations of a layer, (n_samples, n_features)."""
    twin = replica(module, how.device, how.precision)
    if len(X) >= MANY_SAMPLES:
        speed_up(twin, layer)
    return read_layer(twin, layer, pooling, run(twin, X, how))


def read_layer(
    twin: nn.Module, layer: str | None, pooling: str, outputs: Iterable[Any]
) -> NDArray[np.float32]:
    """Read the layer while `outputs` runs the batches."""
    captured = Capture(twin, layer)
    with torch.inference_mode():
        rows = np.concatenate([to_rows(captured.take(), pooling) for _ in outputs])
    bad = np.flatnonzero(~np.isfinite(rows).all(axis=1))
    if len(bad):
        more = ", ..." if len(bad) > 5 else ""
        raise ValueError(
            f"{type(twin).__name__} must give finite embeddings; they are NaN or "
            f"infinite for rows {', '.join(map(str, bad[:5]))}{more}."
        )
    return rows


def output(module: nn.Module, X: Any, how: Run) -> NDArray:
    """Run the whole module; return what it says as one array."""
    twin = replica(module, how.device, how.precision)
    parts = []
    with torch.inference_mode():
        for values in run(twin, X, how):
            if not isinstance(values, Tensor):
                raise TypeError(
                    f"{type(module).__name__} must give a tensor for "
                    f"black_box_output; got {type(values).__name__}. Wrap it in a "
                    "module that returns the scores."
                )
            parts.append(values.float().cpu().numpy())
    return np.concatenate(parts)


def to_rows(values: Tensor, pooling: str) -> NDArray[np.float32]:
    """Reduce a batch of activations to one vector per sample.

    Channels come first where two axes or more follow them (images), and last where
    one does (tokens).
    """
    if values.ndim == 3 and pooling != "flatten":
        values = values.mean(dim=1) if pooling == "mean" else values[:, 0]
    elif values.ndim > 3 and pooling != "flatten":
        values = values.mean(dim=tuple(range(2, values.ndim)))
    return values.flatten(1).float().cpu().numpy()


def private_net(net: Any) -> Any:
    """Copy a skorch net around a copy of its module, whose flags it may set."""
    twin = copy.copy(net)
    twin.module_ = replica(net.module_)
    twin.criterion_ = copy.deepcopy(net.criterion_)
    return twin
