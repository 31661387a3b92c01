"""The figure of counterfactuals: the nearest row of another class, and prototypes."""

from numbers import Real
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from sklearn_kmex._draw.contrast import draw_signed_bars, named_value
from sklearn_kmex._draw.explained import Evidence
from sklearn_kmex._draw.explanation import draw_bars, draw_picture
from sklearn_kmex._draw.figures import FONT, OTHER, check_figure
from sklearn_kmex._draw.grid import (
    PICTURE,
    Cell,
    bars_height,
    check_n_features,
    check_samples,
    draw_grid,
    heading,
)
from sklearn_kmex._draw.pictures import (
    Scale,
    channels_last,
    in_unit_range,
    thumbnails,
    value_range,
)
from sklearn_kmex._draw.table import Picture, Table, clipped, shown_value

HEAD = ["sample", "prediction", "nearest of another class", "changes without"]
WIDTH = 5.6  # of bars, in inches
MAX_REMOVED = 10  # prototypes in a figure


class CounterfactualsLike(Protocol):
    """What is shown of counterfactuals; arrays have a row for each sample."""

    @property
    def sample_indices(self) -> NDArray[np.intp]: ...
    @property
    def predictions(self) -> NDArray: ...
    @property
    def runner_up(self) -> NDArray: ...
    @property
    def margin(self) -> NDArray: ...
    @property
    def training_rows(self) -> NDArray[np.intp]: ...
    @property
    def distances(self) -> NDArray[np.float64]: ...
    @property
    def similarities(self) -> NDArray: ...
    @property
    def shift(self) -> NDArray[np.float64]: ...
    @property
    def removed(self) -> NDArray[np.bool_]: ...
    @property
    def removed_to(self) -> NDArray: ...
    @property
    def prototype_classes(self) -> NDArray: ...  # a row for each prototype
    @property
    def samples(self) -> NDArray | None: ...
    @property
    def training_samples(self) -> NDArray | None: ...
    @property
    def feature_names(self) -> NDArray | None: ...  # a row for each column
    @property
    def feature_scales(self) -> NDArray | None: ...  # a row for each column
    def __len__(self) -> int: ...
    def __getitem__(self, key: slice) -> Self: ...


def counterfactuals_table(
    found: CounterfactualsLike, n_rows: int, image_shape: tuple[int, ...] | None
) -> Table:
    """Describe the first samples, with pictures where they can be drawn."""
    pictures = (found.samples, found.training_samples)
    shown = (some if some is None else some[:n_rows] for some in pictures)
    own, others = thumbnails(*shown, image_shape=image_shape)
    rows = [
        [
            _with_picture([found.sample_indices[i]], own, i),
            found.predictions[i],
            _with_picture(
                [str(found.runner_up[i]), *_nearest_lines(found, i)], others, i
            ),
            [_removed_text(found, i), f"to {found.removed_to[i]}"],
        ]
        for i in range(n_rows)
    ]
    return Table(repr(found), HEAD, rows, len(found) - n_rows)


def _with_picture(lines: list[Any], sources: list[str] | None, i: int) -> list[Any]:
    if sources is None:
        return lines
    return [*lines, Picture(sources[i], tuple(map(str, lines)))]


def _nearest_lines(found: CounterfactualsLike, i: int) -> list[str]:
    row = found.training_rows[i]
    where = f"training row {row}" if row >= 0 else "its nearest prototype"
    return [where, f"distance {found.distances[i]:.4g}"]


def _removed_text(found: CounterfactualsLike, i: int) -> str:
    removed = np.flatnonzero(found.removed[i])
    return f"prototype{'s' * (len(removed) > 1)} {', '.join(map(str, removed))}"


def plot_counterfactuals(
    pyplot: Any,
    found: CounterfactualsLike,
    scale: Scale,
    n_features: int,
    max_samples: int,
    figure: Any,
) -> NDArray:
    """Draw the first samples, in a row of axes each."""
    check_samples(len(found), max_samples)
    check_n_features(n_features)
    check_figure(figure)
    shown = found[:max_samples]
    pictures = _find_pictures(found, scale, len(shown))
    grid = []
    for i in range(len(shown)):
        first = _sample_cells(shown, i, pictures, n_features)
        title = "" if first else f"{_sample_title(shown, i, ', ')}; "
        grid.append([*first, _removed_cell(shown, i, title)])
    return draw_grid(pyplot, figure, grid, heading(len(shown), len(found)))


def _find_pictures(
    found: CounterfactualsLike, scale: Scale, n_shown: int
) -> list[NDArray] | None:
    """Return the first samples and training samples as pictures, if they are."""
    some = [v for v in (found.samples, found.training_samples) if v is not None]
    if not some or some[0].dtype == object:
        return None
    pictures = [channels_last(values, scale.image_shape) for values in some]
    known = [p for p in pictures if p is not None]
    if len(known) < len(some):
        return None
    ends = value_range(known, scale)
    return [np.stack([in_unit_range(one, *ends) for one in p[:n_shown]]) for p in known]


def _sample_cells(
    found: CounterfactualsLike,
    i: int,
    pictures: list[NDArray] | None,
    n_features: int,
) -> list[Cell | None]:
    """Lay out a sample and its nearest training row, or their differences."""
    if pictures is not None:
        titles = [
            (_sample_title(found, i, "\n"), None),
            (_row_title(found, i), "runner-up"),
        ]
        return [
            Cell(draw_picture, (some[i], *title), *PICTURE)
            for some, title in zip(pictures, titles, strict=False)
        ]
    if found.training_samples is None or found.feature_names is None:
        return []
    bars = _find_differences(found, i, n_features)
    nearest = _row_title(found, i).replace("\n", ", ")
    drawn = (*bars, f"{_sample_title(found, i, ', ')}; runner-up {nearest}")
    return [Cell(_draw_differences, drawn, WIDTH, bars_height(len(bars[0])))]


def _sample_title(found: CounterfactualsLike, i: int, separator: str) -> str:
    label = clipped(found.predictions[i], 24)
    margin = f"margin {found.margin[i]:.3g}"
    return f"sample {found.sample_indices[i]}: {label}{separator}{margin}"


def _row_title(found: CounterfactualsLike, i: int) -> str:
    label = clipped(found.runner_up[i], 24)
    return f"{label}, row {found.training_rows[i]}\ndistance {found.distances[i]:.3g}"


def _find_differences(
    found: CounterfactualsLike, i: int, n_features: int
) -> tuple[list[str], NDArray[np.float64], list[str]]:
    """Return names, sizes and texts of the columns that differ most."""
    assert found.samples is not None
    assert found.training_samples is not None
    assert found.feature_names is not None
    before, after = found.samples[i], found.training_samples[i]
    changes = _column_changes(before, after, found.feature_scales)
    order = np.argsort(-np.abs(np.nan_to_num(changes, nan=1.0)), kind="stable")
    differ = order[changes[order] != 0]
    if not len(differ):
        return ["no column differs"], np.zeros(1), [""]
    first = differ[:n_features]
    names = []
    for column in first:
        name, value = named_value(found.feature_names, before, column)
        names.append(f"{name}: {value} → {clipped(shown_value(after[column]), 16)}")
    texts = ["differs" if np.isnan(c) else f"{c:+.2g}" for c in changes[first]]
    sizes = np.nan_to_num(changes[first])
    if n_left := len(differ) - len(first):
        return [*names, f"{n_left} more differ"], np.append(sizes, 0), [*texts, ""]
    return names, sizes, texts


def _column_changes(
    before: NDArray, after: NDArray, scales: NDArray | None
) -> NDArray[np.float64]:
    """Compute changes in standard deviations: 0 if equal, NaN if not of numbers."""
    changes = np.zeros(len(before))
    for column, (old, new) in enumerate(zip(before, after, strict=True)):
        scale = np.nan if scales is None else scales[column]
        if str(old) != str(new):
            numeric = scale > 0 and isinstance(old, Real) and isinstance(new, Real)
            change = float(new) - float(old) if numeric else np.nan
            changes[column] = change / scale
    return changes


def _draw_differences(
    ax: Any, names: list[str], sizes: NDArray, texts: list[str], title: str
) -> None:
    """Draw how the training row differs from the sample, column by column."""
    draw_signed_bars(ax, names, sizes, texts, OTHER)
    ax.set_xlabel("change in standard deviations of the training rows", **FONT)
    ax.set_title(title, loc="left", **FONT)


def _removed_cell(found: CounterfactualsLike, i: int, title: str) -> Cell:
    """Lay out the prototypes to remove, and the one that is most similar then."""
    similar = found.similarities[i] + found.shift
    removed = np.flatnonzero(found.removed[i])
    removed = removed[np.argsort(-similar[removed], kind="stable")]
    rest = ~found.removed[i] & (found.prototype_classes == found.removed_to[i])
    then = int(np.where(rest, similar, -np.inf).argmax())
    role = "runner-up" if found.removed_to[i] == found.runner_up[i] else ""
    evidence = [
        Evidence(part, int(k), found.prototype_classes[k], float(similar[k]), -1)
        for part, k in [
            *(("predicted", k) for k in removed[:MAX_REMOVED]),
            (role, then),
        ]
    ]
    what = f"prototype {removed[0]}"
    if len(removed) > 1:
        what = f"these {len(removed)} prototypes"
    if len(removed) > MAX_REMOVED:
        what = f"{len(removed)} prototypes (the first {MAX_REMOVED} are shown)"
    title += f"prediction without {what}: {clipped(found.removed_to[i], 18)}"
    axis = "weighted similarity" if np.any(found.shift) else "similarity"
    cell = evidence, title, axis
    return Cell(_draw_similarities, cell, WIDTH, bars_height(len(evidence)))


def _draw_similarities(
    ax: Any, evidence: list[Evidence], title: str, axis: str
) -> None:
    """Draw what is compared before and after the removal."""
    draw_bars(ax, evidence, title)
    ax.set_xlabel(axis, **FONT)
