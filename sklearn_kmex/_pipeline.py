"""make_kmex: a frozen trained model followed by a KMExClassifier."""

from __future__ import annotations

import sys
from typing import Any, Literal

from joblib import Memory
from numpy.typing import ArrayLike
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from sklearn_kmex._classifier import KMExClassifier
from sklearn_kmex.embedding import (
    CachedEmbedder,
    MLPEmbedder,
    SkorchEmbedder,
    TorchEmbedder,
    TreeEmbedder,
)
from sklearn_kmex.embedding._base import BaseEmbedder
from sklearn_kmex.embedding._cached import FROZEN
from sklearn_kmex.embedding._function import FunctionEmbedder
from sklearn_kmex.embedding._head import EmbeddingHead
from sklearn_kmex.embedding._leaves import is_tree_ensemble
from sklearn_kmex.embedding._pipeline import EmbeddingPipeline

NETWORKS: tuple[tuple[str, str, Any], ...] = (
    ("torch.nn", "Module", TorchEmbedder),
    ("torch.export", "ExportedProgram", TorchEmbedder),  # which refuses it
    ("skorch", "NeuralNet", SkorchEmbedder),
    ("sklearn.neural_network", "MLPClassifier", MLPEmbedder),
    ("sklearn.neural_network", "MLPRegressor", MLPEmbedder),
)


def make_kmex(
    model: Any,
    *,
    layer: str | int | None = None,
    n_prototypes: float | dict | Literal["auto"] = "auto",
    metric: str = "auto",
    similarity: Literal["log", "gaussian", "auto"] = "auto",
    aggregation: Literal["max", "sum", "auto"] = "auto",
    priors: str | ArrayLike = "auto",
    memory: str | Memory | None = None,
    **kmex_params: Any,
) -> Pipeline:
    """Make an unfitted self-explainable model from a trained model.

    The encoder of the model stays frozen. Prototypes in its embedding space replace its
    classifier. How many prototypes there are and how they decide is chosen by `fit`,
    together and by held-out rows; a parameter other than "auto" stays as given (see
    Notes).

    Read more in the :ref:`User Guide <embedding>`.

    Parameters
    ----------
    model : object
        The trained model: a `torch.nn.Module`; a fitted skorch net, `MLPClassifier`,
        random forest, extra trees, gradient boosting, decision tree, or bagging or
        AdaBoost of decision trees, of scikit-learn, XGBoost, LightGBM or CatBoost; a
        fitted `Pipeline` that ends in one of these; a transformer, which is frozen if
        it is fitted; or a callable that takes X and returns embeddings of shape
        (n_samples, n_features).

    layer : str or int, default=None
        Layer of a network whose output is the embedding: a dotted name for torch, or
        the number of a hidden layer for an MLP. By default, the embedding is the input
        of the last linear layer.

    n_prototypes : int, float in (0, 1), dict of label to int, or "auto", \
            default="auto"
        Number of prototypes of each class, as in `KMExClassifier`.

    metric : {"euclidean", "cosine", "mahalanobis", "cosine_mahalanobis", "auto"}, \
            default="auto"
        Distance of a sample to a prototype, as in `KMExClassifier`.

    similarity : {"log", "gaussian", "auto"}, default="auto"
        Similarity at a given distance, as in `KMExClassifier`.

    aggregation : {"max", "sum", "auto"}, default="auto"
        Score of a class from the similarities to its prototypes, as in
        `KMExClassifier`.

    priors : {"uniform", "class", "prototype", "auto"} or array-like of shape \
            (n_classes,), default="auto"
        Weights of the prototypes in the class scores, as in `KMExClassifier`.

    memory : str or joblib.Memory, default=None
        Folder of a cache, by which each distinct sample is embedded once for all folds,
        candidates and processes of a search (see
        :class:`~sklearn_kmex.embedding.CachedEmbedder`). For a transformer that is
        fitted with the pipeline, it is the `memory` of the `Pipeline`. None disables
        the cache.

    **kmex_params : dict
        Further parameters of `KMExClassifier`.

    Returns
    -------
    Pipeline
        Pipeline of the steps "embed", the frozen encoder, and "kmex", a
        `KMExClassifier`.

    Raises
    ------
    TypeError
        If the model is of another type, or `layer` is given for a model without
        layers.

    See Also
    --------
    KMExClassifier : The classifier after the encoder.
    KMExClassifierCV : The same choice, with settings for the comparison.
    sklearn_kmex.embedding.TorchEmbedder : The encoder for a torch module.

    Notes
    -----
    `make_kmex(model)` chooses all five parameters by held-out log-loss, on at most
    20,000 rows; the final fit uses all rows. `make_kmex(model, n_prototypes=5)` chooses
    the other four for five prototypes of each class. If the encoder knows the last
    layer of the model, its probabilities replace the labels in this choice (`teacher`
    of `KMExClassifier`). The setting of the paper is
    `make_kmex(model, n_prototypes=5, metric="euclidean", similarity="log",
    aggregation="max", priors="uniform")`, which compares nothing. A
    :class:`KMExClassifier` alone has it by default.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.decomposition import PCA
    >>> from sklearn_kmex import make_kmex
    >>> X, y = load_iris(return_X_y=True)
    >>> psem = make_kmex(PCA(2).fit(X), n_prototypes=2, random_state=0).fit(X, y)
    >>> kmex = psem.named_steps["kmex"]
    >>> kmex.prototypes_.shape
    (6, 2)
    >>> sorted(kmex.best_params_)
    ['aggregation', 'metric', 'n_prototypes', 'priors', 'similarity']
    """
    embedder = _make_embedder(model, layer)
    if memory is not None and isinstance(embedder, FROZEN):
        embedder, memory = CachedEmbedder(embedder, memory), None
    kmex_params = {"teacher": EmbeddingHead(embedder), **kmex_params}
    kmex = KMExClassifier(
        n_prototypes,
        metric=metric,
        similarity=similarity,
        aggregation=aggregation,
        priors=priors,
        **kmex_params,
    )
    return Pipeline([("embed", embedder), ("kmex", kmex)], memory=memory)


def _make_embedder(model: Any, layer: str | int | None) -> Any:
    """Wrap a network, with or without steps before it, or a model without layers."""
    if isinstance(model, Pipeline) and not hasattr(model[-1], "transform"):
        embedder = _make_embedder(model[-1], layer)
        if len(model) == 1:
            return embedder
        before = FrozenEstimator(model[:-1])
        return EmbeddingPipeline([("before", before), ("model", embedder)])
    for package, name, embedder in NETWORKS:
        if _is_instance(model, package, name):
            return embedder(model) if layer is None else embedder(model, layer)
    if layer is not None:
        raise TypeError(
            "layer must be None unless model is a network; got "
            f"layer={layer!r} for {type(model).__name__}."
        )
    return _make_transformer(model)


def _make_transformer(model: Any) -> Any:
    if isinstance(model, type):
        raise TypeError(f"model must be an instance; got the class {model.__name__}.")
    if is_tree_ensemble(model):
        return TreeEmbedder(model)
    if isinstance(model, BaseEmbedder | CachedEmbedder):
        return model
    if hasattr(model, "transform"):
        return FrozenEstimator(model) if _is_fitted(model) else model
    if callable(model):
        return FrozenEstimator(FunctionEmbedder(model))  # a clone shares the model
    raise TypeError(
        "model must be a torch.nn.Module, a fitted skorch net, MLP, random forest, "
        "extra trees, gradient boosting or decision tree (of scikit-learn, XGBoost or "
        "LightGBM), a Pipeline that ends in one of these, a transformer, or a callable "
        f"that returns embeddings; got {type(model).__name__}."
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
