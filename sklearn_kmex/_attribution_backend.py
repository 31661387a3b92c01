"""Attribution: from a score of the embedding back to the input of a network."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import product
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from zennit.attribution import Gradient, IntegratedGradients, SmoothGrad
from zennit.core import Composite

from sklearn_kmex._base import RowsError
from sklearn_kmex._layers_backend import Tap, find_tap
from sklearn_kmex._lrp_backend import INSTEAD, Recorder, make_composite, prepare, ruled
from sklearn_kmex._questions_backend import Asked, Output, Prototypes, Question, ask
from sklearn_kmex._torch_backend import (
    Run,
    batches,
    first,
    home_of,
    place,
    pool,
    progress,
    replica,
    run,
)


class Network(NamedTuple):
    """A torch network, and where its embedding is read."""

    module: nn.Module
    layer: str | None
    pooling: str
    how: Run


class Method(NamedTuple):
    """A method of attribution, and its settings."""

    name: str | Composite
    bounds: Any = None
    baseline: Any = 0.0
    n_steps: int = 20
    noise: float = 0.1
    window: int | None = None
    seed: int = 0

    @property
    def is_lrp(self) -> bool:
        return not isinstance(self.name, str) or self.name.startswith("epsilon")


class Reached(Exception):
    """What passed the tap."""

    def __init__(self, values: Any) -> None:
        self.values = values


class Encoder(nn.Module):
    """A copy of a module up to its tap; what comes after it is not run."""

    def __init__(self, twin: nn.Module, tap: Tap, pooling: str) -> None:
        super().__init__()
        self.twin = twin
        self.pooling = pooling
        layer = twin.get_submodule(tap.layer)
        if tap.side == "input":
            layer.register_forward_pre_hook(halt_before, prepend=True)
        else:
            layer.register_forward_hook(halt_behind)

    def forward(self, X: Tensor) -> Tensor:
        try:
            self.twin(X)
        except Reached as reached:
            return pool(reached.values, self.pooling)
        raise ValueError(f"{type(self.twin).__name__} does not run its layer.")


def halt_before(_layer: nn.Module, args: tuple) -> None:
    raise Reached(args[0])


def halt_behind(_layer: nn.Module, _args: tuple, output: Any) -> None:
    raise Reached(output)


class Scored(nn.Module):
    """From the input to the scores that are explained."""

    def __init__(self, encoder: Encoder, question: Question) -> None:
        super().__init__()
        self.encoder = encoder
        self.question = question

    def forward(self, X: Tensor) -> Tensor:
        return self.question.score(self.encoder(X))


def explain_prototypes(
    network: Network, X: Any, asked: Asked, prototypes: Prototypes, method: Method
) -> NDArray:
    """Make maps of what is asked of prototypes, (n_samples, n_maps, ...)."""

    def question(twin: nn.Module) -> Question:
        return ask(asked, prototypes, home_of(twin))

    return attribute(network, X, question, method)


def explain_output(network: Network, X: Any, codes: NDArray, method: Method) -> NDArray:
    """Make maps of the black box's own class scores, (n_samples, ...)."""

    def question(twin: nn.Module) -> Question:
        head: Any = twin.get_submodule(tap_of(twin, None, network, X).layer)
        weight, bias = head.weight.detach(), head.bias
        places = torch.as_tensor(codes, device=weight.device)
        return Output(weight, None if bias is None else bias.detach(), places)

    maps = attribute(network._replace(layer=None), X, question, method)
    return maps[:, 0]


def attribute(
    network: Network, X: Any, question: Callable[[nn.Module], Question], method: Method
) -> NDArray:
    """Explain each sample and score, batch by batch."""
    twin = replica(network.module, network.how.device)
    trial_of(twin, network, X)()  # what does not fit is told here
    tap = tap_of(twin, network.layer, network, X)
    asked, start, maps = question(twin), 0, []
    with ExitStack() as stack:
        explain = explainer(twin, tap, network, X, method, stack)
        for batch in float_batches(twin, X, network.how):
            rows = slice(start, start + len(batch))
            maps.append(explain(batch, asked.take(rows)).cpu().numpy())
            start = rows.stop
    return check_finite(np.concatenate(maps))


def tap_of(twin: nn.Module, layer: str | None, network: Network, X: Any) -> Tap:
    return find_tap(twin, layer, trial_of(twin, network, X))


def trial_of(twin: nn.Module, network: Network, X: Any) -> Callable[[], None]:
    """Run one sample through a copy of the module."""
    one, how = first(X), network.how._replace(verbose=False, num_workers=0)
    return lambda: next(run(twin, one, how, home_of(twin).dtype))


def float_batches(twin: nn.Module, X: Any, how: Run) -> Iterator[Tensor]:
    """Yield batches that relevance can be traced back to."""
    home = home_of(twin)
    for batch in progress(batches(X, how), len(X), how):
        values = place(batch, home.device, home.dtype)
        if not isinstance(values, Tensor) or not values.is_floating_point():
            raise ValueError(
                "X must be batches of one array of floats to have relevance; "
                f"{type(twin).__name__} takes {type(values).__name__} of token ids or "
                "of several inputs. Explain the samples by their prototypes alone."
            )
        yield values.detach().clone()


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


def by_gradients(scored: Scored, X: Tensor, method: Method) -> Tensor:
    """Make maps from gradients of the scores, one map after the other."""
    attributor = {
        "gradient_x_input": lambda: Gradient(scored),
        "integrated_gradients": lambda: IntegratedGradients(
            scored, baseline_fn=lambda x: filling(method, x), n_iter=method.n_steps
        ),
        "smoothgrad": lambda: SmoothGrad(
            scored, noise_level=method.noise, n_iter=method.n_steps
        ),
    }[str(method.name)]()
    with torch.no_grad():
        n_maps = scored(X).shape[1]
    maps = []
    for column in range(n_maps):
        with torch.random.fork_rng([X.device] if X.is_cuda else []):
            torch.manual_seed(method.seed)
            _, relevance = attributor(X, one_column(column))
        maps.append(relevance.detach())
    result = torch.stack(maps, dim=1)
    return result * X[:, None] if method.name == "gradient_x_input" else result


def one_column(column: int) -> Callable[[Tensor], Tensor]:
    def select(scores: Tensor) -> Tensor:
        chosen = torch.zeros_like(scores)
        chosen[:, column] = 1
        return chosen

    return select


def filling(method: Method, X: Tensor) -> Tensor:
    """Return the baseline in the shape of a batch."""
    return torch.as_tensor(method.baseline).to(X).expand_as(X)


@torch.no_grad()
def occlusion(scored: Scored, X: Tensor, method: Method) -> Tensor:
    """How much of each score is lost without a window of the input."""
    whole, base = scored(X), filling(method, X)
    sides = X.shape[2:] if X.ndim > 2 else X.shape[1:]
    windows = [method.window or max(1, side // 8) for side in sides]
    steps = (range(0, side, w) for side, w in zip(sides, windows, strict=True))
    maps = X.new_zeros(X[:, None].repeat_interleave(whole.shape[1], 1).shape)
    for corner in product(*steps):
        spans = [slice(at, at + w) for at, w in zip(corner, windows, strict=True)]
        masked = X.clone()
        masked[..., *spans] = base[..., *spans]
        lost = whole - scored(masked)
        maps[..., *spans] = lost.reshape(*lost.shape, *[1] * (X.ndim - 1))
    return maps
