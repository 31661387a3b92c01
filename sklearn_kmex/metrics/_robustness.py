"""Robustness: explanations of nearly equal samples are nearly equal."""

from collections.abc import Callable
from numbers import Integral, Real

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_array, check_consistent_length, check_random_state

from sklearn_kmex._compat import Interval, validate_params
from sklearn_kmex.metrics._maps import check_maps, mean_of, unit_maps

_LIPSCHITZ = {
    "relevance": [callable],
    "X": ["array-like"],
    "target": ["array-like", None],
    "n_neighbors": [Interval(Integral, 1, None, closed="left")],
    "radius": [Interval(Real, 0, np.inf, closed="neither")],
    "random_state": ["random_state"],
    "per_sample": ["boolean"],
}


@validate_params(_LIPSCHITZ, prefer_skip_nested_validation=True)
def local_lipschitz_error(
    relevance: Callable[..., ArrayLike],
    X: ArrayLike,
    *,
    target: ArrayLike | None = None,
    n_neighbors: int = 10,
    radius: float = 0.1,
    random_state: int | np.random.RandomState | None = None,
    per_sample: bool = False,
) -> float | NDArray[np.float64]:
    """Compute how much relevance maps change within a small distance of a sample.

    The mean over the samples of the maximum over neighbors x' of
    `||e(x) - e(x')|| / ||x - x'||`, Euclidean norms, where e is a map over its largest
    absolute value and x' is x plus uniform noise in [-radius, radius] on each value.

    Read more in the :ref:`User Guide <robustness>`.

    Parameters
    ----------
    relevance : callable
        Takes an array like X, or this and `target` where that is given, and returns
        maps of shape (n_samples, ...).

    X : array-like of shape (n_samples, ...)
        Input of the model. Neighbors have its dtype, or float64 for integers.

    target : array-like of shape (n_samples,), default=None
        What the map of each sample explains, the same for its neighbors: handed to
        `relevance` as an array. Without it, a callable that explains its own
        prediction changes what it explains where the prediction changes.

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
        Steepest change, 0 or more; 0 is best. In units of one over those of X.

    Raises
    ------
    ValueError
        If maps are not finite or not one for each sample, or if `radius` is so small
        that all neighbors of a sample round to it.

    See Also
    --------
    average_drop_loss : Whether the maps are also faithful: constant maps are robust.

    Notes
    -----
    It is the estimate of [1]_ by random neighbors, hence a lower bound, which grows
    with `n_neighbors`. Compare models on the same X at the same radius. The maps may
    be multiplied by any positive number; a map that is zero everywhere stays so. The
    scale of the maps is ours.

    It costs `n_neighbors + 1` calls of `relevance` on all samples, and holds the
    neighbors and maps of one call.

    References
    ----------
    .. [1] D. Alvarez-Melis and T. S. Jaakkola, "On the Robustness of
       Interpretability Methods", 2018, arXiv:1806.08049.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_kmex.metrics import local_lipschitz_error
    >>> X = np.array([[1.0], [2.0]])
    >>> def relevance(X):
    ...     return np.hstack([np.full_like(X, 10), X])
    >>> round(local_lipschitz_error(relevance, X, random_state=0), 6)
    0.1
    """
    floats = [np.float64, np.float32]
    x = check_array(X, dtype=floats, allow_nd=True, input_name="X")
    given = () if target is None else (np.asarray(target),)
    check_consistent_length(x, *given)
    rng = check_random_state(random_state)
    maps = _unit_maps(relevance, x, given)
    steepest = np.full(len(x), -np.inf)
    for _ in range(n_neighbors):
        neighbors = (x + rng.uniform(-radius, radius, x.shape)).astype(x.dtype)
        distances = _norms(np.subtract(neighbors, x, dtype=np.float64))
        changes = _norms(_unit_maps(relevance, neighbors, given) - maps)
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
    relevance: Callable[..., ArrayLike], X: NDArray, target: tuple[NDArray, ...]
) -> NDArray[np.float64]:
    """Ask for the map of each sample, over its largest absolute value."""
    maps = check_maps(relevance(X, *target), "relevance(X)")
    if len(maps) != len(X):
        raise ValueError(
            f"relevance must return one map for each of {len(X)} samples; got an array "
            f"of shape {maps.shape}."
        )
    return unit_maps(maps)


def _norms(differences: NDArray[np.float64]) -> NDArray[np.float64]:
    """Euclidean norm of each sample, over all its axes."""
    return np.linalg.norm(differences.reshape(len(differences), -1), axis=1)
