"""Diversity: how different prototypes are from each other."""

from __future__ import annotations

from numbers import Real

import numpy as np
from numpy.typing import ArrayLike
from scipy.spatial.distance import cdist
from scipy.special import entr, softmax
from sklearn.utils import check_array, gen_batches

from sklearn_kmex._compat import Interval, StrOptions, validate_params
from sklearn_kmex._data.arrays import BLOCK_ELEMENTS
from sklearn_kmex._model.similarity import similarities

_PARAMETERS = {
    "prototype_vectors": ["array-like"],
    "similarity": [StrOptions({"log", "gaussian"})],
    "epsilon": [Interval(Real, 0, 1, closed="neither")],
}


@validate_params(_PARAMETERS, prefer_skip_nested_validation=True)
def diversity_score(
    prototype_vectors: ArrayLike, *, similarity: str = "log", epsilon: float = 1e-4
) -> float:
    """Compute how different prototypes are from each other.

    With the similarities S between the P prototypes and
    `q_j = softmax(S_j)`, the overlap is the mean over j of the entropy of q_j, divided
    by log P [1]_. The score is one minus the overlap.

    Read more in the :ref:`User Guide <diversity>`.

    Parameters
    ----------
    prototype_vectors : array-like of shape (n_prototypes, n_features)
        Prototypes of all classes, such as `prototypes_` of a model. Their distances are
        Euclidean; for another metric, pass them in the space in which it is Euclidean:
        `prototypes_ @ metric_map_` for Mahalanobis distances.

    similarity : {"log", "gaussian"}, default="log"
        Similarity of two prototypes, as in :class:`~sklearn_kmex.KMExClassifier`. The
        paper has "log".

    epsilon : float in (0, 1), default=1e-4
        Bounds the log similarity at distance 0.

    Returns
    -------
    float
        Score in [0, 1]; 1 is best. The score of a single prototype is 1.

    See Also
    --------
    transparency_score : Share of prototypes that decide at least one sample.
    diversity_scorer : The score of a model, by its own metric and similarity.

    Notes
    -----
    The score depends on the scale of distances, so that only models with the same
    embedding, metric and similarity can be compared. The cost is
    O(n_prototypes ** 2 * n_features).

    References
    ----------
    .. [1] S. Gautam, A. Boubekki, M. Höhne and M. Kampffmeyer, "Prototypical
       Self-Explainable Models Without Re-training", 2024, arXiv:2312.07822.

    Examples
    --------
    >>> from sklearn_kmex.metrics import diversity_score
    >>> round(diversity_score([[0.0], [10.0], [20.0]]), 4)
    0.998
    """
    points = check_array(prototype_vectors, dtype=np.float64)
    n_prototypes = len(points)
    if n_prototypes == 1:
        return 1.0
    entropy = 0.0
    for rows in gen_batches(n_prototypes, max(1, BLOCK_ELEMENTS // n_prototypes)):
        # cdist computes differences, so that the distance to itself is exactly 0.
        squares = cdist(points[rows], points, "sqeuclidean")
        similar = similarities(squares, similarity, epsilon)
        entropy += float(entr(softmax(similar, axis=1)).sum())
    return max(0.0, 1 - entropy / n_prototypes / float(np.log(n_prototypes)))
