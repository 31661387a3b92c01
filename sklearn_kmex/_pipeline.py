"""make_kmex: a trained model, frozen, with a KMExClassifier behind it."""

import sys
from typing import Any

from joblib import Memory
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.validation import check_is_fitted

from sklearn_kmex._classifier import KMExClassifier
from sklearn_kmex.embedding import SkorchEmbedder, TorchEmbedder


def make_kmex(
    model: Any,
    *,
    layer: str | None = None,
    n_prototypes: int | dict = 5,
    memory: str | Memory | None = None,
    **kmex_params: Any,
) -> Pipeline:
    """Make a trained model into a self-explainable one, not yet fitted.

    The model's encoder stays frozen; prototypes in its embedding space replace its
    classifier.

    Read more in the :ref:`User Guide <embedding>`.

    Parameters
    ----------
    model : torch.nn.Module, fitted skorch net, transformer or callable
        The trained model. A fitted transformer is frozen; a callable takes X and
        returns embeddings of shape (n_samples, n_features).

    layer : str, default=None
        Layer of a torch module or skorch net whose output is the embedding. None is
        the input of its last linear layer.

    n_prototypes : int or dict of class label to int, default=5
        Number of prototypes of each class.

    memory : str or joblib.Memory, default=None
        Cache of the pipeline. None caches nothing.

    **kmex_params : dict
        Further parameters of `KMExClassifier`.

    Returns
    -------
    Pipeline
        Steps "embed", the frozen encoder, and "kmex", a `KMExClassifier`.

    Raises
    ------
    TypeError
        If the model is none of those, or `layer` is given for one without layers.

    See Also
    --------
    KMExClassifier : The classifier behind the encoder.
    sklearn_kmex.embedding.TorchEmbedder : The encoder of a torch module.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.decomposition import PCA
    >>> from sklearn_kmex import make_kmex
    >>> X, y = load_iris(return_X_y=True)
    >>> psem = make_kmex(PCA(2).fit(X), n_prototypes=2, random_state=0).fit(X, y)
    >>> psem.named_steps["kmex"].prototypes_.shape
    (6, 2)
    """
    return Pipeline(
        [
            ("embed", _make_embedder(model, layer)),
            ("kmex", KMExClassifier(n_prototypes, **kmex_params)),
        ],
        memory=memory,
    )


def _make_embedder(model: Any, layer: str | None) -> Any:
    if _is_instance(model, "torch.nn", "Module"):
        return TorchEmbedder(model, layer)
    if _is_instance(model, "skorch", "NeuralNet"):
        return SkorchEmbedder(model, layer)
    if layer is not None:
        raise TypeError(
            f"layer must be None unless model is a torch module or a skorch net; got "
            f"layer={layer!r} for {type(model).__name__}."
        )
    if isinstance(model, type):
        raise TypeError(f"model must be an instance; got the class {model.__name__}.")
    if hasattr(model, "transform"):
        return FrozenEstimator(model) if _is_fitted(model) else model
    if callable(model):
        return FunctionTransformer(model)
    raise TypeError(
        "model must be a torch.nn.Module, a fitted skorch net, a transformer or a "
        f"callable that returns embeddings; got {type(model).__name__}."
    )


def _is_instance(model: Any, module: str, name: str) -> bool:
    """Ask without importing: an instance's package has been imported already."""
    return module in sys.modules and isinstance(
        model, getattr(sys.modules[module], name)
    )


def _is_fitted(model: Any) -> bool:
    try:
        check_is_fitted(model)
    except (NotFittedError, TypeError):
        return False
    return True
