"""Run a model of texts on tokens, and read its embeddings."""

import inspect
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sklearn_kmex._data.samples import RowsError
from sklearn_kmex._torch.batches import call
from sklearn_kmex._torch.layers import Capture, Tap, name_tap, scores_of_linear
from sklearn_kmex._torch.outputs import ScoreReader
from sklearn_kmex._torch.run import copy_module, first_parameter

TOKEN_VECTORS = ("token_embeddings", "last_hidden_state")  # names in outputs


class Reading(NamedTuple):
    """Where the embedding of a text is read, and how tokens are pooled."""

    name: str | None  # in the output of the model
    tap: Tap | None  # otherwise
    pooling: str


class TokenMean(nn.Module):
    """The mean of the vectors of tokens, as a first module of a SentenceTransformer."""

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.embedding = nn.Embedding.from_pretrained(weight)

    def forward(self, features: dict[str, Any]) -> dict[str, Any]:
        vectors = features.get("inputs_embeds")
        if vectors is None:
            vectors = self.embedding(features["input_ids"])
        mean = pool_tokens(vectors, features["attention_mask"], "mean")
        return {**features, "token_embeddings": vectors, "sentence_embedding": mean}


class TextEncoder(nn.Module):
    """A copy of a model that embeds texts, given as tensors of their tokens by name.

    `inputs_embeds`, the vectors of the tokens, may replace `input_ids`. The result is
    differentiable with respect to them.
    """

    def __init__(self, twin: nn.Module, reading: Reading, width: int | None) -> None:
        super().__init__()
        self.twin = twin
        self.reading = reading
        self.width = width  # to which the embedding is truncated
        self.constants: dict[str, int] = {}  # further inputs of a SentenceTransformer

    def forward(self, inputs: dict[str, Tensor]) -> Tensor:
        return self.run(inputs)[0]

    def run(self, inputs: dict[str, Tensor]) -> tuple[Tensor, Any]:
        """Return the embedding, (n_texts, n_features), and what the model returns."""
        if self.reading.tap is None:
            output = run_model(self.twin, {**inputs, **self.constants})
            values = output[self.reading.name]
        else:
            captured = Capture(self.twin, self.reading.tap)
            try:
                output = run_model(self.twin, {**inputs, **self.constants})
                values = captured.pop()
            finally:
                captured.close()
        values = pool_tokens(values, inputs["attention_mask"], self.reading.pooling)
        return values[:, : self.width], output

    def token_vectors(self) -> list[Any]:
        """Return the layers that look up the vectors of `input_ids`.

        There are several if they share their weights, as in T5.
        """
        inner: Any = network_in(self.twin)
        tables = [one for one in inner.modules() if isinstance(one, nn.Embedding)]
        if hasattr(inner, "get_input_embeddings"):
            first = inner.get_input_embeddings()
            place = first.weight.data_ptr()
            return [one for one in tables if one.weight.data_ptr() == place] or [first]
        return tables[:1]


def is_sentence_transformer(model: Any) -> bool:
    """Recognize a SentenceTransformer without importing it."""
    return any(one.__name__ == "SentenceTransformer" for one in type(model).__mro__)


def network_in(model: nn.Module) -> nn.Module:
    """Return the network inside a SentenceTransformer, or the model itself."""
    inner: Any = model
    inner = inner[0] if is_sentence_transformer(inner) else inner
    return getattr(inner, "auto_model", inner)


def takes_mask(model: nn.Module) -> bool:
    """Tell whether a model can leave padding out, as FNet cannot."""
    inner = network_in(model)
    if is_sentence_transformer(model) and not hasattr(inner, "config"):
        return True  # a mean of static vectors
    return "attention_mask" in inspect.signature(inner.forward).parameters


def run_model(twin: nn.Module, inputs: dict[str, Any]) -> Any:
    """Run a copy of a model; a SentenceTransformer takes a dict, and changes it."""
    if is_sentence_transformer(twin):
        return twin(dict(inputs))
    return call(twin, inputs)


def pool_tokens(values: Tensor, mask: Tensor, pooling: str) -> Tensor:
    """Reduce vectors of tokens, (n, n_tokens, d), to one vector for each text."""
    if values.ndim != 3:
        return values
    mask = mask.to(values.device)
    if pooling == "mean":
        weights = mask[:, :, None].to(values.dtype)
        return (values * weights).sum(dim=1) / weights.sum(dim=1).clamp(min=1e-9)
    if pooling == "max":
        return values.masked_fill(mask[:, :, None] == 0, -torch.inf).amax(dim=1)
    places = torch.arange(1, mask.shape[1] + 1, device=mask.device)
    found = places * mask if pooling == "last" else (mask.shape[1] + 1 - places) * mask
    return values[torch.arange(len(values), device=mask.device), found.argmax(dim=1)]


def text_encoder(
    model: nn.Module,
    tokenizer: Any,
    layer: str | None,
    pooling: str,
    device: str,
    one: dict[str, Tensor],
) -> TextEncoder:
    """Copy a model in evaluation mode; `one` has the tokens of a text, for a trial."""
    twin = copy_module(model, device, also=[tokenizer])
    if is_sentence_transformer(twin) and hasattr(twin[0], "embedding"):
        bag = twin[0].embedding
        if isinstance(bag, nn.EmbeddingBag):
            twin[0] = TokenMean(bag.weight)
    one = to_device(one, twin)
    with torch.no_grad(), clear_errors(twin, one):
        reading = _find_reading(twin, layer, pooling, one)
    return TextEncoder(twin, reading, getattr(model, "truncate_dim", None)).eval()


def _find_reading(
    twin: nn.Module, layer: str | None, pooling: str, one: dict[str, Tensor]
) -> Reading:
    """Find where the embedding is read."""
    output = run_model(twin, one)
    names = output if isinstance(output, Mapping) else ()
    if layer is None and pooling == "auto" and "sentence_embedding" in names:
        return Reading("sentence_embedding", None, pooling)
    for name in TOKEN_VECTORS:
        if layer is None and name in names:
            return Reading(name, None, "mean" if pooling == "auto" else pooling)
    tap = name_tap(twin, layer, lambda: run_model(twin, one))
    if pooling == "auto":  # a classifier of vectors of tokens keeps that of the last
        pooling = "last" if layer is None and _scores_are_rows(output) else "mean"
    return Reading(None, tap, pooling)


def _scores_are_rows(output: Any) -> bool:
    scores = output["logits"] if isinstance(output, Mapping) else output
    return getattr(scores, "ndim", 2) == 2


def to_device(inputs: dict[str, Tensor], twin: nn.Module) -> dict[str, Tensor]:
    device = first_parameter(twin).device
    return {name: values.to(device) for name, values in inputs.items()}


def padded(
    columns: Mapping[str, list[list[int]]], rows: Any, tokenizer: Any
) -> dict[str, Tensor]:
    """Return the tokens of some texts as tensors of one length.

    Texts are padded on the right, whatever the tokenizer does: on the left, padding
    moves the positions of tokens in many models.
    """
    width = max(1, *(len(columns["input_ids"][row]) for row in rows))
    fill = {
        "input_ids": getattr(tokenizer, "pad_token_id", None) or 0,
        "token_type_ids": getattr(tokenizer, "pad_token_type_id", 0),
    }
    batch = {}
    for name, lists in columns.items():
        values = np.full((len(rows), width), fill.get(name, 0), dtype=np.int64)
        for place, row in enumerate(rows):
            ids = lists[row]
            values[place, : len(ids)] = ids
        batch[name] = torch.from_numpy(values)
    return batch


def rows_by_length(
    columns: Mapping[str, list[list[int]]], batch_size: int, is_padded: bool = True
) -> Iterator[list[int]]:
    """Yield rows of batches, the longest texts first.

    A batch also ends where texts are so short that a third would be padding, or any of
    it if texts may not be padded.
    """
    lengths = np.array([len(ids) for ids in columns["input_ids"]])
    order = np.argsort(-lengths, kind="stable")
    start = 0
    while start < len(order):
        rows = order[start : start + batch_size]
        is_similar = lengths[rows] == lengths[rows[0]]
        if is_padded:
            is_similar = 3 * lengths[rows] >= 2 * lengths[rows[0]]
        yield rows[is_similar].tolist()
        start += int(is_similar.sum())


def embed_texts(
    encoder: TextEncoder,
    columns: Mapping[str, list[list[int]]],
    tokenizer: Any,
    batch_size: int,
    read: ScoreReader | None = None,
) -> tuple[NDArray[np.float32], NDArray | None]:
    """Embed tokens of texts in batches of similar length, the longest first.

    The output of the model is returned too if `read` is given.
    """
    order: list[int] = []
    parts, outputs = [], []
    for rows in rows_by_length(columns, batch_size, takes_mask(encoder.twin)):
        order += rows
        inputs = to_device(padded(columns, rows, tokenizer), encoder.twin)
        with torch.no_grad(), clear_errors(encoder.twin, inputs):
            values, output = encoder.run(inputs)
        parts.append(values.float().cpu().numpy())
        if read is not None:
            outputs.append(read(output))
    places = np.argsort(order)
    Z = np.concatenate(parts)[places]
    bad = np.flatnonzero(~np.isfinite(Z).all(axis=1)).tolist()
    if bad:
        what = "must return finite embeddings; they are NaN or infinite for rows"
        raise RowsError(f"{type(encoder.twin).__name__} {what} ", bad, ".")
    return Z, np.concatenate(outputs)[places] if outputs else None


def score_reader(encoder: TextEncoder, one: dict[str, Tensor]) -> ScoreReader:
    """Return a reader of the scores of the classes; `one` has the tokens of a text."""
    twin = encoder.twin
    one = to_device(one, twin)
    return ScoreReader(twin, lambda: (twin, lambda: run_model(twin, one)))


def scores_of_head(encoder: TextEncoder, Z: NDArray) -> NDArray | None:
    """Return the output of the linear layer that takes the embedding, if one does."""
    tap = encoder.reading.tap
    if tap is None or tap.side != "input":
        return None
    head = encoder.twin.get_submodule(tap.layer)
    return scores_of_linear(head, Z) if head.in_features == Z.shape[1] else None


@contextmanager
def clear_errors(twin: nn.Module, inputs: Mapping[str, Tensor]) -> Iterator[None]:
    """Name the model that fails on tokens; errors of memory stay as they are."""
    try:
        yield
    except (torch.cuda.OutOfMemoryError, MemoryError, RowsError):
        raise
    except Exception as error:
        shape = tuple(inputs["input_ids"].shape)
        raise ValueError(
            f"{type(twin).__name__} must take the tokens of its tokenizer, "
            f"{', '.join(inputs)}; given input_ids of shape {shape}, it raised: {error}"
        ) from error
