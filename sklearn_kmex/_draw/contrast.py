"""The picture of a Contrast: bars for and against."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_kmex._draw.explanation import check_samples
from sklearn_kmex._draw.figures import FONT, PREDICTED, RUNNER_UP
from sklearn_kmex._draw.html import clipped


def plot_contrast(
    pyplot: Any, contrast: Any, n_features: int, max_samples: int, figure: Any
) -> NDArray:
    """Draw the first samples, one axes each."""
    check_samples(len(contrast), max_samples)
    shown = contrast[:max_samples]
    n_bars = min(n_features + 1, contrast.contributions.shape[1])
    if figure is None:
        size = (7.2, len(shown) * (0.9 + 0.22 * n_bars) + 0.4)
        figure = pyplot.figure(figsize=size, layout="constrained")
    axes = figure.subplots(len(shown), 1, squeeze=False)[:, 0]
    for i, ax in enumerate(axes):
        draw_contributions(ax, shown, i, n_features)
    if len(shown) < len(contrast):
        figure.suptitle(
            f"The first {len(shown)} of {len(contrast)} samples; slice to see others"
        )
    return axes


def draw_contributions(ax: Any, contrast: Any, i: int, n_features: int) -> None:
    """Draw the largest contributions to one margin, and the sum of the others."""
    names, values = largest(contrast, i, n_features)
    colours = np.where(values >= 0, PREDICTED, RUNNER_UP)
    bars = ax.barh(range(len(values)), values, color=colours)
    ax.set_yticks(range(len(values)), names, **FONT)
    ax.invert_yaxis()
    ax.bar_label(bars, [f"{value:+.3g}" for value in values], padding=3, **FONT)
    ax.margins(x=0.2)
    ax.axvline(0, color="black", linewidth=0.8)
    ax.spines[["top", "right", "left"]].set_visible(False)
    ax.tick_params(axis="x", labelsize=FONT["fontsize"])
    ax.set_xlabel("contribution to the margin in squared distance", **FONT)
    label, against = clipped(contrast.labels[i], 18), clipped(contrast.against[i], 18)
    title = f"sample {contrast.sample_indices[i]}: {label}, not {against}"
    ax.set_title(f"{title}; margin {contrast.margin[i]:.3g}", loc="left", **FONT)


def largest(
    contrast: Any, i: int, n_features: int
) -> tuple[list[str], NDArray[np.float64]]:
    """Names and sizes of the bars, the last one the sum of what is not shown."""
    order = contrast._order()[i]
    first, rest = order[:n_features], order[n_features:]
    names = [" = ".join(contrast._named_value(i, column)) for column in first]
    values = contrast.contributions[i, first]
    if len(rest):
        names.append(f"{len(rest)} others")
        values = np.append(values, contrast.contributions[i, rest].sum())
    return names, values
