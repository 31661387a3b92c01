"""Attribution: relevance of the input of a network to a score of its embedding."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.utils import Bunch
from torch import Tensor, nn

from sklearn_kmex._data.samples import RowsError
from sklearn_kmex._torch.encoder import (
    Encoder,
    Network,
    copy_to_explain,
    float_batches,
    tap_of,
    trial_of,
)
from sklearn_kmex._torch.functions import names_called
from sklearn_kmex._torch.gradients import (
    Method,
    ScoredEncoder,
    broadcast_settings,
    by_gradients,
    occlusion,
)
from sklearn_kmex._torch.kinds import quantized_in
from sklearn_kmex._torch.layers import Tap, weights_of
from sklearn_kmex._torch.lrp import (
    make_composite,
    prepare,
    with_input_rule,
    with_rules,
)
from sklearn_kmex._torch.propagation import Propagation
from sklearn_kmex._torch.run import first_parameter, first_sample
from sklearn_kmex._torch.scores import Linear, Output, Score, Target


class Maps(NamedTuple):
    """Maps of samples, and the relevance that LRP gave to constants.

    The arrays but for `values` are of shape (n_samples, n_maps), or (n_samples,) for
    one map of each. They are zero for methods that do not propagate relevance.
    """

    values: NDArray  # (n_samples, n_maps, ...)
    score: NDArray  # that is explained
    constant: NDArray  # what no feature of the embedding contributes to it
    size: NDArray  # sum of the relevance of the embedding, regardless of signs
    positions: NDArray  # relevance of constants for each position
    tokens: NDArray  # relevance of constants that are put beside the input
    method: Any  # by which they were made

    def of_one(self) -> "Maps":
        """Return the first map of each sample."""
        *parts, method = self
        return Maps._make([*(part[:, 0] for part in parts), method])

    def shares(self) -> Bunch:
        """Tell where the score is."""
        axes = tuple(range(self.score.ndim, self.values.ndim))
        inputs = self.values.sum(axes, dtype=np.float64)
        known = self.constant + inputs + self.positions + self.tokens
        return Bunch(
            score=self.score,
            input=inputs,
            positions=self.positions,
            tokens=self.tokens,
            constant=self.constant,
            rest=self.score - known,
        )

    @property
    def lost(self) -> NDArray:
        """Share of the relevance of the embedding that is nowhere."""
        off = np.abs(self.shares().rest)
        return np.divide(off, self.size, out=np.zeros_like(off), where=self.size > 0)


def explain_prototypes(
    network: Network,
    X: Any,
    target: Target,
    method: Method,
) -> Maps:
    """Make maps of a decision by prototypes, (n_samples, n_maps, ...)."""

    def score_of(twin: nn.Module, names: set[str]) -> Score:
        return target.score(first_parameter(twin), names)

    return _attribute(network, X, score_of, method)


def explain_output(
    network: Network, X: Any, columns: NDArray, method: Method, shuffled: bool = False
) -> Maps:
    """Make maps of class scores of the black box, (n_samples, ...)."""

    def score_of(twin: nn.Module, _: set[str]) -> Score:
        head: Any = twin.get_submodule(tap_of(twin, None, network, X).layer)
        weight, bias = weights_of(head)
        if shuffled:
            order = np.random.RandomState(method.seed).permutation(weight.numel())
            weight = weight.flatten()[torch.as_tensor(order)].view_as(weight)
        if len(weight) == 1:  # a logit z, whose classes have the scores (-z, z)
            weight = torch.cat([-weight, weight])
            bias = None if bias is None else torch.cat([-bias, bias])
        if len(weight) <= columns.max():
            raise ValueError(
                f"The last linear layer of {type(twin).__name__} must return one score "
                f"for each class; it returns {len(weight)}, too few to explain class "
                f"{columns.max()}."
            )
        places = torch.as_tensor(columns, device=weight.device)
        return Output(weight, bias, places)

    maps = _attribute(network._replace(layer=None), X, score_of, method)
    return maps.of_one()


def explain_linear(
    network: Network, X: NDArray, slope: NDArray[np.float64], method: str
) -> NDArray[np.float64]:
    """Make maps of `(slope * embedding).sum(axis=1)` for rows of a table by LRP."""

    def score_of(twin: nn.Module, _: set[str]) -> Score:
        return Linear(torch.as_tensor(slope).to(first_parameter(twin)))

    maps = _attribute(network, X, score_of, Method(method))
    return maps.values[:, 0].astype(np.float64)


def _attribute(
    network: Network,
    X: Any,
    score_of: Callable[[nn.Module, set[str]], Score],
    method: Method,
) -> Maps:
    """Explain the score of each sample, batch by batch."""
    twin = copy_to_explain(network, X)
    if method.name != "occlusion":
        for _ in quantized_in(twin):
            raise ValueError(
                f"{type(twin).__name__} is quantized, and has no gradients. Use "
                'method="occlusion", or concept_maps.'
            )
    trial = trial_of(twin, network, X)
    trial()  # raises a clear error for unsuitable input
    quiet = network.settings._replace(verbose=False, num_workers=0)
    sample = next(float_batches(twin, first_sample(X), quiet))
    tap = tap_of(twin, network.layer, network, X)
    encoder = Encoder(copy_to_explain(network, X), tap, network.pooling)
    names, expected = names_called(lambda: encoder(sample))
    method = with_input_rule(method, twin, trial, names, is_table=sample.ndim == 2)
    method = broadcast_settings(method, sample.shape[1:])
    score, start, found = score_of(twin, names), 0, []
    with ExitStack() as stack:
        explain = _make_explainer(twin, tap, network, X, method, expected, stack)
        for batch in float_batches(twin, X, network.settings):
            rows = slice(start, start + len(batch))
            maps = explain(batch, score.take(rows))
            found.append([part.detach().cpu().numpy() for part in maps])
            start = rows.stop
    values, *rest = map(np.concatenate, zip(*found, strict=True))
    return Maps._make([check_finite(values), *rest, method.name])


def check_finite(maps: NDArray) -> NDArray:
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
    expected: Tensor,
    stack: ExitStack,
) -> Callable[[Tensor, Score], Sequence[Tensor]]:
    """Return a function that explains a batch; the stack removes its hooks.

    It returns the parts of `Maps`.
    """
    if not method.is_lrp:
        encoder = Encoder(twin, tap, network.pooling)
        return lambda X, score: maps_by_score(ScoredEncoder(encoder, score), X, method)
    trial = trial_of(twin, network, X)
    prepare(twin, network.layer)
    composite, fixed_attention = method.name, False
    if isinstance(composite, str):
        fixed_attention = "_cp" in composite
        composite = make_composite(composite, method.bounds, twin, trial)
    recorder = stack.enter_context(with_rules(twin, composite, fixed_attention))
    encoder = Encoder(twin, tap, network.pooling)
    return Propagation(encoder, recorder, expected)


def maps_by_score(scored: ScoredEncoder, X: Tensor, method: Method) -> Sequence[Tensor]:
    """Make maps by gradients or occlusion."""
    explain = occlusion if method.name == "occlusion" else by_gradients
    maps = explain(scored, X, method)
    return [maps, *[maps.new_zeros(maps.shape[:2])] * 5]
