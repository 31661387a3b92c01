"""The pooled within-class covariance of the rows, and the map of its metric."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.linalg import LinAlgError, cholesky, eigh, solve_triangular
from sklearn.utils import check_random_state

from sklearn_kmex._compat import get_namespace_and_device
from sklearn_kmex._data.arrays import (
    asarray_like,
    row_blocks,
    squared_norms,
    to_numpy,
    widest_float,
)
from sklearn_kmex._data.rows import Rows, Training, gather
from sklearn_kmex._fit.prototypes import ClassPrototypes
from sklearn_kmex._fit.standard import weighted_mean
from sklearn_kmex._fit.temperature import Fold

# The covariance is that of a sample of the rows if there are more.
COVARIANCE_ROWS = 20_000
MOST_FEATURES = 10_000
PRODUCT_ROWS = 1024  # of small classes, multiplied at once
EPS = float(np.finfo(np.float64).eps)
ROUNDING = 1e-12  # share of a variance below which a difference of two is taken as 0


class Scatter(NamedTuple):
    """Sums over weighted rows, each minus the mean of its class."""

    products: NDArray[np.float64]  # (n_features, n_features)
    means: NDArray[np.float64]  # (n_classes, n_features)
    mass: NDArray[np.float64]  # (n_classes,), weights of the rows
    # Sum of fourth powers of the lengths of rows, each feature with a variance of 1.
    fourth: float = 0.0

    def merge(self, other: Self, sign: int = 1) -> "Scatter":
        """Add the rows of another scatter, or take them away if the sign is -1.

        See T. Chan, G. Golub and R. LeVeque, "Algorithms for computing the sample
        variance", The American Statistician 37(3), 1983.
        """
        mass = np.maximum(self.mass + sign * other.mass, 0.0)
        held = np.where(mass > 1e-9 * self.mass, mass, np.inf)[:, np.newaxis]
        ours, theirs = self.mass[:, np.newaxis], sign * other.mass[:, np.newaxis]
        apart = np.where(other.mass[:, np.newaxis] > 0, other.means - self.means, 0.0)
        between = (apart * (ours * theirs / held)).T @ apart
        products = self.products + sign * other.products + between
        means = self.means + apart * theirs / held
        least = rounding_of(means, mass) + ROUNDING * np.diag(self.products)
        fourth = self.fourth + sign * other.fourth
        return Scatter(_varying(products, least), means, mass, fourth)

    def covariance(self, shrinkage: float | str) -> NDArray[np.float64]:
        """Return the covariance, its correlations shrunk towards 0."""
        correlation, scales = self._correlation()
        mean = np.trace(correlation) / len(correlation)
        share = self.shrinkage(shrinkage)
        correlation *= 1 - share
        correlation[np.diag_indices_from(correlation)] += share * mean
        return correlation * np.outer(scales, scales)

    def shrinkage(self, given: float | str) -> float:
        """Return the shrinkage that is given, or for "auto" the best one.

        It is that of Ledoit and Wolf (2004) for the features divided by their standard
        deviations, as in scikit-learn's linear discriminant analysis.
        """
        if given != "auto":
            return float(given)
        correlation, _ = self._correlation()
        n_rows, n_features = self.mass.sum(), len(correlation)
        squares = float(np.sum(correlation**2))
        noise = (self.fourth / n_rows - squares) / (n_rows * n_features)
        signal = squares / n_features - (np.trace(correlation) / n_features) ** 2
        return float(np.clip(noise / signal, 0.0, 1.0)) if signal > 0 else 1.0

    def _correlation(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the correlations of the features, and their standard deviations."""
        covariance = self.products / self.mass.sum()
        if not np.trace(covariance):
            raise ValueError(
                "X must vary within a class for metric='mahalanobis'; all rows of each "
                f"class are equal (n_features = {len(covariance)}). Use "
                "metric='euclidean'."
            )
        scales = standard_deviations(covariance)
        return covariance / np.outer(scales, scales), scales


def rounding_of(means: NDArray, mass: NDArray, eps: float = EPS) -> NDArray[np.float64]:
    """Return the largest sum of squares of each feature that may be rounding alone."""
    total = mass.sum()
    share = 4 * max(eps, EPS * total**0.5)  # of a row, and of a mean over rows
    return total * (share * np.abs(means).max(axis=0, initial=0)) ** 2


def _varying(products: NDArray, least: NDArray) -> NDArray[np.float64]:
    """Set the products of features that are constant up to rounding to 0."""
    varies = np.diag(products) > least
    return products * varies * varies[:, np.newaxis]


def standard_deviations(covariance: NDArray) -> NDArray[np.float64]:
    """Return the standard deviation of each feature, 1 for a constant one."""
    variances = np.diag(covariance)
    return np.sqrt(np.where(variances > 0, variances, 1.0))


def metric_maps(
    scatters: Sequence[Scatter], shrinkage: float
) -> list[NDArray[np.float64]]:
    """Return the map of each scatter.

    A scatter without variance gets the first map.
    """
    least = 1e-12 * np.trace(scatters[0].products)
    first = metric_map(scatters[0].covariance(shrinkage))
    return [first] + [
        metric_map(one.covariance(shrinkage))
        if np.trace(one.products) > least
        else first
        for one in scatters[1:]
    ]


def metric_map(covariance: NDArray) -> NDArray[np.float64]:
    """Return the map that makes rows of this covariance uncorrelated, of variance 1.

    Directions in which a singular covariance has no variance are left out.
    """
    scales = standard_deviations(covariance)
    correlation = covariance / np.outer(scales, scales)
    least = len(correlation) * np.finfo(np.float64).eps
    with suppress(LinAlgError):
        lower = cholesky(correlation, lower=True)
        if np.diag(lower).min() ** 2 > least:
            inverse = solve_triangular(lower, np.eye(len(lower)), lower=True)
            return inverse.T / scales[:, np.newaxis]
    values, vectors = eigh(correlation)
    kept = values > least * values[-1]
    whiten = (vectors[:, kept] / np.sqrt(values[kept])) @ vectors[:, kept].T
    return whiten / scales[:, np.newaxis]


def check_features(X: Any) -> None:
    """Raise an error for rows that have no covariance matrix that fits in memory."""
    if sparse.issparse(X):
        raise ValueError(
            "X must be dense for metric='mahalanobis', because the covariance of "
            "sparse rows is dense; got a sparse matrix. Reduce X, for example with "
            "TruncatedSVD, or use metric='cosine'."
        )
    n_features = X.shape[1]
    if n_features > MOST_FEATURES:
        size = 8 * n_features**2 / 2**30
        raise ValueError(
            f"X must have at most {MOST_FEATURES} features for metric='mahalanobis', "
            f"whose covariance is a dense matrix; got {n_features}, which would take "
            f"{size:.1f} GiB. Reduce X, for example with PCA, or use metric='cosine'."
        )


def scatter_of(
    training: Training,
    groups: Sequence[tuple[NDArray, NDArray]],
    with_fourth: bool = True,
) -> Scatter:
    """Return the scatter of some rows; `groups` has rows and weights of each class."""
    X, prepare = training.X, training.prepare or (lambda values: values)
    classes = [
        Rows(prepare(gather(X, rows)), rows, weights) if len(rows) else None
        for rows, weights in groups
    ]
    means = np.zeros((len(groups), X.shape[1]))
    for code, rows in enumerate(classes):
        if rows is not None:
            means[code] = weighted_mean(rows)
    mass = np.array([weights.sum() for _, weights in groups], dtype=np.float64)
    products: Any = np.zeros((X.shape[1], X.shape[1]))
    for block, _ in _centered(classes, means):
        products = products + to_numpy(block.T @ block)
    products = _varying(products, rounding_of(means, mass, _eps_of(X)))
    if not with_fourth:
        return Scatter(products, means, mass)
    scales = standard_deviations(products / max(mass.sum(), 1e-300))
    fourth = 0.0
    for block, weights in _centered(classes, means):
        block /= asarray_like(scales, block)
        lengths = to_numpy(squared_norms(block))
        fourth += float((lengths**2 / weights).sum())
    return Scatter(products, means, mass, fourth)


def _eps_of(X: Any) -> float:
    """Return the rounding of the dtype of rows; that of float64 for integers."""
    xp, *_ = get_namespace_and_device(X)
    is_float = xp.isdtype(X.dtype, "real floating")
    return float(xp.finfo(X.dtype if is_float else xp.float64).eps)


def _centered(
    classes: Iterable[Rows | None], means: NDArray
) -> Iterator[tuple[Any, NDArray]]:
    """Yield rows minus the mean of their class, times the root of their weights.

    Small classes are put together. The weights are yielded, too.
    """
    blocks: list[Any] = []
    weights: list[NDArray] = []
    for rows, mean in zip(classes, means, strict=True):
        if rows is None:
            continue
        start = 0
        for block in row_blocks(rows.values):
            own = rows.weights[start : start + block.shape[0]]
            start += block.shape[0]
            of_dtype = widest_float(block)
            roots = asarray_like(np.sqrt(own), block, of_dtype)
            blocks.append(
                (block - asarray_like(mean, block, of_dtype)) * roots[:, None]
            )
            weights.append(own)
            if sum(map(len, weights)) >= PRODUCT_ROWS:
                yield _join(blocks), np.concatenate(weights)
                blocks, weights = [], []
    if blocks:
        yield _join(blocks), np.concatenate(weights)


def _join(blocks: list[Any]) -> Any:
    xp, *_ = get_namespace_and_device(blocks[0])
    return xp.concat(blocks, axis=0)


def fit_scatters(
    training: Training, folds: Sequence[Sequence[Fold]], random_state: Any
) -> tuple[Scatter, list[Scatter]]:
    """Return the scatter of all rows, and that without the held-out rows of each fold.

    If a sample of the rows is taken, it has no held-out row of any fold.
    """
    groups = [(rows, training.weights[rows]) for rows in training.groups]
    parts = [
        [_held_out_rows(training, of_class, k) for of_class in folds]
        for k in range(max(map(len, folds)))
    ]
    n_rows = sum(map(len, training.groups))
    if n_rows <= COVARIANCE_ROWS:
        whole = scatter_of(training, groups)
        left_out = [scatter_of(training, part, with_fourth=False) for part in parts]
        return whole, [whole.merge(part, -1) for part in left_out]
    rng = check_random_state(random_state)
    used = [rows for part in parts for rows, _ in part]
    whole = scatter_of(training, _sample(groups, used, n_rows, rng))
    share = sum(w.sum() for _, w in groups) / whole.mass.sum()
    whole = Scatter(
        whole.products * share, whole.means, whole.mass * share, whole.fourth * share
    )
    return whole, [whole] * len(parts)


def _held_out_rows(
    training: Training, folds: Sequence[Fold], k: int
) -> tuple[NDArray, NDArray]:
    """Return the rows and weights of a class that its k-th fold holds out."""
    if not folds:
        return np.empty(0, np.intp), np.empty(0)
    return folds[k].held_out - training.first_row, folds[k].weights


def _sample(
    groups: Sequence[tuple[NDArray, NDArray]],
    left_out: Sequence[NDArray],
    n_rows: int,
    rng: np.random.RandomState,
) -> list[tuple[NDArray, NDArray]]:
    """Draw the same share of the rows of each class, without rows left out."""
    seen = np.concatenate([*left_out, np.empty(0, np.intp)])
    drawn = []
    for rows, weights in groups:
        free = np.flatnonzero(~np.isin(rows, seen))
        if len(free) == 0:  # all rows of a small class are held out by some fold
            free = np.arange(len(rows))
        size = min(len(free), -(-len(rows) * COVARIANCE_ROWS // n_rows))
        kept = np.sort(rng.choice(free, size, replace=False)) if size else free[:0]
        drawn.append((rows[kept], weights[kept]))
    return drawn


def known_scatter(
    products: NDArray, fourth: float, known: Sequence[ClassPrototypes | None]
) -> Scatter:
    """Return the scatter of earlier batches, with the means of their prototypes."""
    means = np.zeros((len(known), len(products)))
    mass = np.zeros(len(known))
    for code, old in enumerate(known):
        if old is not None:
            mass[code] = old.counts.sum()
            means[code] = old.counts @ old.means / mass[code]
    return Scatter(products, means, mass, fourth)
