"""Modules that torch has compiled, exported, scripted, wrapped or quantized."""

from collections.abc import Iterator

import torch
from torch import fx, nn

PARALLEL = (nn.DataParallel, nn.parallel.DistributedDataParallel)


def wrapped_by(module: nn.Module) -> nn.Module | None:
    """Return the module that a wrapper of `torch.compile` or for devices runs."""
    if isinstance(module, PARALLEL):
        return module.module
    return getattr(module, "_orig_mod", None)


def unwrap(module: nn.Module) -> nn.Module:
    """Return the module inside all wrappers."""
    inner = wrapped_by(module)
    return module if inner is None else unwrap(inner)


def run_wrapped(twin: nn.Module) -> None:
    """Let wrappers in a private copy call their module, whose layers can be read."""
    for part in twin.modules():
        if (inner := wrapped_by(part)) is not None:
            vars(part)["forward"] = inner


def check_is_module(module: object) -> None:
    """Raise an error for what torch cannot run layer by layer, nor copy."""
    if isinstance(module, nn.Module) and not _is_unflattened(module):
        return
    raise TypeError(
        "module must be a torch.nn.Module, as it was before any export; got "
        f"{type(module).__name__}. Pass that module."
    )


def check_layers_run(module: nn.Module, layer: str | None) -> None:
    """Raise an error if torch does not run the layers of a module one by one."""
    inner = unwrap(module)
    if isinstance(inner, torch.jit.ScriptModule):
        _refuse(type(module).__name__, "torch.jit")
    if _is_exported(inner):
        _refuse(type(module).__name__, "torch.export")
    for name, _ in scripted_in(module):
        if layer is not None and f"{layer}.".startswith(f"{name}."):
            _refuse(f"{name!r} of {type(module).__name__}", "torch.jit")


def _refuse(what: str, maker: str) -> None:
    raise ValueError(
        f"{what} was made by {maker}, so that outputs of layers inside it cannot be "
        "read. Use the torch.nn.Module that it was made from."
    )


def check_converts(module: nn.Module) -> None:
    """Raise an error if layers of a module have a dtype that does not change."""
    for name in fixed_in(module):
        raise ValueError(
            f'precision must be "float32" for {type(module).__name__}, whose layer '
            f"{name!r} is quantized, scripted or traced; got 'bfloat16'."
        )


def fixed_in(module: nn.Module) -> list[str]:
    """List the names of the parts of a module that are quantized or scripted."""
    return [*quantized_in(module), *(name for name, _ in scripted_in(module))]


def scripted_in(module: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Yield the parts of a module that torch.jit scripted or traced."""
    for name, part in module.named_modules():
        if isinstance(part, torch.jit.ScriptModule):
            yield name, part


def quantized_in(module: nn.Module) -> Iterator[str]:
    """Yield the names of the layers of a module that are quantized."""
    for name, part in module.named_modules():
        if type(part).__module__.startswith("torch.ao.nn."):
            yield name


def is_linear(part: nn.Module) -> bool:
    """Whether a layer is linear, quantized or not."""
    return isinstance(part, nn.Linear) or any(
        base.__module__.startswith("torch.ao.nn.quantized")
        and base.__name__ == "Linear"
        for base in type(part).__mro__
    )


def _is_unflattened(module: nn.Module) -> bool:
    return type(module).__module__ == "torch.export.unflatten"


def _is_exported(module: nn.Module) -> bool:
    """Whether a module is a graph of operators, without layers."""
    return isinstance(module, fx.GraphModule) and any(
        isinstance(node.target, torch._ops.OpOverload) for node in module.graph.nodes
    )
