"""The nearest prototype, from one matrix product where rounding cannot change it."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple, Self

import numpy as np

from sklearn_kmex._compat import get_namespace_and_device
from sklearn_kmex._data.arrays import (
    asarray_like,
    batches,
    block_size,
    rows_at,
    squared_norms,
    widest_float,
)
from sklearn_kmex._model.metric import Metric
from sklearn_kmex._model.rule import Rule

# Elements of a block of rows: 2 MiB in float32, which fit into the cache.
BLOCK_ELEMENTS = 2**19
# A block has at least as many rows as there are prototypes, up to this number, because
# all prototypes are read for each block.
BLOCK_ROWS = 1024
# Blocks are a multiple of this number of rows: a product can round the rows differently
# that are left when it takes several of them at a time.
WHOLE = 96
# With fewer prototypes than this, X @ prototypes.T is faster than prototypes @ X.T in
# float32.
FEW = 128
# The mean of the prototypes is subtracted if its norm is at least this many times the
# largest distance of a prototype from it.
FAR = 4.0
# The largest value of the prototypes is moderate if its exponent of two is below this.
MODERATE = 32


def map_products(
    X: Any,
    product: "Product",
    evaluate: Callable[[Any, Any], tuple[Any, ...]],
    exact: Callable[[Any], list[Any]],
) -> list[Any]:
    """Evaluate the product block by block, and rows that are not precise exactly.

    `evaluate` gets the result of `Product.of_rows`. It returns arrays of one row for
    each row, of which the last one tells which rows are precise. `exact` returns the
    same arrays for the other rows, but for the last one.
    """
    xp, *_ = get_namespace_and_device(X)
    size = product.n_rows(X)
    with np.errstate(over="ignore", invalid="ignore"):
        parts = [
            evaluate(*product.of_rows(X[rows, :])) for rows in batches(X.shape[0], size)
        ]
    *results, precise = (xp.concat(part, axis=0) for part in zip(*parts, strict=True))
    if xp.all(precise):
        return results
    rest = xp.nonzero(~precise)[0]
    known = [exact(rows_at(X, rest[block])) for block in batches(rest.shape[0], size)]
    for result, values in zip(results, zip(*known, strict=True), strict=True):
        result[~precise] = xp.concat(values, axis=0)
    return results


def sure_nearest(scores: Any, lead: Any) -> tuple[Any, Any]:
    """Find the largest score of each row, and whether it is certain.

    `scores` has the shape (n_prototypes, n_rows). The largest one is certain if it
    exceeds all others by more than the `lead` of the row.
    """
    xp, *_ = get_namespace_and_device(scores)
    places = np.stack([np.ones(scores.shape[0]), np.arange(scores.shape[0])])
    places = asarray_like(places, scores, xp.float32)
    # Per row: the number of scores that large, and the sum of their indices, which is
    # the index of the largest score if the number is 1.
    large = scores >= xp.max(scores, axis=0) - lead
    leading = places @ xp.astype(large, xp.float32)
    sure = (leading[0, :] == 1) & xp.isfinite(lead)
    return xp.astype(xp.where(sure, leading[1, :], 0.0), xp.int64), sure


class Product(NamedTuple):
    """Scores that rank prototypes, from one product with a block of rows.

    A score is x.p - |p|^2 / 2, in the metric and plus the shift by weights. The product
    is in the dtype of X, but in float64 for "mahalanobis", in which features that
    nearly cancel decide. A score is certain to be the largest if it exceeds all others
    by more than the lead, which bounds the rounding errors: of the product, and of
    distances and similarities in float64, which may tie if distances do not. Rows that
    are not finite, or too large to be squared, have scores that are not certain.
    """

    metric: Metric
    center: Any  # (n_features,), subtracted from rows, or None
    right: Any  # (n_prototypes, n_features)
    half: Any  # (n_prototypes, 1)
    lead: "Lead"
    unit: float  # power of two that rows and prototypes are divided by
    of_values: bool  # whether rows are rounded alike in different batches, if they can

    @classmethod
    def of(cls, X: Any, rule: Rule, of_values: bool = False) -> Self:
        """Prepare the product of rows like X with the prototypes of a rule.

        With `of_values`, distances can be computed from the scores.
        """
        unit = _unit(rule.prototypes) if of_values else 1.0
        xp, *_ = get_namespace_and_device(X)
        dtype = widest_float(X) if rule.metric.mapped else X.dtype
        with np.errstate(over="ignore", invalid="ignore"):
            whole = asarray_like(rule.prototypes, X, widest_float(X)) / unit
            center, exact = about_center(whole, dtype)
            planes = Planes.of(rule, exact)
            right = xp.astype(planes.normals, dtype)
            half = xp.astype(planes.offsets, dtype)[:, None]
        lead = Lead.beyond_rounding(whole, right, planes, rule.epsilon)
        return cls(rule.metric, center, right, half, lead, unit, of_values)

    @property
    def square_of_unit(self) -> float:
        """Return what squared distances are multiplied by, which may be infinite."""
        return float(np.square(self.unit))

    def n_rows(self, X: Any) -> int:
        """Return the number of rows whose scores fit into the cache."""
        few = block_size(X, BLOCK_ELEMENTS) // self.right.shape[0]
        return max(few // 2, self.n_rows_read(X))

    def n_rows_read(self, X: Any) -> int:
        """Return the number of rows that fit into the cache."""
        few = block_size(X, BLOCK_ELEMENTS) // sum(self.right.shape)
        few -= few % WHOLE
        return max(1, few, min(self.right.shape[0], BLOCK_ROWS))

    def of_rows(self, X: Any) -> tuple[Any, Any]:
        """Return scores, (n_prototypes, n_rows), and squared norms of the rows."""
        xp, _, device = get_namespace_and_device(X)
        dtype, n_rows = self.right.dtype, X.shape[0]
        scores = xp.empty((self.right.shape[0], n_rows), dtype=dtype, device=device)
        squares = xp.empty(n_rows, dtype=dtype, device=device)
        for block in batches(n_rows, self.n_rows_read(X)):
            rows = xp.astype(self.metric.direction(X[block, :]), dtype, copy=False)
            if self.unit != 1.0:
                rows = rows / self.unit
            if self.center is not None:
                rows = rows - self.center
            scores[:, block] = self._product(rows) - self.half
            # Norms come after the product, which has brought the rows into the cache.
            squares[block] = (rows[:, None, :] @ rows[:, :, None])[:, 0, 0]
        return scores, squares

    def _product(self, rows: Any) -> Any:
        """Return the product with rows, (n_prototypes, n_rows)."""
        xp, *_ = get_namespace_and_device(rows)
        few = self.right.shape[0] < FEW and rows.dtype == xp.float32
        if few or (self.of_values and rows.dtype != xp.float32):
            return (rows @ self.right.T).T
        return self.right @ rows.T


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


def _unit(prototypes: Any) -> float:
    """Return a power of two that makes squares in float32 neither huge nor tiny.

    It is 1 if they are not without it.
    """
    xp, *_ = get_namespace_and_device(prototypes)
    exponent = math.frexp(float(xp.max(abs(prototypes))))[1]
    return 1.0 if abs(exponent) < MODERATE else math.ldexp(1.0, exponent)


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

    def over(self, squares: Any) -> Any:
        """Return the lead that rows with these squared norms need, (n_samples,)."""
        xp, *_ = get_namespace_and_device(squares)
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
