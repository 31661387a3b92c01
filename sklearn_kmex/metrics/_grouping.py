"""Groups of samples by one or several attributes, and their crossings."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations, product
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sklearn_kmex._data.samples import as_array

MISSING = "missing"
MOST_VALUES = 50  # of an attribute
ALL = "all samples"


class Group(NamedTuple):
    """A group of samples, by the values of its attributes."""

    name: str
    values: tuple[tuple[str, str], ...]  # attribute and value; empty for all samples
    rows: NDArray[np.bool_]  # (n_samples,)

    @property
    def size(self) -> int:
        """Return the number of its samples."""
        return int(np.count_nonzero(self.rows))


def make_groups(groups: Any, n_samples: int, crossings: int, name: str) -> list[Group]:
    """List all samples, the groups of each attribute, and their crossings.

    Groups without samples are left out. Errors call the argument by `name`.
    """
    columns = {
        attribute: _by_value(attribute, column, n_samples, name)
        for attribute, column in columns_of(groups, name).items()
    }
    found = [Group(ALL, (), np.full(n_samples, True))]
    for depth in range(1, min(crossings, len(columns)) + 1):
        for attributes in combinations(columns, depth):
            found.extend(_crossed(attributes, columns))
    return found


def _crossed(
    attributes: Sequence[str], columns: Mapping[str, Mapping[str, NDArray]]
) -> Iterator[Group]:
    """Yield the groups that share a value of each attribute."""
    for chosen in product(*(columns[attribute] for attribute in attributes)):
        pairs = tuple(zip(attributes, chosen, strict=True))
        rows = np.logical_and.reduce([columns[name][value] for name, value in pairs])
        if rows.any():
            yield Group(
                " and ".join(f"{one} = {value}" for one, value in pairs), pairs, rows
            )


def check_same_attributes(groups: Any, groups_train: Any) -> None:
    """Refuse groups of training samples by other attributes."""
    known, given = (
        list(columns_of(some, name))
        for some, name in ((groups, "groups"), (groups_train, "groups_train"))
    )
    if set(known) != set(given):
        raise ValueError(
            f"groups_train must have the attributes of groups, {known}; got {given}."
        )


def check_same_index(X: Any, groups: Any, name: str, of: str = "X") -> None:
    """Refuse values whose index has the labels of that of X in another order.

    Rows are matched by position. An index of other labels, or one that only counts the
    rows, says nothing about the order.
    """
    wanted = _labels_of(X)
    columns = groups.values() if isinstance(groups, Mapping) else [groups]
    for given in map(_labels_of, columns):
        if wanted is None or given is None or len(wanted) != len(given):
            continue
        differs = np.flatnonzero(wanted != given)
        if len(differs) and Counter(wanted) == Counter(given):
            row = differs[0]
            raise ValueError(
                f"{name} must have the rows of {of} in the same order; got the label "
                f"{given[row]!r} in the index of row {row}, where {of} has "
                f"{wanted[row]!r}. Pass {name}.loc[{of}.index], or arrays to match "
                "rows by position."
            )


def _labels_of(frame: Any) -> NDArray[np.object_] | None:
    """Return the labels of a frame or Series of pandas, if they do not only count."""
    if not hasattr(frame, "iloc"):
        return None
    labels = np.empty(len(frame), dtype=object)
    labels[:] = list(frame.index)
    return None if np.array_equal(labels, np.arange(len(labels))) else labels


def columns_of(groups: Any, name: str) -> dict[str, Any]:
    """Return attributes by name, of a frame, a dict, a Series or an array."""
    if hasattr(groups, "columns"):
        columns = {str(column): groups[column] for column in groups.columns}
    elif isinstance(groups, Mapping):
        columns = {str(key): column for key, column in groups.items()}
    else:
        label = getattr(groups, "name", None)
        try:
            array = np.asarray(as_array(groups))
        except ValueError as error:  # rows of several lengths
            raise ValueError(
                f"{name} must have the same number of attributes for each sample; got "
                f"{type(groups).__name__} with rows of several lengths."
            ) from error
        if array.ndim == 2:
            columns = {f"group {j}": column for j, column in enumerate(array.T)}
        else:
            columns = {"group" if label is None else str(label): groups}
    if not columns:
        raise ValueError(f"{name} must have at least one attribute; got none.")
    return columns


def _by_value(
    attribute: str, column: Any, n_samples: int, name: str
) -> dict[str, NDArray[np.bool_]]:
    """Mark the samples of each value of an attribute, missing values last."""
    cells = np.asarray(as_array(column), dtype=object)
    if cells.shape != (n_samples,):
        raise ValueError(
            f"{name} must have one value for each of the {n_samples} samples; got an "
            f"array of shape {cells.shape} for {attribute!r}. Pass the values, as "
            "X[['sex', 'age_group']], not names of columns."
        )
    several = next((cell for cell in cells if np.ndim(cell)), None)
    if several is not None:
        raise ValueError(
            f"{name} must have one value for each sample; got {several!r} of "
            f"{attribute!r}. Give each its own attribute."
        )
    missing = np.array([_is_missing(cell) for cell in cells], dtype=bool)
    codes, values = _encode(cells[~missing], column)
    if len(values) > MOST_VALUES:
        raise ValueError(
            f"{name} must have at most {MOST_VALUES} different values of an attribute; "
            f"got {len(values)} of {attribute!r}. Combine them first, numbers for "
            "example by pandas.cut."
        )
    places = np.full(n_samples, len(values))
    places[~missing] = codes
    found = {value: places == place for place, value in enumerate(values)}
    if missing.any():
        free = MISSING if MISSING not in found else f"{MISSING} (no value)"
        found[free] = missing
    return found


def _encode(cells: NDArray, column: Any) -> tuple[NDArray[np.intp], list[str]]:
    """Return codes and texts of values: in their order, or that of their categories."""
    texts = np.array([str(cell) for cell in cells], dtype=object)
    categorical = getattr(column, "cat", column)
    categories = getattr(categorical, "categories", None)  # pandas
    if categories is not None:  # with missing values, cells may be of another type
        names, codes = [str(one) for one in categories], np.asarray(categorical.codes)
        texts = np.array(names, dtype=object)[codes[codes >= 0]]
    distinct = dict(zip(texts, cells, strict=True))
    if categories is not None:
        values = [name for name in dict.fromkeys(names) if name in distinct]
    else:
        try:
            values = sorted(distinct, key=distinct.__getitem__)
        except TypeError:  # values of several types
            values = sorted(distinct)
    places = {value: place for place, value in enumerate(values)}
    return np.array([places[text] for text in texts], dtype=np.intp), values


def _is_missing(cell: Any) -> bool:
    try:
        return cell is None or bool(cell != cell)
    except TypeError:  # pandas.NA
        return True
