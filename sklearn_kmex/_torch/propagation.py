"""LRP of a batch: one forward pass under rules, and one backward pass for each map."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from sklearn_kmex._torch.recorder import CONSTANTS, INSTEAD, NoRuleError, Recorder
from sklearn_kmex._torch.scores import Score


class Check:
    """Compares the embedding under rules with that of the module, once."""

    def __init__(self, unchanged: Any) -> None:
        self.unchanged: Any = unchanged

    def __call__(self, X: Tensor, Z: Tensor) -> None:
        if self.unchanged is None:
            return
        with torch.no_grad():
            expected = self.unchanged(X[:1])
        share = max(1e-3, 4 * torch.finfo(Z.dtype).eps)
        tolerance = share * (1 + expected.abs().max())
        if not (Z[:1] - expected).abs().max() <= tolerance:
            raise NoRuleError(
                f"LRP does not support {type(self.unchanged.twin).__name__}: its rules "
                "change the embedding, for example because a function changes its "
                f"input in place. {INSTEAD}"
            )
        self.unchanged = None


class Propagation:
    """Propagates the relevance of an embedding to the input, and to constants."""

    def __init__(self, encoder: nn.Module, recorder: Recorder, check: Check) -> None:
        self.encoder = encoder
        self.recorder = recorder
        self.check = check
        self.axes: list[int] = []  # of the samples, for each constant

    def __call__(self, X: Tensor, score: Score) -> Sequence[Tensor]:
        """Return maps, the score and its constant part, and other shares."""
        X.requires_grad_()
        Z = self._run(X)
        self.check(X, Z.detach())
        with torch.no_grad():
            relevance = score.relevance(Z.detach()).to(Z)
            values = score.values(Z.detach())
        if len(self.axes) != len(self.recorder.constants):
            self.find_axes(X.detach()[:1])
            Z = self._run(X)
            self._check_number(len(self.axes), len(self.recorder.constants))
        found = [self._share(Z, X, one) for one in relevance.unbind(1)]
        self.recorder.start()
        maps, *others = (torch.stack(part, 1) for part in zip(*found, strict=True))
        total = relevance.sum(-1)
        scores = [values, values - total, relevance.abs().sum(-1)]
        return [maps, *(part.to(maps) for part in scores), *others]

    def _run(self, X: Tensor) -> Tensor:
        self.recorder.start()
        with self.recorder:
            return self.encoder(X)

    def find_axes(self, one: Tensor) -> None:
        """Find the axis of constants that grows with the number of samples."""
        sizes = []
        for n_samples in (2, 3):
            self._run(one.repeat_interleave(n_samples, 0).requires_grad_())
            sizes.append([leaf.shape for _, leaf in self.recorder.constants])
        self._check_number(*map(len, sizes))
        self.axes = [
            next((axis for axis, size in enumerate(few) if size != more[axis]), 0)
            for few, more in zip(*sizes, strict=True)
        ]

    def _check_number(self, one: int, other: int) -> None:
        """Refuse a network whose constants depend on the number of samples."""
        if one != other:
            raise NoRuleError(
                f"LRP does not support {type(self.encoder.twin).__name__}: the number "
                f"of constants it adds depends on that of the samples. {INSTEAD}"
            )

    def _share(self, Z: Tensor, X: Tensor, relevance: Tensor) -> list[Tensor]:
        """Propagate relevance to the input, and sum that of each kind of constants."""
        constants = self.recorder.constants
        leaves = [X, *(leaf for _, leaf in constants)]
        relevant, *parts = torch.autograd.grad(
            Z, leaves, relevance, retain_graph=True, materialize_grads=True
        )
        shares = {kind: relevant.new_zeros(len(X)) for kind in CONSTANTS}
        for (kind, _), part, axis in zip(constants, parts, self.axes, strict=True):
            shares[kind] = shares[kind] + _by_sample(part.movedim(axis, 0), len(X))
        return [relevant, *shares.values()]


def _by_sample(values: Tensor, n_samples: int) -> Tensor:
    """Sum values of which each sample has as many; one sample ran as two."""
    return values.reshape(n_samples, -1).sum(1)
