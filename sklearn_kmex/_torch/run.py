"""Run a private copy of a torch module, and read the output of a layer."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial, wraps
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.data import DataLoader, Subset

from sklearn_kmex._data.jobs import progress_bar
from sklearn_kmex._data.samples import RowsError, is_dataset, is_numeric
from sklearn_kmex._torch.axes import find_tap, pool_activations
from sklearn_kmex._torch.batches import (
    Samples,
    as_input_of_net,
    as_tensor,
    call,
    clear_errors,
    collate,
)
from sklearn_kmex._torch.copying import copy_or_share
from sklearn_kmex._torch.kinds import check_converts, check_is_module, run_wrapped
from sklearn_kmex._torch.layers import Capture, Tap, first_layer, takes_one_tensor
from sklearn_kmex._torch.nested import each_tensor
from sklearn_kmex._torch.outputs import ScoreReader
from sklearn_kmex._torch.single import OneAsTwo
from sklearn_kmex._torch.speed import halve, speed_up

# For at least this many samples, preparing the copy saves more time than it takes.
MANY_SAMPLES = 512


class RunSettings(NamedTuple):
    """How to run a module on samples."""

    batch_size: int
    device: str
    precision: str
    preprocess: Callable | None
    num_workers: int
    verbose: bool


def copy_module(
    module: nn.Module,
    device: str = "auto",
    share: bool = True,
    also: Iterable[object] = (),
) -> Any:
    """Copy a module in evaluation mode; weights are shared on the same device.

    The copy has its own flags, hooks and buffers; it shares objects in `also`. The
    module stays unchanged, also if several threads run it at the same time, or a run
    fails.
    """
    check_is_module(module)
    home = first_parameter(module).device
    try:
        to = home if device == "auto" else torch.device(device)
        if to.type == "meta":
            raise RuntimeError("tensors on the meta device hold no numbers")
        shared = {id(weight): weight for weight in module.parameters()}
        weights = shared if share and to == home else {}
        twin = copy_or_share(module, {**weights, **{id(one): one for one in also}})
        run_wrapped(twin)
        return (twin if to == home else twin.to(to)).eval()
    except (AssertionError, RuntimeError) as error:
        raise ValueError(
            f"device must be available; device={device!r} gives the error: {error}"
        ) from error


def private_copy(module: nn.Module, device: str = "auto", share: bool = True) -> Any:
    """Copy a module like `copy_module`; the copy runs one sample as two equal ones."""
    return run_one_as_two(copy_module(module, device, share))


def run_one_as_two(module: nn.Module) -> nn.Module:
    """Let a module run one sample as two equal ones."""
    vars(module)["forward"] = OneAsTwo(module.forward)
    return module


def first_parameter(module: nn.Module) -> Tensor:
    """Return a tensor that has the dtype and device of a module."""
    return next(module.parameters(), torch.empty(0))


def first_sample(X: Any) -> Any:
    """Return the first sample as a batch."""
    if len(X) == 0:
        raise ValueError("X must have at least one sample; got none.")
    return Subset(X, [0]) if is_dataset(X) else X[:1]


def iterate_batches(X: Any, settings: RunSettings) -> Iterable[Any]:
    """Split X into batches; a DataLoader reads what is not an array or tensor."""
    if settings.preprocess is None and is_numeric(X):
        starts = range(0, len(X), settings.batch_size)
        return (as_tensor(X[i : i + settings.batch_size]) for i in starts)
    if settings.preprocess is None and isinstance(X, Tensor):
        # Copied, since a module may change its input in place.
        return (batch.clone() for batch in torch.split(X, settings.batch_size))
    samples = Samples(X, settings.preprocess)
    return DataLoader(
        samples,
        settings.batch_size,
        num_workers=settings.num_workers,
        collate_fn=collate,
    )


def show_progress(
    batches: Iterable[Any], n_samples: int, settings: RunSettings
) -> Iterator[Any]:
    """Show a progress bar over batches if `verbose` is set."""
    if not settings.verbose:
        yield from batches
        return
    with progress_bar(-(-n_samples // settings.batch_size), "batch") as bar:
        for batch in batches:
            yield batch
            bar.update(1)


def to_device(value: Any, device: torch.device, dtype: torch.dtype) -> Any:
    """Move the tensors of a batch to a device, and cast them to a dtype if not ids."""
    if not isinstance(value, Tensor):
        return each_tensor(value, partial(to_device, device=device, dtype=dtype))
    if value.dtype != torch.uint8 and not value.is_floating_point():
        return value.to(device)  # token ids
    return value.to(device, dtype)


def run_batches(
    twin: nn.Module, X: Any, settings: RunSettings, dtype: torch.dtype
) -> Iterator[Any]:
    """Yield the output of a module for each batch of X."""
    device = first_parameter(twin).device
    for batch in show_progress(iterate_batches(X, settings), len(X), settings):
        batch = to_device(batch, device, dtype)
        with clear_errors(twin, batch):
            result = call(twin, batch)
        yield result


def embed(
    module: nn.Module,
    X: Any,
    layer: str | None,
    pooling: str,
    settings: RunSettings,
    scores: list[NDArray] | None = None,
) -> NDArray[np.float32]:
    """Activations of a layer, (n_samples, n_features).

    The output of the whole module is appended to `scores`, if that is given.
    """
    half = settings.precision == "bfloat16"
    if half:
        check_converts(module)
    twin = private_copy(module, settings.device, share=not half)
    dtype, one = first_parameter(twin).dtype, first_sample(X)
    quiet = settings._replace(verbose=False, num_workers=0)

    def trial() -> None:
        next(run_batches(twin, one, quiet, dtype))

    tap = find_tap(twin, layer, trial)
    start = first_layer(twin, trial) if half and takes_one_tensor(twin, trial) else None
    if len(X) >= MANY_SAMPLES:
        batch = next(iter(iterate_batches(one, quiet)))
        speed_up(twin, layer, to_device(batch, torch.device("cpu"), dtype))
    if half:
        dtype = halve(twin, start)
    outputs = run_batches(twin, X, settings, dtype)
    if scores is not None:
        outputs = _collect_scores(outputs, scores, score_reader(module, X, settings))
    return _read_layer(twin, tap, pooling, outputs)


def _collect_scores(
    outputs: Iterable[Any], scores: list[NDArray], read: ScoreReader
) -> Iterator[Any]:
    """Append the scores in outputs of a module to `scores` while they are iterated."""
    for values in outputs:
        scores.append(read(values))
        yield values


def _read_layer(
    twin: nn.Module, tap: Tap, pooling: str, outputs: Iterable[Any]
) -> NDArray[np.float32]:
    """Read the values at a tap while `outputs` runs the batches."""
    captured = Capture(twin, tap)
    with torch.no_grad():  # inference tensors fail in threads of the module
        rows = np.concatenate([_to_rows(captured.pop(), pooling, tap) for _ in outputs])
    bad = np.flatnonzero(~np.isfinite(rows).all(axis=1)).tolist()
    if bad:
        what = "must return finite embeddings; they are NaN or infinite for rows"
        raise RowsError(f"{type(twin).__name__} {what} ", bad, ".")
    return rows


def output(module: nn.Module, X: Any, settings: RunSettings) -> NDArray:
    """Scores of the classes by the whole module for X, (n_samples, n_classes)."""
    twin, read = (
        private_copy(module, settings.device),
        score_reader(module, X, settings),
    )
    with torch.no_grad():  # inference tensors fail in threads of the module
        outputs = run_batches(twin, X, settings, first_parameter(twin).dtype)
        return np.concatenate([read(values) for values in outputs])


def score_reader(module: nn.Module, X: Any, settings: RunSettings) -> ScoreReader:
    """Return a reader of the scores in the outputs of a module."""

    def trial() -> tuple[nn.Module, Callable]:
        twin = private_copy(module, settings.device)
        quiet = settings._replace(verbose=False, num_workers=0)
        dtype = first_parameter(twin).dtype
        return twin, lambda: next(run_batches(twin, first_sample(X), quiet, dtype))

    return ScoreReader(module, trial)


def _to_rows(values: Tensor, pooling: str, tap: Tap) -> NDArray[np.float32]:
    """Reduce a batch of activations to one row per sample."""
    values = pool_activations(values.detach(), pooling, tap.axis)
    return values.float().cpu().numpy()


def embed_by_net(
    net: Any, X: Any, layer: str | None, pooling: str
) -> NDArray[np.float32]:
    """Activations of a layer of a skorch net, (n_samples, n_features)."""
    twin, X = private_net(net), as_input_of_net(X)

    def trial() -> None:
        one = first_sample(X)
        with clear_errors(twin.module_, one):
            data = twin.get_iterator(twin.get_dataset(one), training=False)
            inputs, _ = next(iter(data))
        with clear_errors(twin.module_, inputs):
            twin.infer(inputs)

    def outputs() -> Iterator[Any]:
        with clear_errors(twin.module_, X):
            yield from twin.forward_iter(X, training=False)

    tap = find_tap(twin.module_, layer, trial)
    return _read_layer(twin.module_, tap, pooling, outputs())


def output_of_net(net: Any, X: Any) -> NDArray:
    """Return the class probabilities of a skorch net."""
    return private_net(net).predict_proba(as_input_of_net(X))


def private_net(net: Any) -> Any:
    """Copy a skorch net with copies of its modules, which share their weights."""
    modules = {
        name: value
        for name, value in vars(net).items()
        if isinstance(value, nn.Module) and name.endswith("_")
    }
    shared = {
        id(weight): weight for part in modules.values() for weight in part.parameters()
    }
    twin = object.__new__(type(net))  # copy.copy would pickle the weights
    vars(twin).update(vars(net))
    for name, part in copy_or_share(modules, shared).items():
        vars(twin)[name] = part.eval()
    run_one_as_two(twin.module_)
    _take_any_float(twin.module_)
    return twin


def _take_any_float(module: nn.Module) -> None:
    """Let a module take floats of any dtype, and return floats that NumPy has.

    No hooks are used, since scripted modules have none.
    """
    forward, dtype = module.forward, first_parameter(module).dtype
    numpy_dtype = torch.float32 if dtype == torch.bfloat16 else dtype

    def cast(value: Tensor, dtype: torch.dtype) -> Tensor:
        return value.to(dtype) if value.is_floating_point() else value

    @wraps(forward)
    def run(*args: Any, **named: Any) -> Any:
        args, named = each_tensor([args, named], partial(cast, dtype=dtype))
        result = forward(*args, **named)
        return each_tensor(result, partial(cast, dtype=numpy_dtype))

    vars(module)["forward"] = run
