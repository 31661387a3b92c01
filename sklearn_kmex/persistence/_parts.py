"""The models inside a model, and the copy of each that is saved."""

import copy
import hashlib
import json
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from sklearn.pipeline import Pipeline

from sklearn_kmex._classifier import KMExClassifier
from sklearn_kmex._model.protocol import levels
from sklearn_kmex._model.steps import copy_model, parts_of, without_cache
from sklearn_kmex.embedding import (
    CachedEmbedder,
    SkorchEmbedder,
    TextEmbedder,
    TorchEmbedder,
)
from sklearn_kmex.persistence._refusal import Refusal

TEXT = "The quick BROWN fox: 3,5 \u00e4\u00df\u6f22\u0416 \U0001f600\n"  # any text


def models_in(model: Any) -> Iterator[Any]:
    """Yield a model and all models inside it."""
    yield model
    for part in parts_of(model):
        yield from models_in(part)


def objects_in(model: Any) -> Iterator[Any]:
    """Yield all objects in a model, each once."""
    seen, waiting = set(), [model]
    while waiting:
        one = waiting.pop()
        if id(one) in seen or isinstance(one, str | bytes | int | float):
            continue
        seen.add(id(one))
        if isinstance(one, list | tuple | set):
            waiting.extend(one)
        elif isinstance(one, dict):
            waiting.extend(one.values())
        elif isinstance(one, np.ndarray):
            waiting.extend(one.ravel().tolist() if one.dtype == object else ())
        else:
            yield one
            waiting.extend(getattr(one, "__dict__", {}).values())


def torch_embedders(model: Any) -> list[TextEmbedder | TorchEmbedder]:
    """List the torch embedders in a model."""
    kinds = TextEmbedder, TorchEmbedder
    return [part for part in models_in(model) if isinstance(part, kinds)]


def set_network(
    embedder: TextEmbedder | TorchEmbedder, module: Any, tokenizer: Any
) -> None:
    """Give a loaded embedder its network, and its tokenizer if it takes texts."""
    if isinstance(embedder, TextEmbedder):
        embedder.model, embedder.tokenizer = module, tokenizer
    else:
        embedder.module = module


def tokenizer_of(embedders: Sequence[Any]) -> str | None:
    """Return a hash of the tokenizer of texts, None if there is none."""
    return next((_digest(one) for one in embedders if _reads_texts(one)), None)


def _reads_texts(embedder: Any) -> bool:
    return isinstance(embedder, TextEmbedder)


def _digest(embedder: TextEmbedder) -> str:
    """Hash the vocabulary of a tokenizer, and what it makes of a text."""
    vocabulary = sorted(embedder._tokenizer().get_vocab().items())
    ids = embedder._encode([TEXT]).columns["input_ids"][0]
    return hashlib.sha256(json.dumps([vocabulary, ids]).encode()).hexdigest()


def check_tokenizer(embedders: Sequence[Any], saved: str | None) -> None:
    """Refuse a tokenizer that would give other tokens than the saved one."""
    try:
        found = tokenizer_of(embedders)
    except TypeError as error:
        raise Refusal(
            "it embeds texts, whose tokenizer is missing", str(error)
        ) from error
    if found != saved:
        raise Refusal(
            "its texts were made into tokens by another tokenizer than that given",
            "Pass the module and the tokenizer that the model was fitted with.",
        )


def check_no_search(psem: Any) -> None:
    """Refuse a fitted search, whose results and scorers cannot be saved safely."""
    for model in levels(psem):
        if "best_estimator_" in vars(model):
            raise TypeError(
                f"psem must not be or contain a search to be saved; got a "
                f"{type(model).__name__}. Save its best_estimator_, or use that in "
                "its place."
            )


def without_modules(psem: Any) -> Any:
    """Copy a model without torch modules, caches and teachers, which only fit needs.

    The cache of a Pipeline is a folder of this machine.
    """
    copied = copy_model(psem, _saved_part)
    for model in models_in(copied):
        if isinstance(model, Pipeline):
            model.memory = None
    return copied


def _saved_part(model: Any) -> Any:
    """Return what is saved in place of a part; None if it is saved as it is."""
    if isinstance(model, KMExClassifier) and model.teacher is not None:
        return copy.copy(model).set_params(teacher=None)
    if isinstance(model, CachedEmbedder):
        return without_modules(without_cache(model))
    if isinstance(model, SkorchEmbedder):
        raise TypeError(
            "psem must use a TorchEmbedder to be saved; got a SkorchEmbedder. Replace "
            "its step by TorchEmbedder(net.module_) with set_params."
        )
    if isinstance(model, TextEmbedder):
        return copy.copy(model).set_params(model=None, tokenizer=None)
    if isinstance(model, TorchEmbedder):
        return copy.copy(model).set_params(module=None)
    return None
