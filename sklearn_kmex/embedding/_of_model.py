"""The embedder of a trained model, whatever wraps it."""

import sys
from typing import Any

from sklearn.base import is_classifier
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.utils import InputTags, get_tags
from sklearn.utils.validation import check_is_fitted

from sklearn_kmex._model.wrapped import before_and_last, decided_by, unwrapped
from sklearn_kmex.embedding._base import BaseEmbedder
from sklearn_kmex.embedding._boosters import as_estimator
from sklearn_kmex.embedding._cached import CachedEmbedder
from sklearn_kmex.embedding._function import FunctionEmbedder
from sklearn_kmex.embedding._leaves import is_tree_ensemble
from sklearn_kmex.embedding._mlp import MLPEmbedder
from sklearn_kmex.embedding._pipeline import EmbeddingPipeline
from sklearn_kmex.embedding._score import ScoreEmbedder
from sklearn_kmex.embedding._skorch import SkorchEmbedder
from sklearn_kmex.embedding._text import TextEmbedder
from sklearn_kmex.embedding._torch import TorchEmbedder
from sklearn_kmex.embedding._tree import TreeEmbedder

NETWORKS: tuple[tuple[str, str, Any], ...] = (
    ("torch.nn", "Module", TorchEmbedder),
    ("torch.export", "ExportedProgram", TorchEmbedder),  # which refuses it
    ("skorch", "NeuralNet", SkorchEmbedder),
    ("sklearn.neural_network", "MLPClassifier", MLPEmbedder),
    ("sklearn.neural_network", "MLPRegressor", MLPEmbedder),
)


def embedder_of(model: Any, layer: str | int | None, tokenizer: Any = None) -> Any:
    """Return an embedder of the model inside all wrappers.

    Its black box is the whole model. Texts before a classifier without layers or trees
    keep their own vectors.
    """
    model = as_estimator(unwrapped(model))
    split = before_and_last(model)
    if split is not None:
        before, last = split
        embedder = embedder_of(last, layer, tokenizer)
        if before is None:
            return embedder
        if isinstance(embedder, ScoreEmbedder) and _reads_texts(before):
            return _with_black_box(FrozenEstimator(before), model)
        steps = [("before", FrozenEstimator(before)), ("model", embedder)]
        return EmbeddingPipeline(steps)
    inner = decided_by(model)
    if not inner:
        return _of_one(model, layer, tokenizer)
    parts = [embedder_of(one, layer, tokenizer) for one in inner]
    names = [f"model{n}" for n in range(len(parts))]
    union = FeatureUnion(list(zip(names, parts, strict=True)))
    return _with_black_box(parts[0] if len(parts) == 1 else union, model)


def with_classes(embedder: Any, classes: Any) -> Any:
    """Return an embedder whose black box has these labels of its outputs."""
    if not hasattr(embedder, "black_box_output"):
        raise TypeError(
            "classes must be None unless the model has outputs for the classes; got "
            f"classes={classes!r} for a transformer or function."
        )
    return EmbeddingPipeline([("model", embedder)], classes=classes)


def _with_black_box(embedder: Any, model: Any) -> EmbeddingPipeline:
    return EmbeddingPipeline([("model", embedder)], black_box=FrozenEstimator(model))


def _reads_texts(steps: Any) -> bool:
    """Whether one of some steps takes a column of texts."""
    if isinstance(steps, Pipeline):
        return any(_reads_texts(step) for _, step in steps.steps)
    tags = get_tags(steps).input_tags if hasattr(steps, "transform") else InputTags()
    return tags.string and not tags.two_d_array


def _of_one(model: Any, layer: Any, tokenizer: Any) -> Any:
    """Return an embedder of a model that is no wrapper."""
    if _is_instance(model, "sentence_transformers", "SentenceTransformer"):
        return TextEmbedder(model, tokenizer, layer=layer)
    if _is_instance(model, "transformers.pipelines.base", "Pipeline"):
        model, tokenizer = model.model, tokenizer or model.tokenizer
    if tokenizer is not None:
        if not _is_instance(model, "torch.nn", "Module"):
            raise TypeError(
                "tokenizer must be None unless model is a torch module of tokens; got "
                f"a {type(tokenizer).__name__} for {type(model).__name__}."
            )
        return TextEmbedder(model, tokenizer, layer=layer)
    for package, name, embedder in NETWORKS:
        if _is_instance(model, package, name):
            return embedder(model) if layer is None else embedder(model, layer)
    if layer is not None:
        raise TypeError(
            "layer must be None unless model is a network; got "
            f"layer={layer!r} for {type(model).__name__}."
        )
    return _of_one_without_layers(model)


def _of_one_without_layers(model: Any) -> Any:
    if isinstance(model, type):
        raise TypeError(f"model must be an instance; got the class {model.__name__}.")
    if is_tree_ensemble(model):
        return TreeEmbedder(model)
    if isinstance(model, BaseEmbedder | EmbeddingPipeline | CachedEmbedder):
        return model
    if hasattr(model, "transform"):
        return _of_transformer(model)
    if _gives_scores(model):
        return ScoreEmbedder(model)
    if callable(model):
        return FrozenEstimator(FunctionEmbedder(model))  # a clone shares the model
    raise _unknown(model)


def _of_transformer(model: Any) -> Any:
    """Freeze a transformer if it is fitted; it may be a classifier too."""
    if not _is_fitted(model):
        return model
    frozen = FrozenEstimator(model)
    return _with_black_box(frozen, model) if is_classifier(model) else frozen


def _gives_scores(model: Any) -> bool:
    """Whether a model is a fitted classifier that gives scores."""
    names = ("decision_function", "predict_proba")
    if not hasattr(model, "predict") or not any(hasattr(model, one) for one in names):
        return False
    if hasattr(model, "classes_"):
        return True
    if is_classifier(model):
        raise NotFittedError(
            f"model must be fitted; got a {type(model).__name__} that is not. Call its "
            "fit first."
        )
    return False


def _unknown(model: Any) -> TypeError:
    return TypeError(
        "model must be a torch.nn.Module, a fitted skorch net, MLP, ensemble of trees "
        "or other classifier with decision_function or predict_proba, a fitted search, "
        "a Pipeline that ends in one of these, a transformer, or a callable that "
        f"returns embeddings; got {type(model).__name__}."
    )


def _is_instance(model: Any, module: str, name: str) -> bool:
    """Check a type without import: the package of an instance is already imported."""
    return module in sys.modules and isinstance(
        model, getattr(sys.modules[module], name)
    )


def _is_fitted(model: Any) -> bool:
    try:
        check_is_fitted(model)
    except (NotFittedError, TypeError):
        return False
    return True
