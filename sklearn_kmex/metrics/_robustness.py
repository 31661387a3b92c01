"""Robustness: similar samples have similar explanations."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_array, check_consistent_length, check_random_state

from sklearn_kmex._compat import Interval, validate_params
from sklearn_kmex._model.functions import check_takes
from sklearn_kmex.metrics._maps import check_maps, mean_of, unit_maps

# Settings of the neighbors.
NEIGHBORS = {
    "n_neighbors": [Interval(Integral, 1, None, closed="left")],
    "radius": [Interval(Real, 0, np.inf, closed="neither")],
    "random_state": ["random_state"],
}
_LIPSCHITZ = {
    "psem": "no_validation",
    "X": ["array-like"],
    "relevance": [callable],
    "labels": ["array-like", None],
    "prototypes": ["array-like", None],
    **NEIGHBORS,
    "per_sample": ["boolean"],
}


@validate_params(_LIPSCHITZ, prefer_skip_nested_validation=True)
def local_lipschitz_error(
    psem: Any,
    X: ArrayLike,
    relevance: Callable[..., ArrayLike],
    *,
    labels: ArrayLike | None = None,
    prototypes: ArrayLike | None = None,
    n_neighbors: int = 10,
    radius: float = 0.1,
    random_state: int | np.random.RandomState | None = None,
    per_sample: bool = False,
) -> float | NDArray[np.float64]:
    """Compute how much relevance maps change within a small distance of a sample.

    It is the mean over the samples of the maximum over the neighbors x' of
    `||e(x) - e(x')|| / ||x - x'||`. The norms are Euclidean, e is a map divided by its
    largest absolute value, and x' is x plus uniform noise in [-radius, radius] on each
    value.

    Read more in the :ref:`User Guide <robustness>`.

    Parameters
    ----------
    psem : object
        Model that is explained, passed to `relevance`.

    X : array-like of shape (n_samples, ...)
        Input of the model. Neighbors have its dtype, or float64 for integers.

    relevance : callable
        Called as `relevance(psem, X)`, with `labels=` or `prototypes=` where these are
        given; returns maps of shape (n_samples, ...). For example
        :func:`sklearn_kmex.explain.relevance`, or a :func:`functools.partial` of it.

    labels : array-like of shape (n_samples,), default=None
        Class that the map of each sample explains, the same for its neighbors. If
        neither this nor `prototypes` is given, a callable that explains its own
        prediction explains another class where the prediction changes.

    prototypes : array-like of shape (n_samples,), default=None
        Number of the prototype that the map of each sample explains, the same for its
        neighbors.

    n_neighbors : int, default=10
        Number of neighbors drawn for each sample.

    radius : float, default=0.1
        Largest change of a value of X, in its units.

    random_state : int, RandomState instance or None, default=None
        Determines the noise. With a seed, the first neighbors are the same
        whatever `n_neighbors`.

    per_sample : bool, default=False
        Whether to return the maximum of each sample rather than the mean.

    Returns
    -------
    float or ndarray of shape (n_samples,)
        Largest rate of change, at least 0; 0 is best. Its unit is one over that of X.

    Raises
    ------
    TypeError
        If `relevance` cannot be called in this way.

    ValueError
        If the maps are not finite or not one for each sample, or if `radius` is so
        small that all neighbors of a sample are rounded to it.

    See Also
    --------
    average_drop_loss : Faithfulness of the maps; constant maps are robust, too.

    Notes
    -----
    This is the estimate of [1]_ from random neighbors. It is a lower bound that grows
    with `n_neighbors`. Compare models on the same X and with the same radius. The
    result does not change if the maps are multiplied by a positive number. A map that
    is zero everywhere is left as it is. Scaling the maps is an addition of this
    package.

    The cost is `n_neighbors + 1` calls of `relevance` on all samples. The neighbors and
    the maps of one call are held in memory.

    References
    ----------
    .. [1] D. Alvarez-Melis and T. S. Jaakkola, "On the Robustness of
       Interpretability Methods", 2018, arXiv:1806.08049.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_kmex.metrics import local_lipschitz_error
    >>> X = np.array([[1.0], [2.0]])
    >>> def relevance(psem, X):
    ...     return np.hstack([np.full_like(X, 10), X])
    >>> round(local_lipschitz_error(None, X, relevance, random_state=0), 6)
    0.1
    """
    floats = [np.float64, np.float32]
    x = check_array(X, dtype=floats, allow_nd=True, input_name="X")
    explained = {"labels": labels, "prototypes": prototypes}
    given = {k: np.asarray(v) for k, v in explained.items() if v is not None}
    check_consistent_length(x, *given.values())
    check_takes(relevance, "relevance", *given)
    maps_of = partial(_unit_maps, partial(relevance, psem, **given))
    rng = check_random_state(random_state)
    maps = maps_of(x)
    steepest = np.full(len(x), -np.inf)
    for _ in range(n_neighbors):
        neighbors = (x + rng.uniform(-radius, radius, x.shape)).astype(x.dtype)
        distances = _norms(np.subtract(neighbors, x, dtype=np.float64))
        changes = _norms(maps_of(neighbors) - maps)
        moved = distances > 0
        slopes = changes[moved] / distances[moved]
        steepest[moved] = np.maximum(steepest[moved], slopes)
    if np.isinf(steepest).any():
        raise ValueError(
            f"radius must be large enough to move every sample; radius={radius} moves "
            f"no value of row {np.isinf(steepest).argmax()} in {x.dtype}. Use a larger "
            "radius, or X in float64."
        )
    return mean_of(steepest, per_sample)


def _unit_maps(
    relevance: Callable[[NDArray], ArrayLike], X: NDArray
) -> NDArray[np.float64]:
    """Compute the map of each sample, divided by its largest absolute value."""
    maps = check_maps(relevance(X), "relevance(psem, X)")
    if len(maps) != len(X):
        raise ValueError(
            f"relevance must return one map for each of {len(X)} samples; got an array "
            f"of shape {maps.shape}."
        )
    return unit_maps(maps)


def _norms(differences: NDArray[np.float64]) -> NDArray[np.float64]:
    """Euclidean norm of each sample, over all its axes."""
    return np.linalg.norm(differences.reshape(len(differences), -1), axis=1)
