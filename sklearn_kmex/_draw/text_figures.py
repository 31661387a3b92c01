"""Figures of texts whose words are marked."""

import re
from collections.abc import Sequence
from textwrap import fill, wrap
from typing import Any

from numpy.typing import NDArray

from sklearn_kmex._draw.figures import FONT, check_figure
from sklearn_kmex._draw.grid import Cell, check_samples, heading
from sklearn_kmex._draw.table import clipped
from sklearn_kmex._draw.words import (
    ExplainedTexts,
    MarkedText,
    Piece,
    WordsLike,
    colour_of,
    example_text,
    line_of,
    marked_of,
    most_relevant_part,
    pieces,
    shown_text,
)

COLUMN = 48  # characters of a line of texts drawn side by side


def text_cells(
    explanation: ExplainedTexts,
    text: MarkedText,
    title: str,
    prototypes: Sequence[tuple[int, str]],
) -> list[Cell]:
    """Lay out a text beside those of prototypes, which are given with titles."""
    cells = [text_cell(text, title)]
    for prototype, caption in prototypes:
        shown = example_text(explanation, prototype)
        if shown is not None:
            cells.append(text_cell(shown, caption))
    return cells


def plot_words(pyplot: Any, words: WordsLike, max_samples: int, figure: Any) -> NDArray:
    """Draw the first texts, each into axes of its own."""
    check_samples(len(words), max_samples)
    check_figure(figure)
    shown = words[:max_samples]
    lines = [lines_of(marked_of(shown, i)) for i in range(len(shown))]
    heights = [0.7 + 0.2 * len(some) for some in lines]
    if figure is None:
        size = (7.2, sum(heights) + 0.4)
        figure = pyplot.figure(figsize=size, layout="constrained")
    ratios = {"height_ratios": heights}
    axes = figure.subplots(len(shown), 1, squeeze=False, gridspec_kw=ratios)[:, 0]
    for i, ax in enumerate(axes):
        against = f", not {clipped(shown.against[i], 18)}" * (shown.target == "margin")
        title = f"sample {shown.sample_indices[i]}: {clipped(shown.labels[i], 18)}"
        title += f"{against}; {shown.target} {shown.score[i]:.3g}"
        draw_text(ax, lines[i], title, line_of(marked_of(shown, i)))
    if title := heading(len(shown), len(words)):
        figure.suptitle(title)
    return axes


def lines_of(marked: MarkedText, width: int = 85) -> list[list[Piece]]:
    """Break the most relevant part of a text into lines."""
    lines: list[list[Piece]] = [[]]
    left = width
    for piece in pieces(marked, *most_relevant_part(marked)):
        for part in re.findall(r"\s+|\S+", shown_text(piece.text)):
            part = re.sub(r"\s+", " ", part)
            if len(part) > left and left < width:
                lines.append([])
                left = width
            lines[-1].append(Piece(part, piece.size))
            left -= len(part)
    return lines


def text_cell(marked: MarkedText, title: str) -> Cell:
    """Lay out a text below a title."""
    lines = lines_of(marked, COLUMN)
    below = "\n".join(wrap(line_of(marked), COLUMN))
    height = 0.7 + 0.2 * len(lines) + 0.15 * below.count("\n")
    return Cell(draw_text, (lines, fill(title, COLUMN), below), 3.6, height)


def draw_text(ax: Any, lines: list[list[Piece]], title: str, below: str = "") -> None:
    """Draw lines of text with a box around marked words, dashed for opposing ones."""
    from matplotlib.offsetbox import AnchoredOffsetbox, HPacker, TextArea, VPacker

    largest = max((abs(p.size) for line in lines for p in line), default=0.0) or 1.0
    rows: list[Any] = [
        HPacker(
            children=[
                TextArea(
                    piece.text, textprops={**FONT, **_box_of(piece.size / largest)}
                )
                for piece in line
            ],
            align="baseline",
            pad=0,
            sep=0,
        )
        for line in lines
    ]
    if below:
        rows.append(TextArea(below, textprops={**FONT, "color": "#555555"}))
    box = VPacker(children=rows, align="left", pad=0, sep=5)
    ax.add_artist(AnchoredOffsetbox("upper left", child=box, frameon=False, pad=0.2))
    ax.set_axis_off()
    ax.set_title(title, loc="left", **FONT)


def _box_of(share: float) -> dict[str, Any]:
    if not share:
        return {}
    colour = colour_of(share)
    strength = round(0.55 * abs(share), 2)
    style = {
        "facecolor": (*_unit(colour), strength),
        "edgecolor": colour,
        "linestyle": "-" if share > 0 else "--",
        "linewidth": 0.5 + abs(share),
        "pad": 1,
    }
    return {"bbox": style, "fontweight": "bold" if abs(share) > 0.5 else "normal"}


def _unit(colour: str) -> tuple[float, ...]:
    return tuple(int(part, 16) / 255 for part in re.findall("..", colour[1:]))
