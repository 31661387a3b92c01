"""How near rows are to each other, by embedding and by content."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from scipy import sparse
from sklearn.neighbors import NearestNeighbors
from sklearn.utils import gen_batches

from sklearn_kmex._data.samples import as_array, len_of, stacked
from sklearn_kmex._draw.pictures import channels_last

N_NEAREST = 4  # rows compared, by each kind of feature
SIDE = 32  # pixels to which images are reduced
SHIFT = 3  # pixels by which they are moved in each direction
HALF = 14  # pixels to which they are reduced to choose candidates
N_BEST = 2  # of the candidates, that are compared in full
FREQUENCIES = 6  # of each axis, in the spectrum
LEVELS = 4  # dimensions for the values of a column that is not numeric
N_DIRECTIONS = 64  # of candidates, where there are more than twice as many features
ROUNDING = 1e-5  # of correlations
NEAR_ZERO = 1e-6  # of the median distance: equal but for rounding
BLOCK = 128
IMAGES_AT_ONCE = 1_024


class Nearest(NamedTuple):
    """Training rows of each row, (n_rows, n_found), the nearest first."""

    rows: NDArray[np.intp]
    distances: NDArray[np.float64]  # infinite for those found twice


def in_order(rows: NDArray[np.intp], distances: NDArray[np.float64]) -> Nearest:
    """Sort training rows by their distance, which is 0 where only rounding differs."""
    apart = np.where(repeated(rows), np.inf, distances)
    order = np.argsort(apart, axis=1, kind="stable")
    apart = np.take_along_axis(apart, order, axis=1)
    zero = NEAR_ZERO * np.median(apart[np.isfinite(apart)])
    return Nearest(
        np.take_along_axis(rows, order, axis=1), np.where(apart <= zero, 0.0, apart)
    )


def repeated(rows: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Mark the training rows that stand further left for the same row."""
    order = np.argsort(rows, axis=1, kind="stable")
    ranked = np.take_along_axis(rows, order, axis=1)
    again = np.zeros(rows.shape, dtype=bool)
    np.put_along_axis(again, order[:, 1:], ranked[:, 1:] == ranked[:, :-1], axis=1)
    return again


def candidates(
    queries: Any, training: Any, numbers: NDArray[np.intp] | None
) -> NDArray[np.intp]:
    """Return the nearest training rows; `numbers` are those of the queries, if any."""
    n_found = min(N_NEAREST + (numbers is not None), training.shape[0])
    search = NearestNeighbors(n_neighbors=n_found, algorithm="brute")
    search.fit(narrow(training))
    found = search.kneighbors(narrow(queries), return_distance=False)
    if numbers is None:
        return found
    other = found != numbers[:, np.newaxis]
    other[other.all(axis=1), -1] = False  # among equal rows, itself was not found
    return found[other].reshape(len(found), -1)


def narrow(values: Any) -> Any:
    """Project many features on random directions, which hardly changes neighbours."""
    n_features = values.shape[1]
    if sparse.issparse(values) or n_features <= 2 * N_DIRECTIONS:
        return values
    size = n_features, N_DIRECTIONS
    return values @ np.random.RandomState(0).normal(size=size).astype(values.dtype)


class Embeddings:
    """Rows of embeddings, compared by their Euclidean distance."""

    def __init__(self, values: Any) -> None:
        self.values = values

    def features(self) -> list[Any]:
        """Return what candidates are found by."""
        return [self.values]

    def take(self, rows: Any) -> Embeddings:
        """Select rows."""
        return Embeddings(self.values[rows])

    def distances(self, training: Embeddings, rows: NDArray) -> NDArray[np.float64]:
        """Return the distance of each row to some training rows."""
        found = np.empty(rows.shape)
        for j, column in enumerate(rows.T):
            apart = self.values - training.values[column]
            square = apart.multiply(apart) if sparse.issparse(apart) else apart**2
            found[:, j] = np.asarray(square.sum(axis=1)).ravel() ** 0.5
        return found


class Columns:
    """Rows of a table, compared column by column.

    The difference of numbers is relative to the larger of their size and of the spread
    of the column; that of other values is 0 or 1.
    """

    def __init__(self, numbers: NDArray, codes: NDArray, spread: NDArray) -> None:
        self.numbers, self.codes, self.spread = numbers, codes, spread

    def features(self) -> list[NDArray]:
        """Return columns by their spread, and a random point for each other value."""
        points = np.random.RandomState(0).normal(
            size=(self.codes.max(initial=0) + 1, LEVELS)
        )
        others = [points[column] / LEVELS**0.5 for column in self.codes.T]
        return [np.hstack([self.numbers / self.spread, *others]).astype(np.float32)]

    @property
    def step(self) -> float:
        """Return the smallest difference between unequal values of a column."""
        steps = [1.0]
        for column, spread in zip(self.numbers.T, self.spread, strict=True):
            values = np.unique(column)
            size = np.maximum(np.abs(values[1:]), np.abs(values[:-1]))
            steps.extend(np.diff(values) / np.maximum(size, spread))
        return float(min(steps))

    def take(self, rows: Any) -> Columns:
        """Select rows."""
        return Columns(self.numbers[rows], self.codes[rows], self.spread)

    def distances(self, training: Columns, rows: NDArray) -> NDArray[np.float64]:
        """Return the sum of differences of each row to some training rows."""
        found = np.empty(rows.shape)
        for j, column in enumerate(rows.T):
            theirs = training.numbers[column]
            size = np.maximum(np.abs(self.numbers), np.abs(theirs))
            apart = np.abs(self.numbers - theirs) / np.maximum(size, self.spread)
            unequal = self.codes != training.codes[column]
            found[:, j] = apart.sum(axis=1) + unequal.sum(axis=1)
        return found


class Images:
    """Grey images, compared by correlation where they match best when shifted."""

    def __init__(self, values: NDArray) -> None:
        self.values = values

    def features(self) -> list[NDArray]:
        """Return spectra, which hardly change with a shift."""
        spectra = np.abs(np.fft.rfft2(self.values))
        ends = [*range(FREQUENCIES), *range(1 - FREQUENCIES, 0)]
        if min(spectra.shape[1:]) > FREQUENCIES:
            spectra = spectra[:, ends, :FREQUENCIES]
        return [np.log1p(spectra).reshape(len(spectra), -1).astype(np.float32)]

    def take(self, rows: Any) -> Images:
        """Select rows."""
        return Images(self.values[rows])

    def distances(self, training: Images, rows: NDArray) -> NDArray[np.float64]:
        """Return 1 minus the largest correlation with some training images.

        Of many, only those that match best in half the size are compared in full.
        """
        if rows.shape[1] <= N_BEST:
            return self._compared(training, rows)
        small = [Images(reduced(one.values, HALF)) for one in (self, training)]
        rough = small[0]._compared(small[1], rows)
        rough[repeated(rows)] = np.inf
        best = np.argsort(rough, axis=1, kind="stable")[:, :N_BEST]
        found = np.full(rows.shape, np.inf)
        near = self._compared(training, np.take_along_axis(rows, best, axis=1))
        np.put_along_axis(found, best, near, axis=1)
        return found

    def _compared(self, training: Images, rows: NDArray) -> NDArray[np.float64]:
        found = np.empty(rows.shape)
        edge = min(SHIFT, (min(self.values.shape[1:]) - 1) // 4)
        inner = slice(edge, -edge or None)
        for some in gen_batches(len(rows), BLOCK):
            shifted = windows(self.values[some], edge)
            theirs = training.values[rows[some]][:, :, inner, inner]
            theirs = centered(theirs.reshape(*theirs.shape[:2], -1))
            best = (shifted @ theirs.transpose(0, 2, 1)).max(axis=1)
            found[some] = np.where(best > 1 - ROUNDING, 0, 1 - best)
        return found


def windows(images: NDArray, edge: int) -> NDArray:
    """Return each image moved by up to `edge` pixels, without its margin."""
    height, width = images.shape[1] - 2 * edge, images.shape[2] - 2 * edge
    views = sliding_window_view(images, (height, width), axis=(1, 2))
    return centered(views.reshape(len(images), -1, height * width))


def centered(rows: NDArray) -> NDArray:
    """Subtract the mean, and divide by the length; rows without contrast are 0."""
    apart = rows - rows.mean(axis=-1, keepdims=True)
    length = np.linalg.norm(apart, axis=-1, keepdims=True)
    return apart / np.where(length > 1e-6 * np.abs(rows).max(initial=1), length, np.inf)


def reduced(images: NDArray, side: int) -> NDArray:
    """Reduce images to about a number of pixels on each side, by means of blocks."""
    step = [max(1, round(size / side)) for size in images.shape[1:]]
    height, width = (n // k for n, k in zip(images.shape[1:], step, strict=True))
    kept = images[:, : height * step[0], : width * step[1]]
    return kept.reshape(len(images), height, step[0], width, step[1]).mean(axis=(2, 4))


def as_embeddings(Z: Any) -> Embeddings | None:
    """Return rows of numbers, or None if they are something else."""
    if sparse.issparse(Z):
        return Embeddings(Z.tocsr())
    values = np.asarray(Z)
    if values.ndim != 2 or values.dtype.kind not in "biuf":
        return None
    values = values.astype(np.float64)
    return Embeddings(values) if np.isfinite(values).all() else None


def as_images(X: Any, image_shape: tuple[int, ...] | None) -> Images | None:
    """Return samples as reduced grey images, or None if they are no images."""
    parts = []
    for some in gen_batches(len_of(X), IMAGES_AT_ONCE):
        values = stacked(X, range(some.start, some.stop))
        values = None if values is None else channels_last(values, image_shape)
        if values is None:
            return None
        grey = np.nan_to_num(values.astype(np.float32))
        parts.append(reduced(grey.mean(axis=3) if grey.ndim == 4 else grey, SIDE))
    return Images(np.concatenate(parts))


def _as_table(X: Any) -> NDArray | None:
    if sparse.issparse(X):
        return None
    is_array = hasattr(X, "shape")
    values = np.asarray(as_array(X)) if is_array else stacked(X, range(len_of(X)))
    return values if values is not None and values.ndim == 2 else None


def as_columns(X_train: Any, X_test: Any) -> tuple[Columns, Columns] | None:
    """Return two tables with the same columns, or None if they are no tables."""
    tables = [one for X in (X_train, X_test) if (one := _as_table(X)) is not None]
    if len(tables) < 2:
        return None
    if tables[0].shape[1] != tables[1].shape[1]:
        raise ValueError(
            "X_test must have the columns of X_train; got "
            f"{tables[1].shape[1]} instead of {tables[0].shape[1]} columns."
        )
    n_train, numbers, codes = len(tables[0]), [], []
    for column in np.concatenate(tables).T:
        try:
            values = column.astype(np.float64)
        except (TypeError, ValueError):
            codes.append(np.unique(column.astype(str), return_inverse=True)[1])
            continue
        gap = np.isnan(values)
        numbers.append(np.nan_to_num(values))
        if gap.any():
            codes.append(gap.astype(np.intp))
    size = len(tables[0]) + len(tables[1])
    measured = np.array(numbers).T.reshape(size, -1)
    others = np.array(codes, dtype=np.intp).T.reshape(size, -1)
    spread = measured[:n_train].std(axis=0)
    whole = Columns(measured, others, np.where(spread > 0, spread, 1.0))
    return whole.take(slice(n_train)), whole.take(slice(n_train, None))
