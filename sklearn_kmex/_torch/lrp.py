"""LRP by zennit: a private copy of a network with a rule for each of its layers."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn
from torch.nn.utils import parametrize
from zennit.composites import MixedComposite, NameMapComposite
from zennit.core import Composite
from zennit.types import Linear

from sklearn_kmex._torch.functions import ATTENTION
from sklearn_kmex._torch.gradients import Method
from sklearn_kmex._torch.kinds import scripted_in
from sklearn_kmex._torch.layers import first_layer, first_reads_all
from sklearn_kmex._torch.recorder import INSTEAD, NoRuleError, Recorder
from sklearn_kmex._torch.rules import CONVOLUTIONS, FIRST_RULES, layer_rules
from sklearn_kmex._torch.speed import fold_norms

# The method by default, that of networks whose first layer reads all values, and that
# of networks with attention.
DEFAULT, DEFAULT_OF_DENSE = "epsilon_plus_flat", "epsilon_plus"
DEFAULT_OF_ATTENTION = "epsilon"


def prepare(twin: nn.Module, layer: str | None) -> None:
    """Prepare a copy of a module for the rules."""
    _refuse_scripts(twin)
    fold_norms(twin, layer)
    for name, part in twin.named_modules():
        _remove_parametrizations(part)
        if isinstance(part, Linear) and "weight" not in part._parameters:
            raise NoRuleError(
                f"LRP requires layers that store their weights; {name!r} computes "
                f"them. {INSTEAD}"
            )
        if hasattr(part, "inplace"):
            part.inplace = False
        for key, weight in part._parameters.items():
            if weight is not None:
                part._parameters[key] = nn.Parameter(weight.detach(), False)


def _refuse_scripts(twin: nn.Module) -> None:
    """Raise an error for modules that torch.jit scripted."""
    for name, _ in scripted_in(twin):
        raise NoRuleError(
            f"LRP does not support the scripted {name or 'module'!r}. {INSTEAD}"
        )


def _remove_parametrizations(part: nn.Module) -> None:
    """Replace parametrized weights by their values.

    `remove_parametrizations` of torch also changes the class, which the original
    module shares.
    """
    if parametrize.is_parametrized(part):
        named: Any = part.parametrizations
        values = {name: getattr(part, name).detach() for name in named}
        part.__class__ = parametrize.type_before_parametrizations(part)
        del part.parametrizations
        for name, value in values.items():
            part.register_parameter(name, nn.Parameter(value, False))


def with_input_rule(
    method: Method, twin: nn.Module, trial: Callable, names: set[str], *, is_table: bool
) -> Method:
    """Choose the method where it is None; refuse a rule that does not suit the input.

    `names` are those of the functions that the network calls up to its embedding. The
    flat rule is meant for layers that read a small part of an image each.
    """
    name = method.name
    if name is not None and not str(name).endswith(("_flat", "_box")):
        return method
    _refuse_scripts(twin)
    first = first_reads_all(twin, trial)
    if name is None and names & ATTENTION:
        return method._replace(name=DEFAULT_OF_ATTENTION)
    if name is None:
        return method._replace(name=DEFAULT if first is None else DEFAULT_OF_DENSE)
    if first is None:
        return method
    instead = f"use method={name.rpartition('_')[0]!r} instead of {name!r}."
    if name.endswith("_flat"):
        raise ValueError(
            "The flat rule would give each input value the same relevance, as the "
            f"first layer of {type(twin).__name__}, {first!r}, reads all of them; "
            f"{instead}"
        )
    if is_table:
        raise ValueError(
            "The box rule is for pixels, which share their bounds; on a table, it "
            "would give a column relevance for the width of its bounds, whatever its "
            f"value; {instead}"
        )
    return method


def make_composite(
    method: str, bounds: Any, twin: nn.Module, trial: Callable
) -> Composite:
    """Make the composite of a method.

    The parts of its name are the rules of linear layers, of convolutions, of attention
    and of the first layer.
    """
    method = method.replace("_cp", "")
    name = max((name for name in CONVOLUTIONS if method.startswith(name)), key=len)
    first = FIRST_RULES[method.removeprefix(name)](bounds)
    start = None if first is None else first_layer(twin, trial)
    if start is None:
        return layer_rules(name)
    return MixedComposite([NameMapComposite([((start,), first)]), layer_rules(name)])


@contextmanager
def with_rules(
    twin: nn.Module, composite: Composite, fixed_attention: bool
) -> Iterator[Recorder]:
    """Register rules for the layers of a copy of a module, and record the others."""
    recorder = Recorder(twin, fixed_attention)
    context: dict = {}
    for name, part in twin.named_modules():
        rule = composite.module_map(context, name, part)
        part.register_forward_pre_hook(
            lambda layer, args, name=name, rule=rule: recorder.enter(
                name, layer, args, rule
            )
        )
    composite.register(twin)
    for part in twin.modules():
        part.register_forward_hook(lambda layer, *_: recorder.leave(layer))
    try:
        yield recorder
    finally:
        composite.remove()
        recorder.start()
