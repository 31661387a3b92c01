"""Relevance maps of an explanation: over which pictures, and what they show."""

from textwrap import fill
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_kmex._draw.explained import ExplanationLike
from sklearn_kmex._draw.figures import FONT
from sklearn_kmex._draw.pictures import Scale, as_heat
from sklearn_kmex._draw.shapes import stretched
from sklearn_kmex._draw.table import clipped

HEAT = "RdBu_r"  # red supports the decision, blue opposes it
ALIKE = 0.95  # cosine similarity of maps that look the same


def find_heat(
    explanation: ExplanationLike, size: tuple[int, ...], scale: Scale
) -> tuple[NDArray | None, NDArray | None]:
    """Return maps of samples, and maps of prototypes; their shape tells which."""
    maps, below = explanation.relevance, explanation.samples
    if explanation.inputs is not None:
        below, scale = explanation.inputs, Scale()
    if maps is None or below is None:
        return None, None
    shape, k = below.shape[1:], explanation.prototypes.shape[1]
    if maps.shape[1:] in (shape, size):
        others = explanation.prototype_relevance
        return as_heat(maps, shape, scale), _heat_of_each(others, shape, scale)
    if maps.shape[1] == k and maps.shape[2:] in (shape, size):
        return None, _heat_of_each(maps, shape, scale)
    raise ValueError(
        f"relevance must be of the shape of the samples, {shape}, or of their "
        f"pictures, {size}, for each sample or each of its {k} prototypes; "
        f"got {maps.shape[1:]} for each sample."
    )


def _heat_of_each(
    maps: NDArray | None, shape: tuple[int, ...], scale: Scale
) -> NDArray | None:
    """Return maps of prototypes as (n, n_prototypes, h, w)."""
    if maps is None:
        return None
    flat = as_heat(maps.reshape(-1, *maps.shape[2:]), shape, scale)
    return flat.reshape(*maps.shape[:2], *flat.shape[1:])


def map_title(explanation: ExplanationLike, i: int) -> str:
    """Say what the map of a sample shows."""
    if explanation.relevance_of != "margin":
        return "relevance"
    label, other = explanation.predictions[i], explanation.runner_up[i]
    return f"red for {clipped(label, 12)},\nblue for {clipped(other, 12)}"


def prototype_map_title(explanation: ExplanationLike, heat: NDArray) -> str:
    """Say what the maps of the prototypes of one sample show, (n_prototypes, h, w)."""
    if explanation.prototype_relevance is not None:
        return "what sets it apart:\nred is like it"
    flat = heat.reshape(len(heat), -1)
    sizes = np.linalg.norm(flat, axis=1, keepdims=True)
    unit = flat / np.where(sizes == 0, 1, sizes)
    alike = len(heat) > 1 and (unit @ unit.T).min() > ALIKE
    return "alike for all: tells\nno prototype apart" if alike else "relevance"


def draw_heat(
    ax: Any, picture: NDArray, heat: NDArray, largest: float, title: str
) -> None:
    """Draw relevance over a light grey picture, on a scale symmetric about 0."""
    grey = picture[..., :3].mean(axis=-1) if picture.ndim == 3 else picture
    ax.imshow(0.5 + 0.5 * grey, cmap="gray", vmin=0, vmax=1)
    ends = {"vmin": -(largest or 1), "vmax": largest or 1}
    ax.imshow(stretched(heat, grey.shape), cmap=HEAT, alpha=0.65, **ends)
    ax.set_title(fill_lines(title), **FONT)
    ax.set(xticks=[], yticks=[])


def fill_lines(text: str) -> str:
    """Break lines that are wider than a picture."""
    return "\n".join(fill(line, 20) for line in text.split("\n"))
