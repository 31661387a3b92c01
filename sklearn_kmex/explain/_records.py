"""What explanations have in common: slicing, and writing as JSON, HTML, Markdown."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields, replace
from math import isfinite, isnan
from pathlib import Path
from typing import Any, NoReturn, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_consistent_length

from sklearn_kmex._draw.html import html_page, html_table
from sklearn_kmex._draw.markdown import markdown_table
from sklearn_kmex._draw.table import MAX_ROWS, Table, clipped, printable
from sklearn_kmex._draw.terminal import (
    MAX_SHOWN,
    more_samples,
    paragraphs,
    table_blocks,
)

VERSION = 1
LARGE = 2**22  # bytes of an array
KINDS = "biufUO"
# Errors of what is no JSON, or no arrays; OverflowError is an ArithmeticError.
UNREADABLE = (
    ArithmeticError,
    AttributeError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
)
# Metadata of a field that is the same for all samples, and is not sliced.
SHARED = {"shared": True}


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Records(ABC):
    """Fields are arrays with a row for each sample, or None, or SHARED."""

    sample_indices: NDArray[np.intp]

    def __post_init__(self) -> None:
        for f in fields(self):
            if f.default is MISSING and getattr(self, f.name) is None:
                raise ValueError(f"{f.name} must be given; got None")
        check_consistent_length(*self._of_samples().values())

    def _of_samples(self) -> dict[str, Any]:
        names = [f.name for f in fields(self) if not f.metadata.get("shared")]
        values = {name: getattr(self, name) for name in names}
        return {name: value for name, value in values.items() if value is not None}

    def __len__(self) -> int:
        return len(self.sample_indices)

    def __getitem__(self, key: Any) -> Self:
        try:
            rows = np.atleast_1d(np.arange(len(self))[key])
        except IndexError as error:
            n_samples = len(self)
            raise IndexError(
                f"{type(self).__name__} of {n_samples} samples must be indexed by "
                f"numbers from {-n_samples} to {n_samples - 1}, a slice, or a mask of "
                f"{n_samples} booleans; got {clipped(repr(key), 80)}."
            ) from error
        return replace(self, **{k: v[rows] for k, v in self._of_samples().items()})

    def __iter__(self) -> Iterator[Self]:
        return (self[row] for row in range(len(self)))

    def __repr__(self) -> str:
        return f"{type(self).__name__}(n_samples={len(self)})"

    def __str__(self) -> str:
        n_shown = min(len(self), MAX_SHOWN)
        if n_shown == 0:
            return repr(self)
        return paragraphs(self._blocks(n_shown), more_samples(len(self) - n_shown))

    def _blocks(self, n_samples: int) -> list[list[str]]:
        """Describe each of the first samples in some lines."""
        return table_blocks(self._table(n_samples))

    @abstractmethod
    def _table(self, n_rows: int) -> Table:
        """Describe the first samples."""

    def _repr_html_(self) -> str:
        return html_table(self._table(min(len(self), MAX_ROWS)))

    def to_html(self) -> str:
        """Write a table of all samples as HTML.

        Returns
        -------
        str
            An HTML document that refers to nothing outside itself.
        """
        return html_page(repr(self), html_table(self._table(len(self))))

    def write_html(self, path: Any) -> None:
        """Write the document of `to_html` into a file.

        Parameters
        ----------
        path : str or path-like
            Where to write; an existing file is replaced.
        """
        Path(path).write_text(self.to_html(), encoding="utf-8")

    def to_markdown(self) -> str:
        """Write a table of all samples as Markdown, without pictures.

        Returns
        -------
        str
            Text in Markdown.
        """
        return markdown_table(self._table(len(self)))

    def to_json(self) -> str:
        """Write all fields as JSON.

        Returns
        -------
        str
            A strict JSON object: `format`, the name of the class; `version`, 1; and
            `fields`, with each field under its name: null, a string, or an object of
            `dtype`, `shape` and `values`. The values are nested lists, in which the
            strings "NaN", "Infinity" and "-Infinity" replace numbers that JSON does not
            have.
        """
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return write_document(type(self).__name__, values)

    @classmethod
    def from_json(cls, document: str) -> Self:
        """Read JSON written by `to_json`.

        Parameters
        ----------
        document : str
            The JSON.

        Returns
        -------
        Records
            An object of this class with equal arrays.

        Raises
        ------
        ValueError
            If the JSON is not of this class and version.
        """
        names = [f.name for f in fields(cls)]
        return read_document(document, cls.__name__, names, build=cls)


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class PictureRecords(Records):
    """Records whose samples may be pictures."""

    @abstractmethod
    def _table(self, n_rows: int, image_shape: tuple[int, ...] | None = None) -> Table:
        """Describe the first samples, with pictures where they can be drawn."""

    def to_html(self, *, image_shape: tuple[int, ...] | None = None) -> str:
        """Write a table of all samples as HTML.

        Parameters
        ----------
        image_shape : tuple of int, default=None
            Shape of the pictures that are stored as flat samples, as in
            :meth:`Explanation.plot`. None does not reshape samples.

        Returns
        -------
        str
            An HTML document that refers to nothing outside itself.

        Raises
        ------
        ValueError
            If `image_shape` does not fit the samples.
        """
        table = self._table(len(self), image_shape)
        return html_page(repr(self), html_table(table))

    def write_html(
        self, path: Any, *, image_shape: tuple[int, ...] | None = None
    ) -> None:
        """Write the document of `to_html` into a file.

        Parameters
        ----------
        path : str or path-like
            Where to write; an existing file is replaced.

        image_shape : tuple of int, default=None
            Shape of the pictures that are stored as flat samples, as in
            :meth:`Explanation.plot`. None does not reshape samples.

        Raises
        ------
        ValueError
            If `image_shape` does not fit the samples.
        """
        page = self.to_html(image_shape=image_shape)
        Path(path).write_text(page, encoding="utf-8")


def write_document(name: str, fields: Mapping[str, Any]) -> str:
    """Write named arrays, strings and Nones."""
    encoded = {key: _encode(value) for key, value in fields.items()}
    head = {"format": f"sklearn_kmex.{name}", "version": VERSION}
    return json.dumps({**head, "fields": encoded}, allow_nan=False)


def read_document(
    document: str, name: str, fields: Sequence[str], build: Callable
) -> Any:
    """Read JSON written by `write_document`, and build an object from it."""
    wanted = f"document must be JSON written by {name}.to_json"
    try:
        found = json.loads(document, parse_constant=_refuse)
    except UNREADABLE as error:
        raise ValueError(
            f"{wanted}; it is not strict JSON: {printable(error)}."
        ) from None
    head = ("format", "version")
    is_object = isinstance(found, dict)
    got = [found.get(key) for key in head] if is_object else type(found).__name__
    if got != [f"sklearn_kmex.{name}", VERSION]:
        raise ValueError(
            f"{wanted}, of format 'sklearn_kmex.{name}' and version {VERSION}; got "
            f"{clipped(repr(got), 200)}."
        )
    values = found.get("fields")
    if not isinstance(values, dict) or set(values) != set(fields):
        listed = sorted(values) if isinstance(values, dict) else values
        raise ValueError(
            f"{wanted}, with the fields {sorted(fields)}; got "
            f"{clipped(repr(listed), 200)}."
        )
    try:
        return build(**{key: _decode(value) for key, value in values.items()})
    except UNREADABLE as error:
        raise ValueError(
            f"{wanted}; its arrays cannot be read: {printable(error)}."
        ) from None


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


def _encode(value: Any) -> Any:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, Records):
        fields_of = {f.name: _encode(getattr(value, f.name)) for f in fields(value)}
        return {"format": f"sklearn_kmex.{type(value).__name__}", "fields": fields_of}
    array = np.asarray(value)
    mixed = array.dtype == object
    scalars = [_scalar(one, mixed) for one in array.ravel().tolist()]
    dtype = "object" if mixed else array.dtype.str
    nested = np.empty(array.size, dtype=object)
    nested[:] = scalars
    values = nested.reshape(array.shape).tolist()
    return {"dtype": dtype, "shape": list(array.shape), "values": values}


def _scalar(value: Any, mixed: bool) -> Any:
    """Return a value that JSON has; among objects NaN is null, others are text.

    Objects may also be arrays, dicts and lists of these, and Records.
    """
    if isinstance(value, np.ndarray | Records):
        return _encode(value)
    if isinstance(value, dict):
        return {"items": {str(key): _scalar(one, True) for key, one in value.items()}}
    if isinstance(value, list):
        return {"list": [_scalar(one, True) for one in value]}
    value = value.item() if isinstance(value, np.generic) else value
    if isinstance(value, float) and not isfinite(value):
        if mixed and isnan(value):
            return None
        return "NaN" if isnan(value) else "Infinity" if value > 0 else "-Infinity"
    known = value is None or isinstance(value, bool | int | float | str)
    return value if known else str(value)


def _decode(value: Any) -> Any:
    if value is None or isinstance(value, str):
        return value
    if "format" in value:
        return _decode_records(value)
    dtype, shape = np.dtype(value["dtype"]), value["shape"]
    if dtype.kind not in KINDS:
        raise ValueError(f"dtype {dtype} is not one of numbers, booleans or text")
    flat = _flatten(value["values"], shape)
    if dtype.kind == "U" and max(len(flat), 1) * dtype.itemsize > LARGE:
        width = max([1, *(len(one) for one in flat if isinstance(one, str))])
        dtype = min(dtype, np.dtype(f"{dtype.byteorder}U{width}"), key=_width)
    array = np.empty(len(flat), dtype=object)
    for place, one in enumerate(flat):
        array[place] = _decode_object(one) if isinstance(one, dict) else one
    return array.reshape(shape).astype(dtype)


def _decode_object(value: dict[str, Any]) -> Any:
    """Read an object of an array: a dict, a list, an array, or Records."""
    if "items" in value:
        return dict(value["items"])
    return list(value["list"]) if "list" in value else _decode(value)


def _decode_records(value: dict[str, Any]) -> Any:
    """Read Records inside Records."""
    known = {f"sklearn_kmex.{one.__name__}": one for one in Records.__subclasses__()}
    build = known[value["format"]]
    return build(**{key: _decode(one) for key, one in value["fields"].items()})


def _width(dtype: np.dtype) -> int:
    return dtype.itemsize


def _flatten(nested: Any, shape: Any) -> list[Any]:
    """Return the values of nested lists that have exactly this shape."""
    if not all(type(axis) is int for axis in shape):
        raise ValueError(f"the shape {shape!r} is not one of whole numbers")
    values = [nested]
    for axis in shape:
        if any(not isinstance(one, list) or len(one) != axis for one in values):
            raise ValueError(f"its values do not have the shape {shape!r}")
        values = [part for one in values for part in one]
    return values
