"""Taking a split of the margin back from the output of steps to their input."""

from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from scipy import linalg
from sklearn.compose import ColumnTransformer
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import Normalizer

from sklearn_kmex.embedding import CachedEmbedder
from sklearn_kmex.embedding._base import BaseEmbedder
from sklearn_kmex.explain import _probe
from sklearn_kmex.explain._blocks import Block, blocks
from sklearn_kmex.explain._points import as_objects, nowhere, points_before, unknown

LINEAR = "linear"  # the method of steps that keep columns apart or are affine maps


class Split(NamedTuple):
    """The margin of each sample, split over columns.

    It is the sum of `parts` and `base`. Parts are `slope * shift` where both are known:
    the slope of the margin, and the shift of the sample from the middle of the two
    prototypes.
    """

    parts: NDArray[np.float64]  # (n_samples, n_columns)
    points: NDArray  # (2, n_samples, n_columns), the two prototypes
    slope: NDArray[np.float64] | None
    shift: NDArray[np.float64] | None  # NaN if a column has no part
    base: NDArray[np.float64]  # (n_samples,)
    error: NDArray[np.float64]  # (n_samples,), of the sum
    method: str = LINEAR

    def before_division(self, lengths: NDArray[np.float64]) -> Self:
        """Take the split to rows before they are divided by their lengths.

        The length of a row is held fixed, so that its parts do not change.
        """
        factor = lengths[:, np.newaxis]
        known = np.where(unknown(self.points), np.nan, self.points)
        points = known.astype(np.float64) * factor
        if self.slope is None or self.shift is None:
            return self._replace(points=points)
        return self._replace(
            points=points, slope=self.slope / factor, shift=self.shift * factor
        )


def walk_back(
    steps: list[tuple[str, Any]], inputs: list[Any], split: Split, method: str
) -> tuple[Split, int]:
    """Take a split back step by step; return it and the number of steps left.

    `method` is that of the contributions to an embedder.
    """
    for left in range(len(steps), 0, -1):
        step, X, Z = steps[left - 1][1], inputs[left - 1], inputs[left]
        before = _pull(step, X, Z, split, method) if _is_table(X) else None
        if before is None:
            return split, left
        split = before
    return split, 0


def _is_table(X: Any) -> bool:
    return len(getattr(X, "shape", ())) == 2


def _pull(step: Any, X: Any, Z: Any, split: Split, method: str) -> Split | None:
    """Take a split from the output Z of a step to its input X; None if impossible."""
    step = _unwrapped(step)
    if isinstance(step, Pipeline):
        return _pull_pipeline(step, X, split, method)
    if isinstance(step, BaseEmbedder):
        return _pull_embedder(step, X, Z, split, method)
    if isinstance(step, Normalizer):
        return split.before_division(_probe.row_lengths(X, step.norm))
    if isinstance(step, ColumnTransformer | FeatureUnion):
        before = _pull_blocks(step, X, split, method)
        if before is not None and before.slope is not None:
            return before
        return _pull_affine(step, X, Z, split) or before
    source = _probe.sources(step, X, split.parts.shape[1])
    if source is None:
        return _pull_affine(step, X, Z, split)
    return _route(step, X, Z, split, source)


def _unwrapped(step: Any) -> Any:
    if isinstance(step, FrozenEstimator):
        step = step.estimator
    if isinstance(step, CachedEmbedder):  # test rows are not to be cached
        step = getattr(step, "embedder_", step.embedder)
    return step


def _pull_embedder(
    embedder: BaseEmbedder, X: Any, Z: Any, split: Split, method: str
) -> Split | None:
    """Replace the parts by the contributions to the embedder, if it knows them."""
    if split.slope is None or split.shift is None:
        return None
    slope = np.where(np.isnan(split.shift), 0.0, split.slope)
    found = embedder._attribute(X, slope, method=method)
    if found is None:
        return None
    linear = np.einsum("ij,ij->i", slope, _probe.rows_of(Z).astype(np.float64))
    return Split(
        parts=found.parts,
        points=nowhere((2, *X.shape), np.float64),
        slope=None,
        shift=None,
        base=split.base + found.base + split.parts.sum(axis=1) - linear,
        error=split.error + found.error,
        method=found.method,
    )


def _pull_pipeline(
    pipeline: Pipeline, X: Any, split: Split, method: str
) -> Split | None:
    steps = [step for step in pipeline.steps if not _probe.is_identity(step[1])]
    before, left = walk_back(steps, forward(steps, X), split, method)
    return before if left == 0 else None


def forward(steps: list[tuple[str, Any]], X: Any) -> list[Any]:
    """Run steps; return the input of each and the output of the last."""
    inputs = [X]
    for _, step in steps:
        inputs.append(step.transform(inputs[-1]))
    return inputs


def _route(step: Any, X: Any, Z: Any, split: Split, source: NDArray[np.intp]) -> Split:
    """Give the parts of output columns to the input columns that they come from."""
    parts = _gather(split.parts, source, X.shape[1])
    affine = _probe.column_slopes(step, X, Z, source)
    points = points_before(step, X, Z, split.points, source, affine)
    if affine is None or split.slope is None or split.shift is None:
        return split._replace(parts=parts, points=points, slope=None, shift=None)
    factor = affine[0]
    slope = _gather(split.slope * factor, source, X.shape[1])
    known = ~np.isnan(split.shift).any(axis=0)
    squares = _gather(known * factor[np.newaxis] ** 2, source, X.shape[1])
    moved = _gather(np.nan_to_num(split.shift) * factor, source, X.shape[1])
    shift = np.divide(
        moved, squares, out=np.full_like(moved, np.nan), where=squares > 0
    )
    before = split._replace(parts=parts, points=points, slope=slope, shift=shift)
    return before if _conserves(before, parts, Z) else before._replace(slope=None)


def _gather(values: NDArray, source: NDArray[np.intp], n_columns: int) -> NDArray:
    """Sum the output columns that come from each input column."""
    sums = np.zeros((n_columns, len(values)))
    np.add.at(sums, source, values.T)
    return sums.T


def _conserves(split: Split, parts: NDArray, Z: Any) -> bool:
    """Tell whether slope and shift give the margin, to the precision of Z."""
    assert split.slope is not None
    assert split.shift is not None
    total = np.nansum(split.slope * split.shift, axis=1)
    share = 1e-4 if _probe.rows_of(Z).dtype == np.float32 else 1e-9
    off = np.abs(total - parts.sum(axis=1))
    return bool((off <= share * np.abs(parts).sum(axis=1)).all())


def _pull_affine(step: Any, X: Any, Z: Any, split: Split) -> Split | None:
    """Split the parts by the smallest change of the input that gives the shift."""
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
    before = split._replace(parts=parts, points=points, slope=slope, shift=shift)
    return before if _conserves(before, split.parts, Z) else None


def _pull_blocks(step: Any, X: Any, split: Split, method: str) -> Split | None:
    """Take a split back through steps that run side by side."""
    parts, slope, shift = np.zeros(X.shape), np.zeros(X.shape), np.full(X.shape, np.nan)
    points = nowhere((2, *X.shape), np.float64)
    carried, taken = split.slope is not None, np.zeros(X.shape[1], dtype=bool)
    base, error, methods = split.base, split.error, [split.method]
    for one in blocks(step, X):
        back = _pull(one.step, one.X, one.Z, _block(split, one), method)
        if back is None:
            return None
        parts[:, one.columns] += back.parts
        base, error = base + back.base, error + back.error
        methods.append(back.method)
        if back.points.dtype == object:
            points = as_objects(points)
        points[..., one.columns] = back.points
        carried = carried and back.slope is not None and not taken[one.columns].any()
        if carried:
            slope[:, one.columns] = back.slope
            shift[:, one.columns] = back.shift
        taken[one.columns] = True
    before = Split(parts, points, slope, shift, base, error, _joined(methods))
    return before if carried else before._replace(slope=None, shift=None)


def _block(split: Split, block: Block) -> Split:
    """Take the columns of a block; a weight other than 1 leaves only the parts."""
    nothing = np.zeros(len(split.base))
    columns = split._replace(
        parts=split.parts[..., block.out],
        points=split.points[..., block.out],
        slope=None,
        shift=None,
        base=nothing,
        error=nothing,
        method=LINEAR,
    )
    if block.weight != 1:
        return columns._replace(points=nowhere(columns.points.shape, np.float64))
    if split.slope is None or split.shift is None:
        return columns
    return columns._replace(
        slope=split.slope[:, block.out], shift=split.shift[:, block.out]
    )


def _joined(methods: list[str]) -> str:
    """Join the names of methods other than the linear one."""
    others = [method for method in dict.fromkeys(methods) if method != LINEAR]
    return " and ".join(others) or LINEAR


def column_names(
    psem: Any, inputs: list[Any], steps: list[tuple[str, Any]], n_columns: int
) -> NDArray[np.object_]:
    """Return the names of the columns after some steps, from X, psem or the steps."""
    names = getattr(inputs[0], "columns", getattr(psem, "feature_names_in_", None))
    for _, step in steps:
        try:
            names = step.get_feature_names_out(names)
        except Exception:  # a step may have no names
            names = None
    names = getattr(inputs[len(steps)], "columns", names)
    if names is None or len(names) != n_columns:
        names = [f"x{column}" for column in range(n_columns)]
    return np.array([str(name) for name in names], dtype=object)
