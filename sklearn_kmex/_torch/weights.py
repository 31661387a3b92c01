"""torch: weights of a module as safetensors, and back into one of the same kind."""

import numpy as np
import safetensors.torch
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

PREFIX = "module."


def serialize_weights(
    module: nn.Module, others: dict[str, NDArray[np.uint8]], metadata: dict[str, str]
) -> bytes:
    """Lay out the weights and other bytes as one safetensors file."""
    tensors = {name: torch.from_numpy(data.copy()) for name, data in others.items()}
    for name, weight in module.state_dict().items():
        if not isinstance(weight, Tensor):
            raise TypeError(
                f"module must have tensors alone as its state to be saved; {name!r} is "
                f"{type(weight).__name__}. Make it a buffer, or leave it out."
            )
        # A copy of its own for each: weights that share memory are no safetensors.
        tensors[PREFIX + name] = weight.detach().cpu().clone().contiguous()
    return safetensors.torch.save(tensors, metadata)


def load_weights(module: nn.Module, raw: bytes, other: str) -> str:
    """Put weights into a module, or say what differs and leave it as it is."""
    tensors = safetensors.torch.load(raw)
    del tensors[other]
    state = {name.removeprefix(PREFIX): weight for name, weight in tensors.items()}
    wrong = differences(state, module.state_dict())
    if not wrong:
        module.load_state_dict(state)
    return "; ".join(wrong[:3])


def differences(state: dict[str, Tensor], wanted: dict[str, Tensor]) -> list[str]:
    """Say what keeps weights from being those of a module."""
    missing = [f"{name} is not in the file" for name in wanted.keys() - state]
    unknown = [f"{name} is not in the module" for name in state.keys() - wanted]
    unlike = [
        f"{name} is {describe(state[name])} and not {describe(weight)}"
        for name, weight in wanted.items()
        if name in state and describe(weight) != describe(state[name])
    ]
    bad = [f"{name} is NaN" for name, values in state.items() if values.isnan().any()]
    meta = [f"{name} is on meta" for name, values in wanted.items() if values.is_meta]
    return sorted(missing) + sorted(unknown) + unlike + bad + meta


def describe(weight: Tensor) -> str:
    return f"{str(weight.dtype).removeprefix('torch.')} {tuple(weight.shape)}"
