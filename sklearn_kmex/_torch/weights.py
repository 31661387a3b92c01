"""Weights of a torch module as safetensors, and back."""

from typing import Any

import numpy as np
import safetensors.torch
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sklearn_kmex._torch.kinds import quantized_in, unwrap

PREFIX = "module."


def serialize_weights(
    module: nn.Module, others: dict[str, NDArray[np.uint8]], metadata: dict[str, str]
) -> bytes:
    """Return the weights, and other tensors of bytes, as one safetensors file."""
    tensors = {name: torch.from_numpy(data.copy()) for name, data in others.items()}
    for name in quantized_in(module):
        raise TypeError(
            f"module must store its weights as tensors to be saved; {name!r} is "
            "quantized. Fit and save the model with the module before quantization."
        )
    for name, weight in unwrap(module).state_dict().items():
        if not isinstance(weight, Tensor):
            raise TypeError(
                f"module must have only tensors in its state to be saved; {name!r} is "
                f"{type(weight).__name__}. Make it a buffer, or remove it."
            )
        # Copied, since safetensors does not accept weights that share memory.
        tensors[PREFIX + name] = weight.detach().cpu().clone().contiguous()
    return safetensors.torch.save(tensors, metadata)


def load_weights(module: nn.Module, raw: bytes, other: str) -> str:
    """Load weights into a module; if they differ, change nothing and say how."""
    tensors = safetensors.torch.load(raw)
    del tensors[other]
    state = {name.removeprefix(PREFIX): weight for name, weight in tensors.items()}
    module = unwrap(module)
    wrong = _differences(state, module.state_dict())
    if not wrong:
        module.load_state_dict(state)
    return "; ".join(wrong[:3])


def _differences(state: dict[str, Tensor], expected: dict[str, Any]) -> list[str]:
    """List why weights cannot be loaded into a module."""
    missing = [f"{name} is not in the file" for name in expected.keys() - state]
    unknown = [f"{name} is not in the module" for name in state.keys() - expected]
    unequal = [
        f"{name} is {_describe(state[name])} and not {_describe(weight)}"
        for name, weight in expected.items()
        if name in state and _describe(weight) != _describe(state[name])
    ]
    bad = [f"{name} is NaN" for name, values in state.items() if values.isnan().any()]
    meta = [
        f"{name} is on meta"
        for name, values in expected.items()
        if getattr(values, "is_meta", False)
    ]
    return sorted(missing) + sorted(unknown) + unequal + bad + meta


def _describe(weight: Any) -> str:
    if not isinstance(weight, Tensor):  # extra state
        return type(weight).__name__
    return f"{str(weight.dtype).removeprefix('torch.')} {tuple(weight.shape)}"
