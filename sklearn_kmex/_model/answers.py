"""Answers about rows: by one product in their dtype, or in float64 where that matters.

An answer is a function of a rule, the squared distances of a block of rows, and their
`Accuracy`. It returns its results, and for an accuracy which rows have precise ones.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple, Self

import numpy as np
from scipy import sparse

from sklearn_kmex._compat import get_namespace_and_device
from sklearn_kmex._data.arrays import (
    argsort_rows,
    asarray_like,
    row_blocks,
    smallest_of_rows,
    widened,
    widest_float,
)
from sklearn_kmex._model.nearest import Product, map_products, sure_nearest
from sklearn_kmex._model.rule import Rule
from sklearn_kmex._model.similarity import (
    change_of_similarity,
    probabilities,
    rounded,
    similarities,
)

Answer = Callable[..., tuple[Any, ...]]

# Typical relative error of probabilities that is accepted, twenty times what is seen;
# and the largest sum of those whose relative error does not matter.
RELATIVE, NEGLIGIBLE = 2e-3, 1e-6


class Accuracy(NamedTuple):
    """Rounding errors of squared distances from a product in the dtype of X.

    `error` bounds those of a squared distance, and of the difference of two. As they
    partly cancel, those of a product of n features typically grow with the square root
    of n (Higham and Mary, SIAM J. Sci. Comput. 41(5), 2019). The order of prototypes
    and classes relies on the bound, and values on the typical error.
    """

    change: Any  # (n_rows,), bound on the error of similarities and class scores
    error: Any  # (n_rows,), bound on the error of squared distances
    typical: float  # share of the bound
    tolerance: float  # relative error of values that is accepted
    slack: float  # bound on the rounding error of class scores in float64

    @classmethod
    def of(cls, rule: Rule, product: Product, scores: Any, squares: Any) -> Self:
        """Bound the errors of a block, from its scores and squared norms."""
        xp, *_ = get_namespace_and_device(scores)
        scale = product.square_of_unit
        error = 2 * scale * widened(product.lead.over(squares))
        least = scale * widened(squares - 2 * xp.max(scores, axis=0))
        change = change_of_similarity(least, error, rule.similarity, rule.epsilon)
        n_features = product.right.shape[1]
        typical = (math.sqrt(n_features) / 4 + 2) / (n_features / 2 + 8)
        size = np.ptp(rule.shift)
        if rule.aggregation == "sum":
            size += rule.temperature * math.log(len(rule.owners))
        return cls(
            change,
            error,
            typical,
            4 * float(xp.finfo(scores.dtype).eps) ** (2 / 3),
            16 * float(xp.finfo(error.dtype).eps) * float(size),
        )

    def of_lead(self, scores: Any) -> Any:
        """Return which rows have a class whose score is certain to be the largest."""
        xp, *_ = get_namespace_and_device(scores)
        wanted = xp.max(scores, axis=1) - 2 * self.change - self.slack
        return xp.count_nonzero(scores >= wanted[:, None], axis=1) == 1

    def of_nearest(self, squared: Any, rule: Rule) -> Any:
        """Return which rows have precise similarities, and a certain nearest one."""
        xp, *_ = get_namespace_and_device(squared)
        least = widened(xp.min(squared, axis=1))
        largest = similarities(
            xp.asarray(least, copy=True), rule.similarity, rule.epsilon
        )
        limit = xp.astype(least + self.error, squared.dtype)
        sure = xp.count_nonzero(squared <= limit[:, None], axis=1) == 1
        return sure & self.of_values(abs(largest))

    def of_values(self, values: Any, weight: Any = 1.0) -> Any:
        """Return which rows have values whose typical error is small beside them."""
        return self.typical * self.change * weight <= self.tolerance * values


def answer_rows(
    X: Any, rule: Rule, answer: Answer, check_finite: Callable[[Any], None]
) -> list[Any]:
    """Return the results of an answer for all rows, values in the dtype of X.

    Rows need not be finite: those whose product is not precise are checked.
    """
    exact = _exactly(rule, answer, check_finite)
    if sparse.issparse(X) or rule.metric.mapped:
        return exact(X)
    weightless = rule._replace(weights=np.ones(len(rule.owners)))
    product = Product.of(X, weightless, of_values=True)

    def by_product(scores: Any, squares: Any) -> tuple[Any, ...]:
        accuracy = Accuracy.of(rule, product, scores, squares)
        scores *= -2
        scores += squares
        squared = scores.T
        if product.unit != 1.0:
            squared = widened(squared) * product.square_of_unit
        return _rounded(answer(rule, squared, accuracy), X.dtype)

    return map_products(X, product, by_product, exact)


def winners_of_rows(X: Any, rule: Rule, check_finite: Callable[[Any], None]) -> Any:
    """Return the code of the class of the largest score, by `sure_nearest` if it can.

    Rows need not be finite.
    """
    if sparse.issparse(X) or not rule.is_linear:
        return answer_rows(X, rule, winning_classes, check_finite)[0]
    xp, *_ = get_namespace_and_device(X)
    owners, product = asarray_like(rule.owners, X), Product.of(X, rule)

    def by_product(scores: Any, squares: Any) -> tuple[Any, Any]:
        found, sure = sure_nearest(scores, product.lead.over(squares))
        return xp.take(owners, found), sure

    exact = _exactly(rule, winning_classes, check_finite)
    return map_products(X, product, by_product, exact)[0]


def _exactly(
    rule: Rule, answer: Answer, check_finite: Callable[[Any], None]
) -> Callable[[Any], list[Any]]:
    """Return a function that answers about rows by their distances in float64."""

    def exact(X: Any) -> list[Any]:
        xp, *_ = get_namespace_and_device(X)
        check_finite(X)
        parts = [
            _rounded(answer(rule, rule.squared_distances(block)), X.dtype)
            for block in row_blocks(X, len(rule.owners))
        ]
        return [xp.concat(part, axis=0) for part in zip(*parts, strict=True)]

    return exact


def _rounded(results: tuple[Any, ...], dtype: Any) -> tuple[Any, ...]:
    """Round the first of the results, if it is of floating-point numbers."""
    values, *others = results
    xp, *_ = get_namespace_and_device(values)
    if xp.isdtype(values.dtype, "real floating"):
        values = rounded(values, dtype)
    return values, *others


def class_probabilities(
    rule: Rule, squared: Any, accuracy: Accuracy | None = None
) -> tuple[Any, ...]:
    """Return class probabilities, (n_rows, n_classes)."""
    xp, *_ = get_namespace_and_device(squared)
    scores = rule.scores_at(squared)
    found = probabilities(scores, rule.temperature)
    if accuracy is None:
        return (found,)
    # A probability p changes by 2 p (1 - p) times the change of the logits, and by 2
    # times that relative to p, which may be negligible for all classes but one.
    doubt = 1 - xp.max(found, axis=1)
    sensitivity = 2 * xp.minimum(doubt, xp.full_like(doubt, 0.25))
    close = accuracy.of_values(rule.temperature, sensitivity)
    relative = accuracy.of_values(rule.temperature, 2 * accuracy.tolerance / RELATIVE)
    return found, accuracy.of_lead(scores) & close & (relative | (doubt <= NEGLIGIBLE))


def winning_classes(
    rule: Rule, squared: Any, accuracy: Accuracy | None = None
) -> tuple[Any, ...]:
    """Return the code of the class of the largest score, (n_rows,)."""
    xp, *_ = get_namespace_and_device(squared)
    scores = rule.scores_at(squared)
    found = xp.argmax(scores, axis=1)
    return (found,) if accuracy is None else (found, accuracy.of_lead(scores))


def class_scores(
    rule: Rule, squared: Any, accuracy: Accuracy | None = None
) -> tuple[Any, ...]:
    """Return class scores, (n_rows, n_classes); of two classes, less the larger one."""
    relative = rule.scores_at(squared)
    several = rule.n_classes > 2
    found = rule.absolute_scores_at(squared) if several else relative
    if accuracy is None:
        return (found,)
    precise = accuracy.of_nearest(squared, rule) & accuracy.of_lead(relative)
    if squared.dtype != widest_float(squared) or not several:
        precise &= accuracy.of_values(_gap(relative))
    return found, precise


def _gap(scores: Any) -> Any:
    """Return the largest score of each row minus the second largest."""
    xp, *_ = get_namespace_and_device(scores)
    order = xp.sort(scores, axis=1)
    return order[:, -1] - order[:, -2]


def all_similarities(
    rule: Rule, squared: Any, accuracy: Accuracy | None = None
) -> tuple[Any, ...]:
    """Return similarities, (n_rows, n_prototypes); the nearest has the largest."""
    found = rule.similarities_at(squared)
    if accuracy is None:
        return (found,)
    return found, accuracy.of_nearest(squared, rule)


def nearest(
    rule: Rule, squared: Any, accuracy: Accuracy | None = None, n: int = 1
) -> tuple[Any, ...]:
    """Return similarities to the n nearest prototypes, and their indices, (n_rows, n).

    Of prototypes at the same distance, that of the smaller index comes first.
    """
    xp, *_ = get_namespace_and_device(squared)
    if accuracy is None:
        ids = argsort_rows(squared, n)
        least = xp.take_along_axis(squared, ids, axis=1)
        found = similarities(least, rule.similarity, rule.epsilon)
        return found, xp.asarray(ids, copy=True)  # a view keeps all of them
    if n == 1:
        ids, sure = sure_nearest(-squared.T, accuracy.error)
        least = xp.take_along_axis(squared, ids[:, None], axis=1)
        found = similarities(widened(least), rule.similarity, rule.epsilon)
        return found, ids[:, None], sure & accuracy.of_values(abs(found[:, 0]))
    # One more, which must be farther than the last.
    ids = smallest_of_rows(squared, min(n + 1, squared.shape[1]))
    order = argsort_rows(xp.take_along_axis(squared, ids, axis=1))
    ids = xp.take_along_axis(ids, order, axis=1)
    least = xp.take_along_axis(squared, ids, axis=1)
    apart = least[:, 1:] - least[:, :-1] > accuracy.error[:, None]
    found = similarities(widened(least[:, :n]), rule.similarity, rule.epsilon)
    precise = xp.all(apart, axis=1) & accuracy.of_nearest(squared, rule)
    return found, xp.asarray(ids[:, :n], copy=True), precise
