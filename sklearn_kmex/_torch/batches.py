"""Batches of samples of any kind, and how they are passed to a module."""

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset, default_collate

from sklearn_kmex._data.samples import (
    RowsError,
    as_row,
    is_dataset,
    is_numeric,
    sample,
    unlabelled,
)
from sklearn_kmex._torch.nested import like


class Samples(Dataset):
    """Dataset of preprocessed samples without labels."""

    def __init__(self, X: Any, preprocess: Callable | None) -> None:
        self.X = X
        self.preprocess = preprocess

    def __len__(self) -> int:
        return len(self.X)

    def __getitem__(self, index: int) -> Any:
        try:
            value = self.X[index]
            if is_dataset(self.X):
                value = unlabelled(value)
            if self.preprocess is not None:
                value = self.preprocess(value)
        except Exception as error:
            what = f" of X could not be read: {error!r}"
            raise RowsError("Sample ", [index], what) from error
        if value is None:
            what = "is None" if self.preprocess is None else "is None after preprocess"
            raise RowsError("Sample ", [index], f" of X {what}. Return an array.")
        return _with_rows(value)


class Labelled(Samples):
    """Dataset of samples with labels, as nets of skorch take them."""

    def __getitem__(self, index: int) -> tuple[Any, int]:
        return super().__getitem__(index), 0


def as_input_of_net(X: Any) -> Any:
    """Return a list of samples as a Dataset; for skorch, lists are several inputs."""
    return Labelled(X, None) if isinstance(X, list | tuple) else X


def _with_rows(value: Any) -> Any:
    """Convert all lists of numbers in a sample to arrays."""
    value = as_row(value)
    if isinstance(value, Mapping):
        return {key: _with_rows(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return like(value, [_with_rows(part) for part in value])
    return value


def collate(samples: list[Any]) -> Any:
    """Make a batch, as torch does, but with a list of what cannot be stacked.

    Several inputs in a sample become a tuple of batches, or a dict of them.
    """
    first = samples[0]
    if isinstance(first, Mapping):
        keys = [key for key in first if all(key in one for one in samples)]
        return {key: collate([one[key] for one in samples]) for key in keys}
    if _has_several_inputs(samples):
        inputs = [collate(list(column)) for column in zip(*samples, strict=True)]
        return like(first, inputs) if isinstance(first, tuple) else tuple(inputs)
    samples = [as_tensor(one) for one in samples]
    try:
        return samples if isinstance(first, list | tuple) else default_collate(samples)
    except (RuntimeError, TypeError, ValueError):
        return samples


def _has_several_inputs(samples: list[Any]) -> bool:
    """Whether samples are tuples or lists of as many inputs, not lists of words."""
    if not all(isinstance(one, list | tuple) for one in samples):
        return False
    words = all(isinstance(part, str) for part in samples[0])
    is_list = isinstance(samples[0], list)
    return len({len(one) for one in samples}) == 1 and not (words and is_list)


def as_tensor(value: Any) -> Any:
    """Copy an array of numbers to a tensor, whatever its strides and byte order."""
    if not is_numeric(value):
        return value
    return torch.from_numpy(np.array(value, value.dtype.newbyteorder("="), order="C"))


def call(module: nn.Module, batch: Any) -> Any:
    """Call a module with a batch.

    The parts of a dict or tuple are the arguments of `forward`, if these are as many;
    what `forward` does not name is left out. Otherwise, the batch is one argument.
    """
    if isinstance(batch, Mapping):
        named = _named(module, batch)
        return module(batch) if named is None else module(**named)
    if isinstance(batch, tuple) and _takes(module, *batch):
        return module(*batch)
    return module(batch)


def _named(module: nn.Module, batch: Mapping) -> dict[str, Any] | None:
    """Return the parts of a batch that a module takes by name, if these suffice."""
    signature = _signature(module)
    if signature is None:
        return dict(batch)
    kinds = {one.kind for one in signature.parameters.values()}
    takes_all = inspect.Parameter.VAR_KEYWORD in kinds
    names = batch if takes_all else signature.parameters
    named = {key: part for key, part in batch.items() if key in names}
    return named if named and _takes(module, **named) else None


def _takes(module: nn.Module, *args: Any, **kwargs: Any) -> bool:
    """Whether the signature of a module fits these arguments, as far as it is known."""
    signature = _signature(module)
    try:
        if signature is not None:
            signature.bind(*args, **kwargs)
    except TypeError:
        return False
    return True


def _signature(module: nn.Module) -> inspect.Signature | None:
    try:
        return inspect.signature(module.forward)
    except (TypeError, ValueError):  # it is not written in Python
        return None


@contextmanager
def clear_errors(module: nn.Module, batch: Any) -> Iterator[None]:
    """Name the input of a module that fails; errors of memory stay as they are."""
    try:
        yield
    except (torch.cuda.OutOfMemoryError, MemoryError, RowsError):
        raise
    except Exception as error:
        device = next(module.parameters(), torch.empty(0)).device
        raise ValueError(
            f"{type(module).__name__} must take a batch of X, images channels first; "
            f"given {_describe(batch)} on device {device}, it "
            f"{_remedy(module, batch, str(error))}raised: {error}"
        ) from error


def _remedy(module: nn.Module, batch: Any, error: str) -> str:
    """Say what samples must be, if a batch is not what the module takes."""
    if isinstance(batch, Tensor | list) and not _takes(module, batch):
        return (
            f"failed. A sample must have the arguments of forward{_signature(module)}, "
            "by name in a dict; a Dataset must return (dict, label). It "
        )
    if isinstance(batch, list):
        return (
            "failed. Samples that are not arrays of one shape are passed as a list: "
            "convert or pad them in preprocess, or use batch_size=1 for different "
            "shapes. It "
        )
    if isinstance(batch, Mapping | tuple):
        forward = _signature(module) or "(...)"
        return (
            f"failed. A sample must have the arguments of forward{forward}, by name in "
            "a dict or by position in a tuple: select them in preprocess. It "
        )
    if isinstance(batch, Dataset):
        return "failed. Let the Dataset return (array of one shape, label). It "
    if "'indices'" in error and "scalar types" in error:
        return "failed. It looks up integers: convert X to int64. It "
    is_ids = isinstance(batch, Tensor) and not batch.is_floating_point()
    if is_ids and ("type" in error or "not implemented" in error):
        return "failed. Tensors of integers stay so: convert X to floats. It "
    return ""


def _describe(batch: Any) -> str:
    """Describe the types and shapes in a batch."""
    if isinstance(batch, Mapping):
        parts = [f"{name}: {_describe(part)}" for name, part in batch.items()]
        return f"a dict of {', '.join(parts)}"
    if isinstance(batch, tuple):
        return f"a tuple of {', '.join(map(_describe, batch))}"
    if isinstance(batch, Dataset):
        return f"a Dataset of {_describe(sample(batch, 0))}"
    if isinstance(batch, Sequence) and not isinstance(batch, str):
        kinds = dict.fromkeys(map(_describe, batch[:3]))
        return f"a list of {', '.join(kinds)}"
    shape = getattr(batch, "shape", None)
    if shape is None:
        kind = type(batch)
        module = "" if kind.__module__ == "builtins" else f"{kind.__module__}."
        return f"{module}{kind.__name__}"
    is_ids = isinstance(batch, Tensor) and not batch.is_floating_point()
    return f"shape {tuple(shape)}" + (f" of {batch.dtype}" if is_ids else "")
