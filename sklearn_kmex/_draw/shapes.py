"""Samples of other shapes than pictures, as pictures: signals, volumes and videos."""

import numpy as np
from numpy.typing import NDArray

N_SLICES = 5  # of a volume or video
MAX_CHANNELS = 16  # of a signal
LEAST_RATIO = 8  # of the length of a signal to the number of its channels
WIDTH, HEIGHT, BAND = 128, 96, 16  # pixels of a signal, and of a channel at least
COLOURS = (1, 3)  # numbers of channels


def is_signal(shape: tuple[int, ...]) -> bool:
    """Whether an array of two axes is a signal of some channels, not a picture."""
    if len(shape) != 2:
        return False
    short, long = sorted(shape)
    return short <= MAX_CHANNELS and long >= LEAST_RATIO * max(short, 2)


def as_lines(signal: NDArray[np.float64]) -> NDArray[np.float64]:
    """Draw a signal of values in [0, 1] as black lines, one below the other.

    It is of shape (n_channels, n_steps) or (n_steps, n_channels).
    """
    channels = signal if signal.shape[0] < signal.shape[1] else signal.T
    height = max(BAND, HEIGHT // len(channels))
    return np.concatenate([_line(values, height) for values in channels])


def _line(values: NDArray[np.float64], height: int) -> NDArray[np.float64]:
    """Draw one line: in each column from its lowest to its highest value there."""
    steps = np.arange(len(values))
    edges = np.linspace(0, len(values) - 1, WIDTH + 1)
    at_edges = np.interp(edges, steps, values)
    column = np.minimum(edges.searchsorted(steps, side="right") - 1, WIDTH - 1)
    most = np.maximum(at_edges[1:], at_edges[:-1])
    least = np.minimum(at_edges[1:], at_edges[:-1])
    np.maximum.at(most, column, values)
    np.minimum.at(least, column, values)
    top, bottom = (
        np.round((1 - ends) * (height - 3)).astype(int) + 1 for ends in (most, least)
    )
    rows = np.arange(height)[:, np.newaxis]
    return np.where((rows >= top) & (rows <= bottom), 0.0, 1.0)


def as_strips(arrays: NDArray) -> NDArray:
    """Put slices of volumes or frames of videos side by side, (n, h, k w[, channels]).

    Volumes are (n, t, h, w), videos have 1, 3 or 4 channels last, or 1 or 3 in the
    second or third place. Other arrays are returned unchanged.
    """
    frames = _frames_first(arrays)
    if frames is None:
        return arrays
    some = frames[:, _evenly(frames.shape[1])]
    return np.concatenate(list(np.moveaxis(some, 1, 0)), axis=2)


def _frames_first(arrays: NDArray) -> NDArray | None:
    """Return (n, t, h, w) or (n, t, h, w, channels), or None for other arrays."""
    if arrays.ndim == 4:
        is_picture = arrays.shape[-1] in (*COLOURS, 4) or arrays.shape[1] in COLOURS
        return None if is_picture else arrays
    if arrays.ndim != 5:
        return None
    if arrays.shape[-1] in (*COLOURS, 4):
        return arrays
    for axis in (1, 2):
        if arrays.shape[axis] in COLOURS:
            return np.moveaxis(arrays, axis, -1)
    return None


def _evenly(n_frames: int) -> NDArray[np.intp]:
    places = np.linspace(0, n_frames - 1, min(n_frames, N_SLICES))
    return places.round().astype(np.intp)


def strip_text(sample_shape: tuple[int, ...]) -> str:
    """Say which slices or frames of a sample are shown; nothing for other samples."""
    frames = _frames_first(np.empty((0, *sample_shape)))
    if frames is None:
        return ""
    n_frames = frames.shape[1]
    shown = len(_evenly(n_frames))
    return f"{shown} of {n_frames} slices or frames, evenly spaced, from left to right"


def picture_note(sample_shape: tuple[int, ...]) -> str:
    """Say how samples that are no pictures are shown as pictures."""
    if is_signal(sample_shape):
        return "Signals are drawn as lines, channels from top to bottom, on one scale."
    strip = strip_text(sample_shape)
    return strip and f"Samples are shown by {strip}."


def stretched(heat: NDArray, size: tuple[int, ...]) -> NDArray:
    """Bring a map of a signal to the size of its picture, a band for each channel."""
    if heat.shape == tuple(size[:2]):
        return heat
    channels = heat if heat.shape[0] < heat.shape[1] else heat.T
    rows, columns = (
        np.arange(new) * old // new
        for new, old in zip(size[:2], channels.shape, strict=True)
    )
    return channels[np.ix_(rows, columns)]
