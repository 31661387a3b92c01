"""to_torch: a whole model as one torch module."""

from typing import TYPE_CHECKING, Any

from sklearn.preprocessing import StandardScaler

from sklearn_kmex._model.layout import check_n_prototypes
from sklearn_kmex._model.steps import find_kmex, uncached_steps
from sklearn_kmex.embedding import MLPEmbedder
from sklearn_kmex.export._encoder import is_torch, make_encoder
from sklearn_kmex.utils import check_dependency

if TYPE_CHECKING:
    from sklearn_kmex._torch.types import Module


def to_torch(psem: Any, X: Any = None, *, n_prototypes: int = 3) -> "Module":
    """Turn a fitted model into a torch module that gives decisions and their reasons.

    For `torch.export`, `torch.compile` and serving on a GPU. The module holds copies of
    all weights, frozen, and computes in float32, distances about the mean of the
    prototypes.

    Read more in the :ref:`User Guide <serve>`.

    Parameters
    ----------
    psem : estimator
        Fitted `KMExClassifier`, or a `Pipeline` that ends in one, of `TorchEmbedder`,
        `SkorchEmbedder`, `MLPEmbedder` and `StandardScaler`.

    X : array-like of shape (n_samples, n_features) or (n_samples, ...), default=None
        Samples, of which the first is run where that is needed to find the layer that
        gives the embedding: where an embedder names none, and its network has several
        linear layers.

    n_prototypes : int, default=3
        Number of most similar prototypes that are given.

    Returns
    -------
    torch.nn.Module
        Takes a batch, after `preprocess` where the embedder has one, and returns a
        dict of tensors: "class_index" of shape (n_samples,), places in the attribute
        `classes_` of the module; "probabilities" of shape (n_samples, n_classes);
        "prototypes" of shape (n_samples, n_prototypes), most similar first, and
        their "similarities". The training rows of prototypes are the module's
        attribute `prototype_indices_`.

    Raises
    ------
    TypeError
        If a step is none of those, or the model is no `KMExClassifier`.

    ValueError
        If X is needed and not given.

    MissingDependencyError
        If torch is not installed.

    See Also
    --------
    to_onnx : A graph of any pipeline that skl2onnx converts.

    Examples
    --------
    >>> import torch
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_kmex import KMExClassifier
    >>> from sklearn_kmex.export import to_torch
    >>> X, y = load_iris(return_X_y=True)
    >>> psem = KMExClassifier(2, random_state=0).fit(X, y)
    >>> module = to_torch(psem)
    >>> answer = module(torch.tensor(X[:1], dtype=torch.float32))
    >>> module.classes_[answer["class_index"][0]]
    0
    >>> module.prototype_indices_[answer["prototypes"][0, 0]]  # a training row
    48
    """
    check_dependency("torch", caller="to_torch", extra="torch")
    from sklearn_kmex._torch.serving import PrototypeNetwork

    kmex, steps = find_kmex(psem), [step for _, step in uncached_steps(psem)]
    n_prototypes = check_n_prototypes(n_prototypes, kmex)
    parts = []
    for place, step in enumerate(steps):
        parts.append(as_module(step, X))
        if X is not None and place + 1 < len(steps):
            X = step.transform(X)
    return PrototypeNetwork(parts, kmex, n_prototypes)


def as_module(step: Any, X: Any) -> "Module":
    """Write one step as a torch module, or say that it has none."""
    from sklearn_kmex._torch.serving import Affine, mlp_layers

    if is_torch(step):
        return make_encoder(step, X, "to_torch")[0]
    if isinstance(step, MLPEmbedder):
        return mlp_layers(step.mlp, step.layer)
    if isinstance(step, StandardScaler):
        return Affine(step)
    raise TypeError(
        "psem must consist of torch embedders, MLPEmbedder, StandardScaler and a "
        f"KMExClassifier to become a torch module; got {type(step).__name__}. Use "
        "to_onnx, or give the module what this step gives."
    )
