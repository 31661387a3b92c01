"""Images of which one is a part of the other, brought to its size, or mirrored."""

from __future__ import annotations

from functools import reduce
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import gen_batches

from sklearn_kmex.metrics._near_rows import (
    HALF,
    ROUNDING,
    Images,
    Nearest,
    centered,
    in_order,
    reduced,
)

SCALES = (1.0, 0.92, 0.83)  # sides of the part, where the search begins
LEAST = 0.7  # side of the smallest part
FEWEST_PIXELS = 8  # on each side
FREQUENCIES = 8  # of each axis
N_FOUND = 4  # candidates that are aligned in half the size
N_BEST = 2  # of these, aligned in full
ROUGH_STEPS, STEPS = 5, 3  # of alignments in half the size, and in full
LONGEST = 0.1  # step, of half a side
RIDGE = 1e-3  # of the least squares
PAIRS = 1_024  # aligned at once
TILE = 512, 2_048  # queries and training images compared at once


class Place(NamedTuple):
    """Where a part lies in a whole, whose sides run from -1 to 1."""

    scale: NDArray  # (..., 2): height and width
    offset: NDArray  # (..., 2): of the center

    def moved(self, step: NDArray) -> Place:
        """Return the next place, inside the whole; steps are in units of the part."""
        step = np.clip(step, -LONGEST, LONGEST)
        scale = np.clip(self.scale * (1 + step[:, :2]), LEAST, 1)
        offset = self.offset + self.scale * step[:, 2:]
        return Place(scale, np.clip(offset, scale - 1, 1 - scale))


class Found(NamedTuple):
    """Candidates of each row, each an array (n_rows, n_found), and where to begin."""

    rows: NDArray[np.intp]
    scale: NDArray[np.float64]  # of the part in the whole
    is_part: NDArray[np.bool_]  # the row is the part, the candidate the whole
    mirrored: NDArray[np.bool_]

    def take(self, at: tuple[NDArray, NDArray]) -> Found:
        """Select candidates."""
        rows, scale, is_part, mirrored = self
        return Found(rows[at], scale[at], is_part[at], mirrored[at])


def are_large(images: Images) -> bool:
    """Whether a part of these images shows anything."""
    return min(images.values.shape[1:]) >= FEWEST_PIXELS


def nearest_parts(
    queries: Images, training: Images, numbers: NDArray[np.intp] | None
) -> Nearest:
    """Return training images near to each image, up to a crop and a reflection.

    `numbers` are those of the queries among the training images, if any. Candidates are
    aligned in half the size first.
    """
    found = _search(queries, training, numbers)
    small = [Images(reduced(one.values, HALF)) for one in (queries, training)]
    scale = np.repeat(found.scale[..., np.newaxis], 2, axis=-1)
    start = Place(scale, np.zeros_like(scale))
    rough, place = _aligned(small[0], small[1], found, start, ROUGH_STEPS)
    best = np.argsort(rough, axis=1, kind="stable")[:, :N_BEST]
    at = np.arange(len(best))[:, np.newaxis], best
    chosen, start = found.take(at), Place(place.scale[at], place.offset[at])
    return in_order(chosen.rows, _aligned(queries, training, chosen, start, STEPS)[0])


def _aligned(
    queries: Images, training: Images, found: Found, start: Place, n_steps: int
) -> tuple[NDArray[np.float64], Place]:
    """Align the candidates of each row."""
    shape = found.rows.shape
    distances, scales, offsets = [], [], []
    for some in gen_batches(shape[0], max(1, PAIRS // shape[1])):
        theirs = training.values[found.rows[some].ravel()]
        ours = np.repeat(queries.values[some], shape[1], axis=0)
        is_part, mirrored = (
            flags[some].reshape(-1, 1, 1) for flags in (found.is_part, found.mirrored)
        )
        part = np.where(is_part, ours, theirs)
        part = np.where(mirrored, part[:, :, ::-1], part)
        place = Place(*(field[some].reshape(-1, 2) for field in start))
        whole = np.where(is_part, theirs, ours)
        distance, (scale, offset) = align(whole, part, place, n_steps)
        distances.append(distance)
        scales.append(scale)
        offsets.append(offset)
    place = Place(
        *(np.concatenate(field).reshape(*shape, 2) for field in (scales, offsets))
    )
    return np.concatenate(distances).reshape(shape), place


def align(
    whole: NDArray, part: NDArray, place: Place, n_steps: int
) -> tuple[NDArray[np.float64], Place]:
    """Return 1 minus the correlation of each part with its best place, and the place.

    Least squares with the derivatives by the place (Gauss-Newton), and by the contrast.
    """
    target = centered(part.reshape(len(part), -1))
    nearest, best = np.full(len(part), np.inf), place
    for _ in range(n_steps + 1):
        columns = _derivatives(zoomed(whole, place))
        seen = columns[:, 0]
        length = np.linalg.norm(seen, axis=1)
        apart = 1 - np.einsum("ij,ij->i", seen, target) / np.where(length, length, 1)
        closer = (apart < nearest)[:, np.newaxis]
        best = Place(
            *(np.where(closer, a, b) for a, b in zip(place, best, strict=True))
        )
        nearest = np.minimum(nearest, apart)
        place = place.moved(_solved(columns, target))
    return np.where(nearest < ROUNDING, 0, nearest).astype(np.float64), best


def _derivatives(seen: NDArray) -> NDArray:
    """Return the images and their derivatives by scale and offset, (n, 5, pixels)."""
    n, height, width = seen.shape
    down = np.gradient(seen, axis=1) * np.float32(height / 2)
    right = np.gradient(seen, axis=2) * np.float32(width / 2)
    columns = np.stack(
        [
            seen,
            down * _places(height)[:, np.newaxis],
            right * _places(width),
            down,
            right,
        ],
        axis=1,
    ).reshape(n, 5, -1)
    columns -= columns.mean(axis=2, keepdims=True)
    return columns


def _solved(columns: NDArray, target: NDArray) -> NDArray:
    """Return the steps that bring the images nearest to the targets."""
    gram = columns @ columns.transpose(0, 2, 1)
    size = np.einsum("ijj->ij", gram)
    size += RIDGE * size + 1e-6 * size.max(axis=1, keepdims=True) + 1e-12
    found = np.linalg.solve(gram, columns @ target[:, :, np.newaxis])[:, :, 0]
    contrast = np.where(found[:, :1] > 0, found[:, :1], np.inf)
    return found[:, 1:] / contrast


def _places(n_pixels: int) -> NDArray[np.float32]:
    """Return the centers of pixels, where the side runs from -1 to 1."""
    return ((2 * np.arange(n_pixels) + 1) / n_pixels - 1).astype(np.float32)


def _sampling(n_pixels: int, scale: NDArray, offset: NDArray) -> NDArray[np.float32]:
    """Return the matrices of linear interpolation at the places of a part."""
    places = scale[:, np.newaxis] * _places(n_pixels) + offset[:, np.newaxis]
    pixels = np.clip((places + 1) * (n_pixels / 2) - 0.5, 0, n_pixels - 1)
    numbers = np.arange(n_pixels, dtype=np.float32)
    apart = np.abs(pixels.astype(np.float32)[:, :, np.newaxis] - numbers)
    return np.maximum(1 - apart, 0, out=apart)


def zoomed(images: NDArray, place: Place) -> NDArray[np.float32]:
    """Cut a part out of each image, and bring it to the size of the image."""
    rows, columns = (
        _sampling(size, place.scale[:, axis], place.offset[:, axis])
        for axis, size in enumerate(images.shape[1:])
    )
    return rows @ images @ columns.transpose(0, 2, 1)


def spectra(images: NDArray, scale: float) -> NDArray[np.float32]:
    """Return low frequencies of the center, (n, 2 * FREQUENCIES - 1, FREQUENCIES).

    They hardly change with a shift. The sine window fades the margin, where a part
    ends elsewhere.
    """
    (down, low_down), (right, low_right) = (
        _waves(size, scale) for size in images.shape[1:]
    )
    right = right[:FREQUENCIES]
    seen = images @ np.hstack([right.real.T, right.imag.T])
    waves = down @ (seen[..., :FREQUENCIES] + 1j * seen[..., FREQUENCIES:])
    means = (images @ low_right) @ low_down
    waves -= means[:, np.newaxis, np.newaxis] * np.outer(down.sum(1), right.sum(1))
    return np.sqrt(np.abs(waves)).astype(np.float32)


def _waves(n_pixels: int, scale: float) -> tuple[NDArray, NDArray]:
    """Return windowed waves and the mean, of the center of a side."""
    numbers = np.array([*range(FREQUENCIES), *range(-1, -FREQUENCIES, -1)])
    sampling = _sampling(n_pixels, np.array([scale]), np.zeros(1))[0]
    places = np.arange(n_pixels)
    turns = np.exp(-2j * np.pi / n_pixels * np.outer(numbers, places))
    window = np.sin(np.pi * (places + 1) / (n_pixels + 1))
    return ((turns * window) @ sampling).astype(np.complex64), sampling.mean(axis=0)


def _extended(waves: NDArray, square_at: int) -> NDArray[np.float32]:
    """Return spectra as rows, of which products are minus half a squared distance.

    Of two values that mirroring swaps, the larger comes first. Of the last two columns,
    `square_at` holds minus half the square, the other 1.
    """
    pair = waves[:, 1:FREQUENCIES], waves[:, FREQUENCIES:]
    folded = np.concatenate(
        [waves[:, :1], np.maximum(*pair), np.minimum(*pair)], axis=1
    ).reshape(len(waves), -1)
    rows = np.ones((len(folded), folded.shape[1] + 2), dtype=np.float32)
    rows[:, :-2] = folded
    rows[:, square_at] = -0.5 * np.sum(folded**2, axis=1)
    return rows


def _search(queries: Images, training: Images, numbers: NDArray | None) -> Found:
    """Return the nearest training images of any view."""
    views = [(1.0, scale) for scale in SCALES] + [(scale, 1.0) for scale in SCALES[1:]]
    ours, theirs = (
        {scale: spectra(one.values, scale) for scale in SCALES}
        for one in (queries, training)
    )
    rows = _nearest_of_views(ours, theirs, views, numbers)
    order = [0, *range(FREQUENCIES, 2 * FREQUENCIES - 1), *range(1, FREQUENCIES)]
    apart = [
        np.sum((one[:, np.newaxis] - theirs[b][rows]) ** 2, axis=(2, 3))
        for a, b in views
        for one in (ours[a], ours[a][:, order])
    ]
    view, mirrored = np.divmod(np.argmin(apart, axis=0), 2)
    scales = np.array(views)[view]
    return Found(rows, scales.min(axis=-1), scales[..., 0] == 1, mirrored == 1)


def _nearest_of_views(
    ours: dict[float, NDArray],
    theirs: dict[float, NDArray],
    views: list[tuple[float, float]],
    numbers: NDArray | None,
) -> NDArray[np.intp]:
    """Return the training rows that are nearest to each query in any view.

    One matrix product for each view gives minus half the squared distances.
    """
    queries = {scale: _extended(one, -2) for scale, one in ours.items()}
    training = {scale: _extended(one, -1) for scale, one in theirs.items()}
    n_queries, n_train = len(queries[1.0]), len(training[1.0])
    found = []
    for some in gen_batches(n_queries, TILE[0]):
        rows, scores = [], []
        for tile in gen_batches(n_train, TILE[1]):
            products = (queries[a][some] @ training[b][tile].T for a, b in views)
            near = reduce(np.maximum, products)
            if numbers is not None:
                near[numbers[some, np.newaxis] == np.arange(n_train)[tile]] = -np.inf
            n_found = min(N_FOUND, near.shape[1])
            best = np.argpartition(near, -n_found, axis=1)[:, -n_found:]
            rows.append(best + tile.start)
            scores.append(np.take_along_axis(near, best, axis=1))
        best = np.argsort(-np.hstack(scores), axis=1, kind="stable")[:, :N_FOUND]
        found.append(np.take_along_axis(np.hstack(rows), best, axis=1))
    return np.concatenate(found)
