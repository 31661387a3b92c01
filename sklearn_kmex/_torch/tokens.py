"""Relevance of the tokens of texts, at the output of the layer that looks them up."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sklearn_kmex._torch.attribution import Maps, check_finite, maps_by_score
from sklearn_kmex._torch.encoder import HALF, NO_GRADIENTS, in_float32
from sklearn_kmex._torch.functions import names_called
from sklearn_kmex._torch.gradients import Method, ScoredEncoder
from sklearn_kmex._torch.lrp import make_composite, with_rules
from sklearn_kmex._torch.lrp import prepare as prepare_for_rules
from sklearn_kmex._torch.propagation import Propagation
from sklearn_kmex._torch.recorder import NoRuleError
from sklearn_kmex._torch.run import first_parameter
from sklearn_kmex._torch.scores import Score, Target
from sklearn_kmex._torch.texts import (
    TOKEN_VECTORS,
    TextEncoder,
    padded,
    rows_by_length,
    run_model,
    takes_mask,
    to_device,
)

METHODS = (
    "epsilon", "epsilon_cp", "gradient_x_input", "integrated_gradients", "smoothgrad"
)  # fmt: skip


def check_method(method: str | None) -> str:
    """Return a method for tokens; None is the default."""
    if method not in (None, *METHODS):
        raise ValueError(
            f"method must be None or one of {list(METHODS)} for the tokens of texts; "
            f"got {method!r}."
        )
    return method or METHODS[0]


class Texts(NamedTuple):
    """Tokens of texts, and how they are run."""

    columns: Mapping[str, list[list[int]]]  # input_ids and further inputs, not padded
    tokenizer: Any
    batch_size: int

    def batches(
        self, twin: nn.Module
    ) -> Iterator[tuple[Sequence[int], dict[str, Tensor]]]:
        """Yield rows and their tokens as tensors, the longest texts first."""
        is_padded = takes_mask(twin)
        for rows in rows_by_length(self.columns, self.batch_size, is_padded):
            yield rows, to_device(padded(self.columns, rows, self.tokenizer), twin)


class TokenEncoder(nn.Module):
    """An encoder of texts as a function of the vectors of their tokens.

    The layer that looks tokens up returns these vectors; so the positions, and all
    else that depends on the ids, stay as they are.
    """

    def __init__(self, encoder: TextEncoder) -> None:
        super().__init__()
        self.encoder = encoder
        self.twin = encoder.twin
        self.inputs: dict[str, Tensor] = {}

    def look_up(self, inputs: dict[str, Tensor]) -> Tensor:
        """Return the vectors of tokens, whose ids are those of the next passes."""
        self.inputs = inputs
        with torch.no_grad():
            return self.encoder.token_vectors()[0](inputs["input_ids"])

    def forward(self, vectors: Tensor) -> Tensor:
        inputs, runs = self.inputs, []
        if len(vectors) != len(inputs["input_ids"]):  # the first text, several times
            inputs = {name: _repeated(one, vectors) for name, one in inputs.items()}

        def replace(_layer: nn.Module, _args: Any, found: Tensor) -> Tensor:
            runs.append(found.shape)
            return vectors

        tables = self.encoder.token_vectors()
        hooks = [one.register_forward_hook(replace) for one in tables]
        try:
            Z = self.encoder(inputs)
        finally:
            for hook in hooks:
                hook.remove()
        if runs != [vectors.shape]:
            raise NoRuleError(
                f"{type(self.twin).__name__} must look up its tokens once in a forward "
                f"pass, to have relevance of tokens; it does so {len(runs)} times. Use "
                "words with method='sampling'."
            )
        if torch.is_grad_enabled() and not Z.requires_grad:
            raise NoRuleError(f"{type(self.twin).__name__} {NO_GRADIENTS}")
        return Z


def _repeated(values: Tensor, vectors: Tensor) -> Tensor:
    return values[:1].expand(len(vectors), *values.shape[1:])


def explain_tokens(
    make_encoder: Callable[[], TextEncoder],
    texts: Texts,
    target: Target,
    method: Method,
) -> list[Maps]:
    """Explain a decision by prototypes for each text, by its tokens.

    Values are of shape (n_maps, n_tokens), the other parts (n_maps,).
    """
    encoder = TokenEncoder(_ready(make_encoder(), texts))
    _, inputs = next(texts._replace(batch_size=1).batches(encoder.twin))
    first = encoder.look_up(inputs)
    names, expected = names_called(lambda: encoder(first))
    score = target.score(first_parameter(encoder.twin), names)
    found: list[Any] = [None] * len(texts.columns["input_ids"])
    with ExitStack() as stack:
        explain = _make_explainer(encoder, method, expected, stack)
        for rows, inputs in texts.batches(encoder.twin):
            parts = explain(encoder.look_up(inputs), score.take(rows))
            values, *others = (part.detach().cpu().numpy() for part in parts)
            values = check_finite(values.sum(-1, dtype=np.float64))
            real = inputs["attention_mask"].cpu().numpy().astype(bool)
            for place, row in enumerate(rows):
                rest = [part[place] for part in others]
                own = values[place][:, real[place]]
                found[row] = Maps._make([own, *rest, method.name])
    return found


def _ready(encoder: TextEncoder, texts: Texts) -> TextEncoder:
    """Return an encoder in float32, if it is in half precision and can be changed."""
    inputs = to_device(padded(texts.columns, [0], texts.tokenizer), encoder.twin)
    encoder.twin = in_float32(encoder.twin, HALF, lambda wide: run_model(wide, inputs))
    return encoder


def _make_explainer(
    encoder: TokenEncoder, method: Method, expected: Tensor, stack: ExitStack
) -> Callable[[Tensor, Score], Sequence[Tensor]]:
    """Return a function that explains a batch; the stack removes its hooks."""
    if not method.is_lrp:
        return lambda X, score: _by_gradients(encoder, X, score, method)
    prepare_for_rules(encoder.twin, None)
    composite = make_composite(method.name, None, encoder.twin, lambda: None)
    rules = with_rules(encoder.twin, composite, "_cp" in method.name)
    recorder = stack.enter_context(rules)
    return Propagation(encoder, recorder, expected)


def _by_gradients(
    encoder: TokenEncoder, X: Tensor, score: Score, method: Method
) -> Sequence[Tensor]:
    """Make maps by gradients; what they leave of the scores is no constant."""
    maps, zeros, *others = maps_by_score(ScoredEncoder(encoder, score), X, method)
    with torch.no_grad():
        values = score.values(encoder(X))
    return [maps, values.to(zeros), *others]


def contributions(encoder: TextEncoder, texts: Texts) -> list[NDArray[np.float64]]:
    """Split embeddings into contributions of the tokens whose mean they are.

    Each array has the shape (n_tokens, n_features), and sums to the embedding.
    """
    found: list[Any] = [None] * len(texts.columns["input_ids"])
    for rows, inputs in texts.batches(encoder.twin):
        with torch.no_grad():
            Z, output = encoder.run(inputs)
        names = [name for name in TOKEN_VECTORS if name in output]
        vectors = output[names[0]] if names else Z[:, None]
        for place, row in enumerate(rows):
            real = inputs["attention_mask"][place].bool()
            found[row] = _split(Z[place], vectors[place, ..., : Z.shape[1]], real)
    return found


def _split(z: Tensor, vectors: Tensor, real: Tensor) -> NDArray[np.float64]:
    """Split an embedding that is a multiple of the mean of vectors of tokens."""
    is_sequence = len(vectors) == len(real)
    parts = vectors[real].double() if is_sequence else vectors[:0].double()
    total, z = parts.sum(0), z.double()
    factor = (z @ total) / (total @ total).clamp(min=1e-300)
    if not (z - factor * total).norm() <= 1e-4 * z.norm():
        raise ValueError(
            "token_table needs a model whose embedding is the mean of the vectors of "
            "its tokens; this one pools them in another way. Use words."
        )
    return (factor * parts).cpu().numpy()
