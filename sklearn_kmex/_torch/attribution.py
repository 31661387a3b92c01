"""Attribution: from a score of the embedding back to the input of a network."""

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sklearn_kmex._data.samples import RowsError
from sklearn_kmex._torch.encoder import (
    Encoder,
    Network,
    float_batches,
    tap_of,
    trial_of,
)
from sklearn_kmex._torch.gradients import (
    Method,
    Scored,
    by_gradients,
    occlusion,
    shaped,
)
from sklearn_kmex._torch.layers import Tap
from sklearn_kmex._torch.lrp import INSTEAD, Recorder, make_composite, prepare, ruled
from sklearn_kmex._torch.run import first, home_of, replica
from sklearn_kmex._torch.scores import Asked, Output, Prototypes, Question, ask


def explain_prototypes(
    network: Network, X: Any, asked: Asked, prototypes: Prototypes, method: Method
) -> NDArray:
    """Make maps of what is asked of prototypes, (n_samples, n_maps, ...)."""

    def question(twin: nn.Module) -> Question:
        return ask(asked, prototypes, home_of(twin))

    return attribute(network, X, question, method)


def explain_output(
    network: Network, X: Any, columns: NDArray, method: Method, shuffled: bool = False
) -> NDArray:
    """Make maps of the black box's own class scores, (n_samples, ...)."""

    def question(twin: nn.Module) -> Question:
        head: Any = twin.get_submodule(tap_of(twin, None, network, X).layer)
        weight, bias = head.weight.detach(), head.bias
        if len(weight) <= columns.max():
            raise ValueError(
                f"The last linear layer of {type(twin).__name__} must give one score "
                f"for each class; it gives {len(weight)}, and class {columns.max()} is "
                "to be explained."
            )
        if shuffled:
            order = np.random.RandomState(method.seed).permutation(weight.numel())
            weight = weight.flatten()[torch.as_tensor(order)].view_as(weight)
        places = torch.as_tensor(columns, device=weight.device)
        return Output(weight, None if bias is None else bias.detach(), places)

    maps = attribute(network._replace(layer=None), X, question, method)
    return maps[:, 0]


def attribute(
    network: Network, X: Any, question: Callable[[nn.Module], Question], method: Method
) -> NDArray:
    """Explain each sample and score, batch by batch."""
    twin = replica(network.module, network.how.device)
    trial_of(twin, network, X)()  # what does not fit is told here
    quiet = network.how._replace(verbose=False, num_workers=0)
    method = shaped(method, next(float_batches(twin, first(X), quiet)).shape[1:])
    tap = tap_of(twin, network.layer, network, X)
    asked, start, maps = question(twin), 0, []
    with ExitStack() as stack:
        explain = explainer(twin, tap, network, X, method, stack)
        for batch in float_batches(twin, X, network.how):
            rows = slice(start, start + len(batch))
            maps.append(explain(batch, asked.take(rows)).cpu().numpy())
            start = rows.stop
    return check_finite(np.concatenate(maps))


def check_finite(maps: NDArray) -> NDArray:
    bad = np.flatnonzero(~np.isfinite(maps.reshape(len(maps), -1)).all(axis=1))
    if len(bad):
        raise RowsError(
            "relevance must be finite; it is NaN or infinite for rows ",
            bad.tolist(),
            ". Look for overflow in the network, or use another method.",
        )
    return maps


def explainer(
    twin: nn.Module,
    tap: Tap,
    network: Network,
    X: Any,
    method: Method,
    stack: ExitStack,
) -> Callable[[Tensor, Question], Tensor]:
    """Make what explains a batch; what it needs to end is left to the stack."""
    if not method.is_lrp:
        encoder = Encoder(twin, tap, network.pooling)
        explain = occlusion if method.name == "occlusion" else by_gradients
        return lambda X, question: explain(Scored(encoder, question), X, method)
    trial = trial_of(twin, network, X)
    prepare(twin, network.layer)
    composite = method.name
    if isinstance(composite, str):
        composite = make_composite(composite, method.bounds, twin, trial)
    recorder = stack.enter_context(ruled(twin, composite))
    encoder = Encoder(twin, tap, network.pooling)
    again = replica(network.module, network.how.device)
    check = Check(Encoder(again, tap, network.pooling))
    return lambda X, question: lrp(encoder, recorder, X, question, check)


class Check:
    """Compares the ruled forward pass with that of the module, once."""

    def __init__(self, untouched: Encoder) -> None:
        self.untouched: Encoder | None = untouched

    def __call__(self, X: Tensor, Z: Tensor) -> None:
        if self.untouched is None:
            return
        with torch.no_grad():
            expected = self.untouched(X[:1])
        near = 1e-3 * (1 + expected.abs().max())
        if not (Z[:1] - expected).abs().max() <= near:
            raise ValueError(
                f"LRP could not follow {type(self.untouched.twin).__name__}: with its "
                "rules the embedding is another one, as when a function changes its "
                f"input in place. {INSTEAD}"
            )
        self.untouched = None


def lrp(
    encoder: Encoder,
    recorder: Recorder,
    X: Tensor,
    question: Question,
    check: Callable[[Tensor, Tensor], None],
) -> Tensor:
    """Relevance by one forward pass, and one pass back for each map."""
    X.requires_grad_()
    recorder.start()
    with recorder:
        Z = encoder(X)
    check(X, Z.detach())
    with torch.no_grad():
        start = question.start(Z.detach())
    maps = [
        torch.autograd.grad(Z, X, relevance, retain_graph=True)[0]
        for relevance in start.unbind(1)
    ]
    recorder.start()
    return torch.stack(maps, dim=1)
