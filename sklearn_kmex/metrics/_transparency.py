"""Transparency: how many prototypes are used, and how evenly."""

from __future__ import annotations

from numbers import Integral

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import entr
from sklearn.utils import check_array

from sklearn_kmex._compat import Interval, validate_params

_ACTIVATIONS = {
    "activations": ["array-like"],
    "n_prototypes": [Interval(Integral, 1, None, closed="left")],
}


@validate_params(_ACTIVATIONS, prefer_skip_nested_validation=True)
def prototype_usage(activations: ArrayLike, n_prototypes: int) -> NDArray[np.intp]:
    """Count for how many samples each prototype is the most similar one.

    Read more in the :ref:`User Guide <transparency>`.

    Parameters
    ----------
    activations : array-like of shape (n_samples,), dtype=int
        Index of the most similar prototype of each sample, as from
        `psem.transform(X).argmax(axis=1)`. If prototypes have unequal weights, add
        `psem.temperature_ * np.log(psem.prototype_weights_)` to the similarities first,
        as the decision does.

    n_prototypes : int
        Number of prototypes of all classes.

    Returns
    -------
    ndarray of shape (n_prototypes,), dtype=intp
        Number of samples that each prototype decides.

    Raises
    ------
    ValueError
        If an index is not in `[0, n_prototypes)`.

    See Also
    --------
    ghosting_rate : Share of prototypes that decide no sample.

    Examples
    --------
    >>> from sklearn_kmex.metrics import prototype_usage
    >>> prototype_usage([0, 2, 2, 0, 0], n_prototypes=4)
    array([3, 0, 2, 0])
    """
    indices = check_array(activations, ensure_2d=False, dtype=None)
    if indices.ndim != 1 or not np.issubdtype(indices.dtype, np.integer):
        raise ValueError(
            "activations must be one prototype index for each sample; got an array of "
            f"shape {indices.shape} and dtype {indices.dtype}. For similarities, use "
            "argmax(axis=1)."
        )
    if indices.min() < 0 or indices.max() >= n_prototypes:
        raise ValueError(
            f"activations must be below n_prototypes={n_prototypes} and not negative; "
            f"got {indices.min()} to {indices.max()}."
        )
    return np.bincount(indices, minlength=n_prototypes)


@validate_params(_ACTIVATIONS, prefer_skip_nested_validation=True)
def ghosting_rate(activations: ArrayLike, n_prototypes: int) -> float:
    """Compute the share of prototypes that decide no sample of a reference set.

    Such prototypes are called ghosts: they are not the most similar prototype of any
    sample. If prototypes have unequal weights, the most similar one is that of the
    largest weighted similarity: a prototype of little weight can be a ghost although it
    is the nearest one of some samples. The share is that of all prototypes [1]_.

    Read more in the :ref:`User Guide <transparency>`.

    Parameters
    ----------
    activations : array-like of shape (n_samples,), dtype=int
        Index of the most similar prototype of each sample of the reference set.

    n_prototypes : int
        Number of prototypes of all classes.

    Returns
    -------
    float
        Share in [0, 1); 0 is best.

    Raises
    ------
    ValueError
        If an index is not in `[0, n_prototypes)`.

    See Also
    --------
    transparency_score : One minus this rate.
    prototype_usage : Number of samples that each prototype decides.

    References
    ----------
    .. [1] S. Gautam, A. Boubekki, M. Höhne and M. Kampffmeyer, "Prototypical
       Self-Explainable Models Without Re-training", 2024, arXiv:2312.07822.

    Examples
    --------
    >>> from sklearn_kmex.metrics import ghosting_rate
    >>> ghosting_rate([0, 2, 2, 0, 0], n_prototypes=4)
    0.5
    """
    return float(np.mean(prototype_usage(activations, n_prototypes) == 0))


@validate_params(_ACTIVATIONS, prefer_skip_nested_validation=True)
def transparency_score(activations: ArrayLike, n_prototypes: int) -> float:
    """Compute the share of prototypes that decide at least one sample.

    Read more in the :ref:`User Guide <transparency>`.

    Parameters
    ----------
    activations : array-like of shape (n_samples,), dtype=int
        Index of the most similar prototype of each sample of the reference set.

    n_prototypes : int
        Number of prototypes of all classes.

    Returns
    -------
    float
        `1 - ghosting_rate`, in (0, 1]; 1 is best.

    Raises
    ------
    ValueError
        If an index is not in `[0, n_prototypes)`.

    See Also
    --------
    ghosting_rate : One minus this score.

    Examples
    --------
    >>> from sklearn_kmex.metrics import transparency_score
    >>> transparency_score([0, 2, 2, 0, 0], n_prototypes=4)
    0.5
    """
    return 1 - ghosting_rate(activations, n_prototypes)


@validate_params(_ACTIVATIONS, prefer_skip_nested_validation=True)
def usage_entropy_score(activations: ArrayLike, n_prototypes: int) -> float:
    """Compute how evenly the samples of a reference set are decided by prototypes.

    With the share u_k of samples that prototype k decides, the score is the entropy
    `-sum(u * log(u)) / log(n_prototypes)`: 1 if all prototypes decide equally many
    samples, 0 if one decides all. The score of a single prototype is 1.

    Read more in the :ref:`User Guide <transparency>`.

    Parameters
    ----------
    activations : array-like of shape (n_samples,), dtype=int
        Index of the most similar prototype of each sample of the reference set.

    n_prototypes : int
        Number of prototypes of all classes.

    Returns
    -------
    float
        Score in [0, 1]; 1 is best.

    Raises
    ------
    ValueError
        If an index is not in `[0, n_prototypes)`.

    See Also
    --------
    ghosting_rate : Share of prototypes that decide no sample.
    prototype_usage : Number of samples that each prototype decides.

    Notes
    -----
    The score is not part of the KMEx paper. Unlike `ghosting_rate`, it distinguishes
    prototypes that decide one sample from those that decide many. If classes differ in
    size, the best score that a model can reach is below 1. The cost is
    O(n_samples + n_prototypes).

    Examples
    --------
    >>> from sklearn_kmex.metrics import usage_entropy_score
    >>> usage_entropy_score([0, 1, 2, 3], n_prototypes=4)
    1.0
    >>> round(usage_entropy_score([0, 2, 2, 0, 0], n_prototypes=4), 4)
    0.4855
    """
    usage = prototype_usage(activations, n_prototypes)
    if n_prototypes == 1:
        return 1.0
    entropy = float(entr(usage / usage.sum()).sum())
    return min(1.0, entropy / float(np.log(n_prototypes)))
