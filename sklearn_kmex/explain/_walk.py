"""A split of the margin over the output of steps, taken back to their input."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import linalg
from sklearn.compose import ColumnTransformer
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import FeatureUnion, Pipeline

from sklearn_kmex.embedding import CachedEmbedder
from sklearn_kmex.explain import _probe
from sklearn_kmex.explain._blocks import Block, blocks
from sklearn_kmex.explain._points import as_objects, nowhere, points_before, unknown


class Split(NamedTuple):
    """The margin of each sample, over columns.

    It is the sum of `parts`, which are `slope * shift` where these are known: the
    slope of the margin, and how far the sample is from the middle of two prototypes.
    """

    parts: NDArray[np.float64]  # (n_samples, n_columns)
    points: NDArray  # (2, n_samples, n_columns), the prototypes: see _points
    slope: NDArray[np.float64] | None
    shift: NDArray[np.float64] | None  # NaN where a column has no part in it


def walk_back(
    steps: list[tuple[str, Any]], inputs: list[Any], split: Split
) -> tuple[Split, int]:
    """Take a split back step by step; return it with the number of steps left over."""
    for left in range(len(steps), 0, -1):
        step, X, Z = steps[left - 1][1], inputs[left - 1], inputs[left]
        before = pull(step, X, Z, split) if _is_table(X) else None
        if before is None:
            return split, left
        split = before
    return split, 0


def _is_table(X: Any) -> bool:
    return len(getattr(X, "shape", ())) == 2


def pull(step: Any, X: Any, Z: Any, split: Split) -> Split | None:
    """Take a split over the output Z of a step to its input X; None if it cannot be."""
    if isinstance(step, FrozenEstimator):
        step = step.estimator
    if isinstance(step, CachedEmbedder):  # what it is tried on is not to be kept
        step = step.embedder
    if isinstance(step, Pipeline):
        return _pull_pipeline(step, X, split)
    if isinstance(step, ColumnTransformer | FeatureUnion):
        before = _pull_blocks(step, X, split)
        if before is not None and before.slope is not None:
            return before
        return _pull_affine(step, X, Z, split) or before
    source = _probe.sources(step, X, split.parts.shape[1])
    if source is None:
        return _pull_affine(step, X, Z, split)
    return _route(step, X, Z, split, source)


def _pull_pipeline(pipeline: Pipeline, X: Any, split: Split) -> Split | None:
    steps = [step for step in pipeline.steps if not _probe.is_identity(step[1])]
    before, left = walk_back(steps, forward(steps, X), split)
    return before if left == 0 else None


def forward(steps: list[tuple[str, Any]], X: Any) -> list[Any]:
    """Run steps; return the input of each, and the output of the last."""
    inputs = [X]
    for _, step in steps:
        inputs.append(step.transform(inputs[-1]))
    return inputs


def _route(step: Any, X: Any, Z: Any, split: Split, source: NDArray[np.intp]) -> Split:
    """Hand parts from the output columns to the one input column each comes from."""
    parts = _gather(split.parts, source, X.shape[1])
    affine = _probe.column_slopes(step, X, Z, source)
    points = points_before(step, X, Z, split.points, source, affine)
    if affine is None or split.slope is None or split.shift is None:
        return Split(parts, points, None, None)
    factor = affine[0]
    slope = _gather(split.slope * factor, source, X.shape[1])
    known = ~np.isnan(split.shift).any(axis=0)
    squares = _gather(known * factor[np.newaxis] ** 2, source, X.shape[1])
    moved = _gather(np.nan_to_num(split.shift) * factor, source, X.shape[1])
    shift = np.divide(
        moved, squares, out=np.full_like(moved, np.nan), where=squares > 0
    )
    before = Split(parts, points, slope, shift)
    return before if _conserves(before, parts, Z) else before._replace(slope=None)


def _gather(values: NDArray, source: NDArray[np.intp], n_columns: int) -> NDArray:
    """Sum the columns that come from each input column."""
    sums = np.zeros((n_columns, len(values)))
    np.add.at(sums, source, values.T)
    return sums.T


def _conserves(split: Split, parts: NDArray, Z: Any) -> bool:
    """Tell whether slope and shift account for the margin, to the digits of Z."""
    assert split.slope is not None
    assert split.shift is not None
    total = np.nansum(split.slope * split.shift, axis=1)
    share = 1e-4 if _probe.rows_of(Z).dtype == np.float32 else 1e-9
    off = np.abs(total - parts.sum(axis=1))
    return bool((off <= share * np.abs(parts).sum(axis=1)).all())


def _pull_affine(step: Any, X: Any, Z: Any, split: Split) -> Split | None:
    """Share parts out by the least change of the input that makes the shift."""
    if split.slope is None or split.shift is None:
        return None
    matrix = _probe.affine_matrix(step, X, Z)
    if matrix is None:
        return None
    known = ~np.isnan(split.shift).any(axis=0)
    back = linalg.pinv(matrix[known])
    slope = split.slope[:, known] @ matrix[known]
    shift = split.shift[:, known] @ back.T
    parts = slope * shift
    points = nowhere((2, *X.shape), np.float64)
    here = split.points[..., known]
    if not unknown(here).any():
        change = here.astype(np.float64) - _probe.rows_of(Z)[:, known]
        points[:] = _probe.rows_of(X) + change @ back.T
    before = Split(parts, points, slope, shift)
    return before if _conserves(before, split.parts, Z) else None


def _pull_blocks(step: Any, X: Any, split: Split) -> Split | None:
    """Take the blocks of a split through the steps that stand side by side."""
    parts, slope, shift = np.zeros(X.shape), np.zeros(X.shape), np.full(X.shape, np.nan)
    points = nowhere((2, *X.shape), np.float64)
    carried, taken = split.slope is not None, np.zeros(X.shape[1], dtype=bool)
    for one in blocks(step, X):
        back = pull(one.step, one.X, one.Z, _block(split, one))
        if back is None:
            return None
        parts[:, one.columns] += back.parts
        if back.points.dtype == object:
            points = as_objects(points)
        points[..., one.columns] = back.points
        carried = carried and back.slope is not None and not taken[one.columns].any()
        if carried:
            slope[:, one.columns] = back.slope
            shift[:, one.columns] = back.shift
        taken[one.columns] = True
    return Split(parts, points, *((slope, shift) if carried else (None, None)))


def _block(split: Split, block: Block) -> Split:
    """Cut out the columns of a block, before they were weighed."""
    parts, points = split.parts[..., block.out], split.points[..., block.out]
    if block.weight != 1:
        return Split(parts, nowhere(points.shape, np.float64), None, None)
    if split.slope is None or split.shift is None:
        return Split(parts, points, None, None)
    return Split(parts, points, split.slope[:, block.out], split.shift[:, block.out])
