"""Scores of the classes in what a module returns."""

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sklearn_kmex._model.matching import BlackBoxError
from sklearn_kmex._torch.layers import name_tap


class ScoreReader:
    """Reads a score of each sample and class from the outputs of a module.

    `trial` returns a copy of the module and a function that runs it on one sample. They
    are used where the output alone does not tell which of its parts are the scores, or
    whether one column is a logit or a probability.
    """

    def __init__(
        self, module: nn.Module, trial: Callable[[], tuple[nn.Module, Callable]]
    ) -> None:
        self.name = type(module).__name__
        self.trial = trial

    def __call__(self, values: Any) -> NDArray:
        """Return scores of a batch, (n_samples, n_classes).

        One column z becomes two, (-z, z), or (1 - p, p) for a probability.
        """
        scores = self._part(values).detach().float().cpu()
        if scores.ndim == 1:
            scores = scores[:, None]
        if scores.ndim == 2 and scores.shape[1] == 1:
            others = 1 - scores if self._is_probability else -scores
            scores = torch.cat([others, scores], dim=1)
        return scores.numpy()

    def _part(self, values: Any) -> Tensor:
        """Return the scores among what a module returns."""
        if isinstance(values, Tensor):
            return values
        named = dict(values) if isinstance(values, Mapping) else {}
        if isinstance(named.get("logits"), Tensor):
            return named["logits"]
        parts = _tables(values)
        if len(parts) > 1:
            head, whole = self._seen
            same = [head is not None and _equal(head, one) for one in _tables(whole)]
            parts = [part for part, is_head in zip(parts, same, strict=True) if is_head]
        if not parts:
            raise BlackBoxError(
                f"{self.name} must return a tensor for black_box_output, or a dict, "
                f"tuple or output with logits; got {type(values).__name__}. Wrap it in "
                "a module that returns the scores."
            )
        return parts[0]

    @cached_property
    def _is_probability(self) -> bool:
        """Whether one column is the sigmoid of the output of the last linear layer."""
        head, whole = self._seen
        if head is None or head.numel() != self._part(whole).numel():
            return False
        whole = self._part(whole).view_as(head)
        same = torch.allclose(whole, head)
        return not same and torch.allclose(whole, head.sigmoid(), atol=1e-3)

    @cached_property
    def _seen(self) -> tuple[Any, Any]:
        """Return the outputs of the last linear layer, if any, and of the module.

        They are those of one sample, which the layer may get twice.
        """
        twin, run = self.trial()
        try:
            head = twin.get_submodule(name_tap(twin, None, run).layer)
        except ValueError:  # there is no last linear layer
            head = nn.Identity()
        seen: list[Any] = [None]
        head.register_forward_hook(lambda _, _args, output: seen.append(output))
        with torch.no_grad():
            whole = run()
        return None if seen[-1] is None else seen[-1][:1], whole


def _equal(head: Tensor, part: Tensor) -> bool:
    return head.shape == part.shape and torch.allclose(head, part)


def _tables(values: Any) -> list[Tensor]:
    """List the arrays of numbers of two axes that a module returns."""
    parts = values.values() if isinstance(values, Mapping) else values
    if not isinstance(values, Mapping | list | tuple):
        return []
    return [
        part
        for part in parts
        if isinstance(part, Tensor) and part.ndim == 2 and part.is_floating_point()
    ]
