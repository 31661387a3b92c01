"""Concept maps: where in the input a prototype is found, without gradients."""

from __future__ import annotations

from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sklearn_kmex._compat import Interval, validate_params
from sklearn_kmex._model.decision import decide
from sklearn_kmex._model.protocol import of_one_state
from sklearn_kmex._model.rule import rule_of
from sklearn_kmex._model.steps import embed
from sklearn_kmex.explain._network import find_network
from sklearn_kmex.explain._settings import prototype_ids
from sklearn_kmex.utils import check_dependency


@validate_params(
    {"batch_size": [Interval(Integral, 1, None, closed="left")]},
    prefer_skip_nested_validation=True,
)
def concept_maps(
    psem: Any,
    X: Any,
    *,
    prototypes: ArrayLike | None = None,
    batch_size: int = 32,
) -> NDArray[np.float32]:
    """Show where in the input a prototype is found.

    The embedding must be the mean over the locations of a feature map or over patch
    tokens. Each location is then compared with the prototype. No gradients are needed,
    and the layers before can be of any kind.

    Read more in the :ref:`User Guide <concept_maps>`.

    Parameters
    ----------
    psem : estimator
        Fitted self-explainable model: a `Pipeline` of any transformers, a
        `TorchEmbedder` or `SkorchEmbedder`, and a `KMExClassifier` with any metric.
        Between these two, it may have affine steps, such as scalers or PCA, and
        `Normalizer`. A fitted search, a `FrozenEstimator` or a `RejectingClassifier`
        around one is accepted; the classifier inside is explained.

    X : array-like of shape (n_samples, ...)
        Samples, as `psem.predict` takes them.

    prototypes : int or array-like of shape (n_samples,) or (n_samples, n_maps), \
default=None
        Prototypes to look for, as indices of `prototypes_`. None is the most similar
        one of the predicted class, by weighted similarity.

    batch_size : int, default=32
        Number of samples in a batch.

    Returns
    -------
    ndarray of shape (n_samples, ...) or (n_samples, n_maps, ...), dtype=float32
        Maps of the size of the network's input, without channels; several for each
        sample if `prototypes` has two axes.

    Raises
    ------
    TypeError
        If there is no torch encoder before the classifier, or if a step between the two
        is not affine.

    ValueError
        If the embedding is neither the mean of locations nor a class token next to
        patch tokens, or if there is no such prototype.

    MissingDependencyError
        If torch is not installed.

    See Also
    --------
    relevance : Relevance maps, for embeddings of any kind.

    Notes
    -----
    The value at a location with features f is the inner product f'p with the prototype
    p. Its mean over the locations is z'p, the term of `d(z, p)**2 = z'z - 2 z'p + p'p`
    that depends on both sample and prototype, so the map splits this term exactly. The
    distance of each location to p would not be useful: a prototype is a mean over
    objects and their surroundings, and no single location is close to it.

    With another metric, or steps between the network and the classifier, f goes through
    the same steps as z, and the product is f'Mp with the matrix M of the metric. Rows
    are divided by the length of z, so that the mean over the locations is z'Mp.

    Maps have the resolution of the feature map and are enlarged by interpolation. The
    idea is inspired by [1]_, where maps come from clusters of locations; the inner
    product is an addition of this package. For a class token there is no such sum, and
    the maps are only similarities of the patch tokens.

    References
    ----------
    .. [1] A. Boubekki and L. K. H. Clemmensen, "Post-hoc Self-explanation of CNNs",
       2026, arXiv:2603.28466.

    Examples
    --------
    >>> import numpy as np
    >>> import torch
    >>> from sklearn_kmex import make_kmex
    >>> from sklearn_kmex.explain import concept_maps
    >>> _ = torch.manual_seed(0)
    >>> network = torch.nn.Sequential(
    ...     torch.nn.Conv2d(1, 4, 3),
    ...     torch.nn.ReLU(),
    ...     torch.nn.AdaptiveAvgPool2d(1),
    ...     torch.nn.Flatten(),
    ...     torch.nn.Linear(4, 2),
    ... )
    >>> X = np.random.default_rng(0).normal(size=(20, 1, 8, 8)).astype(np.float32)
    >>> psem = make_kmex(network, random_state=0).fit(X, np.arange(20) % 2)
    >>> concept_maps(psem, X[:3]).shape
    (3, 8, 8)
    """
    psem = of_one_state(psem)
    found = find_network(psem, X)
    check_dependency("torch", caller="concept_maps", extra="torch")
    from sklearn_kmex._torch.concepts import concepts

    ids = prototype_ids(prototypes, decide(found.sem, embed(psem, X)))
    maps = concepts(
        found.embedder._encoder(batch_size),
        found.inputs,
        rule_of(found.sem),
        found.layers(),
        ids.reshape(len(ids), -1),
    )
    return maps if ids.ndim == 2 else maps[:, 0]
