"""to_torch: convert a whole model to one torch module."""

from typing import TYPE_CHECKING, Any

from sklearn.preprocessing import StandardScaler

from sklearn_kmex.embedding import MLPEmbedder
from sklearn_kmex.export._parts import exported_parts, is_torch, make_encoder, sample_of
from sklearn_kmex.utils import check_dependency

if TYPE_CHECKING:
    from sklearn_kmex._torch.types import Module


def to_torch(psem: Any, X: Any = None, *, n_prototypes: int = 3) -> "Module":
    """Convert a fitted model to a torch module that returns decisions and prototypes.

    The module is for `torch.export`, `torch.compile` and GPUs. It contains frozen
    copies of all weights, and computes in float32, with distances about the mean of
    the prototypes. The map of a Mahalanobis metric is applied in float64; on a device
    without it, call `module.float()` first.

    Read more in the :ref:`User Guide <serve>`.

    Parameters
    ----------
    psem : estimator
        Fitted `KMExClassifier`; a `Pipeline` of `TorchEmbedder`, `SkorchEmbedder`,
        `MLPEmbedder` or `StandardScaler` that ends in one; or a fitted search over one
        of these, whose best estimator is exported.

    X : array-like of shape (n_samples, n_features) or (n_samples, ...), default=None
        Samples, required if an embedder has no `layer` and its network has several
        linear layers. The first sample is then run to find the last of them.

    n_prototypes : int, default=3
        Number of most similar prototypes that the module returns.

    Returns
    -------
    torch.nn.Module
        Module that takes a batch, after `preprocess` if the embedder has one, and
        returns a dict of tensors: "class_index" of shape (n_samples,), positions in the
        attribute `classes_` of the module; "probabilities" of shape
        (n_samples, n_classes); "prototypes" of shape (n_samples, n_prototypes), most
        similar first; and "similarities" of the same shape. The attribute
        `prototype_indices_` contains the training rows of the prototypes. With a cosine
        metric, a row of zeros is compared as it is, as by `predict`, but without its
        warning.

    Raises
    ------
    TypeError
        If a step is of another type, the model does not end in a `KMExClassifier`, or
        it is a `RejectingClassifier`.

    ValueError
        If X is required and not given, or `n_prototypes` is less than 1.

    MissingDependencyError
        If torch is not installed.

    See Also
    --------
    to_onnx : Converts models with further steps to an ONNX graph.

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

    kmex, steps, n_prototypes = exported_parts(psem, n_prototypes)
    parts = []
    for n, step in enumerate(steps, 1):
        parts.append(_as_module(step, X, kmex.n_features_in_))
        if X is not None and n < len(steps):
            X = step.transform(X)
    return PrototypeNetwork(parts, kmex, n_prototypes)


def _as_module(step: Any, X: Any, width: int) -> "Module":
    """Convert one step to a torch module."""
    from sklearn_kmex._torch.serving import Affine, mlp_layers

    if is_torch(step):
        return make_encoder(step, None if X is None else sample_of(step, X), width)
    if isinstance(step, MLPEmbedder):
        return mlp_layers(step.mlp, step.layer)
    if isinstance(step, StandardScaler):
        return Affine(step)
    raise TypeError(
        "psem must consist of torch embedders, MLPEmbedder, StandardScaler and a "
        f"KMExClassifier to become a torch module; got {type(step).__name__}. Use "
        "to_onnx, or export the steps after it, and pass them its output."
    )
