"""LRP of a batch: one forward pass under rules, and one backward pass for each map."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from sklearn_kmex._torch.recorder import CONSTANTS, INSTEAD, NoRuleError, Recorder
from sklearn_kmex._torch.scores import Score


class Propagation:
    """Propagates the relevance of an embedding to the input, and to constants.

    `expected` is the embedding of the first sample without rules, which it must keep.
    """

    def __init__(
        self, encoder: nn.Module, recorder: Recorder, expected: Tensor
    ) -> None:
        self.encoder = encoder
        self.recorder = recorder
        self.expected: Tensor | None = expected
        self.axes: list[int] = []  # of the samples, for each constant

    def __call__(self, X: Tensor, score: Score) -> Sequence[Tensor]:
        """Return maps, the score and its constant part, and other shares."""
        Z = self._embed(X.requires_grad_())
        with torch.no_grad():
            relevance = score.relevance(Z.detach()).to(Z)
            values = score.values(Z.detach())
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

    def _embed(self, X: Tensor) -> Tensor:
        """Embed a batch; find the axis of constants that grows with its size."""
        if self.expected is None:
            Z = self._run(X)
            if len(self.axes) == len(self.recorder.constants):
                return Z
        n_copies = 2 if len(X) > 2 else 3
        copies = X.detach()[:1].repeat_interleave(n_copies, 0)
        self._check(self._run(copies.requires_grad_()).detach())
        few = [leaf.shape for _, leaf in self.recorder.constants]
        Z = self._run(X)
        many = [leaf.shape for _, leaf in self.recorder.constants]
        self._check_number(len(few), len(many))
        self.axes = [
            next((axis for axis, size in enumerate(one) if size != other[axis]), 0)
            for one, other in zip(few, many, strict=True)
        ]
        return Z

    def _check(self, Z: Tensor) -> None:
        """Compare the embedding of the first sample with that without rules, once."""
        if self.expected is None:
            return
        share = max(1e-3, 4 * torch.finfo(Z.dtype).eps)
        tolerance = share * (1 + self.expected.abs().max())
        if not (Z[:1] - self.expected).abs().max() <= tolerance:
            raise NoRuleError(
                f"LRP does not support {self.recorder.kind}: its rules "
                "change the embedding, for example because a function changes its "
                f"input in place. {INSTEAD}"
            )
        self.expected = None

    def _check_number(self, one: int, other: int) -> None:
        """Refuse a network whose constants depend on the number of samples."""
        if one != other:
            raise NoRuleError(
                f"LRP does not support {self.recorder.kind}: the number of constants "
                f"it adds depends on that of the samples. {INSTEAD}"
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
