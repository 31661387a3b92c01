"""Relevance maps as arrays: checks, scales and masks."""

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_array

# Smallest share of the sum of a map that a position gets, and the largest difference
# of shares, relative to the largest, that is taken for rounding of float32.
FLOOR, FLAT = 1e-8, 1e-5


def check_maps(relevance: Any, name: str) -> NDArray[np.float64]:
    """Return finite maps in float64, with at least one position each."""
    maps = check_array(relevance, dtype=np.float64, allow_nd=True, input_name=name)
    if maps.size == 0:
        raise ValueError(
            f"{name} must have at least one value for each sample; got an array of "
            f"shape {maps.shape}."
        )
    return maps


def unit_maps(maps: NDArray[np.float64]) -> NDArray[np.float64]:
    """Divide each map by its largest absolute value; leave maps of zeros."""
    axes = tuple(range(1, maps.ndim))
    largest = np.abs(maps).max(axis=axes, keepdims=True)
    return maps / np.where(largest > 0, largest, 1)


def mean_of(
    values: NDArray[np.float64], per_sample: bool
) -> float | NDArray[np.float64]:
    """Return the mean over the samples, or the values themselves."""
    return values if per_sample else float(values.mean())


def check_channel_axis(channel_axis: int | None, array: NDArray, what: str) -> None:
    """Check that it is an axis besides the samples that leaves one of positions."""
    n_axes = array.ndim
    if channel_axis is None or (
        n_axes > 2 and channel_axis != 0 and -n_axes < channel_axis < n_axes
    ):
        return
    raise ValueError(
        f"channel_axis must be an axis of {what} besides that of the samples, 0, and "
        f"one of positions; got channel_axis={channel_axis} for shape {array.shape}. "
        "Use None if there are no channels."
    )


def distributions(
    maps: NDArray[np.float64], channel_axis: int | None
) -> NDArray[np.float64]:
    """Make maps distributions over positions, (n_samples, n_positions)."""
    maps = unit_maps(maps)
    if channel_axis is not None:
        maps = maps.sum(axis=channel_axis)
    mass = np.abs(maps.reshape(len(maps), -1))
    total = mass.sum(axis=1, keepdims=True)
    mass += np.where(total > 0, FLOOR * total, 1)
    return mass / mass.sum(axis=1, keepdims=True)


def is_flat(shares: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Mark distributions that give all positions the same share, up to rounding."""
    largest = shares.max(axis=1)
    return largest - shares.min(axis=1) <= FLAT * largest


def mean_of_defined(
    values: NDArray[np.float64], sample_weight: ArrayLike | None = None
) -> float:
    """Return the weighted mean of the values that are not NaN; NaN if all are."""
    weights = np.ones(len(values)) if sample_weight is None else sample_weight
    weights = np.where(np.isnan(values), 0, weights)
    if not weights.any():
        return np.nan
    return float(np.average(np.nan_to_num(values), weights=weights))


def masked_inputs(
    X: NDArray,
    relevance: ArrayLike,
    keep: float,
    baseline: float | ArrayLike,
    mask: str,
    channel_axis: int | None,
) -> NDArray:
    """Replace all but the most relevant positions of each sample, or only these."""
    check_channel_axis(channel_axis, X, "X")
    maps = _maps_of_positions(relevance, X, channel_axis)
    kept = _most_relevant(maps, keep) == (mask == "keep")
    if channel_axis is not None:
        kept = np.expand_dims(kept, channel_axis)
    return np.where(kept, X, _in_dtype_of(baseline, X))


def _maps_of_positions(
    relevance: ArrayLike, X: NDArray, channel_axis: int | None
) -> NDArray[np.float64]:
    """Return maps without channels, of the shape of X without channels."""
    maps = check_maps(relevance, "relevance")
    shape, remedy = X.shape, "Set channel_axis if X has channels."
    if channel_axis is not None:
        shape = tuple(np.delete(X.shape, channel_axis).tolist())
        remedy = f"Summed over channels, it may also have shape {shape}."
        if maps.shape == X.shape:
            maps = maps.sum(axis=channel_axis)
    if maps.shape != shape:
        raise ValueError(
            f"relevance must have the shape of X, {X.shape}; got {maps.shape}. {remedy}"
        )
    return maps


def _most_relevant(maps: NDArray[np.float64], keep: float) -> NDArray[np.bool_]:
    """Mark the most relevant share of each map, ties in their order."""
    flat = maps.reshape(len(maps), -1)
    # Without the factor, 0.07 * 100 is rounded up to 8.
    n_relevant = math.ceil(keep * flat.shape[1] * (1 - 1e-12))
    first = np.argsort(-flat, axis=1, kind="stable")[:, :n_relevant]
    relevant = np.zeros(flat.shape, dtype=bool)
    np.put_along_axis(relevant, first, True, axis=1)
    return relevant.reshape(maps.shape)


def _in_dtype_of(baseline: float | ArrayLike, X: NDArray) -> NDArray:
    """Return the baseline in the dtype of X; refuse one that does not fit it."""
    given = np.asarray(baseline)
    try:
        np.broadcast_to(given, X.shape[1:])
    except ValueError:
        raise ValueError(
            "baseline must be a number or broadcast to the shape of a sample, "
            f"{X.shape[1:]}; got shape {given.shape}."
        ) from None
    with np.errstate(invalid="ignore"):
        converted = given.astype(X.dtype)
    if X.dtype.kind != "f" and not np.array_equal(converted, given):
        raise ValueError(
            f"baseline must hold values of the dtype of X, {X.dtype}; got "
            f"{given.ravel()[(converted != given).argmax()]}. Convert X to floats."
        )
    return converted
