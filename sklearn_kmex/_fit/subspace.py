"""Wide rows in a subspace of few dimensions, where steps of k-means cost little."""

from typing import Any

import numpy as np

from sklearn_kmex._compat import get_namespace_and_device
from sklearn_kmex._data.arrays import asarray_like, squared_norms, to_numpy
from sklearn_kmex._fit.seeding import Points, draw_rows

# Dimensions of the subspace: at least so many, and so many for each cluster. Rows are
# wide if they have RATIO times as many features, and are that many.
DIMENSIONS, PER_CLUSTER, RATIO = 64, 2, 4
# Share of its own squared length by which each row of the basis is extended, so that
# the inverse exists.
JITTER = 1e-5


def project(points: Points, n_clusters: int, rng: np.random.RandomState) -> Points:
    """Return wide rows in the span of some of them; return other rows unchanged.

    Rows drawn for the basis differ along the directions that separate clusters, which
    random directions miss (Williams and Seeger 2001, "Using the Nystroem method to
    speed up kernel machines").
    """
    size = max(DIMENSIONS, PER_CLUSTER * n_clusters)
    if n_clusters == 1 or min(points.values.shape) < RATIO * size:
        return points
    drawn, _ = draw_rows(points, size, rng)
    values = (
        points.values @ _orthonormal(points.take(asarray_like(drawn, points.values))).T
    )
    return Points(values, squared_norms(values), points.weights)


def _orthonormal(points: Points) -> Any:
    """Return an orthonormal basis of the span of some rows, shaped as the rows."""
    xp, *_ = get_namespace_and_device(points.values)
    tiny = xp.finfo(points.values.dtype).smallest_normal
    lengths = xp.sqrt(points.norms)
    units = points.values / xp.where(lengths > tiny, lengths, 1.0)[:, None]
    products = to_numpy(units @ units.T).astype(np.float64)
    products += JITTER * np.eye(len(products))
    inverse = np.linalg.inv(np.linalg.cholesky(products))
    return asarray_like(inverse, units, units.dtype) @ units
