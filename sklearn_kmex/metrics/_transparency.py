"""Transparency: the prototypes decide, each of them somewhere."""

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
    """Count how often each prototype is the one a sample is most similar to.

    Read more in the :ref:`User Guide <transparency>`.

    Parameters
    ----------
    activations : array-like of shape (n_samples,), dtype=int
        Index of the most similar prototype of each sample, as from
        `psem.transform(X).argmax(axis=1)`.

    n_prototypes : int
        Number of prototypes in all, over all classes.

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
    ghosting_rate : Share of the prototypes without any sample.

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
            f"shape {indices.shape} and dtype {indices.dtype}. From similarities, take "
            "argmax(axis=1)."
        )
    if indices.min() < 0 or indices.max() >= n_prototypes:
        raise ValueError(
            f"activations must be below n_prototypes={n_prototypes} and not negative; "
            f"got {indices.min()} to {indices.max()}."
        )
    return np.bincount(indices, minlength=n_prototypes)


def ghosting_rate(activations: ArrayLike, n_prototypes: int) -> float:
    """Compute the share of prototypes that decide no sample of a reference set.

    Such a ghost is part of the model and its explanation, but no sample looks like
    it more than like another prototype. Counted over all prototypes [1]_.

    Read more in the :ref:`User Guide <transparency>`.

    Parameters
    ----------
    activations : array-like of shape (n_samples,), dtype=int
        Index of the most similar prototype of each sample of the reference set.

    n_prototypes : int
        Number of prototypes in all, over all classes.

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
    prototype_usage : The counts behind it.

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


def transparency_score(activations: ArrayLike, n_prototypes: int) -> float:
    """Compute the share of prototypes that decide some sample of a reference set.

    Read more in the :ref:`User Guide <transparency>`.

    Parameters
    ----------
    activations : array-like of shape (n_samples,), dtype=int
        Index of the most similar prototype of each sample of the reference set.

    n_prototypes : int
        Number of prototypes in all, over all classes.

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


def usage_entropy_score(activations: ArrayLike, n_prototypes: int) -> float:
    """Compute how evenly the prototypes share a reference set among them.

    With u_k the share of the samples that prototype k decides, the score is the
    entropy `-sum(u * log(u)) / log(n_prototypes)`: 1 where all decide equally often,
    0 where one decides everything, and 1 for a single prototype, which has nobody
    to share with.

    Read more in the :ref:`User Guide <transparency>`.

    Parameters
    ----------
    activations : array-like of shape (n_samples,), dtype=int
        Index of the most similar prototype of each sample of the reference set.

    n_prototypes : int
        Number of prototypes in all, over all classes.

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
    ghosting_rate : Share of the prototypes that decide nothing at all.
    prototype_usage : The counts behind it.

    Notes
    -----
    The score is ours. A rate of ghosts counts a prototype of one sample as well used;
    this one does not. Where classes differ in size, so do their prototypes' shares:
    the best score that a good model can reach is then below 1. It costs
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
