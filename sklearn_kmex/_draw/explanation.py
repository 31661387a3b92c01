"""The picture of an Explanation: this looks like that, and where."""

from textwrap import fill
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sklearn_kmex._draw.figures import FONT, OTHER, PREDICTED, RUNNER_UP, grid_of_axes
from sklearn_kmex._draw.html import clipped
from sklearn_kmex._draw.pictures import (
    Scale,
    as_heat,
    channels_last,
    in_unit_range,
    value_range,
)

COLOURS = {"predicted": PREDICTED, "runner-up": RUNNER_UP, "": OTHER}
HEAT = "RdBu_r"  # red speaks for, blue against


class Pictures(NamedTuple):
    """What is to be drawn as pictures, in (n, h, w[, channels])."""

    samples: NDArray | None
    examples: NDArray | None
    sample_heat: NDArray | None  # (n, h, w)
    prototype_heat: NDArray | None  # (n, n_prototypes, h, w)
    low: float
    high: float


def plot_explanation(
    pyplot: Any, explanation: Any, scale: Any, max_samples: int, where: Any
) -> NDArray:
    """Draw the first samples, in one or two rows of axes each.

    `where` is a figure, one axes whose place is divided, or None for a new figure.
    """
    check_samples(len(explanation), max_samples)
    pictures = find_pictures(explanation, Scale(*scale))
    shown = explanation[:max_samples]
    grid = [row for i in range(len(shown)) for row in cells(shown, i, pictures)]
    n_columns = max(map(len, grid))
    grid = [row + [None] * (n_columns - len(row)) for row in grid]
    where = make_figure(pyplot, grid) if where is None else where
    heading = ""
    if len(shown) < len(explanation):
        more = f"{len(shown)} of {len(explanation)} samples; slice to see others"
        heading = f"The first {more}"
    axes = make_axes(where, grid, heading)
    for ax, cell in zip(axes.flat, (c for row in grid for c in row), strict=True):
        if cell is not None:
            draw, *arguments = cell
            draw(ax, *arguments)
    return axes


def check_samples(n_samples: int, max_samples: int) -> None:
    """Refuse to draw nothing."""
    if not (
        n_samples and isinstance(max_samples, int | np.integer) and max_samples > 0
    ):
        raise ValueError(
            "max_samples must be an int of at least 1, and there must be a sample to "
            f"draw; got max_samples={max_samples!r} and {n_samples} samples."
        )


def find_pictures(explanation: Any, scale: Scale) -> Pictures:
    """Tell what is a picture, once for all samples."""
    if explanation.samples is None:
        return Pictures(None, None, None, None, 0, 1)
    samples = channels_last(explanation.samples, scale.image_shape)
    if samples is None:
        return Pictures(None, None, None, None, 0, 1)
    examples = explanation.examples
    if examples is not None:
        examples = channels_last(examples, scale.image_shape)
    there = [some for some in (samples, examples) if some is not None and some.size]
    low, high = value_range(there, scale) if there else (0, 1)
    heat = find_heat(explanation, samples.shape[1:3], scale)
    return Pictures(samples, examples, *heat, low, high)


def find_heat(
    explanation: Any, size: tuple[int, ...], scale: Scale
) -> tuple[NDArray | None, NDArray | None]:
    """Tell maps of samples from maps of each prototype, by their shape."""
    maps, samples = explanation.relevance, explanation.samples
    if maps is None or samples is None:
        return None, None
    shape, k = samples.shape[1:], explanation.prototypes.shape[1]
    if maps.shape[1:] in (shape, size):
        return as_heat(maps, shape, scale), None
    if maps.shape[1] == k and maps.shape[2:] in (shape, size):
        flat = as_heat(maps.reshape(-1, *maps.shape[2:]), shape, scale)
        return None, flat.reshape(len(maps), k, *size)
    raise ValueError(
        f"relevance must be of the shape of the samples, {shape}, or of their "
        f"pictures, {size}, for each sample or each of its {k} prototypes; "
        f"got {maps.shape[1:]} for each sample."
    )


def cells(explanation: Any, i: int, pictures: Pictures) -> list[list[Any]]:
    """Lay out one sample: what to draw into which axes, in one or two rows."""
    title, evidence = headline(explanation, i), explanation.evidence(i)
    if pictures.samples is None:
        return [[(draw_bars, evidence, title)]]
    sample = in_unit_range(pictures.samples[i], pictures.low, pictures.high)
    first: list[Any] = [(draw_picture, sample, title)]
    if pictures.sample_heat is not None:
        heat = pictures.sample_heat[i]
        first.append((draw_heat, sample, heat, abs(heat).max(), "relevance"))
    examples = example_cells(explanation, evidence, pictures)
    second = heat_cells(explanation, i, sample, evidence, pictures)
    if examples and second:
        return [first + examples, [None] * len(first) + second]
    return [first + (examples or second or [(draw_bars, evidence, "")])]


def example_cells(
    explanation: Any, evidence: list["Evidence"], pictures: Pictures
) -> list[Any]:
    if pictures.examples is None:
        return []
    rows = explanation._example([one.prototype for one in evidence])
    shown = [in_unit_range(e, *pictures[-2:]) for e in pictures.examples[rows]]
    pairs = zip(shown, evidence, strict=True)
    return [(draw_picture, picture, caption(one), one.role) for picture, one in pairs]


def heat_cells(
    explanation: Any,
    i: int,
    sample: NDArray,
    evidence: list["Evidence"],
    pictures: Pictures,
) -> list[Any]:
    """Draw the sample as each prototype sees it, all on one scale."""
    if pictures.prototype_heat is None:
        return []
    heat = pictures.prototype_heat[i]
    by_prototype = dict(zip(explanation.prototypes[i], heat, strict=True))
    titled = pictures.examples is None
    return [
        (draw_heat, sample, by_prototype[k], abs(heat).max(), title if titled else "")
        if k in by_prototype
        else None
        for k, title in ((one.prototype, caption(one)) for one in evidence)
    ]


def headline(explanation: Any, i: int) -> str:
    label = clipped(explanation.predictions[i], 24)
    text = f"sample {explanation.sample_indices[i]}: {label}"
    probability = explanation.probability
    return text if probability is None else f"{text}\np = {probability[i]:.2f}"


def caption(one: "Evidence") -> str:
    """Name a prototype in lines that are no wider than its picture."""
    role = f"\n{one.role}" if one.role else ""
    return f"{name(one)}\n{one.similarity:.4g}{role}"


def name(one: "Evidence") -> str:
    where = f"row {one.training_row}"
    if one.training_row < 0:
        where = f"prototype {one.prototype}"
    return f"{clipped(one.prototype_label, 24)}, {where}"


def make_figure(pyplot: Any, grid: list[list[Any]]) -> Any:
    """Make a figure with room for all of it."""
    size = (max(sum(column_widths(grid)), 4.0), sum(map(row_height, grid)) + 0.4)
    return pyplot.figure(figsize=size, layout="constrained")


def make_axes(where: Any, grid: list[list[Any]], heading: str) -> Any:
    """Make axes where there is something to draw."""
    ratios = {
        "width_ratios": column_widths(grid),
        "height_ratios": [row_height(row) for row in grid],
    }
    axes = grid_of_axes(where, len(grid), len(grid[0]), heading, **ratios)
    for ax, cell in zip(axes.flat, (c for row in grid for c in row), strict=True):
        if cell is None:
            ax.set_axis_off()
    return axes


def column_widths(grid: list[list[Any]]) -> list[float]:
    """Inches: bars need room for names."""
    columns = zip(*grid, strict=True)
    bars = [any(cell and cell[0] is draw_bars for cell in column) for column in columns]
    return [6.4 if wide else 1.6 for wide in bars]


def row_height(row: list[Any]) -> float:
    """Inches: lines of text above the pictures, or a line for each bar."""
    if row[0] is None:
        return 1.6
    draw, evidence, *_ = row[0]
    return 0.9 + 0.24 * len(evidence) if draw is draw_bars else 2.15


def draw_picture(
    ax: Any, picture: NDArray, title: str, role: str | None = None
) -> None:
    """Draw a picture, with the colour of its role around it."""
    ax.imshow(picture, cmap="gray", vmin=0, vmax=1)
    ax.set_title(fill_lines(title), **FONT)
    ax.set(xticks=[], yticks=[])
    for spine in ax.spines.values():
        spine.set(color=COLOURS[role or ""], linewidth=2.5 if role else 0.8)


def draw_heat(
    ax: Any, picture: NDArray, heat: NDArray, largest: float, title: str
) -> None:
    """Draw relevance over a pale grey picture, symmetric about 0."""
    grey = picture[..., :3].mean(axis=-1) if picture.ndim == 3 else picture
    ax.imshow(0.5 + 0.5 * grey, cmap="gray", vmin=0, vmax=1)
    ends = {"vmin": -(largest or 1), "vmax": largest or 1}
    ax.imshow(heat, cmap=HEAT, alpha=0.65, **ends)
    ax.set_title(fill_lines(title), **FONT)
    ax.set(xticks=[], yticks=[])


def draw_bars(ax: Any, evidence: list["Evidence"], title: str) -> None:
    """Draw similarities; the longer the bar, the more similar, whatever the sign."""
    values = np.array([one.similarity for one in evidence])
    start = 0.0 if values.min() >= 0 else values.min() - 0.15 * (np.ptp(values) or 1)
    bars = ax.barh(
        range(len(values)),
        values - start,
        left=start,
        color=[COLOURS[one.role] for one in evidence],
    )
    names = [f"{name(one)} ({one.role})" if one.role else name(one) for one in evidence]
    ax.set_yticks(range(len(values)), names, **FONT)
    ax.invert_yaxis()
    ax.bar_label(bars, [f"{value:.4g}" for value in values], padding=3, **FONT)
    ax.margins(x=0.2)
    ax.set_xlabel("similarity", **FONT)
    ax.tick_params(axis="x", labelsize=FONT["fontsize"])
    ax.spines[["top", "right"]].set_visible(False)
    ax.set_title(title.replace("\n", ", "), loc="left", **FONT)


def fill_lines(text: str) -> str:
    """Break what is wider than a picture."""
    return "\n".join(fill(line, 20) for line in text.split("\n"))


class Evidence(NamedTuple):
    """One prototype that a sample is shown beside."""

    role: str  # "predicted" or "runner-up" for the nearest one of that class, or ""
    prototype: int
    prototype_label: Any
    similarity: float
    training_row: int
