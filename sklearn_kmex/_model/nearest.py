"""The nearest prototype, from one matrix product where rounding cannot change it."""

import math
from typing import Any, NamedTuple, Self

import numpy as np
from sklearn.utils import gen_batches

from sklearn_kmex._compat import get_namespace_and_device
from sklearn_kmex._data.arrays import (
    asarray_like,
    block_size,
    squared_norms,
    widest_float,
)
from sklearn_kmex._model.rule import Rule

# Elements of a block of rows: 2 MiB in float32, which fit into the cache.
BLOCK_ELEMENTS = 2**19
# A block has at least as many rows as there are prototypes, up to this number, because
# all prototypes are read for each block.
BLOCK_ROWS = 1024
# With fewer prototypes than this, X @ prototypes.T is faster than prototypes @ X.T.
FEW = 128
# The mean of the prototypes is subtracted if its norm is at least this many times the
# largest distance of a prototype from it.
FAR = 4.0


def sure_nearest(X: Any, rule: Rule) -> tuple[Any, Any]:
    """Find the prototype of the largest similarity, and whether the result is certain.

    It is certain if the largest x.p - |p|^2 / 2, in the metric and plus the shift by
    weights, exceeds all others by more than the rounding errors: of the product, and of
    distances and similarities in float64, which may tie if distances do not. The
    product is in the dtype of X, but in float64 for "mahalanobis", in which features
    that nearly cancel decide. Rows that are not finite, or too large to be squared, are
    never certain.
    """
    xp, *_ = get_namespace_and_device(X)
    dtype = widest_float(X) if rule.metric.mapped else X.dtype
    n_prototypes, n_features = rule.prototypes.shape
    places = np.stack([np.ones(n_prototypes), np.arange(n_prototypes)])
    places = asarray_like(places, X, xp.float32)
    with np.errstate(over="ignore", invalid="ignore"):
        whole = asarray_like(rule.prototypes, X, widest_float(X))
        center, exact = about_center(whole, dtype)
        planes = Planes.of(rule, exact)
        right = xp.astype(planes.normals, dtype)
        half = xp.astype(planes.offsets, dtype)[:, None]
    lead = Lead.beyond_rounding(whole, right, planes, rule.epsilon)

    def of_block(block: slice) -> Any:
        rows = xp.astype(rule.metric.direction(X[block, :]), dtype, copy=False)
        if center is not None:
            rows = rows - center
        with np.errstate(over="ignore", invalid="ignore"):
            scores = _half_scores(rows, right, half)
            # Norms come after the product, which has brought the rows into the cache.
            wanted = xp.max(scores, axis=0) - lead.over(rows)
            # Per row: the number of scores that large, and the sum of their indices,
            # which is the index of the largest score if the number is 1.
            return places @ xp.astype(scores >= wanted, xp.float32)

    size = block_size(X, BLOCK_ELEMENTS) // n_features
    size = max(1, size, min(n_prototypes, BLOCK_ROWS))
    blocks = list(gen_batches(X.shape[0], size))
    leading = xp.concat([of_block(block) for block in blocks], axis=1)
    sure = leading[0, :] == 1
    return xp.astype(xp.where(sure, leading[1, :], 0.0), xp.int64), sure


class Planes(NamedTuple):
    """Scores that rank prototypes and are linear in a row: x.normal - offset.

    Squared distances in a metric M are ranked by x.Mp - p.Mp / 2. Both are divided by
    a number that makes the longest normal as long as the longest prototype.
    """

    normals: Any  # (n_prototypes, n_features)
    offsets: Any  # (n_prototypes,)
    reach: float  # the largest norm of a prototype and of a normal
    stretch: float  # bound on the ratio of a distance in the metric to a Euclidean one
    scale: float  # what distances in the metric are divided by
    spread: float  # of the shift by weights

    @classmethod
    def of(cls, rule: Rule, prototypes: Any) -> Self:
        xp, *_ = get_namespace_and_device(prototypes)
        squares = squared_norms(prototypes)
        normals, stretch, scale = prototypes, 1.0, 1.0
        reach = math.sqrt(xp.max(squares))
        if rule.metric.mapped:
            placed = rule.metric.place(prototypes)
            squares = squared_norms(placed)
            of_map = asarray_like(rule.metric.map, placed, placed.dtype)
            normals = placed @ of_map.T
            longest = math.sqrt(xp.max(squared_norms(normals)))
            scale = math.sqrt(longest / reach) if longest * reach else 1.0
            normals = normals / scale**2
            # The Frobenius norm bounds the spectral one.
            stretch = math.sqrt(xp.sum(of_map * of_map)) / scale
        shift = rule.shift / scale**2
        offsets = squares / (2 * scale**2) - asarray_like(shift, squares, squares.dtype)
        return cls(normals, offsets, reach, stretch, scale, float(np.ptp(shift)))


def about_center(prototypes: Any, dtype: Any) -> tuple[Any, Any]:
    """Subtract the mean of the prototypes, in float64, if it is large.

    Returns the mean, or None if it was not subtracted, and the prototypes.
    """
    xp, *_ = get_namespace_and_device(prototypes)
    center = xp.astype(xp.mean(prototypes, axis=0), dtype)
    apart = prototypes - center
    if FAR**2 * xp.max(squared_norms(apart)) > squared_norms(center):
        return None, prototypes
    return center, apart


def _half_scores(rows: Any, prototypes: Any, half: Any) -> Any:
    """Return x.p - |p|^2 / 2, (n_prototypes, n_rows), for fast reductions."""
    if prototypes.shape[0] < FEW:
        scores = (rows @ prototypes.T).T
        if isinstance(scores, np.ndarray):
            scores = np.ascontiguousarray(scores)
    else:
        scores = prototypes @ rows.T
    scores -= half
    return scores


class Lead(NamedTuple):
    """Lead of the largest score over the others that exceeds all rounding errors.

    D = |x| + `reach`, where `reach` is the largest norm of a prototype, bounds all
    distances. As the logarithm is concave, log similarities at distances d differ after
    rounding if the distances differ by 2 eps log(1 + 1 / epsilon) (d + epsilon).
    """

    reach: float
    squared: float  # factor of D^2
    linear: float  # factor of D
    least: float  # constant

    @classmethod
    def beyond_rounding(
        cls, exact: Any, rounded: Any, planes: Planes, epsilon: float
    ) -> Self:
        """Bound the errors of a product with `rounded`, and in the dtype of `exact`."""
        xp, *_ = get_namespace_and_device(exact)
        limits, n_features = xp.finfo(rounded.dtype), exact.shape[1]
        eps, widest = float(limits.eps), float(xp.finfo(exact.dtype).eps)
        stretch = planes.stretch
        ties = 2 * widest * math.log1p(1 / epsilon)
        least = 4 * n_features * float(limits.smallest_normal)
        return cls(
            planes.reach,
            rounding(n_features, eps, widest * max(1.0, stretch**2))
            + ties * stretch**2,
            ties * epsilon * stretch / planes.scale,
            least + 4 * eps * planes.spread,
        )

    def over(self, rows: Any) -> Any:
        """Return the lead that each row needs, (n_samples,), in their dtype."""
        xp, *_ = get_namespace_and_device(rows)
        squares = (rows[:, None, :] @ rows[:, :, None])[:, 0, 0]
        # One percent more, for the rounding in this function.
        farthest = 1.01 * (xp.sqrt(squares) + self.reach)
        return (self.squared * farthest + self.linear) * farthest + self.least


def rounding(n_features: int, eps: float, exact: float) -> float:
    """Bound the rounding error of x.p - |p|^2 / 2, in units of D^2.

    D^2 is at least 4 |x| |p|. The error of a product of n features is at most n / 2 eps
    |x| |p|, so that of two products is n / 4 eps D^2. The error of exact squared
    distances is at most 4 n D^2 times the eps of their dtype, `exact`.
    """
    return eps * (n_features / 4 + 4) + exact * 4 * (n_features + 4)
