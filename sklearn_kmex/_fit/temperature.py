"""The temperature that turns class scores into calibrated probabilities."""

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from sklearn_kmex._compat import get_namespace_and_device
from sklearn_kmex._data.arrays import (
    asarray_like,
    group_sizes,
    group_starts,
    map_blocks,
    reduce_columns,
    to_numpy,
)
from sklearn_kmex._data.rows import Rows, gather
from sklearn_kmex._fit.kmeans import BatchedKMeans, lloyd_step
from sklearn_kmex._fit.prototypes import (
    ClassPrototypes,
    Plan,
    byte_order,
    class_prototypes,
    single_start,
)
from sklearn_kmex._fit.seeding import Points
from sklearn_kmex._fit.standard import standardize
from sklearn_kmex._model.rule import Rule
from sklearn_kmex._model.similarity import class_scores, log_weights

# Limits on the rows used: the temperature is a single number.
N_FOLDS, FITTED_ROWS, ROWS_PER_PROTOTYPE, SCORED_ROWS = 3, 10_000, 20, 5_000
# Steps of Newton's method, and of halving where it fails.
MOST_STEPS = 100
# Similarities of all folds, 16 MiB. With very many prototypes, fewer rows are used.
MOST_SIMILARITIES = 2**21
# Products of values that take less time than a few calls of NumPy.
FEW_PRODUCTS = 2**20


class Fold(NamedTuple):
    """Prototypes of one class, and rows of the class that were not used for them."""

    vectors: NDArray
    counts: NDArray[np.float64]
    held_out: NDArray[np.intp]
    weights: NDArray[np.float64]


class HeldOut(NamedTuple):
    """Similarities of held-out rows to prototypes, as NumPy arrays."""

    similar: NDArray  # (n_rows, n_prototypes)
    owners: NDArray[np.intp]  # class code of each prototype, sorted
    priors: NDArray[np.float64]  # weights of the prototypes
    codes: NDArray[np.intp]  # true classes
    weights: NDArray[np.float64]
    targets: NDArray | None = None  # probabilities of the classes, by a teacher

    def with_best(self) -> "HeldOut":
        """Keep the most similar prototype of each class, if that one decides alone.

        Prototypes of a class must have equal weights.
        """
        first = group_starts(self.owners)
        if len(first) == len(self.owners):
            return self
        similar = np.maximum.reduceat(self.similar, first, axis=1)
        owners, priors = self.owners[first], self.priors[first]
        return self._replace(similar=similar, owners=owners, priors=priors)


def held_out_folds(
    rows: Rows, plan: Plan, n_classes: int, whole: ClassPrototypes
) -> list[Fold]:
    """Find prototypes of a class three times, each time without a third of its rows.

    `rows` are distinct, and `whole` are the prototypes of all of them. Only some rows
    are used, and the clusterer runs once, since a single number is fitted. If a class
    has one row, it is not held out.
    """
    n_prototypes = plan.counts[0]
    most, scored = fold_sizes(n_classes, n_prototypes)
    order = np.random.RandomState(plan.seed).permutation(byte_order(rows.values))[:most]
    only = len(order) == 1 and plan.known is None
    part = np.full(1, N_FOLDS) if only else np.arange(len(order)) % N_FOLDS
    some, folds = rows.take(order), []
    found = without_each(some, part, plan, whole)
    for k, (vectors, counts) in enumerate(found):
        out = np.flatnonzero(part == k)[:scored]
        folds.append(Fold(vectors, counts, some.numbers[out], some.weights[out]))
    return folds


def without_each(
    rows: Rows, part: NDArray[np.intp], plan: Plan, whole: ClassPrototypes
) -> list[tuple[NDArray, NDArray[np.float64]]]:
    """Return prototypes of the rows without each part, and the weights of members.

    Those of the built-in k-means are the prototypes of the whole class, moved to the
    means of the rows that are nearest to them. Further steps change the temperature by
    a few percent at most.
    """
    n_prototypes, start = plan.counts[0], whole.vectors
    used = part != np.arange(N_FOLDS)[:, np.newaxis]
    plain = plan.prototype == "centroid" and plan.known is None
    plain &= plan.max_samples is None and not sparse.issparse(rows.values)
    if not plain or not isinstance(plan.clusterer, BatchedKMeans):
        plan = plan._replace(clusterer=single_start(plan.clusterer), start=None)
        kept = [rows.take(np.flatnonzero(own)) for own in used]
        fitted = [class_prototypes(own, n_prototypes, plan) for own in kept]
        return [(each.vectors, each.counts) for each in fitted]
    values, center, scale, norms = standardize(rows)
    places = ((start.astype(np.float64) - center) / scale).astype(center.dtype)
    places = asarray_like(np.stack([places] * N_FOLDS), values)
    weights = asarray_like(rows.weights * used, values, values.dtype)
    found, counts, *_ = lloyd_step(Points(values, norms, weights), places)
    vectors = (to_numpy(found).astype(np.float64) * scale + center).astype(center.dtype)
    counts = to_numpy(counts).astype(np.float64)
    return [(own[n > 0], n[n > 0]) for own, n in zip(vectors, counts, strict=True)]


def fold_sizes(n_classes: int, n_prototypes: int) -> tuple[int, int]:
    """Return how many rows of a class are used, and how many a fold holds out."""
    most = max(FITTED_ROWS // n_classes, ROWS_PER_PROTOTYPE * n_prototypes)
    return most, -(-SCORED_ROWS // N_FOLDS // n_classes)


def unchanged_folds(known: ClassPrototypes | None) -> list[Fold]:
    """Return the folds of a class without new rows: nothing is held out."""
    if known is None:
        return []
    nothing = np.empty(0, np.intp), np.empty(0)
    return [Fold(known.vectors, known.counts, *nothing)] * N_FOLDS


def compare_held_out(
    X: Any,
    first_row: int,
    folds: Sequence[Sequence[Fold]],
    rules: Sequence[Rule],
    teach: Callable[[Any], NDArray | None],
) -> list[HeldOut]:
    """Compare held-out rows of each fold with the prototypes of its rule.

    `folds` holds the folds of each class. The first row of X has the row number
    `first_row`. `teach` returns targets of rows. Folds with prototypes of the same
    classes and weights become one part.
    """
    pairs = zip(zip(*folds, strict=True), rules, strict=True)
    found_rows = [
        (rule, _rows_of(fold, len(folds[0]) * len(rule.owners))) for fold, rule in pairs
    ]
    kept = [(rule, own) for rule, own in found_rows if len(own[0])]
    if not kept:
        return []
    rules, each = map(list, zip(*kept, strict=True))
    rows, codes, weights = map(np.concatenate, zip(*each, strict=True))
    values = gather(X, rows - first_row)
    targets = teach(values)
    ends = np.cumsum([len(own) for own, *_ in each])
    parts = [slice(*ends_of) for ends_of in zip([0, *ends[:-1]], ends, strict=True)]
    found = []
    for rule, apart in zip(rules, _squared(rules, values, parts), strict=True):
        deciding = _deciding(rule)
        least = reduce_columns(np.minimum, apart, deciding)
        found.append((least, rule.owners[deciding], rule.weights[deciding]))
    return [
        HeldOut(
            to_numpy(rules[0].relative(least)),
            owners,
            priors,
            codes[part],
            weights[part],
            None if targets is None else targets[part],
        )
        for (least, owners, priors), part in zip(*_joined(found, parts), strict=True)
    ]


def _joined(
    found: list[tuple[Any, NDArray, NDArray]], parts: list[slice]
) -> tuple[list[tuple[Any, NDArray, NDArray]], list[slice]]:
    """Join the rows of all folds if prototypes have the same owners and weights."""
    _, owners, priors = found[0]
    for _, *others in found[1:]:
        if not all(map(np.array_equal, (owners, priors), others)):
            return found, parts
    xp, *_ = get_namespace_and_device(found[0][0])
    every = xp.concat([least for least, *_ in found], axis=0)
    return [(every, owners, priors)], [slice(None)]


def _rows_of(
    fold: Sequence[Fold], n_prototypes: int
) -> tuple[NDArray, NDArray, NDArray]:
    """Return held-out rows of all classes, their codes and weights, or some of them.

    They are compared with so many prototypes of all folds.
    """
    codes = np.repeat(np.arange(len(fold)), [len(f.held_out) for f in fold])
    step = max(1, -(-len(codes) * n_prototypes // MOST_SIMILARITIES))
    rows, weights = (
        np.concatenate([getattr(of, name) for of in fold])[::step]
        for name in ("held_out", "weights")
    )
    return rows, codes[::step], weights


def _squared(rules: Sequence[Rule], values: Any, parts: Sequence[slice]) -> list[Any]:
    """Return squared distances of the rows of each fold to its prototypes.

    Few rows are compared with the prototypes of all folds at once: that takes less time
    than further calls.
    """
    sizes = [len(rule.owners) for rule in rules]
    if rules[0].metric.mapped or sum(sizes) * math.prod(values.shape) > FEW_PRODUCTS:
        return [
            map_blocks(partial(rule.squared_distances, ties=False), values[part, :], n)
            for rule, part, n in zip(rules, parts, sizes, strict=True)
        ]
    every = np.concatenate([rule.prototypes for rule in rules])
    squared = rules[0]._replace(prototypes=every).squared_distances(values, ties=False)
    ends = np.cumsum(sizes)
    columns = zip(parts, ends - sizes, ends, strict=True)
    return [squared[part, start:end] for part, start, end in columns]


def _deciding(rule: Rule) -> NDArray[np.intp]:
    """Return the first prototype of each class if the nearest one decides, or all."""
    first = group_starts(rule.owners)
    sizes = group_sizes(first, len(rule.owners))
    of_class = np.repeat(rule.weights[first], sizes)
    if rule.aggregation == "max" and np.array_equal(of_class, rule.weights):
        return first
    return np.arange(len(rule.owners))


def fit_temperature(
    parts: Sequence[HeldOut],
    aggregation: str,
    known: float = 0.0,
    rough: bool = False,
) -> tuple[float, float]:
    """Return the temperature of least smoothed log-loss, and the number of rows used.

    This is temperature scaling (Guo et al. 2017, arXiv 1706.04599) with the targets of
    Platt (1999), 1 - 1 / (n + 2) instead of 1: if all rows are correctly classified,
    targets of 1 would give a temperature of 0. `n` is the number of rows of median
    weight that weigh as much, plus the `known` number of rows of earlier batches: equal
    rows are merged, and it does not depend on the scale of the weights. Without rows,
    or if all similarities of each row are equal, the temperature is 1.0, from 0 rows. A
    `rough` one is right to a few percent.
    """
    parts = [_simplify(part, aggregation) for part in parts]
    weights = np.concatenate([np.empty(0), *(part.weights for part in parts)])
    spreads = [_spread(part) for part in parts]
    spread = mean_of(np.concatenate([np.zeros(0), *spreads]))
    if spread == 0.0:
        return 1.0, 0.0
    # In this unit, a power of two, the search does not depend on the scale of X.
    unit = int(np.frexp(spread)[1])
    parts = [part._replace(similar=np.ldexp(part.similar, -unit)) for part in parts]
    n_rows = float(weights.sum() / np.median(weights))
    smoothing = 1 / (known + n_rows + 2)

    bounds = np.log(np.ldexp(spread, -unit)) + np.array([-12.0, 7.0])
    tolerance = 0.05 if rough else 1e-5
    if all(map(_is_of_classes, parts)):
        best = _least_convex_loss(parts, smoothing, bounds, tolerance)
    else:
        best = _least_loss(parts, aggregation, smoothing, bounds, tolerance)
    return float(np.ldexp(np.exp(best), unit)), n_rows


def _least_loss(
    parts: Sequence[HeldOut],
    aggregation: str,
    smoothing: float,
    bounds: NDArray,
    tolerance: float,
) -> float:
    """Return the logarithm of the temperature of least loss, from losses alone."""
    weights = np.concatenate([part.weights for part in parts])

    def loss(log_temperature: float) -> float:
        temperature = np.exp(log_temperature)
        losses = [smoothed_loss(p, aggregation, temperature, smoothing) for p in parts]
        return float(np.average(np.concatenate(losses), weights=weights))

    options = {"xatol": tolerance}
    return minimize_scalar(loss, bounds=bounds, method="bounded", options=options).x


def _least_convex_loss(
    parts: Sequence[HeldOut], smoothing: float, bounds: NDArray, tolerance: float
) -> float:
    """Return the logarithm of the temperature of least loss, by Newton's method.

    If one prototype of each class decides, the loss is a convex function of the inverse
    temperature: its slope rises.
    """
    slopes_of = [_slopes(part, smoothing) for part in parts]
    low, high = -bounds[::-1]
    inverse, n_steps, done = (low + high) / 2, 0, False
    while not done:
        at = float(np.exp(inverse))
        slope, rise = map(sum, zip(*(slopes(at) for slopes in slopes_of), strict=True))
        low, high = (low, inverse) if slope > 0 else (inverse, high)
        change = slope / (rise * at) if rise > 0 else np.inf
        moved = inverse - change if low < inverse - change < high else (low + high) / 2
        n_steps += 1
        is_near = (
            abs(moved - inverse) < tolerance**0.5
        )  # and the next change its square
        inverse, done = moved, is_near or n_steps == MOST_STEPS
    return -inverse


def _slopes(part: HeldOut, smoothing: float) -> Callable[[float], tuple[float, float]]:
    """Return a function of the inverse temperature: the slope of the loss, and its own.

    Both are sums over the rows.
    """
    similar = part.similar - part.similar.max(axis=1, keepdims=True)
    part, weights = part._replace(similar=similar), part.weights
    shift = log_weights(part.priors)
    aim = (1 - smoothing) * log_likelihood(similar, part)
    aim += smoothing * similar.mean(axis=1)
    wanted = float(weights @ aim)

    def slopes(inverse: float) -> tuple[float, float]:
        mass = similar * inverse
        mass += shift
        np.exp(mass, out=mass)
        total = mass.sum(axis=1)
        mass *= similar
        mean = mass.sum(axis=1) / total
        square = np.einsum("ij,ij->i", mass, similar) / total
        return float(weights @ mean) - wanted, float(weights @ (square - mean**2))

    return slopes


def _spread(part: HeldOut) -> NDArray[np.float64]:
    """Return the range of the similarities of each row to its best of each class."""
    best = part if _is_of_classes(part) else part.with_best()
    return best.similar.max(axis=1) - best.similar.min(axis=1)


def _is_of_classes(part: HeldOut) -> bool:
    """Return whether there is one prototype of each class."""
    return part.similar.shape[1] == part.owners[-1] + 1


def mean_of(values: NDArray) -> float:
    """Return the mean of values whose sum may be too large for float64; 0 of none."""
    most = values.max(initial=0.0)
    return float(np.mean(values / most) * most) if most > 0 else 0.0


def smoothed_loss(
    part: HeldOut, aggregation: str, temperature: float, smoothing: float
) -> NDArray[np.float64]:
    """Return the log-loss of each row, with smoothed targets."""
    log_p = log_softmax(class_logits(part, aggregation, temperature), axis=1)
    loss = -log_likelihood(log_p, part)
    return (1 - smoothing) * loss - smoothing * log_p.mean(axis=1)


def log_likelihood(log_p: NDArray, part: HeldOut) -> NDArray[np.float64]:
    """Return the mean logarithm of the probability of the target classes."""
    if part.targets is None:
        return log_p[np.arange(len(log_p)), part.codes]
    return np.einsum("ij,ij->i", part.targets, log_p)


def class_logits(part: HeldOut, aggregation: str, temperature: float) -> NDArray:
    """Return class scores over the temperature."""
    logits = part.similar / temperature + log_weights(part.priors)
    n_classes = part.owners[-1] + 1
    return class_scores(logits, part.owners, n_classes, aggregation)


def _simplify(part: HeldOut, aggregation: str) -> HeldOut:
    """Drop prototypes that cannot decide at any temperature; use float64."""
    part = part._replace(similar=part.similar.astype(np.float64, copy=False))
    first = np.searchsorted(part.owners, part.owners)
    equal = np.array_equal(part.priors, part.priors[first])
    return part.with_best() if aggregation == "max" and equal else part
