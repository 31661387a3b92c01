"""The figure of an explanation: samples, the examples they look like, and maps."""

from collections.abc import Sequence
from textwrap import wrap
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sklearn_kmex._draw.explained import (
    Evidence,
    ExplanationLike,
    Member,
    all_members,
    by_sample,
    members_of,
    typicality_of,
)
from sklearn_kmex._draw.figures import FONT, OTHER, PREDICTED, RUNNER_UP
from sklearn_kmex._draw.grid import (
    BARS,
    PICTURE,
    Cell,
    Grid,
    bars_height,
    check_samples,
    draw_grid,
    heading,
)
from sklearn_kmex._draw.heat import (
    draw_heat,
    fill_lines,
    find_heat,
    map_title,
    prototype_map_title,
)
from sklearn_kmex._draw.pictures import (
    Scale,
    channels_last,
    in_unit_range,
    value_range,
)
from sklearn_kmex._draw.shapes import strip_text
from sklearn_kmex._draw.table import clipped
from sklearn_kmex._draw.text_figures import text_cells
from sklearn_kmex._draw.words import MarkedText, sample_text

COLOURS = {
    "predicted": PREDICTED,
    "member": PREDICTED,
    "runner-up": RUNNER_UP,
    "": OTHER,
}
THICK = ("predicted", "runner-up")
TYPICAL = 0.4  # inches of the lines that say how typical a sample is


class Pictures(NamedTuple):
    """Samples, examples and maps as pictures, of shape (n, h, w[, channels])."""

    samples: NDArray | None
    examples: NDArray | None
    members: list[Any]  # of each sample, (n, h, w[, channels])
    grounds: NDArray | None  # below maps, (n, h, w[, channels]) in [0, 1]
    sample_heat: NDArray | None  # (n, h, w)
    prototype_heat: NDArray | None  # (n, n_prototypes, h, w)
    low: float
    high: float


NO_PICTURES = Pictures(None, None, [], None, None, None, 0, 1)


def plot_explanation(
    pyplot: Any,
    explanation: ExplanationLike,
    scale: Scale,
    max_samples: int,
    where: Any,
) -> NDArray:
    """Draw the first samples, in one or two rows of axes each.

    `where` is a figure, one axes whose place is divided, or None for a new figure.
    """
    check_samples(len(explanation), max_samples)
    pictures = _find_pictures(explanation, scale)
    shown = explanation[:max_samples]
    grid = [row for i in range(len(shown)) for row in _cells(shown, i, pictures)]
    title = heading(len(shown), len(explanation))
    if explanation.samples is not None:
        shape = scale.image_shape or explanation.samples.shape[1:]
        title = "\n".join(filter(None, [title, strip_text(shape)]))
    return draw_grid(pyplot, where, grid, title)


def _find_pictures(explanation: ExplanationLike, scale: Scale) -> Pictures:
    """Read samples, examples and maps as pictures, if they are."""
    samples, examples, members = (
        None if some is None else channels_last(some, scale.image_shape)
        for some in (
            explanation.samples,
            explanation.examples,
            all_members(explanation),
        )
    )
    inputs = explanation.inputs
    grounds = samples if inputs is None else channels_last(inputs, None)
    samples = grounds if samples is None else samples
    if samples is None or grounds is None:
        return NO_PICTURES
    known = [some for some in (samples, examples, members) if some is not None]
    there = [some for some in known if some.size]
    ends = value_range(there, scale) if there else (0, 1)
    heat = find_heat(explanation, grounds.shape[1:3], scale)
    own = ends if inputs is None else value_range([grounds], Scale())
    grounds = np.stack([in_unit_range(one, *own) for one in grounds])
    of_each = by_sample(explanation, members)
    return Pictures(samples, examples, of_each, grounds, *heat, *ends)


def _cells(explanation: ExplanationLike, i: int, pictures: Pictures) -> Grid:
    """Lay out one sample in one or two rows."""
    title, evidence = _headline(explanation, i), explanation.evidence(i)
    members, typical = members_of(explanation, i), typicality_of(explanation, i)
    if (text := sample_text(explanation, i)) is not None:
        title = "\n".join(filter(None, [title, typical]))
        return [_text_cells(explanation, text, evidence, title)]
    if pictures.samples is None:
        return [[_bars_cell(evidence, title, [typical, *_list_members(members)])]]
    sample = in_unit_range(pictures.samples[i], pictures.low, pictures.high)
    first: list[Cell | None] = [_sample_cell(sample, title, typical)]
    if pictures.sample_heat is not None and pictures.grounds is not None:
        heat = pictures.sample_heat[i]
        title = map_title(explanation, i)
        shown = (pictures.grounds[i], heat, abs(heat).max(), title)
        first.append(Cell(draw_heat, shown, *PICTURE))
    examples = _example_cells(explanation, evidence, pictures)
    second = _heat_cells(explanation, i, evidence, pictures)
    if examples:  # members are drawn beside the example of their prototype
        place = 1 + [one.role for one in evidence].index("predicted")
        cells = _member_cells(members, pictures.members[i], pictures)
        examples[place:place] = cells
        second[place:place] = [None] * len(cells) if second else []
    if examples and second:
        return [first + examples, [None] * len(first) + second]
    return [first + (examples or second or [_bars_cell(evidence, "")])]


def _sample_cell(sample: NDArray, title: str, typical: str) -> Cell:
    """Lay out the picture of a sample, higher where more is said of it."""
    width, height = PICTURE
    if typical:
        title, height = f"{title}\n{typical}", height + TYPICAL
    return Cell(draw_picture, (sample, title), width, height)


def _text_cells(
    explanation: ExplanationLike, text: MarkedText, evidence: list[Evidence], title: str
) -> list[Cell | None]:
    """Lay out a text beside those of the predicted class and of the runner-up."""
    titles = [(one.prototype, _in_line(_caption(one))) for one in evidence if one.role]
    cells = text_cells(explanation, text, _in_line(title), titles)
    return [*cells, *([] if len(cells) > 1 else [_bars_cell(evidence, "")])]


def _in_line(text: str) -> str:
    return text.replace("\n", ", ")


def _bars_cell(evidence: list[Evidence], title: str, more: Sequence[str] = ()) -> Cell:
    """Lay out the similarities to prototypes as bars, below a title in some lines."""
    lines = [title.replace("\n", ", "), *filter(None, more)]
    title, height = (
        "\n".join(lines),
        bars_height(len(evidence)) + 0.15 * (len(lines) - 1),
    )
    return Cell(draw_bars, (evidence, title), BARS, height)


def _example_cells(
    explanation: ExplanationLike, evidence: list[Evidence], pictures: Pictures
) -> list[Cell | None]:
    """Lay out the training examples of prototypes."""
    known = explanation.example_prototypes
    if known is None or pictures.examples is None:
        return []
    rows = np.searchsorted(known, [one.prototype for one in evidence])
    return [
        Cell(
            draw_picture,
            (in_unit_range(example, *pictures[-2:]), _caption(one), one.role),
            *PICTURE,
        )
        for example, one in zip(pictures.examples[rows], evidence, strict=True)
    ]


def _member_cells(
    members: list[Member], values: Any, pictures: Pictures
) -> list[Cell | None]:
    """Lay out the members most like a sample."""
    return [
        Cell(
            draw_picture,
            (in_unit_range(value, *pictures[-2:]), _describe_member(one), "member"),
            *PICTURE,
        )
        for one, value in zip(members, values, strict=False)
    ]


def _heat_cells(
    explanation: ExplanationLike, i: int, evidence: list[Evidence], pictures: Pictures
) -> list[Cell | None]:
    """Lay out the maps of a sample for its prototypes, all on one scale."""
    if pictures.prototype_heat is None or pictures.grounds is None:
        return []
    ground, heat = pictures.grounds[i], pictures.prototype_heat[i]
    by_prototype = dict(zip(explanation.prototypes[i], heat, strict=True))
    shown = prototype_map_title(explanation, heat)
    named, (width, height) = pictures.examples is None, PICTURE
    return [
        Cell(
            draw_heat,
            (
                ground,
                by_prototype[k],
                abs(heat).max(),
                "\n".join(filter(None, [name, shown])),
            ),
            width,
            height + (0.3 if named else -0.2),
        )
        if k in by_prototype
        else None
        for k, name in (
            (one.prototype, _caption(one) if named else "") for one in evidence
        )
    ]


def _headline(explanation: ExplanationLike, i: int) -> str:
    label = clipped(explanation.predictions[i], 24)
    text = f"sample {explanation.sample_indices[i]}: {label}"
    details = []
    if explanation.probability is not None:
        details.append(f"p = {explanation.probability[i]:.2f}")
    if explanation.accepted is not None and not explanation.accepted[i]:
        details.append("rejected")
    return "\n".join([text, ", ".join(details)]) if details else text


def _caption(one: Evidence) -> str:
    """Describe a prototype, in lines that are not wider than its picture."""
    role = f"\n{one.role}" if one.role else ""
    return f"{_prototype_name(one)}\nsimilarity {one.similarity:.3g}{role}"


def _describe_member(one: Member) -> str:
    return f"row {one.training_row}\nlikeness {one.likeness:.3f}\nmember"


def _list_members(members: list[Member]) -> list[str]:
    """Name members in lines that are not wider than bars."""
    rows = ", ".join(str(one.training_row) for one in members)
    return wrap(f"members most like it: rows {rows}", 55) if rows else []


def _prototype_name(one: Evidence) -> str:
    where = f"row {one.training_row}"
    if one.training_row < 0:
        where = f"prototype {one.prototype}"
    return f"{clipped(one.prototype_label, 24)}, {where}"


def draw_picture(
    ax: Any, picture: NDArray, title: str, role: str | None = None
) -> None:
    """Draw a picture, framed in the color of its role."""
    ax.imshow(picture, cmap="gray", vmin=0, vmax=1)
    ax.set_title(fill_lines(title), **FONT)
    ax.set(xticks=[], yticks=[])
    for spine in ax.spines.values():
        spine.set(color=COLOURS[role or ""], linewidth=2.5 if role in THICK else 0.8)


def draw_bars(ax: Any, evidence: list[Evidence], title: str) -> None:
    """Draw similarities; a longer bar is a larger similarity, also if negative."""
    values = np.array([one.similarity for one in evidence])
    start = 0.0 if values.min() >= 0 else values.min() - 0.15 * (np.ptp(values) or 1)
    bars = ax.barh(
        range(len(values)),
        values - start,
        left=start,
        height=min(0.8, 0.25 * len(values)),
        color=[COLOURS[one.role] for one in evidence],
    )
    names = [
        f"{_prototype_name(one)} ({one.role})" if one.role else _prototype_name(one)
        for one in evidence
    ]
    ax.set_yticks(range(len(values)), names, **FONT)
    ax.invert_yaxis()
    ax.bar_label(bars, [f"{value:.4g}" for value in values], padding=3, **FONT)
    ax.margins(x=0.2)
    ax.set_xlabel("similarity", **FONT)
    ax.tick_params(axis="x", labelsize=FONT["fontsize"])
    ax.spines[["top", "right"]].set_visible(False)
    ax.set_title(title, loc="left", **FONT)
