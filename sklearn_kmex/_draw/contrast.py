"""The figure of a contrast: bars for and against a class."""

from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from sklearn_kmex._draw.figures import FONT, PREDICTED, RUNNER_UP, check_figure
from sklearn_kmex._draw.grid import check_n_features, check_samples, heading
from sklearn_kmex._draw.table import Line, Table, Words, clipped, shown_value

HEAD = ["sample", "class", "against", "margin", "largest contributions"]
N_LARGEST = 5  # contributions in a table
SMALL_SHARE = 0.01  # of the sum of absolute contributions; no reason is given for less


class ContrastLike(Protocol):
    """What is shown of a contrast; arrays have a row for each sample."""

    @property
    def sample_indices(self) -> NDArray[np.intp]: ...
    @property
    def contributions(self) -> NDArray[np.float64]: ...
    @property
    def margin(self) -> NDArray[np.float64]: ...
    @property
    def base(self) -> NDArray[np.float64]: ...
    @property
    def similarity_margin(self) -> NDArray[np.float64]: ...
    @property
    def weight_margin(self) -> NDArray[np.float64]: ...
    @property
    def weight_contribution(self) -> NDArray[np.float64]: ...
    @property
    def decided_by_weights(self) -> NDArray[np.bool_]: ...
    @property
    def labels(self) -> NDArray: ...
    @property
    def against(self) -> NDArray: ...
    @property
    def values(self) -> NDArray: ...
    @property
    def feature_names(self) -> NDArray: ...
    @property
    def space(self) -> str: ...
    @property
    def method(self) -> str: ...
    def __len__(self) -> int: ...
    def __getitem__(self, key: slice) -> Self: ...


def by_size(contributions: NDArray) -> NDArray[np.intp]:
    """Order the columns of each sample, the largest contribution first."""
    return np.argsort(-np.abs(contributions), axis=1, kind="stable")


def named_value(names: NDArray, values: NDArray, column: int) -> tuple[str, str]:
    """Return the name of a column and the value of a sample, short enough for axes."""
    return clipped(names[column], 28), clipped(shown_value(values[column]), 16)


def reasons_of(contrast: ContrastLike, n_columns: int) -> NDArray[np.object_]:
    """Name the columns of the largest contributions for and against each class."""
    found = np.empty(len(contrast), dtype=object)
    for i, order in enumerate(by_size(contrast.contributions)[:, :n_columns]):
        sizes = contrast.contributions[i, order]
        total = np.abs(contrast.contributions[i]).sum()
        sizes = np.where(np.abs(sizes) < SMALL_SHARE * total, 0, sizes)
        names = contrast.feature_names[order]
        found[i] = _reason(contrast.labels[i], names[sizes > 0], names[sizes < 0])
    return found


def _reason(label: Any, similar: NDArray, unlike: NDArray) -> str:
    if len(similar) and len(unlike):
        return (
            f"similar to {label} in {_listed(similar)}, unlike it in {_listed(unlike)}"
        )
    if len(similar):
        return f"similar to {label} in {_listed(similar)}"
    return (
        f"unlike {label} in {_listed(unlike)}" if len(unlike) else "no column decides"
    )


def _listed(names: NDArray) -> str:
    *first, last = map(str, names)
    return f"{', '.join(first)} and {last}" if first else last


def contrast_table(contrast: ContrastLike, n_rows: int) -> Table:
    """Describe the first samples by their largest contributions."""
    order = by_size(contrast.contributions)
    rows = [
        [
            contrast.sample_indices[i],
            contrast.labels[i],
            contrast.against[i],
            _margin(contrast, i, "; "),
            [_contribution(contrast, i, column) for column in order[i, :N_LARGEST]],
        ]
        for i in range(n_rows)
    ]
    caption = f"{contrast!r}, columns of {contrast.space}, method {contrast.method}"
    return Table(caption, HEAD, rows, len(contrast) - n_rows)


def _margin(contrast: ContrastLike, i: int, separator: str) -> str:
    """Write the margin, its base, and what the weights of the prototypes add to it."""
    margin = f"{contrast.margin[i]:.3g}"
    if contrast.base[i]:
        margin += f", of which base {contrast.base[i]:.3g}"
    if not contrast.weight_margin[i]:
        return margin
    weights = f"weights {contrast.weight_contribution[i]:+.3g}"
    if np.isnan(contrast.weight_contribution[i]):
        weights = f"in similarity {contrast.similarity_margin[i]:+.3g}, "
        weights += f"weights {contrast.weight_margin[i]:+.3g}"
    if contrast.decided_by_weights[i]:
        weights += ": the weights decide"
    return f"{margin}{separator}{weights}"


def _contribution(contrast: ContrastLike, i: int, column: int) -> Line:
    name, value = named_value(contrast.feature_names, contrast.values[i], column)
    size = Words(f": {contrast.contributions[i, column]:+.3g}")
    return Line([name, Words(" = "), value, size])


def plot_contrast(
    pyplot: Any, contrast: ContrastLike, n_features: int, max_samples: int, figure: Any
) -> NDArray:
    """Draw the first samples, each into axes of its own."""
    check_samples(len(contrast), max_samples)
    check_n_features(n_features)
    check_figure(figure)
    shown = contrast[:max_samples]
    n_bars = min(n_features + 1, contrast.contributions.shape[1])
    n_bars += bool(np.nan_to_num(contrast.weight_contribution).any())
    n_bars += bool(contrast.base.any())
    if figure is None:
        size = (7.2, len(shown) * (0.9 + 0.22 * n_bars) + 0.4)
        figure = pyplot.figure(figsize=size, layout="constrained")
    axes = figure.subplots(len(shown), 1, squeeze=False)[:, 0]
    for i, ax in enumerate(axes):
        _draw_contributions(ax, shown, i, n_features)
    if title := heading(len(shown), len(contrast)):
        figure.suptitle(title)
    return axes


def _draw_contributions(
    ax: Any, contrast: ContrastLike, i: int, n_features: int
) -> None:
    """Draw the largest contributions to one margin, and the sum of the others."""
    names, values = _largest(contrast, i, n_features)
    colours = np.where(values >= 0, PREDICTED, RUNNER_UP)
    draw_signed_bars(ax, names, values, [f"{v:+.3g}" for v in values], colours)
    ax.set_xlabel("contribution to the margin in squared distance", **FONT)
    label, against = clipped(contrast.labels[i], 18), clipped(contrast.against[i], 18)
    title = f"sample {contrast.sample_indices[i]}: {label}, not {against}"
    margin = _margin(contrast, i, "\n")
    ax.set_title(f"{title}; margin {margin}", loc="left", **FONT)


def draw_signed_bars(
    ax: Any, names: list[str], values: NDArray, texts: list[str], colours: Any
) -> None:
    """Draw bars to the left and to the right of 0, with a text beside each."""
    bars = ax.barh(range(len(values)), values, color=colours)
    ax.set_yticks(range(len(values)), names, **FONT)
    ax.invert_yaxis()
    ax.bar_label(bars, texts, padding=3, **FONT)
    ax.margins(x=0.2)
    ax.axvline(0, color="black", linewidth=0.8)
    ax.spines[["top", "right", "left"]].set_visible(False)
    ax.tick_params(axis="x", labelsize=FONT["fontsize"])


def _largest(
    contrast: ContrastLike, i: int, n_features: int
) -> tuple[list[str], NDArray[np.float64]]:
    """Return names and sizes of the bars, also for other columns, base and weights."""
    order = by_size(contrast.contributions)[i]
    first, rest = order[:n_features], order[n_features:]
    names, values = contrast.feature_names, contrast.values[i]
    shown = [" = ".join(named_value(names, values, column)) for column in first]
    sizes = contrast.contributions[i, first]
    if len(rest):
        shown.append(f"{len(rest)} others")
        sizes = np.append(sizes, contrast.contributions[i, rest].sum())
    if contrast.base[i]:
        shown.append("base")
        sizes = np.append(sizes, contrast.base[i])
    if added := np.nan_to_num(contrast.weight_contribution[i]):
        shown.append("weights of the prototypes")
        sizes = np.append(sizes, added)
    return shown, sizes
