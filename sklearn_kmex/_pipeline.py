"""make_kmex: a frozen trained model followed by a KMExClassifier."""

from __future__ import annotations

from typing import Any, Literal

from joblib import Memory
from numpy.typing import ArrayLike
from sklearn.pipeline import Pipeline

from sklearn_kmex._classifier import KMExClassifier
from sklearn_kmex._model.black_box import check_labels
from sklearn_kmex.embedding import CachedEmbedder
from sklearn_kmex.embedding._cached import FROZEN
from sklearn_kmex.embedding._head import EmbeddingHead
from sklearn_kmex.embedding._of_model import embedder_of, with_classes


def make_kmex(
    model: Any,
    *,
    tokenizer: Any = None,
    layer: str | int | None = None,
    classes: ArrayLike | None = None,
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
        The trained model: a `torch.nn.Module`; a `SentenceTransformer`; a pipeline of
        transformers that classifies texts; a fitted skorch net, `MLPClassifier`,
        ensemble of trees of scikit-learn, XGBoost, LightGBM or CatBoost, or other
        classifier with `decision_function` or `predict_proba`; a fitted `Pipeline` that
        ends in one of these, or a fitted search, threshold, calibration or vote over
        them; a transformer, which is frozen if it is fitted; or a callable that takes X
        and returns embeddings of shape (n_samples, n_features). A
        `Pipeline` that reads texts keeps its own vectors, unless its classifier has
        layers or trees.

    tokenizer : tokenizer of transformers, default=None
        Tokenizer of a torch module that takes texts as tokens, as models of
        transformers do. A `SentenceTransformer` has its own.

    layer : str or int, default=None
        Layer of a network whose output is the embedding: a dotted name for torch, or
        the number of a hidden layer for an MLP. By default, the embedding is the input
        of the last linear layer.

    classes : array-like of shape (n_outputs,), default=None
        Label of each output of the model, in their order, as in y. None takes the
        labels that the model has, or else the sorted labels of y, which is checked.

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
        If the model is of another type, predicts several targets, or `layer` or
        `classes` is given for a model without layers or outputs.

    ValueError
        If `classes` are no different labels, or a classifier is not fitted. `fit`
        raises it if the outputs of the model are taken for the sorted labels of y, and
        another order fits much better.

    See Also
    --------
    KMExClassifier : The classifier after the encoder.
    KMExClassifierCV : The same choice, with settings for the comparison.
    sklearn_kmex.embedding.TorchEmbedder : The encoder for a torch module.
    sklearn_kmex.embedding.TextEmbedder : The encoder for a model of texts.

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
    ['aggregation', 'metric', 'n_prototypes', 'priors', 'shrinkage', 'similarity']
    """
    check_labels(classes)
    embedder = embedder_of(model, layer, tokenizer)
    if classes is not None:
        embedder = with_classes(embedder, classes)
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
