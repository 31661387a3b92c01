"""Attribution: relevance of the input of a network to a score of its embedding."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sklearn_kmex._data.samples import RowsError
from sklearn_kmex._model.rule import Rule
from sklearn_kmex._torch.encoder import (
    Encoder,
    Network,
    copy_to_explain,
    float_batches,
    tap_of,
    trial_of,
)
from sklearn_kmex._torch.gradients import (
    Method,
    ScoredEncoder,
    broadcast_settings,
    by_gradients,
    occlusion,
)
from sklearn_kmex._torch.kinds import quantized_in
from sklearn_kmex._torch.layers import Tap, weights_of
from sklearn_kmex._torch.lrp import make_composite, prepare, with_rules
from sklearn_kmex._torch.projection import Affine, Length
from sklearn_kmex._torch.recorder import INSTEAD, Recorder
from sklearn_kmex._torch.run import first_parameter, first_sample
from sklearn_kmex._torch.scores import Output, Prototypes, Score, Target, make_score


class Maps(NamedTuple):
    """Maps of samples, and the share of relevance that each of them lost by LRP.

    The share is relative to the relevance of the embedding, regardless of signs; it is
    zero for methods that are not meant to conserve relevance.
    """

    values: NDArray  # (n_samples, n_maps, ...)
    lost: NDArray  # (n_samples, n_maps), or (n_samples,) for one map of each


def explain_prototypes(
    network: Network,
    X: Any,
    target: Target,
    rule: Rule,
    layers: Sequence[Affine | Length],
    method: Method,
) -> Maps:
    """Make maps of a decision by prototypes, (n_samples, n_maps, ...)."""

    def score_of(twin: nn.Module) -> Score:
        prototypes = Prototypes.of(rule, layers, first_parameter(twin))
        return make_score(target, prototypes)

    return _attribute(network, X, score_of, method)


def explain_output(
    network: Network, X: Any, columns: NDArray, method: Method, shuffled: bool = False
) -> Maps:
    """Make maps of class scores of the black box, (n_samples, ...)."""

    def score_of(twin: nn.Module) -> Score:
        head: Any = twin.get_submodule(tap_of(twin, None, network, X).layer)
        weight, bias = weights_of(head)
        if len(weight) <= columns.max():
            raise ValueError(
                f"The last linear layer of {type(twin).__name__} must return one score "
                f"for each class; it returns {len(weight)}, too few to explain class "
                f"{columns.max()}."
            )
        if shuffled:
            order = np.random.RandomState(method.seed).permutation(weight.numel())
            weight = weight.flatten()[torch.as_tensor(order)].view_as(weight)
        places = torch.as_tensor(columns, device=weight.device)
        return Output(weight, bias, places)

    maps = _attribute(network._replace(layer=None), X, score_of, method)
    return Maps(maps.values[:, 0], maps.lost[:, 0])


def _attribute(
    network: Network, X: Any, score_of: Callable[[nn.Module], Score], method: Method
) -> Maps:
    """Explain the score of each sample, batch by batch."""
    twin = copy_to_explain(network, X)
    if method.name != "occlusion":
        for _ in quantized_in(twin):
            raise ValueError(
                f"{type(twin).__name__} is quantized, and has no gradients. Use "
                'method="occlusion", or concept_maps.'
            )
    trial_of(twin, network, X)()  # raises a clear error for unsuitable input
    quiet = network.settings._replace(verbose=False, num_workers=0)
    sample = next(float_batches(twin, first_sample(X), quiet))
    method = broadcast_settings(method, sample.shape[1:])
    tap = tap_of(twin, network.layer, network, X)
    score, start, found = score_of(twin), 0, []
    with ExitStack() as stack:
        explain = _make_explainer(twin, tap, network, X, method, stack)
        for batch in float_batches(twin, X, network.settings):
            rows = slice(start, start + len(batch))
            maps = explain(batch, score.take(rows))
            found.append([part.detach().cpu().numpy() for part in maps])
            start = rows.stop
    values, lost = map(np.concatenate, zip(*found, strict=True))
    return Maps(_check_finite(values), lost)


def _check_finite(maps: NDArray) -> NDArray:
    bad = np.flatnonzero(~np.isfinite(maps.reshape(len(maps), -1)).all(axis=1))
    if len(bad):
        raise RowsError(
            "relevance must be finite; it is NaN or infinite for rows ",
            bad.tolist(),
            ". Check the network for overflow, or use another method.",
        )
    return maps


def _make_explainer(
    twin: nn.Module,
    tap: Tap,
    network: Network,
    X: Any,
    method: Method,
    stack: ExitStack,
) -> Callable[[Tensor, Score], tuple[Tensor, Tensor]]:
    """Return a function that explains a batch; the stack removes its hooks.

    It returns maps, and the share of relevance that each of them lost.
    """
    if not method.is_lrp:
        encoder = Encoder(twin, tap, network.pooling)
        return lambda X, score: _by_score(ScoredEncoder(encoder, score), X, method)
    trial = trial_of(twin, network, X)
    prepare(twin, network.layer)
    composite = method.name
    if isinstance(composite, str):
        composite = make_composite(composite, method.bounds, twin, trial)
    recorder = stack.enter_context(with_rules(twin, composite, method.attention))
    encoder = Encoder(twin, tap, network.pooling)
    check = Check(Encoder(copy_to_explain(network, X), tap, network.pooling))
    return lambda X, score: _lrp(encoder, recorder, X, score, check)


class Check:
    """Compares the embedding under rules with that of the module, once."""

    def __init__(self, unchanged: Encoder) -> None:
        self.unchanged: Encoder | None = unchanged

    def __call__(self, X: Tensor, Z: Tensor) -> None:
        if self.unchanged is None:
            return
        with torch.no_grad():
            expected = self.unchanged(X[:1])
        share = max(1e-3, 4 * torch.finfo(Z.dtype).eps)
        tolerance = share * (1 + expected.abs().max())
        if not (Z[:1] - expected).abs().max() <= tolerance:
            raise ValueError(
                f"LRP does not support {type(self.unchanged.twin).__name__}: its rules "
                "change the embedding, for example because a function changes its "
                f"input in place. {INSTEAD}"
            )
        self.unchanged = None


def _by_score(
    scored: ScoredEncoder, X: Tensor, method: Method
) -> tuple[Tensor, Tensor]:
    """Make maps by gradients or occlusion, which lose nothing."""
    explain = occlusion if method.name == "occlusion" else by_gradients
    maps = explain(scored, X, method)
    return maps, maps.new_zeros(maps.shape[:2])


def _lrp(
    encoder: Encoder,
    recorder: Recorder,
    X: Tensor,
    score: Score,
    check: Callable[[Tensor, Tensor], None],
) -> tuple[Tensor, Tensor]:
    """Relevance by one forward pass, and one backward pass for each map."""
    X.requires_grad_()
    recorder.start()
    with recorder:
        Z = encoder(X)
    check(X, Z.detach())
    with torch.no_grad():
        relevance = score.relevance(Z.detach()).to(Z)
    kinds, constants = zip(*[("input", X), *recorder.constants])
    parts=[
            torch.autograd.grad(Z, constants, one, retain_graph=True, allow_unused=True)
            for one in relevance.unbind(1)
        ]
    maps = torch.stack([p[0] for p in parts],
        dim=1,
    )
    tot={}
    for k,p in zip(kinds, parts[0]):
        if p is not None: tot[k]=tot.get(k,0)+p.sum().item()
    print(tot, sum(tot.values()), relevance.sum().item())
    recorder.start()
    return maps, _share_lost(relevance, maps)


def _share_lost(relevance: Tensor, maps: Tensor) -> Tensor:
    """By how much maps do not sum to the relevance of the embedding."""
    size = relevance.abs().sum(-1)
    off = (maps.flatten(2).sum(-1) - relevance.sum(-1)).abs()
    return torch.where(size == 0, 0, off / size.clamp(min=torch.finfo(size.dtype).tiny))
