"""torch: run a private copy of a module, and read what passes one of its layers."""

import copy
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, Subset

from sklearn_kmex._data.jobs import progress_bar
from sklearn_kmex._data.samples import RowsError
from sklearn_kmex._torch.layers import Capture, Tap, find_tap, first_layer
from sklearn_kmex._torch.speed import halve, speed_up

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
            what = f" of X could not be read: {error!r}"
            raise RowsError("Sample ", [index], what) from error


def replica(module: nn.Module, device: str = "auto", share: bool = True) -> Any:
    """Copy a module for evaluation; its weights are shared where they can be.

    Flags, hooks and buffers of the copy are its own: the module notices nothing,
    also when several threads run it at once or a run fails half way.
    """
    home = home_of(module).device
    try:
        to = home if device == "auto" else torch.device(device)
        if to.type == "meta":
            raise RuntimeError("tensors on the meta device hold no numbers")
        shared = {id(weight): weight for weight in module.parameters()}
        twin = copy.deepcopy(module, shared if share and to == home else {})
        return twin.to(to).eval()
    except (AssertionError, RuntimeError) as error:
        raise ValueError(
            f"module must be one that copy.deepcopy copies, and device={device!r} one "
            f"that is there; got the error: {error}"
        ) from error


def home_of(module: nn.Module) -> Tensor:
    """Give a tensor of the dtype and on the device that the module computes with."""
    return next(module.parameters(), torch.empty(0))


def first(X: Any) -> Any:
    """Take the first sample, as input of its own."""
    if len(X) == 0:
        raise ValueError("X must hold at least one sample; got none.")
    return Subset(X, [0]) if isinstance(X, Dataset) else X[:1]


def batches(X: Any, how: Run) -> Iterable[Any]:
    """Split X into batches; what is not an array or tensor goes through a loader."""
    if how.preprocess is None and isinstance(X, np.ndarray):
        starts = range(0, len(X), how.batch_size)
        return (torch.tensor(X[i : i + how.batch_size]) for i in starts)
    if how.preprocess is None and isinstance(X, Tensor):
        return torch.split(X, how.batch_size)
    samples = Samples(X, how.preprocess)
    return DataLoader(samples, how.batch_size, num_workers=how.num_workers)


def progress(steps: Iterable[Any], total: int, how: Run) -> Iterator[Any]:
    """Show a progress bar over the batches, where asked for."""
    if not how.verbose:
        yield from steps
        return
    with progress_bar(-(-total // how.batch_size), "batch") as bar:
        for step in steps:
            yield step
            bar.update(1)


def place(
    value: Any, device: torch.device, dtype: torch.dtype, channels_last: bool = False
) -> Any:
    """Move a batch to where, and into what, the module computes with."""
    if isinstance(value, Mapping):
        return {
            key: place(part, device, dtype, channels_last)
            for key, part in value.items()
        }
    if value.dtype != torch.uint8 and not value.is_floating_point():
        return value.to(device)  # token ids
    value = value.to(device, dtype)
    last = channels_last and value.ndim == 4
    return value.contiguous(memory_format=torch.channels_last) if last else value


def run(twin: nn.Module, X: Any, how: Run, dtype: torch.dtype) -> Iterator[Any]:
    """Yield the output of the module for each batch of X."""
    device = home_of(twin).device
    for batch in progress(batches(X, how), len(X), how):
        placed = place(batch, device, dtype, channels_last=len(X) >= MANY_SAMPLES)
        with clear_errors(twin, placed):
            named = isinstance(placed, dict)
            result = twin(**placed) if named else twin(placed)
        yield result


@contextmanager
def clear_errors(module: nn.Module, batch: Any) -> Iterator[None]:
    """Say what a module was given when it fails; memory that runs out is itself."""
    try:
        yield
    except (torch.cuda.OutOfMemoryError, MemoryError):
        raise
    except Exception as error:
        raise ValueError(
            f"{type(module).__name__} must take a batch of X, images channels first; "
            f"given {describe(batch)} on device {home_of(module).device}, it failed: "
            f"{error}"
        ) from error


def describe(batch: Any) -> str:
    """Shape of what a module is given."""
    if isinstance(batch, Mapping):
        return ", ".join(f"{name}: {describe(part)}" for name, part in batch.items())
    shape = getattr(batch, "shape", None)
    return type(batch).__name__ if shape is None else f"shape {tuple(shape)}"


def embed(
    module: nn.Module,
    X: Any,
    layer: str | None,
    pooling: str,
    how: Run,
    scores: list[NDArray] | None = None,
) -> NDArray[np.float32]:
    """Activations of a layer, (n_samples, n_features).

    Where a list of scores is given, what the whole module says is put there.
    """
    half = how.precision == "bfloat16"
    twin = replica(module, how.device, share=not half)
    dtype, one = home_of(twin).dtype, first(X)

    def trial() -> None:
        next(run(twin, one, how._replace(verbose=False, num_workers=0), dtype))

    tap = find_tap(twin, layer, trial)
    start = first_layer(twin, trial) if half else None
    if len(X) >= MANY_SAMPLES:
        speed_up(twin, layer)
    if half:
        dtype = halve(twin, start)
    outputs = run(twin, X, how, dtype)
    if scores is not None:
        outputs = noted(outputs, scores, module)
    return read_layer(twin, tap, pooling, outputs)


def noted(
    outputs: Iterable[Any], scores: list[NDArray], module: nn.Module
) -> Iterator[Any]:
    """Keep what a module says on the way."""
    for values in outputs:
        scores.append(to_scores(values, module))
        yield values


def read_layer(
    twin: nn.Module, tap: Tap, pooling: str, outputs: Iterable[Any]
) -> NDArray[np.float32]:
    """Read the tap while `outputs` runs the batches."""
    captured = Capture(twin, tap)
    with torch.inference_mode():
        rows = np.concatenate([to_rows(captured.take(), pooling) for _ in outputs])
    bad = np.flatnonzero(~np.isfinite(rows).all(axis=1)).tolist()
    if bad:
        what = "must give finite embeddings; they are NaN or infinite for rows"
        raise RowsError(f"{type(twin).__name__} {what} ", bad, ".")
    return rows


def output(module: nn.Module, X: Any, how: Run) -> NDArray:
    """Run the whole module as it is; return what it says as one array."""
    twin = replica(module, how.device)
    with torch.inference_mode():
        outputs = run(twin, X, how, home_of(twin).dtype)
        return np.concatenate([to_scores(values, module) for values in outputs])


def to_scores(values: Any, module: nn.Module) -> NDArray:
    """Take what a module says as an array."""
    if not isinstance(values, Tensor):
        raise TypeError(
            f"{type(module).__name__} must give a tensor for black_box_output; got "
            f"{type(values).__name__}. Wrap it in a module that returns the scores."
        )
    return values.float().cpu().numpy()


def to_rows(values: Tensor, pooling: str) -> NDArray[np.float32]:
    """Reduce a batch of activations to one vector per sample."""
    return pool(values, pooling).float().cpu().numpy()


def pool(values: Tensor, pooling: str) -> Tensor:
    """Reduce a batch of activations to one vector per sample.

    Channels come first where two axes or more follow them (images), and last where
    one does (tokens).
    """
    if values.ndim == 3 and pooling != "flatten":
        values = values.mean(dim=1) if pooling == "mean" else values[:, 0]
    elif values.ndim > 3 and pooling != "flatten":
        values = values.mean(dim=tuple(range(2, values.ndim)))
    return values.flatten(1)


def embed_by_net(
    net: Any, X: Any, layer: str | None, pooling: str
) -> NDArray[np.float32]:
    """Activations of a layer of a skorch net, (n_samples, n_features)."""
    twin = private_net(net)

    def trial() -> None:
        data = twin.get_iterator(twin.get_dataset(first(X)), training=False)
        inputs, _ = next(iter(data))
        with clear_errors(twin.module_, inputs):
            twin.infer(inputs)

    def outputs() -> Iterator[Any]:
        with clear_errors(twin.module_, X):
            yield from twin.forward_iter(X, training=False)

    tap = find_tap(twin.module_, layer, trial)
    return read_layer(twin.module_, tap, pooling, outputs())


def private_net(net: Any) -> Any:
    """Copy a skorch net around a copy of its module, whose flags it may set."""
    twin = copy.copy(net)
    twin.module_ = replica(net.module_)
    twin.criterion_ = copy.deepcopy(net.criterion_)
    return twin
